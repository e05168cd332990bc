"""What people control over HTTP: rules, releases, keys, people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import msgspec

from shelfwise.domain import (
    CART,
    PURCHASE,
    REFUND,
    VIEW,
    Deadline,
    InvalidField,
    NotFound,
    PersonState,
    from_us,
)
from shelfwise.reranking import parse_rule, rule_document
from shelfwise.serving._people import person_keys, read_person
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._keys import make_key
from shelfwise.serving.http._messages import AliasIn, KeyIn, RulePreviewIn
from shelfwise.serving.http._problems import Problem, decode
from shelfwise.serving.http._recommend import FIELDS, document, person_of, query_of, ready
from shelfwise.serving.http._request import Request, Response, json_response

MAX_PAGE = 200
_KEY, _ALIAS, _PREVIEW = (msgspec.json.Decoder(kind) for kind in (KeyIn, AliasIn, RulePreviewIn))
_RULE = msgspec.json.Decoder(dict[str, Any])
_EVENTS = {VIEW: "view_item", CART: "add_to_cart", PURCHASE: "purchase", REFUND: "refund"}


# ---- rules


async def list_rules(door: Door, request: Request) -> Response:
    """GET /v1/rules."""
    return _listed(door, request, "rules")


async def add_rule(door: Door, request: Request) -> Response:
    """POST /v1/rules."""
    rule = parse_rule(decode(_RULE, request.body, ()))
    body = rule_document(rule)
    etag = await _write(door, request, "rules", rule.rule_id, body, if_match="")
    return json_response(body, 201, ("etag", quoted(etag)))


async def get_rule(door: Door, request: Request) -> Response:
    """GET /v1/rules/{rule_id}."""
    body, etag = _found(door, "rules", request.params["rule_id"], "rule")
    return json_response(body, 200, ("etag", quoted(etag)))


async def put_rule(door: Door, request: Request) -> Response:
    """PUT /v1/rules/{rule_id}: make or replace it; ``If-Match`` guards against another hand."""
    rule_id = request.params["rule_id"]
    given = decode(_RULE, request.body, ())
    if given.setdefault("rule_id", rule_id) != rule_id:
        raise InvalidField("rule_id", given["rule_id"], f"{rule_id!r}, as in the address")
    body = rule_document(parse_rule(given))
    etag = await _write(door, request, "rules", rule_id, body, if_match=_match(request))
    return json_response(body, 200, ("etag", quoted(etag)))


async def delete_rule(door: Door, request: Request) -> Response:
    """DELETE /v1/rules/{rule_id}."""
    return await _delete(door, request, "rules", request.params["rule_id"], "rule")


async def preview_rule(door: Door, request: Request) -> Response:
    """POST /v1/rules/preview: the slate of a question without and with a rule."""
    asked = decode(_PREVIEW, request.body, (*FIELDS, "rule", "query"))
    pipeline = ready(door)
    query = query_of(door, asked.query, pipeline.shelf)
    person = person_of(door, query, asked.query.consent)
    tried = replace(pipeline, book=pipeline.book.with_rule(parse_rule(asked.rule)))
    slates = {}
    for name, one in (("without", pipeline), ("with", tried)):
        outcome = one.recommend(query, person, Deadline(door.now_s, door.now_s() + 5.0, 5.0))
        slates[name] = document("preview", query, person, outcome, one, explain=True)
    return json_response(slates)


# ---- releases


async def list_releases(door: Door, request: Request) -> Response:
    """GET /v1/releases: newest first."""
    after, limit = page_of(request)
    rows = door.releases.releases()
    start = next((at + 1 for at, row in enumerate(rows) if row["release"] == after), 0) if after else 0
    page = rows[start : start + limit]
    following = page[-1]["release"] if start + limit < len(rows) else None
    return json_response({"items": page, "next": following})


async def get_release(door: Door, request: Request) -> Response:
    """GET /v1/releases/{release}."""
    return json_response(door.releases.manifest(request.params["release"]))


async def promote(door: Door, request: Request) -> Response:
    """PUT /v1/releases/champion: move the alias; every worker follows within a second."""
    asked = decode(_ALIAS, request.body, ("release",))
    receipt = await door.inbox.submit_async(
        "control", {"op": "promote", "release": asked.release, "actor": request.actor}
    )
    return json_response({"champion": receipt.result})


async def rollback(door: Door, request: Request) -> Response:
    """POST /v1/releases/rollback: back to the champion before."""
    receipt = await door.inbox.submit_async("control", {"op": "rollback", "actor": request.actor})
    return json_response({"champion": receipt.result})


# ---- keys


async def list_keys(door: Door, request: Request) -> Response:
    """GET /v1/keys: never with their secrets."""
    after, limit = page_of(request)
    rows = door.control.documents("keys", after=after, limit=limit)
    items = [{"key_id": key, "name": body["name"], "scopes": body["scopes"]} for key, body, _ in rows]
    return json_response({"items": items, "next": rows[-1][0] if len(rows) == limit else None})


async def add_key(door: Door, request: Request) -> Response:
    """POST /v1/keys: the secret is in this answer and nowhere else."""
    asked = decode(_KEY, request.body, ("name", "scopes"))
    key_id, secret, body = make_key(asked.name, asked.scopes)
    await _write(door, request, "keys", key_id, body, if_match="")
    return json_response(
        {"key_id": key_id, "secret": secret, "name": asked.name, "scopes": body["scopes"]}, 201
    )


async def delete_key(door: Door, request: Request) -> Response:
    """DELETE /v1/keys/{key_id}."""
    return await _delete(door, request, "keys", request.params["key_id"], "key")


# ---- people


async def get_user(door: Door, request: Request) -> Response:
    """GET /v1/users/{user_id}: what is known, newest first."""
    user_id = request.params["user_id"]
    return json_response(person_document(door, user_id, limit=100))


async def export_user(door: Door, request: Request) -> Response:
    """GET /v1/users/{user_id}/export: all of it."""
    user_id = request.params["user_id"]
    return json_response(person_document(door, user_id, limit=None))


async def delete_user(door: Door, request: Request) -> Response:
    """DELETE /v1/users/{user_id}: forget, everywhere; answered with the report."""
    user_id = request.params["user_id"]
    receipt = await door.inbox.submit_async("erase", {"person": f"u:{user_id}"})
    return json_response(receipt.result)


def person_document(door: Door, user_id: str, *, limit: int | None) -> dict[str, Any]:
    """State of a person in words. Raises NotFound."""
    keys = person_keys(door.state, user_id, None)
    if not any(blob is not None for blob in door.state.get_many(keys)):
        raise NotFound("user", user_id)
    person = read_person(door.state, user_id, None)
    return {
        "user_id": user_id,
        "anonymous_ids": [key[2:].decode() for key in keys[1:]],
        "country": person.country,
        "opted_out": person.opted_out,
        "first_seen_at": from_us(person.first_seen_us).isoformat()
        if person.first_seen_us is not None
        else None,
        "n_lines": len(person.lines),
        "lines": list(_lines(door, person, limit)),
    }


def _lines(door: Door, person: PersonState, limit: int | None) -> Iterator[dict[str, Any]]:
    shelf = door.shelf
    for line in person.lines[:limit]:
        row = int(line["item"])
        yield {
            "event": _EVENTS.get(int(line["event"]), int(line["event"])),
            "occurred_at": from_us(int(line["at_us"])).isoformat(),
            "item_id": shelf.item_id[row] if 0 <= row < len(shelf) else None,
            "quantity": int(line["quantity"]),
            "price_minor": int(line["price_minor"]) if line["price_minor"] >= 0 else None,
        }


# ---- shared


def page_of(request: Request) -> tuple[str, int]:
    """Cursor and limit of a listing. Raises InvalidField."""
    values = parse_qs(request.query, keep_blank_values=True)
    unknown = set(values) - {"cursor", "limit"}
    if unknown:
        raise InvalidField(sorted(unknown)[0], values[sorted(unknown)[0]][0], "cursor or limit")
    text = values.get("limit", ["50"])[-1]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MAX_PAGE:
        raise InvalidField("limit", text, f"a whole number from 1 to {MAX_PAGE}")
    return values.get("cursor", [""])[-1], int(text)


def quoted(etag: str) -> str:
    """An etag as a header carries it."""
    return f'"{etag}"'


def _match(request: Request) -> str | None:
    given = request.headers.get("if-match")
    return None if given in (None, "*") else str(given).strip('"')


def _listed(door: Door, request: Request, kind: str) -> Response:
    after, limit = page_of(request)
    rows = door.control.documents(kind, after=after, limit=limit)
    items = [{**body, "etag": etag} for _, body, etag in rows]
    return json_response({"items": items, "next": rows[-1][0] if len(rows) == limit else None})


def _found(door: Door, kind: str, key: str, noun: str) -> tuple[dict[str, Any], str]:
    found = door.control.get(kind, key)
    if found is None:
        raise NotFound(noun, key)
    return found


async def _write(
    door: Door, request: Request, kind: str, key: str, body: dict[str, Any], *, if_match: str | None
) -> str:
    command = {
        "op": "put",
        "kind": kind,
        "key": key,
        "body": body,
        "if_match": if_match,
        "actor": request.actor,
    }
    receipt = await door.inbox.submit_async("control", command)
    return str(receipt.result)


async def _delete(door: Door, request: Request, kind: str, key: str, noun: str) -> Response:
    _found(door, kind, key, noun)
    command = {"op": "delete", "kind": kind, "key": key, "if_match": _match(request), "actor": request.actor}
    await door.inbox.submit_async("control", command)
    return Response(204)


__all__ = ["Problem", "page_of", "person_document", "quoted"]
