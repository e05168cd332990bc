"""How good a ranking is, per query, against binary truth. Averages and intervals are the caller's.

Conventions, each of which libraries handle differently (trec_eval's are ours):

* NDCG divides by the ideal of ``min(k, number of relevant items)`` hits, gains are 1, discount is log2(rank + 1).
* Average precision divides by the number of relevant items; recall too.
* A query without relevant items has no value: ``Truth`` refuses it, so it can neither lift nor sink a mean.
* Lists are ranked already and hold each item once; -1 pads a short list and never hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import InvalidInput


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The relevant items of each query, as one flat column: ``item[start[b]:start[b + 1]]``."""

    start: NDArray[np.int64]  # (B + 1,)
    item: NDArray[np.int64]  # (N,) each item once per query

    @classmethod
    def of(cls, relevant: Sequence[Sequence[int] | set[int]]) -> Truth:
        """From one collection of item rows per query. Raises InvalidInput for an empty one."""
        sizes = np.array([len(set(items)) for items in relevant], np.int64)
        if np.any(sizes == 0):
            raise InvalidInput(f"query {int(np.argmin(sizes))} has no relevant item; expected at least one")
        flat = [item for items in relevant for item in sorted(set(items))]
        return cls(np.concatenate([[0], np.cumsum(sizes)]), np.array(flat, np.int64))

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def n_relevant(self) -> NDArray[np.int64]:
        """Relevant items per query, ``(B,)``."""
        return np.diff(self.start)


def hits(ranked: NDArray[np.integer], truth: Truth) -> NDArray[np.bool_]:
    """Where a list holds a relevant item: ``(B, K)`` item rows -> ``(B, K)``."""
    if len(ranked) != len(truth):
        raise InvalidInput(f"{len(ranked)} lists meet {len(truth)} truths; expected as many")
    width = int(max(ranked.max(initial=0), truth.item.max(initial=0))) + 1
    query = np.repeat(np.arange(len(truth), dtype=np.int64), truth.n_relevant)
    relevant = np.sort(query * width + truth.item)
    asked = np.arange(len(ranked), dtype=np.int64)[:, None] * width + ranked
    place = np.searchsorted(relevant, asked).clip(max=len(relevant) - 1)
    return (relevant[place] == asked) & (ranked >= 0)


def dcg_discount(k: int) -> NDArray[np.float64]:
    """``1 / log2(rank + 1)`` for ranks 1..k."""
    return 1.0 / np.log2(np.arange(2, k + 2))


def ndcg_at(k: int, ranked: NDArray[np.integer], truth: Truth) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain of the first k, ``(B,)`` in [0, 1].

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.
    """
    hit = hits(ranked[:, :k], truth)
    discount = dcg_discount(k)
    ideal = np.cumsum(discount)[np.minimum(truth.n_relevant, k) - 1]
    return np.asarray(hit @ discount[: hit.shape[1]] / ideal, np.float64)


def recall_at(k: int, ranked: NDArray[np.integer], truth: Truth) -> NDArray[np.float64]:
    """Share of the relevant items among the first k, ``(B,)``."""
    return np.asarray(hits(ranked[:, :k], truth).sum(axis=1) / truth.n_relevant, np.float64)


def precision_at(k: int, ranked: NDArray[np.integer], truth: Truth) -> NDArray[np.float64]:
    """Share of relevant items among k positions, ``(B,)``; an empty position counts as a miss."""
    return np.asarray(hits(ranked[:, :k], truth).sum(axis=1) / k, np.float64)


def hit_rate_at(k: int, ranked: NDArray[np.integer], truth: Truth) -> NDArray[np.float64]:
    """1 where at least one of the first k is relevant, ``(B,)``."""
    return np.asarray(hits(ranked[:, :k], truth).any(axis=1), np.float64)


def reciprocal_rank_at(k: int, ranked: NDArray[np.integer], truth: Truth) -> NDArray[np.float64]:
    """1 / rank of the first relevant item among the first k, 0 without one, ``(B,)``."""
    hit = hits(ranked[:, :k], truth)
    rank = 1.0 + hit.argmax(axis=1)
    return np.asarray(hit.any(axis=1) / rank, np.float64)


def average_precision_at(k: int, ranked: NDArray[np.integer], truth: Truth) -> NDArray[np.float64]:
    """Mean of the precisions at each hit, over all relevant items, ``(B,)``."""
    hit = hits(ranked[:, :k], truth)
    precision = np.cumsum(hit, axis=1) / np.arange(1, hit.shape[1] + 1)
    return np.asarray((precision * hit).sum(axis=1) / truth.n_relevant, np.float64)
