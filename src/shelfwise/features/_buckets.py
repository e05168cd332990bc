"""What item counters are made of: what to count, buckets of sparse sums, and the ends of an item's time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import (
    DAY_US,
    HOUR_US,
    MAX_HISTORY,
    MINUTE_US,
    PURCHASE,
    REFUND,
    VIEW,
    InvalidField,
    grain_us,
)

How = Literal["count", "quantity", "log_quantity", "log_price", "actors", "first_buyers"]

HOWS: tuple[How, ...] = ("count", "quantity", "log_quantity", "log_price", "actors", "first_buyers")
MEASURES = REFUND * len(HOWS)  # of VIEW, CART, PURCHASE and REFUND: codes 1 to 4
GRAINS = (MINUTE_US, HOUR_US, DAY_US)
MOST_CHUNKS = 32  # blobs of one bucket before they are written anew as one
NEVER = 2**62  # microseconds no event reaches
# Lines of a person that are looked back over for an earlier purchase of an item. Not all that are remembered: a late
# line pushes older ones further back, and the stream must still hold those to tell what that changes.
FIRST_REACH = MAX_HISTORY // 2

FADE_UNIT = 2**20  # what a thing of today weighs: whole numbers add up in any order
FADE_REACH = 10  # half-lives after which a thing is forgotten: it weighs a thousandth


@dataclass(frozen=True, slots=True)
class Rolling:
    """One number per item: ``how`` of ``event`` over a window before now, or before ``lag_us`` ago.

    Without lag the window is ``[floor(t - w, g), t)``; with one it is whole buckets,
    ``[floor(t - lag - w, g), floor(t - lag, g))``.
    """

    name: str
    event: int  # VIEW, CART, PURCHASE or REFUND
    how: How
    width_us: int
    lag_us: int = 0
    summed: bool = False  # the sum over the whole shop is wanted too

    def __post_init__(self) -> None:
        if self.how == "actors" and grain_us(self.width_us) < DAY_US:
            raise InvalidField(
                self.name, self.width_us, "over a day for actors: they are distinct per UTC day"
            )

    @property
    def measure(self) -> int:
        """Which of the sums of an item it reads."""
        return (self.event - VIEW) * len(HOWS) + HOWS.index(self.how)


@dataclass(frozen=True, slots=True)
class Fading:
    """One number per item: ``how`` of ``event``, each UTC day before today worth half as much after a half-life.

    In units of ``1 / FADE_UNIT``; days more than ``FADE_REACH`` half-lives ago count nothing.
    """

    name: str
    event: int  # VIEW, CART, PURCHASE or REFUND
    how: How
    half_life_days: int
    summed: bool = False

    @property
    def measure(self) -> int:
        """Which of the sums of an item it reads."""
        return (self.event - VIEW) * len(HOWS) + HOWS.index(self.how)

    @property
    def weights(self) -> NDArray[np.int64]:
        """What a thing weighs by its age in UTC days."""
        return fade_weights(self.half_life_days)


def fade_weights(half_life_days: int) -> NDArray[np.int64]:
    """``floor(2 ** (-k / h) * FADE_UNIT + 0.5)`` for each age k in days that still counts."""
    age = np.arange(FADE_REACH * half_life_days)
    return np.floor(np.power(0.5, age / half_life_days) * FADE_UNIT + 0.5).astype(np.int64)


@dataclass(slots=True)
class Bucket:
    """Sparse sums of one bucket of time: ``cell`` is item * measures + measure."""

    chunks: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list)
    unsaved: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)  # numbers of the blobs that hold the rest
    is_summed: bool = False  # the one chunk has each cell once

    def add(self, cell: NDArray[np.int64], value: NDArray[np.int64]) -> None:
        self.chunks.append((cell, value))
        self.unsaved.append((cell, value))
        self.is_summed = False
        if len(self.chunks) > 2 * MOST_CHUNKS:
            self.sums()

    def sums(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each cell once, with its sum."""
        if not self.is_summed:
            self.chunks, self.is_summed = [summed(self.chunks)], True
        return self.chunks[0]


