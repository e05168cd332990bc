"""Compiled: how near candidates are to what a person touched last and to the seeds, by vectors and edges of a fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import CART, PURCHASE, VIEW, InvalidInput
from shelfwise.features._merging import Lines

RECENT = 20  # distinct items of a person that are compared with; older ones add time and little truth
REACH = 200  # newest lines they are looked for among
_LAST = 5
_V_LAST, _V_MAX, _V_MEAN, _JACCARD, _ADAMIC, _TWO_HOP, _COMMUNITY = range(7)
_SEEDS = 7  # four rows: mean of vectors, Jaccard, Adamic-Adar, community
N_LIKENESS = 11  # rows of ``_bases.LIKENESS``


@dataclass(frozen=True, slots=True, eq=False)
class Relations:
    """How items of a release stand to one another: vectors, and edges of item i at ``start[i]:start[i + 1]``."""

    vector: NDArray[np.float32]  # (I, D) of length 1, or 0 where nothing is known
    start: NDArray[np.int64]  # (I + 1,)
    neighbour: NDArray[np.int32]  # (E,)
    jaccard: NDArray[np.float32]  # (E,)
    adamic_adar: NDArray[np.float32]  # (E,)
    community: NDArray[np.int32]  # (I,) named by one of its items

    def __post_init__(self) -> None:
        n, edges = len(self.community), len(self.neighbour)
        if len(self.vector) != n or self.vector.ndim != 2 or len(self.start) != n + 1:
            shapes = f"{self.vector.shape} and {self.start.shape}"
            raise InvalidInput(f"relations have vectors and starts of {shapes}; expected {n} items")
        if not len(self.jaccard) == len(self.adamic_adar) == edges == self.start[-1]:
            raise InvalidInput(f"relations have {edges} neighbours; expected {self.start[-1]}, a weight each")
        if np.any(np.diff(self.start) < 0) or self.start[0] != 0:
            raise InvalidInput("relations' edges do not start at 0 and rise")
        told = (self.vector, self.jaccard, self.adamic_adar)
        if not all(np.isfinite(column).all() for column in told):
            raise InvalidInput("relations hold infinity or what is no number; expected numbers")
        if edges and not 0 <= self.neighbour.min() <= self.neighbour.max() < n:
            raise InvalidInput(f"relations name item {self.neighbour.max()}; expected rows below {n}")

    def __len__(self) -> int:
        """Items."""
        return len(self.community)

    @classmethod
    def none(cls) -> Relations:
        """Of no items."""
        no_weights, no_rows = np.empty(0, np.float32), np.empty(0, np.int32)
        start, vector = np.zeros(1, np.int64), np.empty((0, 0), np.float32)
        return cls(vector, start, no_rows, no_weights, no_weights, no_rows)

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[np.generic]]) -> Relations:
        """From columns by name, as ``columns`` gives them. Raises InvalidInput."""
        for name, kind in _KINDS.items():
            if name not in columns:
                raise InvalidInput(f"relations lack {name}; expected {', '.join(_KINDS)}")
            if columns[name].dtype != kind or columns[name].ndim != 1 + (name == "vector"):
                told = f"{columns[name].dtype} of {columns[name].ndim} dimensions"
                raise InvalidInput(
                    f"relations' {name} is {told}; expected {kind.__name__} of {1 + (name == 'vector')}"
                )
        return cls(**{name: np.ascontiguousarray(columns[name]) for name in _KINDS})

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """All arrays by name."""
        return {name: getattr(self, name) for name in _KINDS}


_KINDS: dict[str, type[np.generic]] = {
    "vector": np.float32, "start": np.int64, "neighbour": np.int32, "jaccard": np.float32,
    "adamic_adar": np.float32, "community": np.int32,
}  # fmt: skip


def likeness(
    lines: Lines, now_us: int, item: NDArray[np.int32], seeds: NDArray[np.int32], relations: Relations
) -> NDArray[np.float64]:
    """``_bases.LIKENESS`` of candidates, ``(N_LIKENESS, C)``: NaN where there is nothing to compare with."""
    rows = np.empty((N_LIKENESS, len(item)))
    read_likeness(
        lines, now_us, item, seeds, relations.vector, relations.start, relations.neighbour, relations.jaccard,
        relations.adamic_adar, relations.community, rows,
    )  # fmt: skip
    return rows


@njit(cache=True)
def read_likeness(
    lines: Lines,
    now_us: int,
    item: NDArray[np.int32],
    seeds: NDArray[np.int32],
    vector: NDArray[np.float32],
    start: NDArray[np.int64],
    neighbour: NDArray[np.int32],
    jaccard: NDArray[np.float32],
    adamic_adar: NDArray[np.float32],
    community: NDArray[np.int32],
    rows: NDArray[np.float64],
) -> None:
    """Fill ``rows`` ``(N_LIKENESS, C)``. The time grows with candidates times edges of an item."""
    recent = _recent(lines, now_us)
    for row in range(len(rows)):
        for c in range(len(item)):
            rows[row, c] = np.nan
    one, two = np.zeros(len(community), np.float32), np.zeros(len(community), np.float32)
    if len(recent) > 0:
        _tell_vectors(recent, item, vector, rows)
        _tell_mean(recent, item, vector, _V_MEAN, rows)
        _mark(recent, start, neighbour, jaccard, adamic_adar, one, two)
        _tell_edges(recent, item, one, two, _JACCARD, rows)
        _tell_two_hop(recent, item, start, neighbour, jaccard, one, rows)
        _tell_community(recent, item, community, _COMMUNITY, rows)
    if len(seeds) > 0:
        if len(recent) > 0:
            _clear(recent, start, neighbour, one, two)
        _tell_mean(seeds, item, vector, _SEEDS, rows)
        _mark(seeds, start, neighbour, jaccard, adamic_adar, one, two)
        _tell_edges(seeds, item, one, two, _SEEDS + 1, rows)
        _tell_community(seeds, item, community, _SEEDS + 3, rows)


@njit(cache=True)
def _recent(lines: Lines, now_us: int) -> NDArray[np.int32]:
    """Distinct items viewed, carted or bought before now, the newest first."""
    found, count, read = np.empty(RECENT, np.int32), 0, 0
    for place in range(len(lines)):
        if count == RECENT or read == REACH:
            break
        line = lines[place]
        if line.at_us >= now_us:
            continue
        read += 1
        if line.item < 0 or line.event not in (VIEW, CART, PURCHASE):
            continue
        known = False
        for k in range(count):
            known |= found[k] == line.item
        if not known:
            found[count] = line.item
            count += 1
    return found[:count]


@njit(cache=True, fastmath={"reassoc", "contract"})
def _dot(vector: NDArray[np.float32], one: int, two: int) -> float:
    value = np.float32(0.0)
    for k in range(vector.shape[1]):
        value += vector[one, k] * vector[two, k]
    return float(value)


@njit(cache=True)
def _tell_vectors(
    recent: NDArray[np.int32], item: NDArray[np.int32], vector: NDArray[np.float32], rows: NDArray[np.float64]
) -> None:
    """Cosines with the last item, and the highest with the last five that are known."""
    for c in range(len(item)):
        if not 0 <= item[c] < len(vector):
            continue
        highest = np.nan
        for k in range(min(_LAST, len(recent))):
            if recent[k] < len(vector):
                value = _dot(vector, recent[k], item[c])
                if k == 0:
                    rows[_V_LAST, c] = value
                if not value <= highest:  # also where there is none yet
                    highest = value
        rows[_V_MAX, c] = highest


@njit(cache=True, fastmath={"reassoc", "contract"})
def _tell_mean(
    held: NDArray[np.int32],
    item: NDArray[np.int32],
    vector: NDArray[np.float32],
    row: int,
    rows: NDArray[np.float64],
) -> None:
    """Cosine with the mean vector of the items held; 0 if it has no direction."""
    width = vector.shape[1]
    mean, known = np.zeros(width, np.float32), 0
    for one in held:
        if 0 <= one < len(vector):
            known += 1
            for k in range(width):
                mean[k] += vector[one, k]
    if known == 0:
        return
    length = np.float32(0.0)
    for k in range(width):
        length += mean[k] * mean[k]
    scale = 1.0 / np.sqrt(length) if length > 0 else 0.0
    for c in range(len(item)):
        if 0 <= item[c] < len(vector):
            value = np.float32(0.0)
            for k in range(width):
                value += vector[item[c], k] * mean[k]
            rows[row, c] = value * scale


@njit(cache=True)
def _mark(
    held: NDArray[np.int32],
    start: NDArray[np.int64],
    neighbour: NDArray[np.int32],
    jaccard: NDArray[np.float32],
    adamic_adar: NDArray[np.float32],
    one: NDArray[np.float32],
    two: NDArray[np.float32],
) -> None:
    """Add up, at each neighbour of the items held, the weights of the edges that lead there."""
    for mine in held:
        if 0 <= mine < len(start) - 1:
            for k in range(start[mine], start[mine + 1]):
                one[neighbour[k]] += jaccard[k]
                two[neighbour[k]] += adamic_adar[k]


@njit(cache=True)
def _clear(
    held: NDArray[np.int32],
    start: NDArray[np.int64],
    neighbour: NDArray[np.int32],
    one: NDArray[np.float32],
    two: NDArray[np.float32],
) -> None:
    for mine in held:
        if 0 <= mine < len(start) - 1:
            for k in range(start[mine], start[mine + 1]):
                one[neighbour[k]] = two[neighbour[k]] = 0.0


@njit(cache=True)
def _any_known(held: NDArray[np.int32], n_items: int) -> bool:
    known = False
    for one in held:
        known |= 0 <= one < n_items
    return known


@njit(cache=True)
def _tell_edges(
    held: NDArray[np.int32],
    item: NDArray[np.int32],
    one: NDArray[np.float32],
    two: NDArray[np.float32],
    row: int,
    rows: NDArray[np.float64],
) -> None:
    if not _any_known(held, len(one)):
        return
    for c in range(len(item)):
        if 0 <= item[c] < len(one):
            rows[row, c], rows[row + 1, c] = one[item[c]], two[item[c]]


@njit(cache=True)
def _tell_two_hop(
    held: NDArray[np.int32],
    item: NDArray[np.int32],
    start: NDArray[np.int64],
    neighbour: NDArray[np.int32],
    jaccard: NDArray[np.float32],
    one: NDArray[np.float32],
    rows: NDArray[np.float64],
) -> None:
    """Over ways of two edges from the items held to the candidate, the sum of the products of their weights."""
    if not _any_known(held, len(one)):
        return
    for c in range(len(item)):
        if 0 <= item[c] < len(one):
            value = np.float32(0.0)
            for k in range(start[item[c]], start[item[c] + 1]):
                value += jaccard[k] * one[neighbour[k]]
            rows[_TWO_HOP, c] = value


@njit(cache=True)
def _tell_community(
    held: NDArray[np.int32],
    item: NDArray[np.int32],
    community: NDArray[np.int32],
    row: int,
    rows: NDArray[np.float64],
) -> None:
    """Share of the items held that belong to the candidate's community."""
    known = 0
    for one in held:
        known += 0 <= one < len(community)
    if known == 0:
        return
    for c in range(len(item)):
        if 0 <= item[c] < len(community):
            same = 0
            for one in held:
                same += 0 <= one < len(community) and community[one] == community[item[c]]
            rows[row, c] = same / known
