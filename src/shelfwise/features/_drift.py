"""How far the numbers of now have moved from those of then: PSI and KS of each feature, with the luck in them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, HOUR_US
from shelfwise.features._bases import CATALOGUE, FITTED
from shelfwise.features._declare import Feature

FLOOR = 1e-4  # share of an empty bin, of few rows half a row: without a floor its logarithm is infinite
STIRRED, MOVED = 0.1, 0.25  # PSI from which practice speaks of a change, and of another population
APART = 0.2  # KS; alone it says little where values are few: all of one may have moved by a hair
_LUCK = 5.0  # standard normal deviations: a check of 120 features is wrong once in ten thousand


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature then and now."""

    name: str
    n_then: int  # distinct entities looked at
    n_now: int
    null_then: float  # share
    null_now: float
    mean_then: float | None  # of what is there
    mean_now: float | None
    psi: float  # the least over common factors within a fourth: a busy week is not another population
    ks: float
    psi_limit: float  # beyond it, it moved
    ks_limit: float
    why_not: str | None  # why moving would say nothing; None: it would

    @property
    def moved(self) -> bool:
        far = self.psi > self.psi_limit or (self.ks > self.ks_limit and self.psi > STIRRED)
        return self.why_not is None and far


def psi(then: NDArray[np.float64], now: NDArray[np.float64], *, bins: int = 10) -> tuple[float, int]:
    """Population stability index, and the bins that hold anything.

    ``sum((now - then) * ln(now / then))`` over shares in bins that part *then* at its quantiles; NaN is a bin of its
    own; empty bins have a share of ``FLOOR`` or half a row. 0 where one of the two has no rows.
    """
    if len(then) == 0 or len(now) == 0:
        return 0.0, 0
    edges = _edges(then[~np.isnan(then)], bins)
    counts = [_binned(one, edges) for one in (then, now)]
    held = (counts[0] + counts[1]) > 0
    one, two = (np.maximum(count[held] / count.sum(), max(FLOOR, 0.5 / count.sum())) for count in counts)
    return float(np.sum((two - one) * np.log(two / one))), int(held.sum())


