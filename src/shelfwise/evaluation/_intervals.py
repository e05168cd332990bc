"""How sure one may be of a mean over queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import InvalidInput


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its percentile bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0


def bootstrap_mean(
    values: NDArray[np.float64], rng: np.random.Generator, *, level: float = 0.95, n_samples: int = 2_000
) -> Interval:
    """Percentile bootstrap of the mean of per-query values ``(B,)``.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    if len(values) == 0:
        raise InvalidInput("values has length 0; expected at least one query")
    # Multinomial weights draw the same resamples as indexes do, in one matrix product.
    weights = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=n_samples)
    means = weights @ values / len(values)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def paired_bootstrap(
    ours: NDArray[np.float64],
    theirs: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    n_samples: int = 2_000,
) -> Interval:
    """Interval of the mean difference ``ours - theirs`` over the same queries."""
    if len(ours) != len(theirs):
        raise InvalidInput(f"{len(ours)} values meet {len(theirs)}; expected the same queries")
    return bootstrap_mean(ours - theirs, rng, level=level, n_samples=n_samples)
