"""Neighbours by what items look like: vectors that a feed brought, beside those of their texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._neighbours import Neighbours, packed

_BLOCK = 256  # rows at once: a block times all items is held in memory


def blended(near: Neighbours, vector: NDArray[np.float32], *, weight: float, limit: int) -> Neighbours:
    """The ``limit`` strongest of ``(1 - weight) * text + weight * cosine of vectors``, what is not above 0 left out.

    An item without a vector keeps its neighbours by text.

    Args:
        near: By text.
        vector: ``(I, D)`` rows of length 1, of zeros where there is none.
        weight: Of the vectors.
        limit: Neighbours kept.
    """
    n = len(near)
    limit = min(limit, max(n - 1, 1))
    seen = np.abs(vector).max(axis=1, initial=0.0) > 0
    item, value = np.zeros((n, limit), np.int32), np.zeros((n, limit), np.float32)
    count = np.zeros(n, np.int64)
    for begin in range(0, n, _BLOCK):
        rows = np.arange(begin, min(begin + _BLOCK, n))
        own = np.where(seen[rows], np.float32(weight), np.float32(0.0))
        score = own[:, None] * (vector[rows] @ vector.T)
        _add_texts(score, near, rows, np.float32(1.0) - own)
        score[np.arange(len(rows)), rows] = -1.0
        best = np.argsort(-score, axis=1, kind="stable")[:, :limit]
        item[rows], value[rows] = best, np.take_along_axis(score, best, axis=1)
        count[rows] = (value[rows] > 0).sum(axis=1)
    return packed(item, value, count)


def _add_texts(
    score: NDArray[np.float32], near: Neighbours, rows: NDArray[np.intp], weight: NDArray[np.float32]
) -> None:
    for at, row in enumerate(rows):
        told = slice(near.start[row], near.start[row + 1])
        score[at, near.item[told]] += weight[at] * near.similarity[told]
