"""The pages of the demo shop, hung under the door: the ``Api`` that they ask, over the door's own functions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import nlargest
from itertools import islice
from typing import Any

import msgspec
import numpy as np

from shelfwise.console import Console
from shelfwise.domain import EVENT_CODES, PURCHASE, SIMULATED_ID, NotFound, NotTrained, PersonState, from_us
from shelfwise.features import unpack_state
from shelfwise.serving import best_sellers, read_person
from shelfwise.serving.http import (
    Door,
    RecommendationQuery,
    Request,
    Response,
    answer,
    explain_logged,
    item_document,
)

N_SCANNED = 8_000  # customers looked through for a list: some 50 ms
N_LINES = 100
_SHOWN = [EVENT_CODES[name] for name in ("view_item_list", "select_item", "search", "view_promotion")]
_SIMULATED = b"u:" + SIMULATED_ID.encode()
_EVENTS = {code: name for name, code in EVENT_CODES.items()}


class DoorApi:
    """What the pages ask, answered as over HTTP."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def recommend(self, query: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._door.pipeline is None:
            raise NotTrained(self._door.trouble)
        told: dict[str, Any] = msgspec.to_builtins(
            answer(self._door, msgspec.convert(query, RecommendationQuery))
        )
        return told

    def explanation(self, recommendation_id: str, item_id: str | None = None) -> Mapping[str, Any]:
        return explain_logged(self._door, recommendation_id, item_id)

    def items(self, item_ids: Sequence[str]) -> list[Mapping[str, Any] | None]:
        stored = self._door.catalogue.get_many(item_ids)
        return [item_document(one) if one is not None and not one.retired else None for one in stored]

    def search(self, text: str, *, category: str | None, limit: int, offset: int) -> list[Mapping[str, Any]]:
        shelf, live = self._door.shelf, self._door.live.view()
        words, paths = text.casefold().split(), shelf.coded.get("category")
        found: list[str] = []
        for row in best_sellers(live).tolist():
            if (
                row >= len(shelf)
                or live.hidden[row]
                or not all(w in shelf.title[row].casefold() for w in words)
            ):
                continue
            if category is not None and (
                paths is None or paths.codes[row] < 0 or category not in paths.values[paths.codes[row]]
            ):
                continue
            found.append(shelf.item_id[row])
            if len(found) == offset + limit:
                break
        return [item for item in self.items(found[offset:]) if item is not None]

    def categories(self) -> list[tuple[str, int]]:
        paths = self._door.shelf.coded.get("category")
        if paths is None:
            return []
        sizes = np.bincount(paths.codes[paths.codes >= 0], minlength=len(paths.values))
        widest: Counter[str] = Counter()
        for path, size in zip(paths.values, sizes.tolist(), strict=True):
            widest[path[0]] += size
        return widest.most_common(12)

    def person(self, user_id: str | None, anonymous_id: str | None) -> Mapping[str, Any] | None:
        person = read_person(self._door.state, user_id, anonymous_id)
        return _person(user_id, person, self._door.shelf.item_id) if len(person.lines) else None

    def people(self, text: str, *, limit: int) -> list[Mapping[str, Any]]:
        wanted = text.startswith(SIMULATED_ID)
        found_keys = self._door.state.scan(b"u:" + text.encode())
        real = (pair for pair in found_keys if wanted or not pair[0].startswith(_SIMULATED))
        begins = islice(real, N_SCANNED)
        longest = nlargest(limit, begins, key=lambda pair: len(pair[1]))  # without unpacking the others
        found = [_customer(key[2:].decode(), unpack_state(blob)) for key, blob in longest]
        return sorted(found, key=lambda one: -one["orders"])


def pages(console: Console) -> Any:
    """The handler for ``Door.mounts``. Pages are made in a thread: answers over HTTP do not wait for them."""

    async def handle(door: Door, request: Request) -> Response:  # noqa: ARG001
        cookies = request.headers.get("cookie") or ""
        page = await asyncio.to_thread(console.render, request.path, request.query, cookies)
        return Response(page.status, page.body, list(page.headers))

    return handle


async def front_door(door: Door, request: Request) -> Response:  # noqa: ARG001
    """The bare address leads to the pages; what is nowhere else is not here either."""
    if request.path == "/" and request.method in ("GET", "HEAD"):
        return Response(303, headers=[("location", "/shop/")])
    raise NotFound("page", request.path)


def _customer(user_id: str, person: PersonState) -> Mapping[str, Any]:
    bought = person.lines[person.lines["event"] == PURCHASE]
    last_us = int(person.lines["at_us"][0]) if len(person.lines) else None
    return {
        "user_id": user_id,
        "country": person.country,
        "orders": len(np.unique(bought["order_hash"])),
        "last_seen_at": from_us(last_us).isoformat() if last_us is not None else None,
    }


def _person(user_id: str | None, person: PersonState, item_ids: Sequence[str]) -> Mapping[str, Any]:
    """As over HTTP, but for what was merely shown: it would leave no room for what the person did."""
    first, done = person.first_seen_us, person.lines[~np.isin(person.lines["event"], _SHOWN)]
    return {
        "user_id": user_id,
        "country": person.country,
        "first_seen_at": from_us(first).isoformat() if first is not None else None,
        "n_lines": len(done),
        "lines": [
            {
                "event": _EVENTS.get(int(line["event"]), ""),
                "occurred_at": from_us(int(line["at_us"])).isoformat(),
                "item_id": item_ids[line["item"]] if 0 <= line["item"] < len(item_ids) else None,
                "quantity": int(line["quantity"]),
            }
            for line in done[:N_LINES]
        ],
    }
