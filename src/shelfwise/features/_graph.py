"""The graph of items that the same people buy, and what it tells of each item. Fitted once per training.

Nodes are items, an edge joins two that at least five people bought both of (no list can be derived from fewer); an item
keeps its strongest edges. Measures: PageRank (Page et al. 1999), clustering coefficient (Watts and Strogatz 1998),
communities by moves that raise modularity (first level of Louvain, Blondel et al. 2008), Jaccard, Adamic-Adar (2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import Interactions

FEWEST_PEOPLE = 5  # behind an edge
MOST_EDGES = 40  # kept per item
MOST_ITEMS = 200  # of a person, the lowest rows: who bought more tells little of any two
DAMPING, ROUNDS = 0.85, 40
MOST_MOVES = 10  # rounds in which items change communities; few do after the third


@dataclass(frozen=True, slots=True, eq=False)
class ItemGraph:
    """Edges of item i are those at ``start[i]:start[i + 1]``, the strongest first."""

    start: NDArray[np.int64]  # (I + 1,)
    neighbour: NDArray[np.int32]  # (E,)
    jaccard: NDArray[np.float32]  # (E,) people who bought both by people who bought either
    adamic_adar: NDArray[np.float32]  # (E,) over people who bought both, sum of 1 / ln(items they bought)
    degree: NDArray[np.int32]  # (I,) edges before the strongest were chosen

    @property
    def n_items(self) -> int:
        return len(self.degree)


def fit_graph(bought: Interactions) -> ItemGraph:
    """From purchases, ``bought.only(PURCHASE)``; quantities and repeats do not count."""
    pair = np.unique(bought.user.astype(np.int64) * bought.n_items + bought.item)
    user, item = (pair // bought.n_items).astype(np.int32), (pair % bought.n_items).astype(np.int32)
    place = np.arange(len(user)) - np.searchsorted(user, user)
    user, item = user[place < MOST_ITEMS], item[place < MOST_ITEMS]
    user_start = np.searchsorted(user, np.arange(bought.n_users + 1))
    by_item = np.argsort(item, kind="stable")
    item_start = np.searchsorted(item[by_item], np.arange(bought.n_items + 1))
    weight = 1.0 / np.log(np.maximum(np.diff(user_start), 2))
    shape = (bought.n_items, MOST_EDGES)
    neighbour, jaccard, adamic_adar = (
        np.zeros(shape, np.int32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.float32),
    )
    degree = np.zeros(bought.n_items, np.int32)
    _join(user_start, item, item_start, user[by_item], weight, neighbour, jaccard, adamic_adar, degree)
    kept = np.arange(MOST_EDGES) < np.minimum(degree, MOST_EDGES)[:, None]
    start = np.concatenate([[0], np.cumsum(kept.sum(1))]).astype(np.int64)
    return ItemGraph(start, neighbour[kept], jaccard[kept], adamic_adar[kept], degree)


@njit(cache=True, nogil=True)
def _join(
    user_start: NDArray[np.int64],
    user_item: NDArray[np.int32],
    item_start: NDArray[np.int64],
    item_user: NDArray[np.int32],
    weight: NDArray[np.float64],
    neighbour: NDArray[np.int32],
    jaccard: NDArray[np.float32],
    adamic_adar: NDArray[np.float32],
    degree: NDArray[np.int32],
) -> None:
    n_items = len(degree)
    both, told = np.zeros(n_items, np.int32), np.zeros(n_items)
    touched = np.empty(n_items, np.int32)
    for i in range(n_items):
        count = 0
        for at in range(item_start[i], item_start[i + 1]):
            user = item_user[at]
            for k in range(user_start[user], user_start[user + 1]):
                j = user_item[k]
                if both[j] == 0:
                    touched[count] = j
                    count += 1
                both[j] += 1
                told[j] += weight[user]
        mine = item_start[i + 1] - item_start[i]
        for at in range(count):
            j = touched[at]
            if j != i and both[j] >= FEWEST_PEOPLE:
                either = mine + item_start[j + 1] - item_start[j] - both[j]
                _keep(
                    i,
                    j,
                    both[j] / either,
                    told[j],
                    min(degree[i], MOST_EDGES),
                    neighbour,
                    jaccard,
                    adamic_adar,
                )
                degree[i] += 1
            both[j], told[j] = 0, 0.0


@njit(cache=True, nogil=True)
def _keep(
    i: int,
    j: int,
    strength: float,
    told: float,
    size: int,
    neighbour: NDArray[np.int32],
    jaccard: NDArray[np.float32],
    adamic_adar: NDArray[np.float32],
) -> None:
    """Insert an edge into the row of i, whose first ``size`` places are filled, strongest first, ties by lower row."""
    value = np.float32(strength)
    at = size
    while at > 0 and (
        jaccard[i, at - 1] < value or (jaccard[i, at - 1] == value and neighbour[i, at - 1] > j)
    ):
        if at < MOST_EDGES:
            neighbour[i, at], jaccard[i, at] = neighbour[i, at - 1], jaccard[i, at - 1]
            adamic_adar[i, at] = adamic_adar[i, at - 1]
        at -= 1
    if at < MOST_EDGES:
        neighbour[i, at], jaccard[i, at], adamic_adar[i, at] = j, value, told


@njit(cache=True, nogil=True)
def pagerank(
    start: NDArray[np.int64], neighbour: NDArray[np.int32], weight: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Where a walker along edges, by their weight, is found; ``(I,)``, mean 1 over items with edges.

    Items without are met by jumps alone: more of them, as a catalogue grows, change no other's rank.
    """
    n = len(start) - 1
    rank, out = np.ones(n), np.empty(n)
    for i in range(n):
        out[i] = 0.0
        for k in range(start[i], start[i + 1]):
            out[i] += weight[k]
    for _ in range(ROUNDS):
        after = np.zeros(n)
        for i in range(n):
            for k in range(start[i], start[i + 1]):
                after[neighbour[k]] += rank[i] * weight[k] / out[i]
        for i in range(n):
            rank[i] = 1.0 - DAMPING + DAMPING * after[i]
    return rank


