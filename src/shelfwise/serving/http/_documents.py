"""What listings and stored documents share: cursors, etags, commands to the keeper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs

from shelfwise.domain import InvalidField, NotFound
from shelfwise.serving.http._decode import check_id
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._messages import MAX_PAGE
from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._request import Request, Response

T = TypeVar("T")


async def aside(read: Callable[..., T], *args: Any) -> T:
    """A read that may wait for a disk or a lock: on another thread, so that no shopper waits for it."""
    return await asyncio.to_thread(read, *args)


def values_of(request: Request, *known: str) -> dict[str, str]:
    """The values of an address by name, the last one of each. Raises InvalidField for an unknown name."""
    try:
        values = parse_qs(request.query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise _undecodable(request.query) from None
    for name in values:
        if name not in known:
            rule = f"one of {', '.join(known)}" if known else "no value here"
            raise InvalidField(name, values[name][-1], rule)
    return {name: given[-1] for name, given in values.items()}


def page_of(request: Request) -> tuple[str, int]:
    """Cursor and limit of a listing. Raises InvalidField."""
    values = values_of(request, "cursor", "limit")
    text = values.get("limit", "50")
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_PAGE):
        raise InvalidField("limit", text, f"a whole number from 1 to {MAX_PAGE}")
    cursor = values.get("cursor", "")
    check_id("cursor", cursor)
    return cursor, int(text)


def _undecodable(query: str) -> InvalidField:
    """The error of the value that is no UTF-8."""
    for name, values in parse_qs(query, keep_blank_values=True).items():
        if any("\ufffd" in value for value in values):
            return InvalidField(name, values[-1], "text in UTF-8, percent-encoded")
    return InvalidField("query", query, "text in UTF-8, percent-encoded")


def quoted(etag: str) -> str:
    """An etag as a header carries it."""
    return f'"{etag}"'


def match_of(request: Request) -> str | None:
    """The etag that ``If-Match`` demands; None for any. Raises Problem for a list of them."""
    given = request.headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    if "," in given:
        raise Problem.of_field("If-Match", given, "one etag, or *")
    return str(given).strip().removeprefix("W/").strip('"')


def is_known(request: Request, etag: str) -> bool:
    """Whether the caller holds this version already (``If-None-Match``)."""
    given = request.headers.get("if-none-match")
    return given is not None and (given.strip() == "*" or quoted(etag) in given)


def found(door: Door, kind: str, key: str, noun: str) -> tuple[dict[str, Any], str]:
    """A document and its etag. Raises NotFound."""
    document = door.control.get(kind, key)
    if document is None:
        raise NotFound(noun, key)
    return document


async def write(
    door: Door, request: Request, kind: str, key: str, body: Mapping[str, Any], *, if_match: str | None
) -> str:
    """Write a document through the keeper; its new etag. Raises Conflict."""
    command = {
        "op": "put",
        "kind": kind,
        "key": key,
        "body": body,
        "if_match": if_match,
        "actor": request.actor,
    }
    receipt = await door.inbox.submit("control", command)
    return str(receipt.result)


async def delete(door: Door, request: Request, kind: str, noun: str) -> Response:
    """Delete the document that the address names. Raises NotFound, Conflict."""
    key = next(iter(request.params.values()))
    await aside(found, door, kind, key, noun)
    command = {
        "op": "delete",
        "kind": kind,
        "key": key,
        "if_match": match_of(request),
        "actor": request.actor,
    }
    await door.inbox.submit("control", command)
    return Response(204)
