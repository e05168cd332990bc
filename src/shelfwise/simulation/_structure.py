"""What a shop's own orders tell of its items: what goes together, and what has a season."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US
from shelfwise.simulation._items import RELATED
from shelfwise.simulation._statistics import Purchases, distinct_lines

_LARGEST = 50  # items of an order: what is bought with fifty others says little of any pair
_TOGETHER = 5  # orders that a pair needs
_LIFT = 2.0  # how much more often than by chance

_YEAR_DAYS = 365
_PARTS = 24  # of the year, in which the shop's own ups and downs are taken out
_SEASON_ORDERS = 20  # that an item needs
# Length of the mean direction round the year: 0 evenly sold, 1 all on one day. The bell of a season by the world's
# defaults has 0.33 in what shoppers like, and 0.67 together with its place in lists.
_LEAN = 0.3
_SURE = 8.0  # of Rayleigh's test: by chance once in exp(8), 3,000 items
_EACH_YEAR = 0.2  # share of its orders in each of the years: what came and went once has no season


def complements_of(purchases: Purchases, n_items: int) -> NDArray[np.int32]:
    """``(I, RELATED)`` rows bought in the same orders far more often than by chance, the nearest first; -1 padding.

    Near is the cosine of two items over orders. Orders of more than 50 items are left out.
    """
    lines = distinct_lines(purchases)
    order, size = np.unique(lines.order, return_inverse=True, return_counts=True)[1:]
    small = size[order] <= _LARGEST
    order, item = order[small], lines.item[small]
    by_order, by_item = np.argsort(order, kind="stable"), np.argsort(item, kind="stable")
    return _bought_with(
        np.searchsorted(order[by_order], np.arange(len(size) + 1)),
        item[by_order],
        np.searchsorted(item[by_item], np.arange(n_items + 1)),
        order[by_item],
        np.count_nonzero(size <= _LARGEST),
    )


@nb.njit(cache=True)
def _bought_with(
    order_start: NDArray[np.int64],
    item_of: NDArray[np.int64],
    item_start: NDArray[np.int64],
    order_of: NDArray[np.int64],
    n_orders: int,
) -> NDArray[np.int32]:
    n_items = len(item_start) - 1
    found = np.full((n_items, RELATED), -1, np.int32)
    together = np.zeros(n_items, np.int64)
    for item in range(n_items):
        touched = []
        for order in order_of[item_start[item] : item_start[item + 1]]:
            for other in item_of[order_start[order] : order_start[order + 1]]:
                if together[other] == 0:
                    touched.append(other)
                together[other] += 1
        nearest = np.zeros(RELATED)
        own = item_start[item + 1] - item_start[item]
        for other in touched:
            count, its = together[other], item_start[other + 1] - item_start[other]
            together[other] = 0
            if other == item or count < _TOGETHER or count * n_orders < _LIFT * own * its:
                continue
            near, place = count / np.sqrt(own * its), RELATED
            while place > 0 and near > nearest[place - 1]:
                place -= 1
            if place < RELATED:
                nearest[place + 1 :] = nearest[place:-1].copy()
                found[item, place + 1 :] = found[item, place:-1].copy()
                nearest[place], found[item, place] = near, other
    return found


def seasons_of(purchases: Purchases, n_items: int) -> NDArray[np.float64] | None:
    """``(I,)`` day of the year (from 0) that an item is bought about, again every year; -1 the whole year.

    Orders count the more, the fewer the shop has at that time of the year: a shop that sells most before Christmas
    does not make everything a Christmas item. None with less than two whole years: what comes once may not come again.
    """
    lines = distinct_lines(purchases)
    day = lines.at_us // DAY_US
    n_years = int(day.max() + 1 - day.min()) // _YEAR_DAYS if len(day) else 0
    if n_years < 2:
        return None
    whole = day > day.max() - n_years * _YEAR_DAYS
    item, day = lines.item[whole], day[whole]
    weight = _against_the_shop(day)
    told = np.bincount(item, weights=weight, minlength=n_items)
    angle = 2 * np.pi * (_day_of_year(day) / (_YEAR_DAYS + 0.25))
    east, north = (
        np.bincount(item, weights=weight * of(angle), minlength=n_items) for of in (np.cos, np.sin)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        lean = np.hypot(east, north) / told
        cases = told**2 / np.bincount(item, weights=weight**2, minlength=n_items)
    has_one = (np.bincount(item, minlength=n_items) >= _SEASON_ORDERS) & (lean >= _LEAN)
    has_one &= (cases * lean**2 >= _SURE) & _in_each_year(
        item, (day.max() - day) // _YEAR_DAYS, n_years, n_items
    )
    about = np.arctan2(north, east) / (2 * np.pi) % 1.0 * (_YEAR_DAYS + 0.25)
    return np.where(has_one, np.minimum(np.floor(about), _YEAR_DAYS - 1.0), -1.0)


def _against_the_shop(day: NDArray[np.int64]) -> NDArray[np.float64]:
    """A weight for each line, so that every part of the year weighs the same."""
    part = _day_of_year(day) * _PARTS // (_YEAR_DAYS + 1)
    return np.asarray(1.0 / np.bincount(part, minlength=_PARTS)[part])


def _in_each_year(
    item: NDArray[np.int64], year: NDArray[np.int64], n_years: int, n_items: int
) -> NDArray[np.bool_]:
    sold = np.zeros((n_years, n_items))
    np.add.at(sold, (year, item), 1.0)
    return np.asarray((sold >= _EACH_YEAR * sold.sum(axis=0)).all(axis=0))


def _day_of_year(day: NDArray[np.int64]) -> NDArray[np.int64]:
    """From 0, of days since 1970."""
    date = day.astype("datetime64[D]")
    return np.asarray((date - date.astype("datetime64[Y]")).astype(np.int64))
