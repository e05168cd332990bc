"""The best few of many: of equal scores the lower row is better, so that no order is left to chance.

Kernels for kernels, compiled once for fits and requests; the sorts that come with numba are compiled anew wherever one
is used. They count and compare without branches, for which score gets in nobody can guess, a processor neither; and
count in 32 bits, so that eight numbers are compared at once.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]


@nb.njit(cache=True, nogil=True)
def order_of(score: np.float32) -> np.int32:
    """A whole number, the larger the higher the score: floats are ordered as their bits are, below 0 in reverse."""
    bits = np.float32(score).view(np.int32)
    return np.int32(bits ^ ((bits >> 31) & 0x7FFFFFFF))


@nb.njit(cache=True, nogil=True)
def score_of(order: np.int32) -> np.float32:
    """The score of such a number."""
    return np.int32(order ^ ((order >> 31) & 0x7FFFFFFF)).view(np.float32)


@nb.njit(cache=True, nogil=True)
def edge_of(order: Ints, n: int, wanted: int) -> np.int32:
    """The largest number that at least ``wanted`` (1 to n) of the first n reach, found bit by bit.

    If exactly so many reach a smaller one, that may come back, for it parts them as well.
    """
    edge = np.int64(-(1 << 31))
    for bit in range(31, -1, -1):
        trial = np.int32(edge + (1 << bit))
        count = np.int32(0)
        for i in range(n):
            count = np.int32(count + (order[i] >= trial))
        if count >= wanted:
            edge = np.int64(trial)
        if count == wanted:
            break
    return np.int32(edge)


@nb.njit(cache=True, nogil=True)
def keep_best(order: Ints, row: Ints, n: int, wanted: int) -> int:
    """Move the best ``wanted`` of the first n to the front, their sequence as it was; how many there are."""
    if wanted >= n or wanted <= 0:
        return max(min(n, wanted), 0)
    edge = edge_of(order, n, wanted)
    reach = np.int64(0)
    for i in range(n):
        at, of = order[i], row[i]
        order[reach], row[reach] = at, of
        reach += at >= edge
    return int(reach) if reach <= wanted else _drop_ties(order, row, reach, wanted, edge)


@nb.njit(cache=True, nogil=True)
def _drop_ties(order: Ints, row: Ints, n: np.int64, wanted: int, edge: np.int32) -> int:
    """Of those that are just at the edge only the lower rows stay."""
    tied, n_tied = np.empty(n, np.int32), np.int64(0)
    for i in range(n):
        tied[n_tied] = -row[i]
        n_tied += order[i] == edge
    last = edge_of(tied, n_tied, wanted - (n - n_tied))
    kept = 0
    for i in range(n):
        at, of = order[i], row[i]
        order[kept], row[kept] = at, of
        kept += (at > edge) | (-of >= last)
    return kept


@nb.njit(cache=True, nogil=True)
def sort_best(order: Ints, row: Ints, n: int) -> None:
    """Put the first n in order, best first; rows differ. Each goes where as many are better: meant for hundreds."""
    from_order, from_row = np.empty(n, np.int32), np.empty(n, np.int32)
    for i in range(n):
        from_order[i], from_row[i] = order[i], row[i]
    for i in range(n):
        at, of, place = from_order[i], from_row[i], np.int32(0)
        for j in range(n):
            better = (from_order[j] > at) | ((from_order[j] == at) & (from_row[j] < of))
            place = np.int32(place + better)
        order[place], row[place] = at, of
