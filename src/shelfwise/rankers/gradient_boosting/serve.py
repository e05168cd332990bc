"""Scores rows with boosted trees, all rows of a query side by side.

Every tree is grown out to a full one of the same depth and laid in heap order, so that the children of a node are
arithmetic on its number. Two things make it cheap:

* The candidates of a query are alike: the shopper's own features are the same for all of them, and many others stay in
  a narrow range. A test that all rows pass, or none, is decided once for the query, with the branch that nobody takes.
  Of 9,450 tests of a usual forest some 2,200 stay open.
* An open test is no jump: from the bottom up, both children's values of all rows are known, and the test picks one of
  them. That is one comparison and one choice for eight rows at a time, and every read is of neighbouring memory.

Missing values stand as -infinity in the columns whose tests send them left and as infinity where they go right, as
XGBoost learned it. Sums run tree by tree, in its order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import BadRelease

BLOCK = 256  # most rows scored side by side: more would not fit into the fast memory of a core
LANES = 32  # blocks are whole multiples of it: compiled code takes four times eight rows at once


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """T full trees of depth D in heap order."""

    feature: NDArray[np.int16]  # (T, 2^D - 1) column of the test
    threshold: NDArray[np.float32]  # (T, 2^D - 1) left if below
    missing_right: NDArray[np.uint8]  # (T, 2^D - 1) 1: NaN goes right
    leaf: NDArray[np.float32]  # (T, 2^D)
    base: float
    column: NDArray[np.uint16]  # (T, 2^D - 1) the test's place in the next two
    source: NDArray[np.uint16]  # (P,) features that tests look at, once for each way that NaN goes
    stand_in: NDArray[np.float32]  # (P,) what stands for NaN

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Margins, ``(C, F) -> (C,)``. Nothing is copied if columns lie one after the other, as they are assembled."""
        out = np.empty(len(rows), np.float32)
        columns = np.ascontiguousarray(rows.T, np.float32)
        _score(columns, self.source, self.stand_in, self.column, self.threshold, self.leaf, self.base, out)
        return out

    @classmethod
    def of(
        cls,
        feature: NDArray[np.int16],
        threshold: NDArray[np.float32],
        missing_right: NDArray[np.uint8],
        leaf: NDArray[np.float32],
        *,
        base: float,
    ) -> Forest:
        """With the columns that the kernel reads."""
        used, place = np.unique(2 * feature.astype(np.int32) + (missing_right != 0), return_inverse=True)
        column = place.reshape(feature.shape).astype(np.uint16)
        stand_in = np.where(used % 2, np.inf, -np.inf).astype(np.float32)
        source = (used // 2).astype(np.uint16)
        return cls(feature, threshold, missing_right, leaf, base, column, source, stand_in)


class GradientBoosting:
    """A ``Ranker`` over a forest. Explanations load XGBoost's own runtime when first asked for."""

    name = "gradient_boosting"

    def __init__(self, needs: tuple[str, ...], forest: Forest, model_file: Path) -> None:
        self.needs = needs
        self.forest = forest
        self._model_file = model_file

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Margins, ``(C, F) -> (C,)``; higher is better. The unit is the objective's."""
        return self.forest.score(features)

    def explain(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Exact path-dependent Shapley values, ``(C, F) -> (C, F + 1)``; rows sum to ``score``.

        Source: Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
        Nature Machine Intelligence 2020.
        """
        import xgboost

        rows = xgboost.DMatrix(features, missing=np.nan)
        contributions = self._booster.predict(rows, pred_contribs=True, validate_features=False)
        return np.asarray(contributions, np.float32)

    @cached_property
    def _booster(self) -> Any:
        import xgboost

        return xgboost.Booster({"nthread": 1}, model_file=str(self._model_file))


def load(folder: Path) -> GradientBoosting:
    """Read what ``train.save`` wrote. Raises BadRelease for arrays that do not fit together."""
    about = json.loads((folder / "ranker.json").read_text())
    names = ("feature", "threshold", "missing_right", "leaf")
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names}
    _check(arrays, n_features=len(about["needs"]), folder=folder)
    return GradientBoosting(
        tuple(about["needs"]), Forest.of(**arrays, base=about["base"]), folder / "model.json"
    )


def _check(arrays: dict[str, NDArray[Any]], *, n_features: int, folder: Path) -> None:
    """The kernel trusts these shapes: a wrong one would read foreign memory."""
    nodes = arrays["feature"].shape
    depth = (nodes[1] + 1).bit_length() - 1 if len(nodes) == 2 else 0
    expected = {
        "feature": (np.int16, nodes),
        "threshold": (np.float32, nodes),
        "missing_right": (np.uint8, nodes),
        "leaf": (np.float32, (nodes[0], 2**depth)),
    }
    for name, (dtype, shape) in expected.items():
        got = arrays[name]
        if got.dtype != dtype or got.shape != shape or nodes[1] != 2**depth - 1:
            raise BadRelease(
                f"{folder}/{name}.npy is {got.dtype}{got.shape}; expected {dtype.__name__}{shape}"
            )
    if arrays["feature"].min(initial=0) < 0 or arrays["feature"].max(initial=0) >= n_features:
        raise BadRelease(
            f"{folder}/feature.npy names column {arrays['feature'].max()}; expected below {n_features}"
        )


@nb.njit(cache=True, nogil=True)
def _score(
    columns: NDArray[np.float32],
    source: NDArray[np.uint16],
    stand_in: NDArray[np.float32],
    column: NDArray[np.uint16],
    threshold: NDArray[np.float32],
    leaf: NDArray[np.float32],
    base: float,
    out: NDArray[np.float32],
) -> None:
    n_inner = threshold.shape[1]
    width = min(BLOCK, (len(out) + LANES - 1) // LANES * LANES)
    rows = np.empty((len(source), width), np.float32)
    span = np.empty((len(source), 2), np.float32)
    value = np.empty((n_inner + 1, width), np.float32)  # of open tests
    total, place = np.empty(width, np.float32), np.empty(n_inner + 1, np.uint16)
    test, settled = np.empty(n_inner + 1, np.uint16), np.empty(2 * n_inner + 1, np.uint16)
    for node in range(len(settled)):
        settled[node] = node
    for begin in range(0, len(out), BLOCK):
        size = min(BLOCK, len(out) - begin)
        for k in range(len(source)):
            _lay(columns, source[k], begin, size, stand_in[k], rows, k)
            _measure(rows, k, span)
        for i in range(width):
            total[i] = base
        for t in range(len(threshold)):
            n_open = _open_tests(column, threshold, t, span, settled, test)
            _judge(column, threshold, leaf, t, rows, settled, test, n_open, place, value)
            for i in range(width):
                total[i] += value[0, i]
        for i in range(size):
            out[begin + i] = total[i]


@nb.njit(cache=True)
def _lay(
    columns: NDArray[np.float32], source: int, begin: int, size: int, stand_in: float,
    rows: NDArray[np.float32], place: int,
) -> None:  # fmt: skip
    """One column of a block, without NaN, filled up with its first value."""
    for i in range(size):
        value = columns[source, begin + i]
        rows[place, i] = stand_in if np.isnan(value) else value
    for i in range(size, rows.shape[1]):
        rows[place, i] = rows[place, 0]


@nb.njit(cache=True, fastmath={"nnan", "nsz"})
def _measure(rows: NDArray[np.float32], place: int, span: NDArray[np.float32]) -> None:
    """The lowest and the highest of a row."""
    lowest, highest = rows[place, 0], rows[place, 0]
    for i in range(rows.shape[1]):
        lowest, highest = min(lowest, rows[place, i]), max(highest, rows[place, i])
    span[place, 0], span[place, 1] = lowest, highest


@nb.njit(cache=True)
def _open_tests(
    column: NDArray[np.uint16],
    threshold: NDArray[np.float32],
    tree: int,
    span: NDArray[np.float32],
    settled: NDArray[np.uint16],
    test: NDArray[np.uint16],
) -> int:
    """The tests of a tree that tell rows apart and that some row comes by, parents first: how many, in ``test``.

    ``settled`` is for each node the first such test from there on downwards, or the leaf where all rows end; leaves
    are numbered after the tests, and stand there already. No jump depends on a verdict: nobody could guess it.
    """
    n_inner = column.shape[1]
    for node in range(n_inner - 1, -1, -1):
        limit, place = threshold[tree, node], column[tree, node]
        left, right = np.uint16(limit > span[place, 1]), np.uint16(limit <= span[place, 0])
        settled[node] = node
        settled[node] = settled[np.uint16(node) + left * np.uint16(node + 1) + right * np.uint16(node + 2)]
    test[0] = settled[0]
    n_open, done = np.uint64(settled[0] < n_inner), np.uint64(0)
    while done < n_open:
        left_child = np.uint64(2) * np.uint64(test[done]) + np.uint64(1)
        for child in (settled[left_child], settled[left_child + np.uint64(1)]):
            test[n_open] = child
            n_open += np.uint64(child < n_inner)
        done += np.uint64(1)
    return int(n_open)


@nb.njit(cache=True)
def _judge(
    column: NDArray[np.uint16], threshold: NDArray[np.float32], leaf: NDArray[np.float32], tree: int,
    rows: NDArray[np.float32], settled: NDArray[np.uint16], test: NDArray[np.uint16], n_open: int,
    place: NDArray[np.uint16], value: NDArray[np.float32],
) -> None:  # fmt: skip
    """What a tree says of all rows, from its lowest open tests up to the root: the first row of ``value``.

    ``place`` is where each node's values stand, in the order of ``test``: few rows, which stay in the fastest memory.
    No row is taken out of its array: to count references to some thousand of them cost a third of the whole.
    """
    n_inner = column.shape[1]
    width = value.shape[1]
    if n_open == 0:
        for i in range(width):
            value[0, i] = leaf[tree, settled[0] - n_inner]
    for k in range(n_open - 1, -1, -1):
        node = np.int64(test[k])
        place[node] = k
        limit, of = threshold[tree, node], np.int64(column[tree, node])
        left, right = np.int64(settled[2 * node + 1]), np.int64(settled[2 * node + 2])
        if left >= n_inner and right >= n_inner:
            below, above = leaf[tree, left - n_inner], leaf[tree, right - n_inner]
            for i in range(width):
                value[k, i] = above if rows[of, i] >= limit else below
        elif left >= n_inner:
            below, higher = leaf[tree, left - n_inner], np.int64(place[right])
            for i in range(width):
                high = value[higher, i]
                value[k, i] = high if rows[of, i] >= limit else below
        elif right >= n_inner:
            lower, above = np.int64(place[left]), leaf[tree, right - n_inner]
            for i in range(width):
                low = value[lower, i]
                value[k, i] = above if rows[of, i] >= limit else low
        else:
            lower, higher = np.int64(place[left]), np.int64(place[right])
            for i in range(width):
                low, high = value[lower, i], value[higher, i]
                value[k, i] = high if rows[of, i] >= limit else low
