"""Numbers per item that a release carries: found from history once per training, as of its instant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, PURCHASE, Interactions, Shelf
from shelfwise.features._bases import FITTED, LIKENESS
from shelfwise.features._calendar import YEAR_DAYS
from shelfwise.features._embedding import fit_vectors, joined
from shelfwise.features._graph import ItemGraph, clustering, communities, fit_graph, pagerank
from shelfwise.features._likeness import Relations

_RECENT_US = 90 * DAY_US
_FEWEST_GAPS = 5  # below it a median is chance
_FEWEST_SALES = 5  # behind a spread or a season
_FEWEST_DAYS = 330  # of history, before a season can be told from growth
_WEEKS = 53
_PRIOR_SALES = 10.0  # spread evenly over the year: a handful of sales is no season
_NO_CATEGORY = -1
_WORD = re.compile(r"\w+")
Column = NDArray[np.float32]


def fit_features(
    interactions: Interactions, shelf: Shelf, *, as_of_us: int, wanted: Collection[str] = FITTED
) -> dict[str, Column]:
    """Columns of class ``fitted``, ``(n_items,)`` each, from what happened strictly before an instant."""
    return fit_release(interactions, shelf, as_of_us=as_of_us, wanted=wanted).columns


@dataclass(frozen=True, slots=True, eq=False)
class FeatureFit:
    """What a release carries for its features."""

    columns: dict[str, Column]  # by item row, ``(n_items,)`` each
    relations: Relations | None  # None where no feature asks how items stand to one another


def fit_release(
    interactions: Interactions, shelf: Shelf, *, as_of_us: int, wanted: Collection[str]
) -> FeatureFit:
    """Those of the wanted base columns that are fitted, and relations of items if a likeness is among them.

    What is not wanted is not computed.
    """
    past = _Past(interactions, shelf, as_of_us)
    columns = {name: _FITS[name](past) for name in FITTED if name in wanted}
    return FeatureFit(columns, _relations(past) if set(LIKENESS) & set(wanted) else None)


@dataclass(frozen=True, eq=False)
class _Past:
    """What happened before an instant, and what several columns are made of."""

    interactions: Interactions
    shelf: Shelf
    as_of_us: int

    @cached_property
    def bought(self) -> Interactions:
        return self.interactions.before(self.as_of_us).only(PURCHASE)

    @cached_property
    def met(self) -> NDArray[np.bool_]:
        """Items that anything had happened to: those that came later are nobody's peers yet."""
        past = self.interactions.before(self.as_of_us)
        return np.bincount(past.item, minlength=past.n_items) > 0

    @cached_property
    def category(self) -> NDArray[np.int32]:
        """Code of each item; -1 for none."""
        category = np.full(self.bought.n_items, _NO_CATEGORY, np.int32)
        coded = self.shelf.coded.get("category")
        if coded is not None:
            codes = coded.codes[: self.bought.n_items]
            category[: len(codes)] = codes
        return category

    @cached_property
    def buyers(self) -> NDArray[np.int64]:
        return _buyers(self.bought, self.as_of_us - _RECENT_US)

    @cached_property
    def graph(self) -> ItemGraph:
        return fit_graph(self.bought)

    @cached_property
    def community(self) -> NDArray[np.int32]:
        return communities(self.graph.start, self.graph.neighbour, self.graph.jaccard)

    @cached_property
    def words(self) -> list[list[str]]:
        """Words of each title."""
        titles = self.shelf.title[: self.bought.n_items]
        return [_WORD.findall(title.lower()) for title in titles]

    @cached_property
    def season(self) -> tuple[Column, Column]:
        return _season(self.bought, self.as_of_us)

    def of_items(self, values: list[float]) -> Column:
        """A column of numbers of the first items; NaN for the others."""
        column = np.full(self.bought.n_items, np.nan, np.float32)
        column[: len(values)] = values
        return column


def _relations(past: _Past) -> Relations:
    graph = past.graph
    vector = joined(fit_vectors(graph), past.shelf.vector)
    return Relations(vector, graph.start, graph.neighbour, graph.jaccard, graph.adamic_adar, past.community)


def _buyers(bought: Interactions, since_us: int) -> NDArray[np.int64]:
    """Distinct people who bought each item since an instant."""
    recent = bought.at_us >= since_us
    pair = np.unique(bought.user[recent].astype(np.int64) * bought.n_items + bought.item[recent])
    return np.bincount(pair % bought.n_items, minlength=bought.n_items)


