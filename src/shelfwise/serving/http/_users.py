"""People over HTTP: what is known of one, all of it, whether they agree, and forgetting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shelfwise.domain import EVENT_CODES, NotFound, PersonState, Shelf, from_us
from shelfwise.serving._people import person_keys, read_person
from shelfwise.serving.http._decode import Reader, check_id
from shelfwise.serving.http._documents import aside
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._messages import ConsentIn
from shelfwise.serving.http._request import Request, Response, json_response

N_SHOWN = 100  # lines of history told without being asked for all
_CONSENT = Reader(ConsentIn)
_EVENTS = {code: name for name, code in EVENT_CODES.items()}


async def get_user(door: Door, request: Request) -> Response:
    """GET /v1/users/{user_id}: what is known, newest first."""
    return json_response(await aside(_document, door, request, N_SHOWN))


async def export_user(door: Door, request: Request) -> Response:
    """GET /v1/users/{user_id}/export: all of it."""
    return json_response(await aside(_document, door, request, None))


async def delete_user(door: Door, request: Request) -> Response:
    """DELETE /v1/users/{user_id}: forget, everywhere; answered with the report of what was removed, or 404."""
    receipt = await door.inbox.submit("erase", {"person": f"u:{_user_id(request)}"})
    return json_response(receipt.result if receipt.result is not None else {})


async def set_consent(door: Door, request: Request) -> Response:
    """PUT /v1/users/{user_id}/consent: whether they may be tracked and personalised."""
    denied = _CONSENT.body(request.body).consent == "denied"
    command = {"person": f"u:{_user_id(request)}", "opted_out": denied}
    await door.inbox.submit("consent", command)
    return Response(204)


def person_document(door: Door, user_id: str, *, limit: int | None) -> dict[str, Any]:
    """State of a person in words. Raises NotFound."""
    keys = person_keys(door.state, user_id)
    if all(blob is None for blob in door.state.get_many(keys)):
        raise NotFound("user", user_id)
    person = read_person(door.state, user_id, None)
    first = person.first_seen_us
    return {
        "user_id": user_id,
        "anonymous_ids": [key[2:].decode() for key in keys[1:]],
        "country": person.country,
        "opted_out": person.opted_out,
        "first_seen_at": from_us(first).isoformat() if first is not None else None,
        "n_lines": len(person.lines),
        "lines": list(_lines(person, door.shelf, limit)),
    }


def _document(door: Door, request: Request, limit: int | None) -> dict[str, Any]:
    return person_document(door, _user_id(request), limit=limit)


def _user_id(request: Request) -> str:
    user_id = request.params["user_id"]
    check_id("user_id", user_id)
    return user_id


def _lines(person: PersonState, shelf: Shelf, limit: int | None) -> Iterator[dict[str, Any]]:
    for line in person.lines[:limit]:
        row, price = int(line["item"]), int(line["price_minor"])
        yield {
            "event": _EVENTS.get(int(line["event"]), "unknown"),
            "occurred_at": from_us(int(line["at_us"])).isoformat(),
            "item_id": shelf.item_id[row] if 0 <= row < len(shelf) else None,
            "quantity": int(line["quantity"]),
            "price_minor": price if price >= 0 else None,
        }
