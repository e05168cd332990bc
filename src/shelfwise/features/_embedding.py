"""Vectors of items from the graph of what is bought together: near there is near in space. Fitted once per training.

The leading eigenvectors of the normalised adjacency (spectral embedding: Belkin and Niyogi 2003), found by subspace
iteration from a fixed start (Halko, Martinsson and Tropp 2011). Deterministic, so signs of axes are too.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.features._graph import ItemGraph

WIDTH = 32
_SPARE = 8  # more directions than are kept, so that the last kept ones settle
_ITERATIONS = 20
_SEED = 20_101_201


def fit_vectors(graph: ItemGraph, width: int = WIDTH) -> NDArray[np.float32]:
    """``(I, width)``, each of length 1; zeros for an item without edges."""
    n = graph.n_items
    width_held = min(width, n)
    basis = np.random.default_rng(_SEED).standard_normal((n, min(width_held + _SPARE, n)))
    scale = _scale(graph)
    for _ in range(_ITERATIONS):
        basis = _orthonormal(_spread(graph, scale, basis) + basis)  # shifted: eigenvalues lie in [0, 2]
    small = basis.T @ _spread(graph, scale, basis)
    value, axis = np.linalg.eigh((small + small.T) / 2)
    order = np.argsort(-value)[:width_held]
    vectors = np.zeros((n, width))
    vectors[:, :width_held] = (basis @ axis[:, order]) * np.sqrt(np.maximum(value[order], 0.0))
    vectors[scale == 0.0] = 0.0
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1.0)).astype(np.float32)


def joined(graph: NDArray[np.float32], content: NDArray[np.float32]) -> NDArray[np.float32]:
    """Both vectors of each item side by side, of length 1 again: a cosine is the mean of both where both are known.

    An item that nobody bought has only what it looks like, and is near to what looks like it. ``content`` may be
    of more items or of none.
    """
    if not content.size:
        return graph
    both = np.hstack([graph, content[: len(graph)]])
    length = np.linalg.norm(both, axis=1, keepdims=True)
    return (both / np.where(length > 0, length, 1.0)).astype(np.float32)


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """An orthonormal basis of the space of tall columns, by their Gram matrix: much less work than QR."""
    value, axis = np.linalg.eigh(columns.T @ columns)
    return np.asarray(columns @ (axis / np.sqrt(np.maximum(value, 1e-300))))


def _scale(graph: ItemGraph) -> NDArray[np.float64]:
    """1 / sqrt(strength) per item, edges counted from both ends; 0 without edges."""
    owner = np.repeat(np.arange(graph.n_items), np.diff(graph.start))
    strength = np.bincount(owner, graph.jaccard, graph.n_items)
    strength += np.bincount(graph.neighbour, graph.jaccard, graph.n_items)
    return np.where(strength > 0, 1.0 / np.sqrt(np.where(strength > 0, strength, 1.0)), 0.0)


def _spread(
    graph: ItemGraph, scale: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The normalised symmetric adjacency times columns ``(I, K)``."""
    out = np.zeros_like(columns)
    _add_edges(graph.start, graph.neighbour, graph.jaccard, scale, columns, out)
    return out


@njit(cache=True, nogil=True)
def _add_edges(
    start: NDArray[np.int64],
    neighbour: NDArray[np.int32],
    weight: NDArray[np.float32],
    scale: NDArray[np.float64],
    columns: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    for i in range(len(start) - 1):
        for at in range(start[i], start[i + 1]):
            j = neighbour[at]
            value = weight[at] * scale[i] * scale[j]
            for k in range(columns.shape[1]):
                out[i, k] += value * columns[j, k]
                out[j, k] += value * columns[i, k]
