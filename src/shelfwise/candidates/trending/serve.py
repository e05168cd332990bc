"""What sells now: the fit's aged counts, the live counters over them, leaned to country and category."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import _files
from shelfwise.candidates._history import history_of, open_to
from shelfwise.candidates._kernels import Floats, Rows, best_of, known_once
from shelfwise.candidates._matrix import event_weights
from shelfwise.candidates._protocol import Proposal
from shelfwise.candidates.trending.settings import TrendingSettings
from shelfwise.domain import NO_ROWS, LiveItems, PersonState, Query

NAME = "trending"
REFRESH_US = 1_000_000
BUYERS, FIRST, VIEWERS = (
    "item__purchase__actors__7d",
    "item__purchase__first_buyers__7d",
    "item__view_item__actors__7d",
)


@dataclass(frozen=True, slots=True, eq=False)
class Trends:
    """Aged counts of one fit, each a share: adds up to 1 over the items that may trend."""

    bought: Floats  # (I,) of all purchases
    first: Floats  # (I,) of first purchases
    people: NDArray[np.int32]  # (I,) distinct people who showed interest
    category: NDArray[np.int32]  # (I,) code, -1 without one
    country: Floats  # (K, I) of purchases in each country, shrunk to ``bought``
    countries: tuple[str, ...]  # (K,)


class TrendingSource:
    """A ``CandidateSource`` and ``Reasoner`` that needs to know nobody."""

    name = NAME
    signals = (f"{NAME}__score", f"{NAME}__bought", f"{NAME}__first", f"{NAME}__category")

    def __init__(self, trends: Trends, settings: TrendingSettings) -> None:
        self.trends, self.settings = trends, settings
        self._country_of = {name: row for row, name in enumerate(trends.countries)}
        self._half_lives = np.array([settings.history_half_life_days])
        self._by_event = event_weights({"purchase": 1.0, "add_to_cart": 0.3, "view_item": 0.1})
        self._open = (trends.people >= settings.min_people).astype(np.float32)
        self._n_categories = int(trends.category.max(initial=-1)) + 1
        self._in_category = share_in_category(trends.bought, trends.category, self._n_categories)
        told = np.stack([1_000 * trends.bought, 1_000 * trends.first, self._in_category], axis=1)
        self._told = np.ascontiguousarray(told, np.float32)  # (I, 3) what is said of an item beside its score
        self._parts = np.array(
            [
                settings.live, settings.first, settings.viewed, settings.country, settings.category,
                settings.live_doubt, settings.viewed_doubt,
            ],
            np.float32,
        )  # fmt: skip
        self._shop: _Shop | None = None

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        """The best sellers of these days, over all and for such a shopper."""
        near = self._near(query, person)
        blocked = open_to(query, person, live, len(self._open))
        score, item, value = _lean(
            self._of_shop(query, live), self._open, self.trends.country, self._country(query, person), self._parts,
            self.trends.category, near, blocked, limit,
        )  # fmt: skip
        told, category = self._told, self.trends.category
        return Proposal(
            item, value, lambda rows: _tell(score, told, category, near, np.ascontiguousarray(rows, np.int32))
        )

    def because(self, query: Query, person: PersonState, item: Rows) -> tuple[str, Rows]:
        """``trending``, or ``trending_in_country`` where the shopper's country has a list; hangs on no item."""
        code = "trending" if self._country(query, person) < 0 else "trending_in_country"
        return code, np.full(len(item), -1, np.int32)

    def packed(self, size: int) -> Rows:
        """The list of last resort, best first: the fit's trend, then the newest rows, which nobody's deeds chose."""
        score = self._open * (
            (1 - self.settings.first) * self.trends.bought + self.settings.first * self.trends.first
        )
        order = np.argsort(-score, kind="stable")
        chosen = order[score[order] > 0][:size]
        rest = np.setdiff1d(np.arange(len(score)), chosen)[::-1]
        return np.concatenate([chosen, rest])[:size].astype(np.int32)

    def save(self, folder: Path) -> None:
        """Write it for ``load``."""
        arrays = {name: getattr(self.trends, name) for name in _KINDS}
        about = {"settings": self.settings.model_dump(), "countries": list(self.trends.countries)}
        _files.save(folder, arrays, about)

    def _country(self, query: Query, person: PersonState) -> int:
        return self._country_of.get(query.context.country or person.country or "", -1)

    def _of_shop(self, query: Query, live: LiveItems) -> Floats:
        """What sells now over all: made anew each second, for the counters behind it tick no faster."""
        known = self._shop
        if known is not None and known.live is live and 0 <= query.asked_us - known.at_us < REFRESH_US:
            return known.score
        counts, score = live.counters, np.empty(len(self._open), np.float32)
        trend(
            self.trends.bought, self.trends.first, _counts(counts, BUYERS), _counts(counts, FIRST),
            _counts(counts, VIEWERS), self._parts, score,
        )  # fmt: skip
        self._shop = _Shop(live, query.asked_us, score)
        return score

    def _near(self, query: Query, person: PersonState) -> Floats:
        """Weight of each category at hand, adding up to 1 (or to nothing): the seeds', else the history's."""
        if self._n_categories == 0:
            return _NO_WEIGHTS
        n_items = len(self._open)
        rows = known_once(query.seeds, n_items) if len(query.seeds) else NO_ROWS
        if len(rows):
            weight = np.ones(len(rows), np.float32)
        else:
            rows, each = history_of(person).recent(
                query, half_lives=self._half_lives, by_event=self._by_event, n_items=n_items, limit=100
            )
            weight = each[0]
        return _by_category(rows, weight, self.trends.category, self._n_categories)


