"""Which items stand near which: lists of the strongest neighbours, from any two sparse matrices. For fitting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._matrix import Csr
from shelfwise.candidates._select import keep_best, order_of, score_of, sort_best
from shelfwise.candidates._threads import in_shares


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Per item its strongest neighbours, best first; as three arrays that kernels read."""

    start: NDArray[np.int64]  # (I + 1,)
    item: NDArray[np.int32]  # (N,)
    similarity: NDArray[np.float32]  # (N,) above 0

    def __len__(self) -> int:
        return len(self.start) - 1

    def matrix(self) -> Csr:
        """The same as items x items."""
        return Csr(self.start, self.item, self.similarity, len(self))

    def arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """Named as files are."""
        return {
            f"{prefix}start": self.start, f"{prefix}neighbour": self.item, f"{prefix}similarity": self.similarity,
        }  # fmt: skip


def strongest(
    left: Csr,
    right: Csr,
    *,
    limit: int,
    norm: NDArray[np.float32] | None = None,
    shrink: float = 0.0,
) -> Neighbours:
    """For each row i of ``left @ right`` the ``limit`` largest values over 0, itself left out.

    Values are ``dot(i, j) / (norm[i] * norm[j] + shrink)``; ties at the edge: the lower row stays.

    Args:
        left: Items x groups (persons, baskets, tokens).
        right: Groups x items.
        limit: Neighbours kept.
        norm: ``(I,)``; ones if not given.
        shrink: Pulls similarities that rest on little towards 0.
    """
    n = left.n_rows
    scale = np.ones(n, np.float32) if norm is None else norm
    item, value = np.zeros((n, limit), np.int32), np.zeros((n, limit), np.float32)
    count = np.zeros(n, np.int64)

    def share(first: int, step: int) -> None:
        _strongest_rows(
            first, step, left.start, left.column, left.value, right.start, right.column, right.value,
            scale, np.float32(shrink), item, value, count,
        )  # fmt: skip

    in_shares(share)
    return packed(item, value, count)


def packed(item: NDArray[np.int32], value: NDArray[np.float32], count: NDArray[np.int64]) -> Neighbours:
    """From a table ``(I, limit)`` whose row i is filled to ``count[i]``."""
    filled = np.arange(item.shape[1]) < count[:, None]
    return Neighbours(np.concatenate([[0], np.cumsum(count)]).astype(np.int64), item[filled], value[filled])


@nb.njit(cache=True, nogil=True)
def keep_strongest(
    rows: NDArray[np.int32],
    value: NDArray[np.float32],
    begin: int,
    end: int,
    scratch: NDArray[np.int32],
    out_item: NDArray[np.int32],
    out_value: NDArray[np.float32],
    out: int,
) -> int:
    """Write the largest of ``value[begin:end]`` over 0 into row ``out``, best first, ties by lower row; how many.

    ``scratch`` has two rows of at least as many places.
    """
    order, row, n = scratch[0], scratch[1], np.int64(0)
    for x in range(begin, end):
        order[n], row[n] = order_of(value[x]), rows[x]
        n += value[x] > 0
    size = keep_best(order, row, n, out_item.shape[1])
    sort_best(order, row, size)
    for k in range(size):
        out_item[out, k], out_value[out, k] = row[k], score_of(order[k])
    return size


@nb.njit(cache=True, nogil=True)
def _strongest_rows(
    first: int,
    step: int,
    left_start: NDArray[np.int64],
    left_group: NDArray[np.int32],
    left_value: NDArray[np.float32],
    right_start: NDArray[np.int64],
    right_item: NDArray[np.int32],
    right_value: NDArray[np.float32],
    norm: NDArray[np.float32],
    shrink: np.float32,
    item: NDArray[np.int32],
    value: NDArray[np.float32],
    count: NDArray[np.int64],
) -> None:
    n = len(norm)
    dot = np.zeros(n, np.float32)
    met = np.zeros(n, np.bool_)
    touched = np.empty(n, np.int32)
    near, scratch = np.empty(n, np.float32), np.empty((2, n), np.int32)
    for i in range(first, n, step):
        met[i] = True
        n_touched = np.int64(0)  # a plain 0 would have the callee compiled once more, for 0 alone
        for a in range(left_start[i], left_start[i + 1]):
            group, weight = left_group[a], left_value[a]
            for b in range(right_start[group], right_start[group + 1]):
                j = right_item[b]
                if not met[j]:
                    met[j] = True
                    touched[n_touched] = j
                    n_touched += 1
                dot[j] += weight * right_value[b]
        for x in range(n_touched):
            j = touched[x]
            near[x] = dot[j] / (norm[i] * norm[j] + shrink)
            dot[j], met[j] = 0, False
        dot[i], met[i] = 0, False
        count[i] = keep_strongest(touched, near, np.int64(0), n_touched, scratch, item, value, i)
