"""Vectors of items: near in the graph is near in space."""

from __future__ import annotations

import numpy as np

from shelfwise.features._embedding import fit_vectors
from shelfwise.features._graph import ItemGraph


def cliques(n: int, size: int, alone: int = 0) -> ItemGraph:
    rows = [
        [j for j in range(i // size * size, (i // size + 1) * size) if j != i] for i in range(n * size)
    ] + [[]] * alone
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    neighbour = np.array([j for row in rows for j in row], np.int32)
    weight = np.full(len(neighbour), 0.5, np.float32)
    return ItemGraph(start, neighbour, weight, weight, np.diff(start).astype(np.int32))


def test_items_of_a_clique_point_one_way_and_those_of_others_elsewhere() -> None:
    vectors = fit_vectors(cliques(4, 6), width=4)
    likeness = vectors @ vectors.T
    same = np.arange(24)[:, None] // 6 == np.arange(24) // 6
    assert likeness[same].min() > 0.99
    assert np.abs(likeness[~same]).max() < 0.05


def test_vectors_have_length_one_and_items_without_edges_have_none() -> None:
    length = np.linalg.norm(fit_vectors(cliques(3, 5, alone=2)), axis=1)
    assert np.allclose(length[:-2], 1.0, atol=1e-5)
    assert length[-2:].tolist() == [0.0, 0.0]


def test_the_same_graph_has_the_same_vectors() -> None:
    assert np.array_equal(fit_vectors(cliques(3, 5)), fit_vectors(cliques(3, 5)))


def test_the_leading_eigenvectors_are_those_of_the_dense_matrix() -> None:
    rng = np.random.default_rng(3)
    block = np.arange(40) // 14
    often = np.where(block[:, None] == block, 0.9, 0.05)
    dense = np.triu(rng.random((40, 40)) * (rng.random((40, 40)) < often), 1).astype(np.float32)
    rows = [np.flatnonzero(dense[i]) for i in range(40)]
    start = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    neighbour = np.concatenate(rows).astype(np.int32)
    weight = np.concatenate([dense[i, row] for i, row in enumerate(rows)])
    full = (dense + dense.T).astype(float)
    scale = 1 / np.sqrt(full.sum(0))
    value, axis = np.linalg.eigh(full * scale * scale[:, None])
    expected = axis[:, -3:] * np.sqrt(value[-3:])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    graph = ItemGraph(start, neighbour, weight, weight, np.diff(start).astype(np.int32))
    found = fit_vectors(graph, width=3)
    assert np.abs(found @ found.T - expected @ expected.T).max() < 0.02


def test_a_shop_of_one_item_has_a_vector_of_nothing() -> None:
    none = np.empty(0, np.float32)
    alone = ItemGraph(np.zeros(2, np.int64), np.empty(0, np.int32), none, none, np.zeros(1, np.int32))
    assert fit_vectors(alone).tolist() == [[0.0] * 32]