@dataclass(frozen=True, slots=True, eq=False)
class _Shop:
    """What sells now over all, ``(I,)``, as these columns told at an instant."""

    live: LiveItems
    at_us: int
    score: Floats


def share_in_category(share: Floats, category: NDArray[np.int32], n_categories: int) -> Floats:
    """Each item's part of its category, ``(I,)``; 0 without one."""
    known = category >= 0
    total = np.bincount(category[known], weights=share[known], minlength=n_categories)
    of_category = np.append(total, 0.0)[category]
    return np.divide(share, of_category, out=np.zeros(len(share), np.float32), where=of_category > 0)


def load(folder: Path) -> TrendingSource:
    """Read what ``save`` wrote. Raises BadRelease for arrays that do not fit together."""
    about = _files.about(folder)
    arrays: dict[str, Any] = _files.load(folder, _KINDS)
    n_items, countries = len(arrays["bought"]), tuple(about.get("countries", ()))
    for name in ("first", "people", "category"):
        _files.check_length(arrays[name], n_items, folder / f"{name}.npy")
    _files.check_length(arrays["country"], len(countries), folder / "country.npy")
    _files.check_length(arrays["country"].T, n_items, folder / "country.npy")
    return TrendingSource(
        Trends(**arrays, countries=countries),
        _files.settings(folder, about.get("settings"), TrendingSettings),
    )


_KINDS: dict[str, tuple[Any, int]] = {
    "bought": (np.float32, 1),
    "first": (np.float32, 1),
    "people": (np.int32, 1),
    "category": (np.int32, 1),
    "country": (np.float32, 2),
}
_NO_COUNTS = np.empty(0, np.int64)
_NO_WEIGHTS = np.empty(0, np.float32)


def _counts(counters: Mapping[str, NDArray[np.int64]], name: str) -> NDArray[np.int64]:
    return counters.get(name, _NO_COUNTS)