def _percentile(value: NDArray[np.int64], peer: NDArray[np.bool_]) -> Column:
    """Share of the other peers' values that are lower, ``(rank - 1) / (n - 1)``: SQL's PERCENT_RANK. 0 if alone."""
    ordered = np.sort(value[peer])
    lower = np.searchsorted(ordered, value, side="left")
    return (lower / max(len(ordered) - 1, 1)).astype(np.float32)


def _within(
    category: NDArray[np.int32], value: NDArray[np.int64], told: NDArray[np.bool_], peer: NDArray[np.bool_]
) -> Column:
    """Percentile among the peers of the same category; NaN for items that are not told of."""
    found = np.full(len(value), np.nan, np.float32)
    for code in np.unique(category[told]):
        rows = np.flatnonzero((category == code) & told)
        found[rows] = _percentile(value[rows], peer[rows])
    return found


def _price_percentile(past: _Past) -> Column:
    """Percentile of the price last paid among the items of the same category that have one; NaN without."""
    bought = past.bought
    priced = np.flatnonzero(bought.price_minor > 0)
    newest = priced[np.lexsort((bought.price_minor[priced], bought.at_us[priced]))]
    price = np.zeros(bought.n_items, np.int64)
    price[bought.item[newest]] = bought.price_minor[newest]  # the last assignment of an item stays
    return _within(past.category, price, price > 0, price > 0)


def _typical_gap(bought: Interactions) -> Column:
    """Median days between consecutive purchase days of one person; NaN with fewer than 5 such gaps."""
    day = bought.at_us // DAY_US
    pair = bought.user.astype(np.int64) * bought.n_items + bought.item
    order = np.lexsort((day, pair))
    pair, day = pair[order], day[order]
    repeat = (pair[1:] == pair[:-1]) & (day[1:] > day[:-1])
    gap, item = (day[1:] - day[:-1])[repeat], (pair[1:] % bought.n_items)[repeat]
    by_item = np.lexsort((gap, item))
    gap, item = gap[by_item], item[by_item]
    start = np.searchsorted(item, np.arange(bought.n_items + 1))
    size = np.diff(start)
    found = np.full(bought.n_items, np.nan, np.float32)
    known = np.flatnonzero(size >= _FEWEST_GAPS)
    low, high = start[known] + (size[known] - 1) // 2, start[known] + size[known] // 2
    found[known] = (gap[low] + gap[high]) / 2
    return found


def _revenue(past: _Past) -> NDArray[np.int64]:
    """Minor units that each item brought in 90 days."""
    bought = past.bought
    paid = np.where(bought.at_us >= past.as_of_us - _RECENT_US, np.maximum(bought.price_minor, 0), 0)
    total = np.zeros(bought.n_items, np.int64)
    np.add.at(total, bought.item, paid * bought.quantity)
    return total


def _price_spread(past: _Past) -> Column:
    """Standard deviation of the logarithm of the prices paid; NaN below 5 sales with a price."""
    priced = past.bought.take(past.bought.price_minor > 0)
    log_price = np.log(priced.price_minor)
    size = np.bincount(priced.item, minlength=priced.n_items)
    mean = np.bincount(priced.item, log_price, priced.n_items) / np.maximum(size, 1)
    square = np.bincount(priced.item, (log_price - mean[priced.item]) ** 2, priced.n_items)
    spread = np.sqrt(square / np.maximum(size, 1))
    return np.where(size >= _FEWEST_SALES, spread, np.nan).astype(np.float32)


def _rarity(past: _Past) -> Column:
    """Mean over a title's words of ln((n + 1) / (titles with the word + 1))."""
    known = Counter(word for words in past.words for word in set(words))
    n = len(past.words)
    weight = {word: float(np.log((n + 1) / (count + 1))) for word, count in known.items()}
    means = (np.mean([weight[word] for word in words]) if words else np.nan for words in past.words)
    return past.of_items([float(mean) for mean in means])


def _length(past: _Past) -> Column:
    return past.of_items([float(len(title)) for title in past.shelf.title[: past.bought.n_items]])


def _digits(past: _Past) -> Column:
    titles = past.shelf.title[: past.bought.n_items]
    return past.of_items([sum(map(str.isdigit, title)) / len(title) if title else np.nan for title in titles])