def ks(then: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    """Largest distance of the two distribution functions; NaN left out, 0 where nothing is left of one."""
    one, two = (np.sort(values[~np.isnan(values)]) for values in (then, now))
    if len(one) == 0 or len(two) == 0:
        return 0.0
    both = np.concatenate([one, two])
    below = (np.searchsorted(values, both, side="right") / len(values) for values in (one, two))
    return float(np.abs(next(below) - next(below)).max())


def psi_luck(bins: int, n_then: int, n_now: int) -> float:
    """PSI that two draws from one population stay under: ``(1/n + 1/m) * chi2(bins - 1)``.

    Source: Yurdakul, "Statistical Properties of the Population Stability Index", 2018. The quantile by Wilson and
    Hilferty's cube root.
    """
    freedom = bins - 1
    if freedom < 1 or min(n_then, n_now) == 0:
        return 0.0
    width = 2 / (9 * freedom)
    return (1 / n_then + 1 / n_now) * freedom * (1 - width + _LUCK * math.sqrt(width)) ** 3


def ks_luck(n_then: int, n_now: int) -> float:
    """Distance that two draws from one population stay under (Kolmogorov's distribution, its first term)."""
    if min(n_then, n_now) == 0:
        return 1.0
    chance = math.erfc(_LUCK / math.sqrt(2)) / 2
    return math.sqrt(-math.log(chance / 2) / 2) * math.sqrt(1 / n_then + 1 / n_now)


def drifts(
    features: Sequence[Feature],
    then: Mapping[str, NDArray[np.generic]],
    now: Mapping[str, NDArray[np.generic]],
    *,
    known_us: int,
    passed_us: int = 0,
) -> list[Drift]:
    """Each feature that both have, a value an entity.

    Args:
        features: Their declarations.
        then: Columns, a row per distinct entity (item, person, person and item) of each feature.
        now: The same later.
        known_us: How long a history lay before *then*: a window that was not yet full has grown since by itself.
        passed_us: From then to now: what is told of all history has grown by that.
    """
    both = [feature for feature in features if feature.name in then and feature.name in now]
    return [_drift(one, then[one.name], now[one.name], _why_not(one, known_us, passed_us)) for one in both]


def _drift(
    feature: Feature, given_then: NDArray[np.generic], given_now: NDArray[np.generic], why_not: str | None
) -> Drift:
    then, now = given_then.astype(np.float64), given_now.astype(np.float64)
    moved, bins = min(psi(then, now * factor) for factor in _BUSY)
    n_then, n_now = len(then), len(now)
    return Drift(
        feature.name, n_then, n_now, _null_share(then), _null_share(now), _mean(then), _mean(now), moved, ks(then, now),
        max(MOVED, psi_luck(bins, n_then, n_now)), max(APART, ks_luck(n_then, n_now)), why_not,
    )  # fmt: skip


_BUSY = (1.0, 0.8, 0.9, 1.1, 1.25)


def _why_not(feature: Feature, known_us: int, passed_us: int) -> str | None:
    """Why another distribution of this feature is no news."""
    if feature.entity == "context":
        return "it tells of the question"
    if feature.expr is not None and _UNKEPT & set(feature.expr.columns()):
        return "what the catalogue and a release said then is not kept"
    if feature.name.endswith(_PILING) or (feature.window == "all" and feature.dtype == "int64"):
        return "it grows with time"
    if feature.window == "all" and known_us < _YOUNG * passed_us:
        return "history was young"
    if 0 < window_us(feature.window) <= DAY_US:
        return "a single day is judged by its volume"
    if window_us(feature.window) > known_us:
        return "its window was not full"
    return None


_UNKEPT = {*CATALOGUE, *FITTED}
_PILING = (
    "__age",
    "__orders_since",
    "__place",
    "__log_total__all",
)  # what adds up over all that is remembered
_YOUNG = 10  # times what has passed: below, means over all history have moved by their own growth


def window_us(window: str) -> int:
    """How far back a window reaches: ``30d``, ``7d_30d``, ``14d_351d_ago``, ``half_7d``; 0 for the others."""
    widths = [int(number) * (DAY_US if unit == "d" else HOUR_US) for number, unit in _WIDTH.findall(window)]
    if window.endswith("_ago"):
        return sum(widths)
    return max(widths, default=0) * (3 if window.startswith("half_") else 1)


_WIDTH = re.compile(r"(\d+)([dh])")


def _edges(told: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Half-way from each quantile to the next value: an edge on a value that many share would part them by a hair."""
    distinct = np.unique(told)
    if len(distinct) == 0:
        return distinct
    if len(distinct) == 1:
        return _beside(distinct[0])
    at = np.searchsorted(distinct, np.quantile(told, np.arange(1, bins) / bins, method="lower"))
    at = np.unique(at[at < len(distinct) - 1])
    return (distinct[at] + distinct[at + 1]) / 2


def _beside(value: np.float64) -> NDArray[np.float64]:
    """The edges of a bin that holds one value and nothing else to speak of."""
    width = max(abs(value), 1.0) / 2
    return np.array([value - width, value + width])


def _binned(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Values up to and including each edge, beyond the last, and NaN."""
    nan = np.isnan(values)
    return np.append(
        np.bincount(np.searchsorted(edges, values[~nan], side="left"), minlength=len(edges) + 1), nan.sum()
    )


def _null_share(values: NDArray[np.float64]) -> float:
    return float(np.isnan(values).mean()) if len(values) else 0.0


def _mean(values: NDArray[np.float64]) -> float | None:
    told = values[~np.isnan(values)]
    return float(told.mean()) if len(told) else None
