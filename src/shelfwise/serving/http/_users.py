"""People over HTTP: what is known of one, all of it, whether they agree, and forgetting."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import EVENT_CODES, NotFound, from_us, to_decimal
from shelfwise.serving._people import person_keys, read_person
from shelfwise.serving.http._decode import Reader, check_id
from shelfwise.serving.http._documents import aside
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._messages import ConsentIn
from shelfwise.serving.http._request import Request, Response, json_response

N_SHOWN = 100  # newest lines of what is remembered; an export holds all
_CONSENT = Reader(ConsentIn)
_EVENTS = {code: name for name, code in EVENT_CODES.items()}


async def get_user(door: Door, request: Request) -> Response:
    """GET /v1/users/{user_id}: what is known, newest first."""
    return json_response(await aside(person_document, door, user_id_of(request)))


async def delete_user(door: Door, request: Request) -> Response:
    """DELETE /v1/users/{user_id}: forget, everywhere; answered with the report of what was removed, or 404."""
    receipt = await door.inbox.submit("erase", {"person": f"u:{user_id_of(request)}"})
    return json_response(receipt.result if receipt.result is not None else {})


async def set_consent(door: Door, request: Request) -> Response:
    """PUT /v1/users/{user_id}/consent: whether they may be tracked and personalised."""
    denied = _CONSENT.body(request.body).consent == "denied"
    command = {"person": f"u:{user_id_of(request)}", "opted_out": denied}
    await door.inbox.submit("consent", command)
    return Response(204)


def person_document(door: Door, user_id: str) -> dict[str, Any]:
    """State of a person in words, with their newest lines. Raises NotFound."""
    about = about_person(door, user_id)
    if about is None:
        raise NotFound("user", user_id)
    lines = read_person(door.state, user_id, None).lines
    return {**about, "n_lines": len(lines), "lines": _lines(lines[:N_SHOWN], door)}


def about_person(door: Door, user_id: str) -> dict[str, Any] | None:
    """Who they are, without what they did; None if there is no state of theirs."""
    keys = person_keys(door.state, user_id)
    if all(blob is None for blob in door.state.get_many(keys)):
        return None
    person = read_person(door.state, user_id, None)
    first = person.first_seen_us
    return {
        "user_id": user_id,
        "anonymous_ids": [key[2:].decode() for key in keys[1:]],
        "country": person.country,
        "opted_out": person.opted_out,
        "first_seen_at": from_us(first).isoformat() if first is not None else None,
    }


def user_id_of(request: Request) -> str:
    user_id = request.params["user_id"]
    check_id("user_id", user_id)
    return user_id


def _lines(lines: NDArray[np.void], door: Door) -> list[dict[str, Any]]:
    shelf = door.shelf
    ids = [shelf.item_id[row] if 0 <= row < len(shelf) else None for row in lines["item"].tolist()]
    named = list({item_id for item_id in ids if item_id is not None})
    currency_of: dict[str | None, str | None] = {
        item_id: stored.item.currency
        for item_id, stored in zip(named, door.catalogue.get_many(named), strict=True)
        if stored is not None
    }
    return [
        _line(line, item_id, currency_of.get(item_id) or door.settings.currency)
        for line, item_id in zip(lines, ids, strict=True)
    ]


def _line(line: np.void, item_id: str | None, currency: str) -> dict[str, Any]:
    """A line in words. Its price is told in the item's currency of now: a state keeps none."""
    price = int(line["price_minor"])
    return {
        "event": _EVENTS.get(int(line["event"]), "unknown"),
        "occurred_at": from_us(int(line["at_us"])).isoformat(),
        "item_id": item_id,
        "quantity": int(line["quantity"]),
        "price": to_decimal(price, currency) if price >= 0 else None,
        "currency": currency if price >= 0 else None,
    }