def _season(bought: Interactions, as_of_us: int) -> tuple[Column, Column]:
    """The first yearly wave in an item's part of the shop's sales, cosine and sine; NaN where history is too short.

    A sale weighs as much less as the shop sold more in its week of the year, so that neither a busy season of the whole
    shop nor a part of the year that history holds twice looks like a season of the item.
    """
    none = np.full(bought.n_items, np.nan, np.float32)
    if not len(bought) or as_of_us - bought.at_us.min() < _FEWEST_DAYS * DAY_US:
        return none, none
    year_day = _year_day(bought.at_us)
    week = np.minimum((year_day // 7).astype(np.int64), _WEEKS - 1)
    weight = len(bought) / _WEEKS / np.bincount(week, minlength=_WEEKS)[week]
    angle = 2 * np.pi * year_day / YEAR_DAYS
    size = np.bincount(bought.item, minlength=bought.n_items)
    total = np.bincount(bought.item, weight, bought.n_items) + _PRIOR_SALES
    sums = [np.bincount(bought.item, weight * wave(angle), bought.n_items) for wave in (np.cos, np.sin)]
    cosine, sine = (np.where(size >= _FEWEST_SALES, of / total, np.nan).astype(np.float32) for of in sums)
    return cosine, sine


def _year_day(at_us: NDArray[np.int64]) -> NDArray[np.float64]:
    """Days since the first of January, UTC."""
    day = (at_us // DAY_US).astype("datetime64[D]")
    return (day - day.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)


def _peak_day(past: _Past) -> Column:
    """Day of the year on which the wave is highest, from 0."""
    cosine, sine = past.season
    return (np.arctan2(sine, cosine) / (2 * np.pi) % 1.0 * YEAR_DAYS).astype(np.float32)


def _weekend(past: _Past) -> Column:
    """An item's part of sales on Saturday and Sunday (UTC) by the shop's, pulled to 1 by 10 sales; NaN below 5."""
    bought = past.bought
    weekend = (bought.at_us // DAY_US + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    share = float(weekend.mean()) if len(weekend) else 0.0
    if share == 0.0:
        return np.full(bought.n_items, np.nan, np.float32)
    size = np.bincount(bought.item, minlength=bought.n_items)
    own = (np.bincount(bought.item, weekend, bought.n_items) + _PRIOR_SALES * share) / (size + _PRIOR_SALES)
    return np.where(size >= _FEWEST_SALES, own / share, np.nan).astype(np.float32)


def _strength(past: _Past) -> Column:
    """Sum of an item's edges' Jaccard indexes."""
    owner = np.repeat(np.arange(past.graph.n_items), np.diff(past.graph.start))
    return np.bincount(owner, past.graph.jaccard, past.graph.n_items).astype(np.float32)


def _community_size(past: _Past) -> Column:
    return np.bincount(past.community, minlength=len(past.community))[past.community].astype(np.float32)


def _pagerank(past: _Past) -> Column:
    return pagerank(past.graph.start, past.graph.neighbour, past.graph.jaccard).astype(np.float32)


def _clustering(past: _Past) -> Column:
    return clustering(past.graph.start, past.graph.neighbour).astype(np.float32)


_FITS: dict[str, Callable[[_Past], Column]] = {
    "item__purchase__percentile__90d": lambda past: _percentile(past.buyers, past.met),
    "item__price__percentile": _price_percentile,
    "item__purchase__typical_gap": lambda past: _typical_gap(past.bought),
    "item__purchase__percentile_in_category__90d": lambda past: _within(
        past.category, past.buyers, past.category >= 0, past.met
    ),
    "item__revenue__percentile__90d": lambda past: _percentile(_revenue(past), past.met),
    "item__price__log_spread": _price_spread,
    "item__title__length": _length,
    "item__title__words": lambda past: past.of_items([float(len(words)) for words in past.words]),
    "item__title__rarity": _rarity,
    "item__title__digits_share": _digits,
    "item__season__strength": lambda past: np.hypot(*past.season),
    "item__season__peak_day": _peak_day,
    "item__season__cos": lambda past: past.season[0],
    "item__season__sin": lambda past: past.season[1],
    "item__weekend__share_ratio": _weekend,
    "item__graph__degree": lambda past: past.graph.degree.astype(np.float32),
    "item__graph__strength": _strength,
    "item__graph__pagerank": _pagerank,
    "item__graph__clustering": _clustering,
    "item__graph__community_size": _community_size,
}
