"""The item graph, against networkx where it is there, and graphs small enough to count."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.domain import PURCHASE, Interactions
from shelfwise.features._graph import (
    FEWEST_PEOPLE,
    MOST_EDGES,
    ItemGraph,
    clustering,
    communities,
    fit_graph,
    pagerank,
)


def bought(pairs: list[tuple[int, int]], n_items: int | None = None) -> Interactions:
    user, item = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    n, zero = len(user), np.zeros(len(user), np.int64)
    return Interactions(
        user, item, zero, np.full(n, PURCHASE, np.uint8), zero, np.ones(n, np.int32), zero,
        n_users=int(user.max()) + 1, n_items=n_items or int(item.max()) + 1,
    )  # fmt: skip


def edges(graph: ItemGraph, item: int) -> list[int]:
    return graph.neighbour[graph.start[item] : graph.start[item + 1]].tolist()


def ring(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    start = np.arange(n + 1, dtype=np.int64) * 2
    neighbour = np.array([[(i - 1) % n, (i + 1) % n] for i in range(n)], np.int32).ravel()
    return start, neighbour, np.ones(2 * n, np.float32)


def cliques(n: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n cliques, in a chain by one weak edge each."""
    rows = []
    for i in range(n * size):
        group = i // size
        rows.append([j for j in range(group * size, (group + 1) * size) if j != i])
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    neighbour = np.concatenate(rows).astype(np.int32)
    return start, neighbour, np.ones(len(neighbour), np.float32)


def test_an_edge_takes_five_people() -> None:
    few = [(user, item) for user in range(FEWEST_PEOPLE - 1) for item in (0, 1)]
    assert edges(fit_graph(bought(few)), 0) == []
    more = [*few, (FEWEST_PEOPLE - 1, 0), (FEWEST_PEOPLE - 1, 1)]
    assert edges(fit_graph(bought(more)), 0) == [1]


def test_jaccard_and_adamic_adar_by_hand() -> None:
    pairs = [(user, item) for user in range(6) for item in (0, 1)] + [(6, 0), (7, 1), (0, 2)]
    graph = fit_graph(bought(pairs))
    assert graph.jaccard[0] == pytest.approx(6 / 8)
    assert graph.adamic_adar[0] == pytest.approx(5 / np.log(2) + 1 / np.log(3))


def test_buying_again_changes_nothing() -> None:
    pairs = [(user, item) for user in range(6) for item in (0, 1, 2)]
    once, twice = fit_graph(bought(pairs)), fit_graph(bought(pairs * 2))
    assert once.neighbour.tolist() == twice.neighbour.tolist()
    assert once.jaccard.tolist() == twice.jaccard.tolist()


def test_the_strongest_edges_are_kept_strongest_first_and_all_are_counted() -> None:
    rng = np.random.default_rng(0)
    pairs = [(user, int(item)) for user in range(60) for item in rng.choice(80, 40, replace=False)]
    graph = fit_graph(bought(pairs, 80))
    held = np.zeros((60, 80), bool)
    held[tuple(np.array(pairs).T)] = True
    both = held.T.astype(int) @ held
    either = held.sum(0)[:, None] + held.sum(0) - both
    for item in range(80):
        value = np.where(
            (both[item] >= FEWEST_PEOPLE) & (np.arange(80) != item), both[item] / either[item], 0
        )
        assert graph.degree[item] == (value > 0).sum()
        best = np.lexsort((np.arange(80), -value.astype(np.float32)))[:MOST_EDGES]
        assert edges(graph, item) == best[: graph.degree[item]].tolist()


def test_pagerank_is_even_on_a_ring_and_sums_to_the_items() -> None:
    start, neighbour, weight = ring(9)
    assert pagerank(start, neighbour, weight) == pytest.approx(np.ones(9))


def test_pagerank_solves_its_equation_and_items_without_edges_take_nothing_from_the_others() -> None:
    start, neighbour = np.array([0, 1, 3, 4], np.int64), np.array([1, 0, 2, 1], np.int32)
    rank = pagerank(start, neighbour, np.ones(4, np.float32))
    move = np.array([[0, 1, 0], [0.5, 0, 0.5], [0, 1, 0]])
    assert rank == pytest.approx(0.15 + 0.85 * rank @ move, abs=2e-3)
    assert rank.sum() == pytest.approx(3)
    wider = pagerank(np.append(start, [4, 4]), neighbour, np.ones(4, np.float32))
    assert wider.tolist() == [
        *rank.tolist(),
        *pagerank(np.zeros(3, np.int64), neighbour[:0], np.ones(0, np.float32)),
    ]


def test_clustering_is_whole_in_a_clique_and_nothing_in_a_ring() -> None:
    start, neighbour, _ = cliques(1, 5)
    assert clustering(start, neighbour).tolist() == [1.0] * 5
    start, neighbour, _ = ring(6)
    assert clustering(start, neighbour).tolist() == [0.0] * 6


def test_cliques_are_communities() -> None:
    found = communities(*cliques(3, 6))
    assert [len(set(found[k : k + 6].tolist())) for k in (0, 6, 12)] == [1, 1, 1]
    assert len(set(found.tolist())) == 3


def test_items_without_edges_stand_alone() -> None:
    none = np.zeros(4, np.int64)
    empty = np.empty(0, np.int32), np.empty(0, np.float32)
    assert communities(none, *empty).tolist() == [0, 1, 2]
    assert pagerank(none, *empty) == pytest.approx(np.full(3, 0.15))
    assert np.isnan(clustering(none, empty[0])).all()
