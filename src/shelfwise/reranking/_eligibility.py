"""Which items may be shown to this person now: the hard facts, the shopper's own wishes, the query's filter.

Permitting and explaining read the same answers: hard facts as a fault per item, everything else as named masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    DAY_US,
    EVENT_CODES,
    NO_ROWS,
    PURCHASE,
    LiveItems,
    PersonState,
    Query,
    Shelf,
)
from shelfwise.reranking._kernels import first_fault, mark_among, still_in_cart
from shelfwise.reranking._settings import ArrangeSettings

Rows = NDArray[np.int32]
Bools = NDArray[np.bool_]
Check = tuple[str, Bools]  # what it is called when it fails, and ``(C,)`` True where it holds

_REMOVED = EVENT_CODES["remove_from_cart"]
_MAX_COUNTRIES = 512  # tables kept; requests may name any country


FAULTS = (
    "",
    "unknown",
    "out_of_stock",
    "hidden",
    "not_yet_available",
    "no_longer_available",
    "region",
    "age",
)
"""The hard facts that no rule and no fallback may break, in the order in which they are looked at."""


class Regions:
    """Where items may be sold, as a table per country, made once for one shelf."""

    def __init__(self, shelf: Shelf) -> None:
        coded = shelf.coded.get("regions")
        self._values: tuple[frozenset[str], ...] = coded.values if coded else ()
        self.codes = coded.codes if coded and coded.values else NO_ROWS
        self._tables: dict[str | None, Bools] = {}

    def sold(self, country: str | None) -> Bools:
        """Per list of regions whether it names the country, and True for no list. Unknown is no country of a list."""
        table = self._tables.get(country)
        return self._decide(country) if table is None else table

    def _decide(self, country: str | None) -> Bools:
        if len(self._tables) >= _MAX_COUNTRIES:
            self._tables.clear()
        wanted = country.upper() if country else None
        fits = (not sold_in or wanted in {each.upper() for each in sold_in} for sold_in in self._values)
        self._tables[country] = np.array([*fits, True], np.bool_)
        return self._tables[country]


def faults_of(
    query: Query, person: PersonState, live: LiveItems, shelf: Shelf, regions: Regions, item: Rows
) -> tuple[NDArray[np.uint8], int]:
    """``(C,)`` index into FAULTS of the first hard fact that an item offends, 0 where none; how many are unknown."""
    found: tuple[NDArray[np.uint8], int] = first_fault(
        item, _plain(live.stock), _plain(live.hidden), _plain(live.available_from_us),
        _plain(live.available_until_us), shelf.min_age, regions.codes,
        regions.sold(query.context.country or person.country), query.asked_us, query.context.age or 0,
    )  # fmt: skip
    return found


def personal_checks(
    query: Query, person: PersonState, shelf: Shelf, settings: ArrangeSettings, item: Rows
) -> Iterator[Check]:
    """What this question and this person's past rule out: in the cart or looked at, excluded, already bought."""
    if len(query.seeds):
        as_cart = query.placement == "cart" or query.strategy == "complements"
        yield "in_cart" if as_cart else "looked_at", _unlike(shelf, item, query.seeds)
    held = in_cart(person, query.asked_us, settings.cart_days)
    if len(held):
        yield "in_cart", _unlike(shelf, item, held)
    if len(query.exclude):
        yield "excluded", ~among(item, query.exclude)
    if query.seen == "exclude" and len(person.lines):
        yield "already_bought", ~among(item, bought(person))


def bought(person: PersonState) -> Rows:
    """Items of remembered purchases."""
    items: Rows = person.lines["item"][person.lines["event"] == PURCHASE]
    return items


def in_cart(person: PersonState, now_us: int, days: float) -> Rows:
    """Items put into the cart within ``days`` and neither taken out nor bought since. ``(<= L,)``"""
    if not len(person.lines):
        return NO_ROWS
    held: Rows = still_in_cart(_sealed(person.lines), now_us - days * DAY_US, _REMOVED)
    return held


def among(item: Rows, others: Rows) -> Bools:
    """``(C,)`` True where an item is one of ``others``."""
    marked: Bools = mark_among(item, np.ascontiguousarray(others))
    return marked


def _unlike(shelf: Shelf, item: Rows, held: Rows) -> Bools:
    """True for what is neither held nor another size or colour of what is."""
    same = among(item, held)
    group = shelf.coded.get("group_id")
    if group is None or not group.values:
        return ~same
    of_held = group.codes[held[(held >= 0) & (held < len(shelf))]]
    codes = group.codes.take(item)
    return ~(same | among(codes, of_held[of_held >= 0]))


def _sealed(lines: NDArray[np.void]) -> NDArray[np.void]:
    """A read-only view: kernels see one type, whether the lines were read or made."""
    if lines.flags.writeable:
        lines = lines.view()
        lines.flags.writeable = False
    return lines


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    """The column as a bare array: kernels look long at what a mapped one is."""
    return column if type(column) is np.ndarray else np.asarray(column)
