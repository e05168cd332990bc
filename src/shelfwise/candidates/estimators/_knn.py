"""Estimators over neighbour lists: of items by who touched them, by their texts, by what was bought with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr

from shelfwise.candidates import _files
from shelfwise.candidates._kernels import Floats, Rows, votes
from shelfwise.candidates._matrix import LARGEST_GROUP, Csr, baskets, sessions
from shelfwise.candidates._neighbours import Neighbours, strongest
from shelfwise.candidates.collaborative.train import bm25
from shelfwise.candidates.complements.settings import PRIVACY_FLOOR, ComplementsSettings
from shelfwise.candidates.complements.train import buyers_of, by_person, reweighted, shortened, together
from shelfwise.candidates.estimators._base import ItemToItem
from shelfwise.candidates.estimators._frames import Frame, Log, read_log, read_table, rows_of
from shelfwise.candidates.similar._text import counted, title_tokens, unit_rows, weighed
from shelfwise.domain import InvalidInput

_LISTS: dict[str, tuple[Any, int]] = {
    "start": (np.int64, 1),
    "neighbour": (np.int32, 1),
    "similarity": (np.float32, 1),
}


class _Lists(ItemToItem):
    """Answers by adding up neighbour lists."""

    ARRAYS: ClassVar[dict[str, tuple[Any, int]]] = _LISTS

    neighbours: int = Field(100, ge=1, le=2_000)
    """Neighbours kept per item."""

    query_half_life_days: float | None = Field(None, gt=0.0)
    """Ageing of what a user is asked with; None keeps it."""

    def _holding(self, log: Log) -> Csr:
        return log.matrix(self.query_half_life_days)

    def _check(self, arrays: dict[str, NDArray[Any]], folder: Path) -> None:
        _files.neighbours(arrays, n_items=len(self._known(self._items)), folder=folder)

    def _scores(self, items: Rows, weight: Floats) -> Floats:
        held = self._arrays
        return votes(items, weight, held["start"], held["neighbour"], held["similarity"])


class ItemKNN(_Lists):
    """Items touched by the same users.

    Source: Deshpande and Karypis, "Item-based top-N recommendation algorithms", TOIS 2004; shrinkage as in Koren 2010.
    """

    weighting: Literal["cosine", "bm25", "tfidf"] = "cosine"
    """How similarity is measured: the cosine with shrinkage; the product of BM25-weighted or TF-IDF-weighted rows."""

    shrink: float = Field(10.0, ge=0.0)
    """Cosine only: pulls similarities that rest on few users towards 0. Tune it per catalogue."""

    k1: float = Field(1.2, ge=0.0)
    """BM25: how soon further weight adds nothing."""

    b: float = Field(0.75, ge=0.0, le=1.0)
    """BM25: how much popular items are discounted."""

    half_life_days: float | None = Field(None, gt=0.0)
    """Ageing of the rows learned from; None keeps them."""

    def _learn(self, log: Log) -> dict[str, NDArray[Any]]:
        return self._near(log.matrix(self.half_life_days)).arrays()

    def _near(self, held: Csr) -> Neighbours:
        by_item = held.transposed()
        if self.weighting == "bm25":
            by_item = bm25(by_item, k1=self.k1, b=self.b)
            return strongest(by_item, by_item.transposed(), limit=self.neighbours)
        if self.weighting == "tfidf":
            by_item = unit_rows(weighed(by_item))
            return strongest(by_item, by_item.transposed(), limit=self.neighbours)
        square = np.bincount(by_item.row(), weights=by_item.value**2, minlength=by_item.n_rows)
        norm = np.sqrt(square).astype(np.float32)
        return strongest(by_item, held, limit=self.neighbours, norm=norm, shrink=self.shrink)


class ContentKNN(_Lists):
    """Items whose texts are alike: the cosine of TF-IDF over ``title`` and any further text columns.

    Source: Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988.
    """

    neighbours: int = Field(60, ge=1, le=2_000)
    """Neighbours kept per item."""

    bigram_weight: float = Field(0.5, ge=0.0, le=1.0)
    """What two words in a row count beside one word."""

    facet_weight: float = Field(0.5, ge=0.0, le=1.0)
    """What the whole value of another column counts beside a word of the title."""

    common: int = Field(5_000, ge=1)
    """A token that more items share is left out."""

    _texts: pa.Table | None = PrivateAttr(None)

    def fit(self, interactions: Frame, *, items: Frame | None = None) -> Self:
        """Learn from ``items``: columns ``item_id``, ``title`` and any others (category, brand, lists of them).

        ``interactions`` say whom to answer. Items that nobody touched yet are recommended all the same.
        """
        if items is None:
            raise InvalidInput("items is None; expected a frame of item_id, title and further text columns")
        texts = read_table(items)
        if not {"item_id", "title"} <= set(texts.column_names):
            raise InvalidInput(f"columns are {', '.join(texts.column_names)}; expected item_id and title")
        log = read_log(interactions)
        fresh = pc.unique(texts.column("item_id").combine_chunks().cast(log.items.type))
        fresh = fresh.filter(pa.array(rows_of(fresh, log.items) < 0))
        self._texts = texts
        return self._fit_log(log.with_items(pa.concat_arrays([log.items, fresh])))

    def _learn(self, log: Log) -> dict[str, NDArray[Any]]:
        assert self._texts is not None
        tokens = self._tokens(self._texts, log.items)
        self._texts = None
        return strongest(tokens, tokens.transposed(), limit=self.neighbours).arrays()

    def _tokens(self, texts: pa.Table, items: pa.Array) -> Csr:
        row = rows_of(texts.column("item_id"), items)
        found: list[list[tuple[str, float]]] = [[] for _ in range(len(items))]
        for name in texts.column_names:
            if name == "item_id":
                continue
            for at, value in zip(row.tolist(), texts.column(name).to_pylist(), strict=True):
                found[at].extend(self._of(name, value))
        return unit_rows(weighed(counted(found, len(found)), common=self.common))

    def _of(self, name: str, value: Any) -> list[tuple[str, float]]:
        if value is None:
            return []
        if name == "title":
            return list(title_tokens(str(value), self.bigram_weight))
        values = value if isinstance(value, list) else [value]
        return [(f"{name}:{str(one).casefold()}", self.facet_weight) for one in values if one is not None]


class Complements(_Lists):
    """Items bought in one basket more often than chance, at least five buyers behind every pair.

    ``fit`` takes a column ``order_id`` (or ``session_id``) too; without one, rows of a user without a pause of
    30 minutes are a basket. Source: Brin et al., 1997.
    """

    min_buyers: int = Field(PRIVACY_FLOOR, ge=PRIVACY_FLOOR)
    """Distinct users behind a pair; never below 5."""

    half_life_days: float | None = Field(None, gt=0.0)
    """Ageing of baskets; None keeps them."""

    size_power: float = Field(0.5, ge=0.0, le=1.0)
    """A basket of n items counts ``n ** -size_power``."""

    popularity_power: float = Field(0.5, ge=0.0, le=1.0)
    """Pairs are divided by ``(count_i * count_j) ** this``: 1 is the lift, 0.5 the cosine."""

    shrink: float = Field(5.0, ge=0.0)
    """n buyers of a pair count ``n / (n + shrink)``."""

    apart_power: float = Field(0.5, ge=0.0, le=2.0)
    """How hard pairs are weighed down that the same users buy in different baskets: alternatives, not sets."""

    def fit(self, interactions: Frame) -> Self:
        """Learn from baskets."""
        return self._fit_log(read_log(interactions, order=("order_id", "session_id")))

    def _learn(self, log: Log) -> dict[str, NDArray[Any]]:
        history = log.interactions()
        make = sessions if log.order is None else baskets
        kept = by_person(make(history, largest=LARGEST_GROUP))
        settings = ComplementsSettings(
            min_buyers=self.min_buyers, half_life_days=self.half_life_days, size_power=self.size_power,
            popularity_power=self.popularity_power, shrink=self.shrink,
        )  # fmt: skip
        pairs, buyers = together(kept, log.end_us, settings, limit=2 * self.neighbours)
        if self.apart_power > 0:
            share = np.minimum(buyers / np.maximum(buyers_of(pairs, kept), 1), 1.0)
            pairs = reweighted(pairs, share**self.apart_power)
        return shortened(pairs, self.neighbours).arrays()
