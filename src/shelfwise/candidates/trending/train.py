"""Counts what people bought lately, each person once a day and item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._matrix import PairDays, Prepared
from shelfwise.candidates.trending.serve import TrendingSource, Trends
from shelfwise.candidates.trending.settings import TrendingSettings
from shelfwise.domain import Shelf

CATEGORY_STEPS = 2  # of the category path: the widest two are full enough to have trends of their own


def fit(
    prepared: Prepared, shelf: Shelf | None, *, settings: TrendingSettings, warm: TrendingSource | None = None
) -> TrendingSource:
    """Learn aged shares as of the instant. Without a ``shelf`` there are no categories."""
    del warm
    pairs, as_of_us = prepared.pairs, prepared.as_of_us
    people = np.bincount(pairs.first().item, minlength=prepared.n_items).astype(np.int32)
    may = people >= settings.min_people
    bought = pairs.purchases()
    share = _share(bought, as_of_us, settings.half_life_days, may)
    names, country = _countries(bought, prepared, share, settings)
    trends = Trends(
        bought=share,
        first=_share(bought.first(), as_of_us, settings.first_half_life_days, may),
        people=people,
        category=_categories(shelf, prepared.n_items),
        country=country,
        countries=names,
    )
    return TrendingSource(trends, settings)


def aged_counts(days: PairDays, as_of_us: int, half_life_days: float) -> NDArray[np.float64]:
    """Per item the sum of ``0.5 ** (age / half_life)`` over person-days, ``(I,)``."""
    left = np.exp2(-np.maximum(as_of_us - days.at_us, 0) / (half_life_days * 86_400e6))
    return np.bincount(days.item, weights=left, minlength=days.n_items).astype(np.float64)


def _share(
    days: PairDays, as_of_us: int, half_life_days: float, may: NDArray[np.bool_]
) -> NDArray[np.float32]:
    counts = aged_counts(days, as_of_us, half_life_days) * may
    return (counts / max(counts.sum(), 1e-30)).astype(np.float32)


def _countries(
    bought: PairDays, prepared: Prepared, share: NDArray[np.float32], settings: TrendingSettings
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Countries in which some item has enough buyers, and their shrunk shares ``(K, I)``."""
    country = prepared.interactions.country
    names: list[str] = []
    rows: list[NDArray[np.float32]] = []
    of_person = np.array([place or "" for place in country], np.str_)
    for name in sorted(set(of_person[of_person != ""].tolist())):
        there = bought.take(of_person[bought.user] == name)
        may = np.bincount(there.first().item, minlength=prepared.n_items) >= settings.min_people
        if not may.any():
            continue
        counts = aged_counts(there, prepared.as_of_us, settings.half_life_days) * may
        total = counts.sum() + settings.country_doubt
        names.append(name)
        rows.append(((counts + settings.country_doubt * share) / max(total, 1e-30)).astype(np.float32))
    table = np.stack(rows) if rows else np.empty((0, prepared.n_items), np.float32)
    return tuple(names), table


def _categories(shelf: Shelf | None, n_items: int) -> NDArray[np.int32]:
    """Code of the widest steps of each item's category path, ``(I,)``; -1 without one."""
    out = np.full(n_items, -1, np.int32)
    if shelf is None or "category" not in shelf.coded:
        return out
    coded = shelf.coded["category"]
    heads: dict[tuple[str, ...], int] = {}
    code = [heads.setdefault(tuple(path[:CATEGORY_STEPS]), len(heads)) for path in coded.values]
    known = coded.codes[:n_items]
    out[: len(known)] = np.array([*code, -1], np.int32)[known]
    return out
