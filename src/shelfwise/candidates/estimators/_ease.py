"""EASE over a frame: dense and exact for small catalogues, over each item's strongest neighbours for large ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shelfwise.candidates import _files
from shelfwise.candidates._kernels import Floats, Rows, votes
from shelfwise.candidates._matrix import Csr
from shelfwise.candidates._neighbours import strongest
from shelfwise.candidates._threads import in_shares
from shelfwise.candidates.estimators._base import ItemToItem
from shelfwise.candidates.estimators._frames import Log


class Ease(ItemToItem):
    """Each item as a ridge regression on the others.

    Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019. Above ``dense_limit`` items each
    column is solved over its ``neighbours`` strongest co-occurring items alone: a block of the same problem.
    """

    ARRAYS: ClassVar[dict[str, tuple[Any, int]]] = {
        "start": (np.int64, 1), "target": (np.int32, 1), "weight_": (np.float32, 1),
    }  # fmt: skip

    regularization: float = Field(500.0, gt=0.0)
    """Ridge penalty. Grows with the number of users."""

    half_life_days: float | None = Field(None, gt=0.0)
    """Ageing of the rows learned from and of those a user is asked with; None keeps them."""

    binary: bool = True
    """Each pair counts 1, however often and weighty (before ageing)."""

    dense_limit: int = Field(5_000, ge=0, le=30_000)
    """Largest catalogue that is solved exactly; time grows with its cube, memory with its square."""

    neighbours: int = Field(100, ge=1, le=1_000)
    """Neighbours per item above that."""

    keep: int = Field(1_000, ge=1)
    """Weights kept per item of an exact solution, the largest; all if there are fewer."""

    def _holding(self, log: Log) -> Csr:
        held = log.matrix(self.half_life_days)
        return held.valued(np.minimum(held.value, 1.0)) if self.binary else held

    def _learn(self, log: Log) -> dict[str, NDArray[Any]]:
        held = self._held
        assert held is not None
        if held.n_columns <= self.dense_limit:
            weights = _largest(dense_weights(held, self.regularization), self.keep)
        else:
            weights = neighbour_weights(held, self.regularization, limit=self.neighbours)
        return {"start": weights.start, "target": weights.column, "weight_": weights.value}

    def _check(self, arrays: dict[str, NDArray[Any]], folder: Path) -> None:
        n = len(self._known(self._items))
        _files.check_lists(arrays["start"], arrays["target"], n_rows=n, n_columns=n, folder=folder)
        _files.check_length(arrays["weight_"], len(arrays["target"]), folder / "weight_.npy")

    def _scores(self, items: Rows, weight: Floats) -> Floats:
        held = self._arrays
        return votes(items, weight, held["start"], held["target"], held["weight_"])


def dense_weights(held: Csr, regularization: float) -> NDArray[np.float32]:
    """The closed form, ``(I, I)``: column j predicts item j from the others; the diagonal is 0."""
    gram = gram_matrix(held)
    gram[np.diag_indices_from(gram)] += np.float32(regularization)
    inverse = np.linalg.inv(gram)
    weights = np.asarray(-inverse / np.diag(inverse), np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights


def gram_matrix(held: Csr) -> NDArray[np.float32]:
    """``held' held``, dense, ``(I, I)``."""
    by_item = held.transposed()
    out = np.zeros((held.n_columns, held.n_columns), np.float32)

    def share(first: int, step: int) -> None:
        _gram_rows(
            first,
            step,
            by_item.start,
            by_item.column,
            by_item.value,
            held.start,
            held.column,
            held.value,
            out,
        )

    in_shares(share)
    return out


