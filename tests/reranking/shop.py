"""A shop of a few items, written row by row and read as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shelfwise.domain import LINE, Candidates, Coded, LiveItems, PersonState, Query, Shelf

NOW = 1_320_000_000_000_000  # 2011-10-30T18:40:00Z, a Sunday
DAY = 86_400_000_000


@dataclass(frozen=True, kw_only=True)
class Thing:
    """An item of a test: everything absent unless said."""

    title: str = ""
    category: tuple[str, ...] | None = None
    brand: str | None = None
    group_id: str | None = None
    tags: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    currency: str | None = "GBP"
    attributes: tuple[tuple[str, str], ...] = ()
    price: int = -1
    list_price: int = -1
    cost: int = -1
    stock: int = -1
    hidden: bool = False
    from_us: int = 0
    until_us: int = 2**62
    min_age: int = 0
    first_seen_us: int = NOW - 10 * DAY


def coded(values: Sequence[Any]) -> Coded:
    known = tuple(dict.fromkeys(value for value in values if value is not None))
    return Coded(np.array([-1 if value is None else known.index(value) for value in values], np.int32), known)


def shelf_of(things: Sequence[Thing]) -> Shelf:
    names = ("category", "brand", "group_id", "tags", "regions", "currency")
    columns = {name: coded([getattr(thing, name) for thing in things]) for name in names}
    for name in {name for thing in things for name, _ in thing.attributes}:
        columns[f"attributes.{name}"] = coded([dict(thing.attributes).get(name) for thing in things])
    ids = tuple(f"i{row}" for row in range(len(things)))
    return Shelf(
        generation=1,
        item_id=ids,
        title=tuple(thing.title for thing in things),
        url=(None,) * len(things),
        image=(None,) * len(things),
        coded=columns,
        min_age=np.array([thing.min_age for thing in things], np.int16),
        first_seen_us=np.array([thing.first_seen_us for thing in things], np.int64),
        row_of={item_id: row for row, item_id in enumerate(ids)},
    )


def live_of(things: Sequence[Thing]) -> LiveItems:
    def column(name: str, dtype: Any = np.int64) -> Any:
        return np.array([getattr(thing, name) for thing in things], dtype)

    return LiveItems(
        column("price"),
        column("list_price"),
        column("cost"),
        column("stock"),
        column("hidden", np.uint8),
        column("from_us"),
        column("until_us"),
        {},
    )


def judged(score: Sequence[float], item: Sequence[int] | None = None) -> Candidates:
    rows = np.arange(len(score), dtype=np.int32) if item is None else np.array(item, np.int32)
    n = len(rows)
    return Candidates(rows, np.ones(n, np.uint16), np.zeros((n, 2), np.float32), np.array(score, np.float32))


def query(**more: Any) -> Query:
    for name in ("seeds", "exclude"):
        if name in more:
            more[name] = np.array(more[name], np.int32)
    return Query(**{"size": 10, "asked_us": NOW, **more})


def person(*lines: tuple[int, int, int], **more: Any) -> PersonState:
    """Lines are (item, event code, days ago)."""
    state = np.zeros(len(lines), LINE)
    for row, (item, event, days) in enumerate(sorted(lines, key=lambda line: line[2])):
        state[row]["item"], state[row]["event"], state[row]["at_us"] = item, event, NOW - days * DAY
    return PersonState(state, **more)
