"""Were answers told what history tells? Features that were logged with an answer beside the same, computed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shelfwise.features._bases import CATALOGUE
from shelfwise.features._declare import Feature
from shelfwise.features._finding import Finding

SAME = 1e-5  # of a value's size: logged rows are float32
MOST = 0.05  # share of rows that may differ: what happened in the second before an answer may be told late
_UNKEPT = {name for name in CATALOGUE if not name.endswith("_us")}


@dataclass(frozen=True, slots=True)
class Skew:
    """One feature as it was logged and as it is computed from history."""

    name: str
    n_rows: int  # shown positions
    n_differing: int
    n_one_sided: int  # of those, one of the two has nothing
    largest: float | None  # distance of two values; None if nowhere both have one
    why_not: str | None  # why a difference would say nothing; None: it would

    @property
    def share(self) -> float:
        """Of rows that differ."""
        return self.n_differing / self.n_rows if self.n_rows else 0.0

    @property
    def ok(self) -> bool:
        """Whether few enough rows differ, or nothing can be said of it."""
        return self.why_not is not None or self.share <= MOST


def skews(
    features: Sequence[Feature],
    logged: Mapping[str, NDArray[np.float32]],
    computed: Mapping[str, NDArray[np.generic]],
) -> list[Skew]:
    """Each feature that both have, ``(N,)`` each, the most skewed first."""
    both = [feature for feature in features if feature.name in logged and feature.name in computed]
    found = [_skew(one, logged[one.name], computed[one.name]) for one in both]
    return sorted(found, key=lambda one: (one.why_not is not None, -one.share, one.name))


def check_skews(found: Iterable[Skew]) -> list[Finding]:
    """A finding a feature. It stops no release: a new one learns from history, and history is not what is wrong."""
    return [
        Finding("skew", one.name, "note" if one.why_not else "warning", one.ok, one.share, MOST, _told(one))
        for one in found
    ]


def _skew(feature: Feature, logged: NDArray[np.float32], computed: NDArray[np.generic]) -> Skew:
    one, two = logged.astype(np.float64), computed.astype(np.float64)
    absent = np.isnan(one) | np.isnan(two)
    apart = np.abs(one - two)[~absent]
    size = np.maximum(np.abs(one), np.abs(two))[~absent]
    one_sided = int(np.count_nonzero(np.isnan(one) != np.isnan(two)))
    return Skew(
        name=feature.name,
        n_rows=len(one),
        n_differing=int(np.count_nonzero(apart > SAME * np.maximum(size, 1.0))) + one_sided,
        n_one_sided=one_sided,
        largest=float(apart.max()) if len(apart) else None,
        why_not=_why_not(feature),
    )


def _why_not(feature: Feature) -> str | None:
    if feature.expr is not None and _UNKEPT & set(feature.expr.columns()):
        return "what the catalogue said then is not kept"
    return None


def _told(one: Skew) -> str:
    far = f", by {one.largest:.4g} at most" if one.largest else ""
    lone = f", {one.n_one_sided} of them have nothing on one side" if one.n_one_sided else ""
    reason = f"; not judged: {one.why_not}" if one.why_not else ""
    return f"{one.n_differing} of {one.n_rows} logged rows differ{far}{lone}{reason}"
