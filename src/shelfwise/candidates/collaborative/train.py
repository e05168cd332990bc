"""Fits the two factorisations and the neighbour lists.

Sources: Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008; conjugate gradient
as in ``serve.solve``; BM25 weighting: Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009.
"""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._kernels import Floats
from shelfwise.candidates._matrix import Csr, PairDays, Prepared
from shelfwise.candidates._neighbours import Neighbours, strongest
from shelfwise.candidates._threads import in_shares
from shelfwise.candidates.collaborative.serve import (
    REASSOCIATE,
    CollaborativeSource,
    Memory,
    solve,
    workspace,
)
from shelfwise.candidates.collaborative.settings import CollaborativeSettings, MemorySettings
from shelfwise.domain import Shelf


def fit(
    prepared: Prepared,
    shelf: Shelf | None,
    *,
    settings: CollaborativeSettings,
    warm: CollaborativeSource | None = None,
) -> CollaborativeSource:
    """Learn from a history; ``warm``, an earlier fit of the same shop, saves most sweeps. Needs no ``shelf``."""
    del shelf
    pairs, by_event = prepared.pairs, settings.by_event()
    warm_short, warm_long = (None, None) if warm is None else (warm.short, warm.long)
    as_of_us, seed = prepared.as_of_us, settings.seed
    short = memory(pairs, as_of_us, by_event, settings.short, seed=seed, warm=warm_short)
    long = memory(pairs, as_of_us, by_event, settings.long, seed=seed, warm=warm_long)
    aged = pairs.weights(as_of_us, settings.neighbour_half_life_days, by_event)
    near = bm25_neighbours(pairs.matrix(aged), k1=settings.k1, b=settings.b, limit=settings.neighbours)
    known = np.bincount(pairs.item, minlength=prepared.n_items) > 0
    return CollaborativeSource(short, long, near, known.astype(np.uint8), settings)


def memory(
    pairs: PairDays,
    as_of_us: int,
    by_event: Floats,
    settings: MemorySettings,
    *,
    seed: int,
    warm: Memory | None = None,
) -> Memory:
    """One factorisation of a history as of an instant."""
    weight = pairs.weights(as_of_us, settings.half_life_days, by_event)
    start, iterations = None, settings.iterations
    if warm is not None and warm.factors.shape[1] == settings.factors:
        start, iterations = warm.factors, settings.warm_iterations
    _, items = factorize(
        confidence(pairs.matrix(weight, smallest=settings.smallest), settings),
        factors=settings.factors,
        regularization=settings.regularization,
        iterations=iterations,
        steps=settings.steps,
        seed=seed,
        items=start,
    )
    return Memory.of(items, settings)


def confidence(weight: Csr, settings: MemorySettings) -> Csr:
    """``base + alpha * w`` of persons x items."""
    return weight.valued(settings.base + settings.alpha * weight.value)


def factorize(
    observed: Csr,
    *,
    factors: int,
    regularization: float,
    iterations: int,
    steps: int,
    seed: int,
    items: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Vectors of persons ``(U, D)`` and items ``(I, D)`` that minimise::

        sum over observed  c (1 - u v)^2  +  sum over the rest  (u v)^2  +  regularization (|u|^2 + |v|^2)

    The last half-sweep is over items, so that they are the (nearly) exact ridge solution given the persons.

    Args:
        observed: Confidences c, persons x items.
        factors: Width D.
        regularization: As in the formula.
        iterations: Sweeps, each over persons, then items.
        steps: Conjugate gradient steps per row, from where the last sweep left it.
        seed: Of the start.
        items: Start from these instead of from noise; rows beyond their end are new items.
    """
    by_item = observed.transposed()
    persons = np.zeros((observed.n_rows, factors), np.float32)
    vectors = _start(observed.n_columns, factors, seed, items)
    for _ in range(iterations):
        half_sweep(observed, persons, vectors, regularization=regularization, steps=steps)
        half_sweep(by_item, vectors, persons, regularization=regularization, steps=steps)
    return persons, vectors


def half_sweep(observed: Csr, vectors: Floats, given: Floats, *, regularization: float, steps: int) -> None:
    """Improve the rows of ``vectors``, in place, with ``given`` held; rows without a value become 0."""
    gram = given.T @ given + np.float32(regularization) * np.eye(given.shape[1], dtype=np.float32)

    def share(first: int, step: int) -> None:
        _rows(first, step, observed.start, observed.column, observed.value, vectors, given, gram, steps)

    in_shares(share)


def bm25_neighbours(weight: Csr, *, k1: float, b: float, limit: int) -> Neighbours:
    """Item neighbours by the inner product of BM25-weighted columns; ``weight`` is persons x items.

    An item is a document, a person a term: rare (choosy) persons count more, items with many buyers are discounted.
    """
    by_item = bm25(weight.transposed(), k1=k1, b=b)
    return strongest(by_item, by_item.transposed(), limit=limit)


def bm25(by_item: Csr, *, k1: float, b: float) -> Csr:
    """Items x persons, weighted: ``idf(person) * w (k1 + 1) / (w + k1 (1 - b + b length(item) / mean length))``."""
    row, w = by_item.row(), by_item.value
    length = np.bincount(row, weights=w, minlength=by_item.n_rows)
    saturation = (1.0 - b + b * length / max(length.mean(), 1e-12)).astype(np.float32)
    held = np.bincount(by_item.column, minlength=by_item.n_columns)
    idf = np.log(by_item.n_rows) - np.log1p(held)
    idf = np.maximum(idf, 0.0).astype(np.float32)
    return by_item.valued(
        idf[by_item.column] * w * np.float32(k1 + 1) / (w + np.float32(k1) * saturation[row])
    )


def _start(n_items: int, factors: int, seed: int, items: Floats | None) -> Floats:
    spread = 0.01 * np.sqrt(
        64 / factors
    )  # small: the first half-sweep then sees an almost plain ridge problem
    noise = np.random.default_rng(seed).normal(0.0, spread, (n_items, factors)).astype(np.float32)
    if items is None:
        return noise
    known = min(n_items, len(items))
    noise[:known] = items[:known]
    return noise


@nb.njit(cache=True, nogil=True, fastmath=REASSOCIATE)
def _rows(
    first: int,
    step: int,
    start: NDArray[np.int64],
    column: NDArray[np.int32],
    value: Floats,
    vectors: Floats,
    given: Floats,
    gram: Floats,
    steps: int,
) -> None:
    longest = np.int64(0)
    for row in range(first, len(vectors), step):
        longest = max(longest, start[row + 1] - start[row])
    space = workspace(longest, vectors.shape[1])
    for row in range(first, len(vectors), step):
        low, high = start[row], start[row + 1]
        if low == high:
            vectors[row] = 0
        else:
            solve(vectors[row], column[low:high], value[low:high], given, gram, steps, space)