@nb.njit(cache=True)
def trend(
    bought: Floats,
    first: Floats,
    live_buyers: NDArray[np.int64],
    live_first: NDArray[np.int64],
    live_viewers: NDArray[np.int64],
    parts: Floats,
    score: Floats,
) -> None:
    """Fill ``score`` ``(I,)``. ``parts``: live, first, viewed, country, category, and the doubts about buyers and viewers.

    The fewer people the live counters tell of, the less they say: a few must not steer the list.
    """
    n = len(bought)
    buyers_scale, first_scale, viewers_scale = (
        _scale(live_buyers, n),
        _scale(live_first, n),
        _scale(live_viewers, n),
    )
    live_part = parts[0] * _trust(buyers_scale, parts[5])
    viewed_part = parts[2] * _trust(viewers_scale, parts[6])
    fitted_part = np.float32(1) - live_part
    for i in range(n):
        score[i] = fitted_part * ((1 - parts[1]) * bought[i] + parts[1] * first[i])
    if live_part > 0:
        _add(score, live_buyers, live_part * (1 - viewed_part) * (1 - parts[1]) * buyers_scale)
        _add(score, live_first, live_part * (1 - viewed_part) * parts[1] * first_scale)
        _add(score, live_viewers, live_part * viewed_part * viewers_scale)


@nb.njit(cache=True)
def _lean(
    of_shop: Floats,
    open_: Floats,
    country: Floats,
    here: int,
    parts: Floats,
    category: NDArray[np.int32],
    near: Floats,
    blocked: NDArray[np.uint8],
    limit: int,
) -> tuple[Floats, Rows, Floats]:
    """Scores ``(I,)`` leaned to the country ``here`` and the categories ``near``; and the best of them."""
    n = len(of_shop)
    score = np.empty(n, np.float32)
    for i in range(n):
        score[i] = of_shop[i]
    if here >= 0:
        for i in range(n):
            score[i] = (1 - parts[3]) * score[i] + parts[3] * country[here, i]
    lift = np.ones(len(near) + 1, np.float32)  # category -1 reads the last place
    for c in range(len(near)):
        lift[c] = 1 + parts[4] * near[c]
    for i in range(n):
        score[i] = score[i] * open_[i] * lift[category[i] if len(near) > 0 else -1]
    item, value = best_of(score, blocked, limit, np.float32(0))
    return score, item, value


@nb.njit(cache=True)
def _tell(score: Floats, told: Floats, category: NDArray[np.int32], near: Floats, rows: Rows) -> Floats:
    """``(C, 4)``: score, share of purchases, of first purchases, share within the categories at hand."""
    out = np.empty((len(rows), 4), np.float32)
    for c in range(len(rows)):
        i = rows[c]
        if 0 <= i < len(score):
            here = near[category[i]] if category[i] >= 0 and len(near) > 0 else np.float32(0)
            out[c, 0], out[c, 1], out[c, 2] = score[i], told[i, 0], told[i, 1]
            out[c, 3] = here * told[i, 2]
        else:
            for g in range(4):
                out[c, g] = np.nan
    return out


@nb.njit(cache=True)
def _by_category(rows: Rows, weight: Floats, category: NDArray[np.int32], n_categories: int) -> Floats:
    """Weights added up by category, as shares of all that have one."""
    total, whole = np.zeros(n_categories, np.float64), 0.0
    for k in range(len(rows)):
        if category[rows[k]] >= 0:
            total[category[rows[k]]] += weight[k]
            whole += weight[k]
    out = np.empty(n_categories, np.float32)
    for c in range(n_categories):
        out[c] = total[c] / max(whole, 1e-30)
    return out


@nb.njit(cache=True)
def _add(score: Floats, counts: NDArray[np.int64], times: np.float32) -> None:
    for i in range(min(len(score), len(counts))):
        score[i] += times * np.float32(counts[i])


@nb.njit(cache=True)
def _trust(scale: np.float32, doubt: np.float32) -> np.float32:
    """How much counts are believed that ``scale`` makes add up to 1: by half where there are ``doubt``, not at all where none."""
    return np.float32(1) / (1 + doubt * scale) if scale > 0 else np.float32(0)


@nb.njit(cache=True)
def _scale(counts: NDArray[np.int64], n: int) -> np.float32:
    """What makes the counts add up to 1; 0 where there are none."""
    total = 0
    for i in range(min(n, len(counts))):
        total += counts[i]
    return np.float32(1.0 / total) if total > 0 else np.float32(0)
