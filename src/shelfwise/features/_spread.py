"""How the values of a feature are spread over a sample: what a page draws and a list tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 16


@dataclass(frozen=True, slots=True)
class Spread:
    """Of one column."""

    rows: int
    nulls: int
    low: float | None  # of what is there; None if nothing is
    median: float | None
    high: float | None
    counts: tuple[
        int, ...
    ]  # a bar each: of every value where there are few, else of stretches of equal width
    edges: (
        tuple[float, float] | None
    )  # where the bars begin and end; the outer hundredths are in the last bars
    example: float | None  # the first value that is there

    @property
    def constant(self) -> bool:
        """Nothing can be learned from it: one value in all rows, or nothing in all of them."""
        return self.nulls == self.rows or (self.nulls == 0 and self.low == self.high)


def spread(column: NDArray[np.floating]) -> Spread:
    """Look at a column, NaN where there is nothing."""
    told = column[~np.isnan(column)].astype(np.float64)
    nulls = len(column) - len(told)
    if not len(told):
        return Spread(len(column), nulls, None, None, None, (), None, None)
    counts, edges = _bars(told)
    low, median, high = float(told.min()), float(np.median(told)), float(told.max())
    return Spread(len(column), nulls, low, median, high, counts, edges, float(told[0]))


def _bars(told: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[float, float]]:
    values, counts = np.unique(told, return_counts=True)
    if len(values) <= BINS:
        return tuple(counts.tolist()), (float(values[0]), float(values[-1]))
    low, high = np.quantile(told, (0.01, 0.99))
    if low == high:
        low, high = values[0], values[-1]
    counts, _ = np.histogram(np.clip(told, low, high), BINS, (low, high))
    return tuple(counts.tolist()), (float(low), float(high))
