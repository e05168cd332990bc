"""Which items may be shown to this person now: the hard facts, the shopper's own wishes, the query's filter.

Each check yields a name and a mask, so that permitting and explaining read the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    CART,
    DAY_US,
    EVENT_CODES,
    NO_ROWS,
    PURCHASE,
    Coded,
    LiveItems,
    PersonState,
    Query,
    Shelf,
)
from shelfwise.reranking._kernels import mark_among
from shelfwise.reranking._settings import ArrangeSettings

Rows = NDArray[np.int32]
Bools = NDArray[np.bool_]
Check = tuple[str, Bools]  # what it is called when it fails, and ``(C,)`` True where it holds

_REMOVED = EVENT_CODES["remove_from_cart"]
_MAX_COUNTRIES = 512  # tables kept; requests may name any country


class Regions:
    """Where items may be sold, as a table per country, made once for one shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._coded: Coded | None = shelf.coded.get("regions")
        self._tables: dict[str | None, Bools] = {}

    def allowed(self, country: str | None, item: Rows) -> Bools | None:
        """``(C,)`` True where sold; None if no item is restricted. An unknown country is no country of a list."""
        if self._coded is None or not self._coded.values:
            return None
        table = self._tables.get(country)
        if table is None:
            table = self._decide(self._coded, country)
        return table.take(self._coded.codes.take(item))  # code -1 reads the last place: sold everywhere

    def _decide(self, coded: Coded, country: str | None) -> Bools:
        if len(self._tables) >= _MAX_COUNTRIES:
            self._tables.clear()
        wanted = country.upper() if country else None
        fits = (not sold_in or wanted in {each.upper() for each in sold_in} for sold_in in coded.values)
        self._tables[country] = np.array([*fits, True], np.bool_)
        return self._tables[country]


def hard_checks(
    query: Query, person: PersonState, live: LiveItems, shelf: Shelf, regions: Regions, item: Rows
) -> Iterator[Check]:
    """What no rule and no fallback may break: stock, hidden, availability, region, age."""
    yield "out_of_stock", live.stock.take(item) != 0  # -1: not tracked
    yield "hidden", live.hidden.take(item) == 0
    yield "not_yet_available", live.available_from_us.take(item) <= query.asked_us
    until = live.available_until_us.take(item)
    yield "no_longer_available", (until > query.asked_us) | (until <= 0)  # 0 or below: no end given
    sold = regions.allowed(query.context.country or person.country, item)
    if sold is not None:
        yield "region", sold
    yield "age", shelf.min_age.take(item) <= (query.context.age or 0)


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
        yield "already_bought", ~among(item, person.of(PURCHASE)["item"])


def in_cart(person: PersonState, now_us: int, days: float) -> Rows:
    """Items put into the cart within ``days`` and neither taken out nor bought since. ``(<= L,)``"""
    events, at_us = person.lines["event"], person.lines["at_us"]
    added = np.flatnonzero(events == CART)
    if not len(added) or at_us[added[0]] <= now_us - days * DAY_US:
        return NO_ROWS
    touched = np.flatnonzero((events == CART) | (events == _REMOVED) | (events == PURCHASE))
    item, newest = np.unique(person.lines["item"][touched], return_index=True)  # lines are newest first
    line = touched[newest]
    held = (events[line] == CART) & (at_us[line] > now_us - days * DAY_US) & (item >= 0)
    return item[held].astype(np.int32)


def among(item: Rows, others: Rows) -> Bools:
    """``(C,)`` True where an item is one of ``others``."""
    if len(others) <= 4:  # below this the full comparison beats the call of a kernel
        return (item[:, None] == others[None, :]).any(axis=1)
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


def all_hold(checks: Iterator[Check], size: int) -> Bools:
    """``(size,)`` True where every check holds."""
    allowed = np.ones(size, np.bool_)
    for _, holds in checks:
        allowed &= holds
    return allowed


def on_known_rows(item: Rows, n_known: int, decide: Callable[[Rows], Bools]) -> Bools:
    """Decide for rows that shelf and live columns both know; a row that either lacks is not permitted."""
    if not len(item):
        return np.zeros(0, np.bool_)
    if int(item.max()) < n_known and int(item.min()) >= 0:
        return decide(item)
    known = (item >= 0) & (item < n_known)
    allowed = np.zeros(len(item), np.bool_)
    allowed[known] = decide(item[known])
    return allowed