def span_of(window: tuple[int, int], now_us: int) -> tuple[int, int]:
    """Bucket numbers of a window: from, and up to but not including."""
    width, lag = window
    grain = grain_us(width)
    start = (now_us - lag - width) // grain
    return start, (now_us - lag) // grain if lag else NEVER // grain


def summed(
    chunks: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each cell once, with its sum."""
    cell, where = np.unique(np.concatenate([cell for cell, _ in chunks]), return_inverse=True)
    value = np.zeros(len(cell), np.int64)
    np.add.at(value, where, np.concatenate([value for _, value in chunks]))
    return cell, value


def cells_of(effects: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Effects as sparse cells: (cell, value, at_us), one row a number that is not 0."""
    value = np.stack([effects[name] for name in _FIELDS], axis=1).astype(np.int64)  # (N, M)
    base = effects["item"].astype(np.int64) * MEASURES + (effects["event"] - VIEW) * len(HOWS)
    row, how = np.nonzero(value)
    return base[row] + how, value[row, how], effects["at_us"][row]


_FIELDS = ("lines", "quantity", "log_quantity", "log_price", "actor", "first_buyer")  # in the order of HOWS

ENDS = ("item__first_us", "item__purchase__last_us", "item__purchase__last_price")
"""Kept for ever, 0 where there is none: instant of the first line of any counted event, of the last purchase, and
the unit price in minor units at that last purchase (the highest, if there were several at once; -1 unknown)."""


def shop_name(name: str) -> str:
    """Name of the sum over all items of an item's counter."""
    return "shop__" + name.removeprefix("item__")


def ends_of(effects: NDArray[np.void]) -> NDArray[np.int64]:
    """(item, *ENDS) of each item, ``(4, N)``; corrections say nothing of it."""
    real = effects[effects["lines"] > 0]
    item, where = np.unique(real["item"], return_inverse=True)
    first = np.full(len(item), np.iinfo(np.int64).max)
    last, price = np.zeros((2, len(item)), np.int64)
    bought_us = np.where(real["event"] == PURCHASE, real["at_us"], 0)
    np.minimum.at(first, where, real["at_us"])
    np.maximum.at(last, where, bought_us)
    newest = (bought_us > 0) & (bought_us == last[where])
    price[last > 0] = -1
    np.maximum.at(price, where[newest], real["price_minor"][newest])
    return np.stack([item.astype(np.int64), first, last, price])


def join_ends(one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.int64]:
    """Two accounts of the same items, ``(3, N)`` each: earliest first, latest last, and the price then."""
    first = np.where(one[0] == 0, two[0], np.where(two[0] == 0, one[0], np.minimum(one[0], two[0])))
    price = np.where(one[1] == two[1], np.maximum(one[2], two[2]), np.where(one[1] > two[1], one[2], two[2]))
    return np.stack([first, np.maximum(one[1], two[1]), price])


@njit(cache=True)
def add_up(
    effects: Any, starts: NDArray[np.int64], ends: NDArray[np.int64], totals: NDArray[np.int64]
) -> None:
    """Add each effect to the totals ``(W, M, I)`` of the windows that hold its instant."""
    for row in range(len(effects)):
        one = effects[row]
        measure = (one.event - 1) * 6  # VIEW is 1; the order of HOWS
        for window in range(len(starts)):
            if starts[window] <= one.at_us < ends[window]:
                totals[window, measure, one.item] += one.lines
                totals[window, measure + 1, one.item] += one.quantity
                totals[window, measure + 2, one.item] += one.log_quantity
                totals[window, measure + 3, one.item] += one.log_price
                totals[window, measure + 4, one.item] += one.actor
                totals[window, measure + 5, one.item] += one.first_buyer


@njit(cache=True)
def add_faded(
    effects: Any, measure: int, weight: NDArray[np.int64], today: int, total: NDArray[np.int64]
) -> None:
    """Add what effects of one measure weigh today to ``total`` ``(I,)``."""
    for row in range(len(effects)):
        one = effects[row]
        age = today - one.at_us // DAY_US
        how = measure - (one.event - 1) * 6
        if 0 <= age < len(weight) and 0 <= how < 6:
            value = (one.lines, one.quantity, one.log_quantity, one.log_price, one.actor, one.first_buyer)[
                how
            ]
            total[one.item] += value * weight[age]
