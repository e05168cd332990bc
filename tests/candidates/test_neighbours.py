"""Neighbour lists against dense matrices: cosine, TF-IDF, ridge columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.world import NOW_US, history, shelf_of

from shelfwise.candidates import ContentKNN, Ease, ItemKNN, fit_source
from shelfwise.candidates._matrix import Csr, csr
from shelfwise.candidates._neighbours import Neighbours, strongest
from shelfwise.candidates.estimators._ease import dense_weights, gram_matrix, neighbour_weights

small = hnp.arrays(np.int8, st.tuples(st.integers(1, 12), st.integers(1, 9)), elements=st.integers(0, 2))


def sparse(dense: np.ndarray) -> Csr:
    row, column = np.nonzero(dense)
    return csr(
        row.astype(np.int32),
        column.astype(np.int32),
        dense[row, column].astype(np.float32),
        shape=dense.shape,
    )


def as_dense(near: Neighbours) -> np.ndarray:
    return near.matrix().dense()


def frame(dense: np.ndarray) -> dict[str, np.ndarray]:
    user, item = np.nonzero(dense)
    return {"user_id": user, "item_id": item, "weight": dense[user, item].astype(np.float32)}


@given(held=small, shrink=st.sampled_from([0.0, 2.5]))
@settings(max_examples=60, deadline=None)
def test_kept_similarities_are_the_dense_cosine(held: np.ndarray, shrink: float) -> None:
    dense = held.astype(np.float64)
    norm = np.sqrt((dense**2).sum(axis=0))
    near = strongest(
        sparse(held).transposed(), sparse(held), limit=20, norm=norm.astype(np.float32), shrink=shrink
    )
    under = np.outer(norm, norm) + shrink
    expected = np.divide(dense.T @ dense, under, out=np.zeros_like(under), where=under > 0)
    np.fill_diagonal(expected, 0)
    assert as_dense(near) == pytest.approx(expected, abs=1e-6)


@given(held=small, limit=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_the_strongest_stay_and_of_equals_the_lower_row(held: np.ndarray, limit: int) -> None:
    near = strongest(sparse(held).transposed(), sparse(held), limit=limit)
    products = held.astype(np.int64).T @ held
    for i in range(held.shape[1]):
        ranked = sorted(
            (j for j in range(held.shape[1]) if j != i and products[i, j] > 0),
            key=lambda j: (-products[i, j], j),
        )
        assert near.item[near.start[i] : near.start[i + 1]].tolist() == ranked[:limit]


def test_item_knn_answers_with_sums_of_cosines(rng: np.random.Generator) -> None:
    dense = (rng.random((40, 12)) < 0.3).astype(float)
    dense[0, :] = 1  # so that items are first seen in the order of their numbers
    model = ItemKNN(shrink=0.0).fit(frame(dense))
    norm = np.sqrt((dense**2).sum(axis=0))
    cosine = dense.T @ dense / np.outer(norm, norm)
    np.fill_diagonal(cosine, 0)
    found = model.similar_items([3], n=11)
    assert found["score"].to_pylist() == pytest.approx(np.sort(cosine[3])[::-1][:11], abs=1e-6)
    user = 5
    scores = dense[user] @ cosine
    for item, score in zip(*_answer(model, user), strict=True):
        assert score == pytest.approx(scores[item], abs=1e-5)


def test_tfidf_discounts_people_who_touch_much(rng: np.random.Generator) -> None:
    dense = (rng.random((30, 8)) < 0.4).astype(float)
    dense[0, :] = 1
    model = ItemKNN(weighting="tfidf").fit(frame(dense))
    by_item = dense.T * np.log(8 / np.maximum(dense.sum(axis=1), 1))
    by_item /= np.maximum(np.linalg.norm(by_item, axis=1, keepdims=True), 1e-12)
    cosine = by_item @ by_item.T
    np.fill_diagonal(cosine, 0)
    expected = np.sort(cosine[2])[::-1]
    assert model.similar_items([2], n=7)["score"].to_pylist() == pytest.approx(
        expected[expected > 1e-7][:7], abs=1e-5
    )


def test_every_ease_column_is_the_ridge_regression_on_the_others(rng: np.random.Generator) -> None:
    dense = (rng.random((60, 9)) < 0.4).astype(np.float64)
    weights = dense_weights(sparse(dense), 5.0).astype(np.float64)
    assert np.array_equal(np.diag(weights), np.zeros(9))
    for j in range(9):
        others = np.delete(np.arange(9), j)
        x = dense[:, others]
        expected = np.linalg.solve(x.T @ x + 5.0 * np.eye(8), x.T @ dense[:, j])
        assert weights[others, j] == pytest.approx(expected, abs=1e-5)


def test_ease_over_all_neighbours_is_exact(rng: np.random.Generator) -> None:
    held = sparse((rng.random((80, 9)) < 0.6).astype(np.float64))
    assert neighbour_weights(held, 5.0, limit=8).dense() == pytest.approx(dense_weights(held, 5.0), abs=1e-5)
    assert gram_matrix(held) == pytest.approx(held.dense().T @ held.dense())


@pytest.mark.parametrize("dense_limit", [0, 5_000])
def test_ease_answers_the_same_by_either_way(dense_limit: int, rng: np.random.Generator) -> None:
    dense = (rng.random((80, 9)) < 0.6).astype(float)
    dense[0, :] = 1
    model = Ease(regularization=5.0, dense_limit=dense_limit, neighbours=8).fit(frame(dense))
    scores = dense[4] @ dense_weights(sparse(dense), 5.0)
    for item, score in zip(*_answer(model, 4), strict=True):
        assert score == pytest.approx(scores[item], abs=1e-4)


def test_similar_texts_are_near_by_the_cosine_of_tfidf() -> None:
    titles = ["red mug", "red bowl", "blue lamp", "blue mug"]
    near = fit_source(
        "similar", history([], n_items=4), shelf_of(titles), as_of_us=NOW_US, settings={"bigram_weight": 0.0}
    ).near  # type: ignore[attr-defined]
    words = sorted({word for title in titles for word in title.split()})
    counts = np.array([[title.split().count(word) for word in words] for title in titles], float)
    weighed = counts * np.log(4 / (counts > 0).sum(axis=0))
    weighed /= np.linalg.norm(weighed, axis=1, keepdims=True)
    expected = weighed @ weighed.T
    np.fill_diagonal(expected, 0)
    assert as_dense(near) == pytest.approx(expected, abs=1e-6)


def test_a_word_of_all_items_says_nothing() -> None:
    near = fit_source(
        "similar", history([], n_items=3), shelf_of(["mug a", "mug b", "mug c"]), as_of_us=NOW_US
    ).near  # type: ignore[attr-defined]
    assert len(near.item) == 0


def test_words_of_any_script_make_items_alike() -> None:
    titles = ["Чайник СИНИЙ", "чайник красный", "青い 茶碗", "白い 茶碗", "STRASSE", "straße"]
    near = fit_source("similar", history([], n_items=6), shelf_of(titles), as_of_us=NOW_US).near  # type: ignore[attr-defined]
    assert [near.item[near.start[i] : near.start[i + 1]].tolist() for i in range(6)] == [
        [1], [0], [3], [2], [5], [4],
    ]  # fmt: skip


def test_content_recommends_what_nobody_touched_yet() -> None:
    items = {"item_id": ["a", "b", "c"], "title": ["red mug", "red bowl", "blue lamp"]}
    model = ContentKNN().fit({"user_id": [1], "item_id": ["a"]}, items=items)
    assert model.recommend([1])["item_id"].to_pylist() == ["b"]


def _answer(model: ItemKNN | Ease, user: int) -> tuple[list[int], list[float]]:
    found = model.recommend([user], n=100, exclude_seen=False)
    return found["item_id"].to_pylist(), found["score"].to_pylist()
