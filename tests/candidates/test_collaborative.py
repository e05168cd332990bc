"""Implicit ALS against the exact ridge solution, by plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix

from shelfwise.candidates import ImplicitALS
from shelfwise.candidates._matrix import Csr, csr
from shelfwise.candidates.collaborative.serve import Memory, gram_of, score_all
from shelfwise.candidates.collaborative.settings import CollaborativeSettings, MemorySettings
from shelfwise.candidates.collaborative.train import bm25, confidence, factorize, half_sweep

N_USERS, N_ITEMS, WIDTH = 30, 20, 6


def observed(rng: np.random.Generator, *, base: float = 1.0, alpha: float = 4.0) -> Csr:
    held = (rng.random((N_USERS, N_ITEMS)) < 0.3) * rng.uniform(0.1, 3.0, (N_USERS, N_ITEMS))
    held[:, 7] = 0  # nobody touched it
    held[11] = 0  # and one who touched nothing
    row, column = np.nonzero(held)
    weight = csr(
        row.astype(np.int32),
        column.astype(np.int32),
        held[row, column].astype(np.float32),
        shape=(N_USERS, N_ITEMS),
    )
    return confidence(weight, MemorySettings(base=base, alpha=alpha))


def exact(confidence: np.ndarray, given: np.ndarray, ridge: float) -> np.ndarray:
    """Rows x that minimise ``sum c (1 - x y)^2`` over the observed, ``(x y)^2`` over the rest, ``ridge |x|^2``."""
    out = []
    for row in confidence.astype(np.float64):
        seen = row > 0
        weight = np.where(seen, row, 1.0)
        system = (given * weight[:, None]).T @ given + ridge * np.eye(given.shape[1])
        out.append(np.linalg.solve(system, given.T @ (row * seen)))
    return np.array(out)


@pytest.mark.parametrize("base", [0.0, 1.0])
def test_item_factors_are_the_exact_ridge_solution_given_the_persons(
    base: float, rng: np.random.Generator
) -> None:
    held = observed(rng, base=base)
    persons, items = factorize(held, factors=WIDTH, regularization=2.0, iterations=3, steps=3 * WIDTH, seed=0)
    expected = exact(held.dense().T, persons.astype(np.float64), 2.0)
    assert items == pytest.approx(expected, abs=2e-5)
    assert np.array_equal(items[7], np.zeros(WIDTH))
    assert np.array_equal(persons[11], np.zeros(WIDTH))


def test_more_conjugate_steps_come_closer_to_the_exact_solution(rng: np.random.Generator) -> None:
    held, given = observed(rng), rng.normal(0, 0.3, (N_ITEMS, WIDTH)).astype(np.float32)
    expected = exact(held.dense(), given.astype(np.float64), 1.0)
    far = []
    for steps in (1, 2, 4, 12):
        vectors = np.zeros((N_USERS, WIDTH), np.float32)
        half_sweep(held, vectors, given, regularization=1.0, steps=steps)
        far.append(float(np.abs(vectors - expected).max()))
    assert far == sorted(far, reverse=True)
    assert far[-1] < 2e-5


def test_a_person_is_folded_in_to_the_vector_a_fit_would_give(rng: np.random.Generator) -> None:
    settings = MemorySettings(factors=WIDTH, regularization=3.0, alpha=2.0, base=1.0)
    memory = Memory.of(rng.normal(0, 0.5, (N_ITEMS, WIDTH)).astype(np.float32), settings)
    rows, weight = np.array([3, 0, 9], np.int32), np.array([1.0, 0.2, 2.5], np.float32)
    wishes = np.zeros((1, N_ITEMS))
    wishes[0, rows] = 1.0 + 2.0 * weight
    expected = exact(wishes, memory.factors.astype(np.float64), 3.0)[0]
    assert memory.fold(rows, weight, steps=30) == pytest.approx(expected, abs=1e-5)


def test_however_faint_a_history_its_direction_is_found(rng: np.random.Generator) -> None:
    memory = Memory.of(
        rng.normal(0, 0.5, (N_ITEMS, WIDTH)).astype(np.float32),
        MemorySettings(factors=WIDTH, alpha=1.0, base=0.0),
    )
    rows = np.array([3, 0, 9], np.int32)
    faint = memory.fold(rows, np.full(3, 1e-9, np.float32), steps=10).astype(np.float64)
    expected = exact(_one(rows, 1e-9), memory.factors.astype(np.float64), 20.0)[0]
    assert np.linalg.norm(faint) > 0
    assert faint / np.linalg.norm(faint) == pytest.approx(expected / np.linalg.norm(expected), abs=1e-3)


@pytest.mark.filterwarnings("ignore:OpenBLAS")
def test_the_loss_is_as_low_as_that_of_the_library_implicit(rng: np.random.Generator) -> None:
    held = observed(rng, base=0.0, alpha=1.0)
    ours = factorize(held, factors=WIDTH, regularization=1.0, iterations=60, steps=2 * WIDTH, seed=0)
    peer = AlternatingLeastSquares(
        factors=WIDTH, regularization=1.0, iterations=60, use_cg=False, dtype=np.float64, num_threads=1,
        random_state=0,
    )  # fmt: skip
    peer.fit(
        csr_matrix((held.value.astype(np.float64), held.column, held.start), shape=(N_USERS, N_ITEMS)),
        show_progress=False,
    )
    theirs = loss(held, np.asarray(peer.user_factors), np.asarray(peer.item_factors), 1.0)
    assert loss(held, *ours, 1.0) == pytest.approx(theirs, rel=0.02)


def loss(held: Csr, persons: np.ndarray, items: np.ndarray, ridge: float) -> float:
    c, guess = held.dense().astype(np.float64), persons.astype(np.float64) @ items.astype(np.float64).T
    error = np.where(c > 0, c * (1 - guess) ** 2, guess**2).sum()
    return float(error + ridge * ((persons**2).sum() + (items**2).sum()))


@pytest.mark.parametrize("width", [1, 4, 7])
def test_all_items_are_scored_by_the_inner_product(width: int, rng: np.random.Generator) -> None:
    factors, x = rng.normal(size=(33, width)).astype(np.float32), rng.normal(size=width).astype(np.float32)
    out = np.full(33, 9.0, np.float32)
    score_all(np.ascontiguousarray(factors.T), x, out)
    assert out == pytest.approx(factors @ x, abs=1e-5)


@pytest.mark.parametrize("n_items", [0, 3, 4, 33])
def test_the_gram_matrix_holds_the_inner_products_of_factors(n_items: int, rng: np.random.Generator) -> None:
    factors = rng.normal(size=(n_items, 5)).astype(np.float32)
    assert gram_of(factors) == pytest.approx(factors.T @ factors, abs=1e-5)


def test_bm25_weights_are_those_of_the_formula(rng: np.random.Generator) -> None:
    dense = (rng.random((N_ITEMS, N_USERS)) < 0.3) * rng.uniform(0.5, 2.0, (N_ITEMS, N_USERS))
    row, column = np.nonzero(dense)
    by_item = csr(
        row.astype(np.int32),
        column.astype(np.int32),
        dense[row, column].astype(np.float32),
        shape=(N_ITEMS, N_USERS),
    )
    length = dense.sum(axis=1, keepdims=True)
    saturation = 1 - 0.75 + 0.75 * length / length.mean()
    idf = np.maximum(np.log(N_ITEMS / (1 + (dense > 0).sum(axis=0))), 0)
    expected = idf * dense * 2.2 / np.where(dense > 0, dense + 1.2 * saturation, 1)
    assert bm25(by_item, k1=1.2, b=0.75).dense() == pytest.approx(expected, abs=1e-5)


def test_the_estimator_scores_as_its_factors_say(rng: np.random.Generator) -> None:
    user, item = rng.integers(0, 40, 600), rng.integers(0, 15, 600)
    weight = rng.uniform(0.5, 2, 600)
    model = ImplicitALS(factors=5, iterations=4, regularization=1.0, base=1.0, fold_steps=30)
    table = model.fit({"user_id": user, "item_id": item, "weight": weight}).recommend(
        [7], n=15, exclude_seen=False
    )
    wishes = np.zeros((1, 15))
    seen_order = list(dict.fromkeys(item.tolist()))
    for u, i, w in zip(user, item, weight, strict=True):
        if u == 7:
            wishes[0, seen_order.index(i)] += w
    wishes = np.where(wishes > 0, 1 + 3.0 * wishes, 0)
    factors = model.item_factors.astype(np.float64)
    scores = factors @ exact(wishes, factors, 1.0)[0]
    for item_id, score in zip(table["item_id"].to_pylist(), table["score"].to_pylist(), strict=True):
        assert score == pytest.approx(scores[seen_order.index(item_id)], abs=1e-4)


def test_a_blend_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one above it"):
        CollaborativeSettings(blend=(0, 0, 0))


def _one(rows: np.ndarray, value: float) -> np.ndarray:
    wishes = np.zeros((1, N_ITEMS))
    wishes[0, rows] = value
    return wishes
