"""What a year of purchases looks like, in few numbers: the same for a real shop and for a simulated one.

A calendar day is a UTC day. Every number is of orders whose customer is known: an order without one says nothing of
rhythm, and in Online Retail II many of those are a day's sums of another shop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, InvalidInput

DECILES = np.arange(1, 10) / 10
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# Rank-frequency plots of shops bend: the slope over all ranks is that of the tail, items that hardly sell. A thousand
# ranks hold 72 % of the lines of Online Retail II.
ZIPF_RANKS = 1_000

# Where the rank-frequency plot is drawn.
PLOT_RANKS = np.array(
    [1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000]
)


@dataclass(frozen=True, slots=True, eq=False)
class Purchases:
    """Order lines as parallel columns, in any order of rows."""

    person: NDArray[np.int64]  # (N,) who bought
    order: NDArray[np.int64]  # (N,) which order; unique across persons
    item: NDArray[np.int64]  # (N,)
    at_us: NDArray[np.int64]  # (N,) when the order was placed, microseconds UTC

    def __post_init__(self) -> None:
        lengths = {len(self.person), len(self.order), len(self.item), len(self.at_us)}
        if len(lengths) > 1:
            raise InvalidInput(f"purchase columns have lengths {sorted(lengths)}; expected one")

    def __len__(self) -> int:
        return len(self.person)

    def within(self, start_us: int, end_us: int) -> Purchases:
        """Those of ``[start_us, end_us)``."""
        rows = (self.at_us >= start_us) & (self.at_us < end_us)
        return Purchases(self.person[rows], self.order[rows], self.item[rows], self.at_us[rows])


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution by its mean and nine deciles."""

    mean: float
    deciles: tuple[float, ...]  # (9,) 10 % to 90 %

    @property
    def median(self) -> float:
        return self.deciles[4]


@dataclass(frozen=True, slots=True)
class ShopStatistics:
    """A window of purchases, summed up. NaN where there is nothing to sum up."""

    n_persons: int
    n_orders: int
    n_lines: int  # distinct items of orders
    n_items: int  # that sold at least once
    interval_days: Spread  # between one day with an order and the next, same person, both in the window
    basket_items: Spread  # distinct items of an order
    days_per_person: float  # days with an order, of those who ordered
    once_share: float  # persons with a single day of orders, 0 to 1
    returning_share: (
        float  # of who ordered in the later half of the time, those who had in the earlier, 0 to 1
    )
    repeat_share: float  # of all lines, those whose item the person had bought before in the window, 0 to 1
    gini: float  # of lines over the items that sold: 0 all alike, towards 1 one item has it all
    zipf_slope: float  # of log lines over log rank, ranks 1 to ZIPF_RANKS; negative
    rank_share: tuple[
        float, ...
    ]  # of all lines, of the items at PLOT_RANKS, as far as there are so many items
    month_share: tuple[float, ...]  # (12,) of orders, January first; add up to 1


def shop_statistics(purchases: Purchases) -> ShopStatistics:
    """Sum up purchases; cut them to a window first, ``Purchases.within``.

    Two windows compare fairly if they are equally long: a short window hides long intervals.
    """
    lines = distinct_lines(purchases)
    _, first, size = np.unique(lines.order, return_index=True, return_counts=True)
    person, at_us = lines.person[first], lines.at_us[first]
    intervals, days_of_person = order_intervals(person, at_us)
    sold = np.unique(lines.item, return_counts=True)[1]
    return ShopStatistics(
        n_persons=len(days_of_person),
        n_orders=len(first),
        n_lines=len(lines),
        n_items=len(sold),
        interval_days=spread(intervals),
        basket_items=spread(size),
        days_per_person=_ratio(int(days_of_person.sum()), len(days_of_person)),
        once_share=_ratio(int(np.count_nonzero(days_of_person == 1)), len(days_of_person)),
        returning_share=_returning_share(person, at_us),
        repeat_share=_repeat_share(lines),
        gini=gini(sold),
        zipf_slope=zipf_slope(sold),
        rank_share=_rank_share(sold),
        month_share=month_share(at_us),
    )