@njit(cache=True, nogil=True)
def clustering(start: NDArray[np.int64], neighbour: NDArray[np.int32]) -> NDArray[np.float64]:
    """Share of the ordered pairs of an item's neighbours that are joined too; ``(I,)``, NaN below two of them."""
    n = len(start) - 1
    found, mark = np.full(n, np.nan), np.full(n, -1, np.int32)
    for i in range(n):
        size = start[i + 1] - start[i]
        if size < 2:
            continue
        for k in range(start[i], start[i + 1]):
            mark[neighbour[k]] = i
        joined = 0
        for k in range(start[i], start[i + 1]):
            j = neighbour[k]
            for far in range(start[j], start[j + 1]):
                joined += mark[neighbour[far]] == i
        found[i] = joined / (size * (size - 1))
    return found


@njit(cache=True, nogil=True)
def communities(
    start: NDArray[np.int64], neighbour: NDArray[np.int32], weight: NDArray[np.float32]
) -> NDArray[np.int32]:
    """A community per item, named by one of its items; ``(I,)``. Items without edges are communities of their own.

    Each item in turn moves to the community of neighbours where modularity gains most, until none moves.
    """
    n = len(start) - 1
    mine, inside = np.arange(n).astype(np.int32), np.zeros(n)
    strength, total = np.zeros(n), 0.0
    for i in range(n):
        for k in range(start[i], start[i + 1]):
            strength[i] += weight[k] / 2
            strength[neighbour[k]] += weight[k] / 2  # an edge may be kept by one end alone: each counts half
            total += weight[k]
    whole = strength.copy()  # of each community
    for _ in range(MOST_MOVES):
        moved = 0
        for i in range(n):
            old = mine[i]
            for k in range(start[i], start[i + 1]):
                inside[mine[neighbour[k]]] += weight[k]
            whole[old] -= strength[i]
            best, gain = old, inside[old] - strength[i] * whole[old] / max(total, 1e-12)
            for k in range(start[i], start[i + 1]):
                there = mine[neighbour[k]]
                more = inside[there] - strength[i] * whole[there] / max(total, 1e-12)
                if more > gain + 1e-12:
                    best, gain = there, more
            for k in range(start[i], start[i + 1]):
                inside[mine[neighbour[k]]] = 0.0
            whole[best] += strength[i]
            mine[i] = best
            moved += best != old
        if moved == 0:
            break
    return mine
