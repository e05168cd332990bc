"""Item columns that only a fit can know: places among all items, and the rhythm in which people buy an item again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, PURCHASE, Interactions, Shelf
from shelfwise.training._snapshot import Snapshot

FEWEST_REPEATS = 5  # gaps behind a typical one: below it is one person's habit, not the item's
POPULARITY_DAYS = 90


def fitted_columns(snapshot: Snapshot, shelf: Shelf, as_of_us: int) -> dict[str, NDArray[np.float32]]:
    """The columns of ``features.FITTED`` as of an instant, ``(n_items,)`` each."""
    bought = snapshot.interactions(before_us=as_of_us).only(PURCHASE)
    recent = bought.take(bought.at_us >= as_of_us - POPULARITY_DAYS * DAY_US)
    return {
        "item__purchase__percentile__90d": percentile(buyers(recent).astype(np.float64)),
        "item__price__percentile": percentile_within(last_price(bought), _category(shelf, snapshot.n_items)),
        "item__purchase__typical_gap": typical_gap_days(bought),
    }


def buyers(bought: Interactions) -> NDArray[np.int64]:
    """Distinct people per item, ``(I,)``."""
    pairs = np.unique(bought.user.astype(np.int64) * bought.n_items + bought.item)
    return np.bincount(pairs % bought.n_items, minlength=bought.n_items)


def percentile(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Share of the other items that stand below, in [0, 1]; ties share their middle; NaN stays."""
    known = np.flatnonzero(~np.isnan(values))
    place = np.full(len(values), np.nan, np.float32)
    if len(known) > 1:
        ordered = np.sort(values[known])
        below = np.searchsorted(ordered, values[known], "left")
        not_above = np.searchsorted(ordered, values[known], "right")
        place[known] = (below + not_above - 1) / 2 / (len(known) - 1)
    return place


def percentile_within(values: NDArray[np.float64], group: NDArray[np.int32]) -> NDArray[np.float32]:
    """``percentile`` among the items of the same group."""
    place = np.full(len(values), np.nan, np.float32)
    for code in np.unique(group):
        rows = np.flatnonzero(group == code)
        place[rows] = percentile(values[rows])
    return place


def last_price(bought: Interactions) -> NDArray[np.float64]:
    """Price last paid per item in smallest units, ``(I,)``; NaN if never."""
    priced = bought.take(bought.price_minor > 0)
    order = np.argsort(priced.at_us, kind="stable")
    price = np.full(bought.n_items, np.nan)
    price[priced.item[order]] = priced.price_minor[order]  # of several the last one stays
    return price


def typical_gap_days(bought: Interactions) -> NDArray[np.float32]:
    """Median days between two purchases of an item by one person, ``(I,)``; NaN below ``FEWEST_REPEATS`` gaps."""
    order = np.lexsort((bought.at_us, bought.item, bought.user))
    user, item, at_us = bought.user[order], bought.item[order], bought.at_us[order]
    again = (np.diff(user) == 0) & (np.diff(item) == 0)
    gap = np.diff(at_us)[again] / DAY_US
    which = item[1:][again]
    later = gap > 0.5  # lines of one order, and an order corrected the same day, are no rhythm
    which, gap = which[later], gap[later]
    by_item = np.lexsort((gap, which))
    which, gap = which[by_item], gap[by_item]
    items, start, count = np.unique(which, return_index=True, return_counts=True)
    enough = count >= FEWEST_REPEATS
    low = gap[(start + (count - 1) // 2)[enough]]
    high = gap[(start + count // 2)[enough]]
    typical = np.full(bought.n_items, np.nan, np.float32)
    typical[items[enough]] = (low + high) / 2
    return typical


def _category(shelf: Shelf, n_items: int) -> NDArray[np.int32]:
    coded = shelf.coded.get("category")
    return coded.codes[:n_items] if coded is not None else np.full(n_items, -1, np.int32)
