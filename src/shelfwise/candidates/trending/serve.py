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
from shelfwise.candidates._kernels import Floats, Rows, best, known_once, reads
from shelfwise.candidates._matrix import event_weights
from shelfwise.candidates._protocol import Proposal
from shelfwise.candidates.trending.settings import TrendingSettings
from shelfwise.domain import LiveItems, PersonState, Query

NAME = "trending"
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

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        """The best sellers of these days, over all and for such a shopper."""
        table = self.table(query, person, live)
        blocked = open_to(query, person, live, len(self._open))
        return Proposal(*best(table[0], blocked, limit), reads(table))

    def because(self, query: Query, person: PersonState, item: Rows) -> tuple[str, Rows]:
        """``trending``, or ``trending_in_country`` where the shopper's country has a list; hangs on no item."""
        code = "trending" if self._country(query, person) < 0 else "trending_in_country"
        return code, np.full(len(item), -1, np.int32)

    def table(self, query: Query, person: PersonState, live: LiveItems) -> Floats:
        """``(4, I)``: score, share of purchases, of first purchases, share within the categories at hand."""
        t, s = self.trends, self.settings
        table = np.empty((4, len(self._open)), np.float32)
        counts = live.counters
        trend(
            t.bought, t.first, self._open, t.country, self._country(query, person),
            _counts(counts, BUYERS), _counts(counts, FIRST), _counts(counts, VIEWERS),
            np.array([s.live, s.first, s.viewed, s.country, s.category], np.float32),
            t.category, self._in_category, self._affinity(query, person), table,
        )  # fmt: skip
        return table

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

    def _affinity(self, query: Query, person: PersonState) -> Floats:
        """Weight of each category at hand, adding up to 1 (or to nothing): the seeds', else the history's."""
        if self._n_categories == 0:
            return _NO_WEIGHTS
        n_items = len(self._open)
        rows = known_once(query.seeds, n_items)
        weight = np.ones(len(rows), np.float32)
        if len(rows) == 0:
            rows, each = history_of(person).recent(
                query, half_lives=self._half_lives, by_event=self._by_event, n_items=n_items, limit=100
            )
            weight = each[0]
        category = self.trends.category[rows]
        known = category >= 0
        total = np.bincount(category[known], weights=weight[known], minlength=self._n_categories)
        return (total / max(total.sum(), 1e-30)).astype(np.float32)


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
    open_: Floats,
    country: Floats,
    here: int,
    live_buyers: NDArray[np.int64],
    live_first: NDArray[np.int64],
    live_viewers: NDArray[np.int64],
    parts: Floats,
    category: NDArray[np.int32],
    in_category: Floats,
    affinity: Floats,
    table: Floats,
) -> None:
    """Fill ``table`` ``(4, I)``. ``parts``: live, first, viewed, country, category, as the settings say."""
    n = len(bought)
    score = table[0]
    buyers_scale, first_scale, viewers_scale = (
        _scale(live_buyers, n),
        _scale(live_first, n),
        _scale(live_viewers, n),
    )
    live_part = parts[0] if buyers_scale > 0 else np.float32(0)
    viewed_part = parts[2] if viewers_scale > 0 else np.float32(0)
    fitted_part = np.float32(1) - live_part
    for i in range(n):
        score[i] = fitted_part * ((1 - parts[1]) * bought[i] + parts[1] * first[i])
    if live_part > 0:
        _add(score, live_buyers, live_part * (1 - viewed_part) * (1 - parts[1]) * buyers_scale)
        _add(score, live_first, live_part * (1 - viewed_part) * parts[1] * first_scale)
        _add(score, live_viewers, live_part * viewed_part * viewers_scale)
    if here >= 0:
        for i in range(n):
            score[i] = (1 - parts[3]) * score[i] + parts[3] * country[here, i]
    for i in range(n):
        score[i] *= open_[i]
        table[1, i] = 1000 * bought[i]
        table[2, i] = 1000 * first[i]
    table[3] = 0
    if len(affinity) > 0:
        for i in range(n):
            if category[i] >= 0:
                near = affinity[category[i]]
                score[i] *= 1 + parts[4] * near
                table[3, i] = near * in_category[i]


@nb.njit(cache=True)
def _add(score: Floats, counts: NDArray[np.int64], times: np.float32) -> None:
    for i in range(min(len(score), len(counts))):
        score[i] += times * np.float32(counts[i])


@nb.njit(cache=True)
def _scale(counts: NDArray[np.int64], n: int) -> np.float32:
    """What makes the counts add up to 1; 0 where there are none."""
    total = 0
    for i in range(min(n, len(counts))):
        total += counts[i]
    return np.float32(1.0 / total) if total > 0 else np.float32(0)