def neighbour_weights(held: Csr, regularization: float, *, limit: int) -> Csr:
    """Items x items: row i holds what item i adds to others; each column solved over its own neighbours."""
    by_item = held.transposed()
    # Products of neighbours among themselves are looked up in lists four times as long; one missing counts as 0.
    long = strongest(by_item, held, limit=4 * limit)
    diagonal = np.bincount(by_item.row(), weights=by_item.value**2, minlength=by_item.n_rows)
    item = np.zeros((by_item.n_rows, limit), np.int32)
    weight = np.zeros((by_item.n_rows, limit), np.float32)
    count = np.minimum(np.diff(long.start), limit)

    def share(first: int, step: int) -> None:
        _neighbour_columns(
            first, step, long.start, long.item, long.similarity, diagonal.astype(np.float32),
            np.float32(regularization), limit, item, weight,
        )  # fmt: skip

    in_shares(share)
    filled = np.arange(limit) < count[:, None]
    start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return Csr(start, item[filled], weight[filled], by_item.n_rows).transposed()


def _largest(weights: NDArray[np.float32], limit: int) -> Csr:
    """Of each row the ``limit`` weights farthest from 0."""
    n = len(weights)
    if limit < n:
        edge = np.partition(np.abs(weights), n - limit, axis=1)[:, n - limit]
        weights = np.where(np.abs(weights) >= edge[:, None], weights, 0.0)
    row, column = np.nonzero(weights)
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n))]).astype(np.int64)
    return Csr(start, column.astype(np.int32), weights[row, column].astype(np.float32), n)


@nb.njit(cache=True, nogil=True)
def _gram_rows(
    first: int,
    step: int,
    left_start: NDArray[np.int64],
    left_user: Rows,
    left_value: Floats,
    right_start: NDArray[np.int64],
    right_item: Rows,
    right_value: Floats,
    out: Floats,
) -> None:
    for i in range(first, len(left_start) - 1, step):
        for a in range(left_start[i], left_start[i + 1]):
            user = left_user[a]
            for b in range(right_start[user], right_start[user + 1]):
                out[i, right_item[b]] += left_value[a] * right_value[b]


@nb.njit(cache=True, nogil=True)
def _neighbour_columns(
    first: int,
    step: int,
    start: NDArray[np.int64],
    near: Rows,
    product: Floats,
    diagonal: Floats,
    ridge: np.float32,
    limit: int,
    item: Rows,
    weight: Floats,
) -> None:
    place = np.full(len(diagonal), -1, np.int32)
    system, right = np.empty((limit, limit), np.float64), np.empty(limit, np.float64)
    for j in range(first, len(diagonal), step):
        n = min(limit, start[j + 1] - start[j])
        for a in range(n):
            item[j, a] = near[start[j] + a]
            place[item[j, a]] = a
            right[a] = product[start[j] + a]
        system[:n, :n] = 0
        for a in range(n):
            i = item[j, a]
            system[a, a] = diagonal[i] + ridge
            for p in range(start[i], start[i + 1]):
                b = place[near[p]]
                if b >= 0:
                    system[a, b] = system[b, a] = product[p]
        _solve_cholesky(system, right, n)
        for a in range(n):
            weight[j, a] = right[a]
            place[item[j, a]] = -1


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _solve_cholesky(system: NDArray[np.float64], right: NDArray[np.float64], n: int) -> None:
    """Solve the leading n x n symmetric system in place: ``right`` becomes the solution.

    A pivot that truncated products made negative is lifted to a hundredth of its diagonal.
    """
    for a in range(n):
        whole = system[a, a]
        for b in range(a + 1):
            total = system[a, b]
            for k in range(b):
                total -= system[a, k] * system[b, k]
            if a == b:
                system[a, a] = np.sqrt(max(total, 0.01 * whole))
            else:
                system[a, b] = total / system[b, b]
    for a in range(n):
        total = right[a]
        for k in range(a):
            total -= system[a, k] * right[k]
        right[a] = total / system[a, a]
    for a in range(n - 1, -1, -1):
        total = right[a]
        for k in range(a + 1, n):
            total -= system[k, a] * right[k]
        right[a] = total / system[a, a]