def order_intervals(
    person: NDArray[np.int64], at_us: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Days between successive days with an order of one person, ``(G,)``, and days with an order by person, ``(U,)``.

    Several orders on one day are one: a shop splits what a customer sends at once.
    """
    day = at_us // DAY_US
    keys = np.unique(np.column_stack([person, day]), axis=0) if len(person) else np.empty((0, 2), np.int64)
    same = keys[1:, 0] == keys[:-1, 0]
    return np.diff(keys[:, 1])[same], np.unique(keys[:, 0], return_counts=True)[1]


def spread(counts: NDArray[np.int64]) -> Spread:
    """Mean and deciles of whole numbers.

    A whole number stands for the interval of width one around it (mid-distribution quantiles), so that a decile does
    not jump from 5 to 6 when one case more is counted.

    Source: Ma, Genton, Parzen, "Asymptotic properties of sample quantiles of discrete distributions", AISM 2011.
    """
    if len(counts) == 0:
        return Spread(float("nan"), (float("nan"),) * len(DECILES))
    value, count = np.unique(counts, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / len(counts)
    return Spread(float(counts.mean()), tuple(np.interp(DECILES, middle, value).tolist()))


def gini(counts: NDArray[np.int64]) -> float:
    """Inequality of counts: 0 all alike, towards 1 one has it all. NaN for none."""
    ordered = np.sort(counts.astype(np.float64))
    total = ordered.sum()
    if total == 0:
        return float("nan")
    rank = np.arange(1, len(ordered) + 1)
    return float((2 * rank - len(ordered) - 1) @ ordered / (len(ordered) * total))


def zipf_slope(counts: NDArray[np.int64], ranks: int = ZIPF_RANKS) -> float:
    """Least-squares slope of log count over log rank, most sold first; NaN with fewer than two items that sold."""
    top = np.sort(counts[counts > 0])[::-1][:ranks]
    if len(top) < 2:
        return float("nan")
    return float(np.polyfit(np.log(np.arange(1, len(top) + 1)), np.log(top), 1)[0])


def month_share(at_us: NDArray[np.int64]) -> tuple[float, ...]:
    """Share of instants by calendar month, January first; zeros where there is none."""
    month = at_us.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12
    counts = np.bincount(month, minlength=12)
    return tuple((counts / max(len(at_us), 1)).tolist())


def total_variation(left: tuple[float, ...], right: tuple[float, ...]) -> float:
    """Half the sum of absolute differences of two distributions: the share that lies elsewhere, 0 to 1."""
    return float(np.abs(np.subtract(left, right)).sum() / 2)


def distinct_lines(purchases: Purchases) -> Purchases:
    """One row per order and item, in the order of time."""
    rows = np.lexsort((purchases.item, purchases.order))
    order, item = purchases.order[rows], purchases.item[rows]
    new = np.ones(len(rows), np.bool_)
    new[1:] = (order[1:] != order[:-1]) | (item[1:] != item[:-1])
    rows = rows[new]
    rows = rows[np.lexsort((purchases.order[rows], purchases.at_us[rows]))]
    return Purchases(
        purchases.person[rows], purchases.order[rows], purchases.item[rows], purchases.at_us[rows]
    )


def _repeat_share(lines: Purchases) -> float:
    rows = np.lexsort((lines.item, lines.person))
    person, item = lines.person[rows], lines.item[rows]
    again = (person[1:] == person[:-1]) & (item[1:] == item[:-1])
    return _ratio(int(np.count_nonzero(again)), len(rows))


def _returning_share(person: NDArray[np.int64], at_us: NDArray[np.int64]) -> float:
    if len(at_us) == 0:
        return float("nan")
    late = at_us >= (int(at_us.min()) + int(at_us.max())) // 2
    back = np.intersect1d(person[late], person[~late])
    return _ratio(len(back), len(np.unique(person[late])))


def _rank_share(sold: NDArray[np.int64]) -> tuple[float, ...]:
    shares = np.sort(sold)[::-1] / max(int(sold.sum()), 1)
    return tuple(shares[PLOT_RANKS[len(sold) >= PLOT_RANKS] - 1].tolist())


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
