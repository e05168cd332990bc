"""Numbers per item that a release carries: found from history once per training, as of its instant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, PURCHASE, Interactions, Shelf

_RECENT_US = 90 * DAY_US
_FEWEST_GAPS = 5  # below it a median is chance
_NO_CATEGORY = -1


def fit_features(
    interactions: Interactions, shelf: Shelf, *, as_of_us: int
) -> dict[str, NDArray[np.float32]]:
    """The columns of class ``fitted``, ``(n_items,)`` each, from what happened strictly before an instant."""
    bought = interactions.before(as_of_us).only(PURCHASE)
    return {
        "item__purchase__percentile__90d": _percentile(_buyers(bought, as_of_us - _RECENT_US)),
        "item__price__percentile": _price_percentile(bought, shelf),
        "item__purchase__typical_gap": _typical_gap(bought),
    }


def _buyers(bought: Interactions, since_us: int) -> NDArray[np.int64]:
    """Distinct people who bought each item since an instant."""
    recent = bought.at_us >= since_us
    pair = np.unique(bought.user[recent].astype(np.int64) * bought.n_items + bought.item[recent])
    return np.bincount(pair % bought.n_items, minlength=bought.n_items)


def _percentile(value: NDArray[np.int64]) -> NDArray[np.float32]:
    """Share of the other values that are lower, ``(rank - 1) / (n - 1)``: SQL's PERCENT_RANK. 0 if alone."""
    ordered = np.sort(value)
    lower = np.searchsorted(ordered, value, side="left")
    return (lower / max(len(value) - 1, 1)).astype(np.float32)


def _price_percentile(bought: Interactions, shelf: Shelf) -> NDArray[np.float32]:
    """Percentile of the price last paid among the items of the same category that have one; NaN without."""
    priced = np.flatnonzero(bought.price_minor > 0)
    newest = priced[np.lexsort((bought.price_minor[priced], bought.at_us[priced]))]
    price = np.zeros(bought.n_items, np.int64)
    price[bought.item[newest]] = bought.price_minor[newest]  # the last assignment of an item stays
    category = np.full(bought.n_items, _NO_CATEGORY, np.int32)
    coded = shelf.coded.get("category")
    if coded is not None:
        category[: len(coded.codes)] = coded.codes[: bought.n_items]
    found = np.full(bought.n_items, np.nan, np.float32)
    for code in np.unique(category[price > 0]):
        rows = np.flatnonzero((category == code) & (price > 0))
        found[rows] = _percentile(price[rows])
    return found


def _typical_gap(bought: Interactions) -> NDArray[np.float32]:
    """Median days between consecutive purchase days of one person; NaN with fewer than 5 such gaps."""
    day = bought.at_us // DAY_US
    pair = bought.user.astype(np.int64) * bought.n_items + bought.item
    order = np.lexsort((day, pair))
    pair, day = pair[order], day[order]
    repeat = (pair[1:] == pair[:-1]) & (day[1:] > day[:-1])
    gap, item = (day[1:] - day[:-1])[repeat], (pair[1:] % bought.n_items)[repeat]
    by_item = np.lexsort((gap, item))
    gap, item = gap[by_item], item[by_item]
    start = np.searchsorted(item, np.arange(bought.n_items + 1))
    size = np.diff(start)
    found = np.full(bought.n_items, np.nan, np.float32)
    known = np.flatnonzero(size >= _FEWEST_GAPS)
    low, high = start[known] + (size[known] - 1) // 2, start[known] + size[known] // 2
    found[known] = (gap[low] + gap[high]) / 2
    return found
