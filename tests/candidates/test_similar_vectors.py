from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.candidates._neighbours import Neighbours
from shelfwise.candidates.similar._vectors import blended

# Item 0 is by text near to 1; by looks near to 2. Item 3 has no text and no vector.
NEAR = Neighbours(np.array([0, 1, 2, 2, 2]), np.array([1, 0], np.int32), np.array([0.8, 0.8], np.float32))
LOOKS = np.array([[1, 0], [0, 1], [0.6, 0.8], [0, 0]], np.float32)


def neighbours(near: Neighbours, row: int) -> dict[int, float]:
    told = slice(near.start[row], near.start[row + 1])
    values = [round(value, 4) for value in near.similarity[told].tolist()]
    return dict(zip(near.item[told].tolist(), values, strict=True))


def test_the_blend_is_the_weighed_sum_by_hand_strongest_first() -> None:
    near = blended(NEAR, LOOKS, weight=0.5, limit=3)
    assert neighbours(near, 0) == {1: 0.4, 2: 0.3}
    assert neighbours(near, 2) == {1: 0.4, 0: 0.3}
    assert neighbours(near, 3) == {}
    assert list(neighbours(blended(NEAR, LOOKS, weight=0.9, limit=3), 0)) == [2, 1]


def test_an_item_without_a_vector_keeps_its_neighbours_by_text() -> None:
    looks = LOOKS.copy()
    looks[0] = 0
    assert neighbours(blended(NEAR, looks, weight=0.5, limit=3), 0) == {1: 0.8}


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_without_texts_neighbours_are_those_of_all_cosines(n: int, limit: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    looks = rng.normal(size=(n, 5)).astype(np.float32)
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    none = Neighbours(np.zeros(n + 1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))
    near = blended(none, looks, weight=1.0, limit=limit)
    cosine = looks @ looks.T
    np.fill_diagonal(cosine, -1)
    for row in range(n):
        expected = np.sort(cosine[row][cosine[row] > 0])[::-1][:limit]
        np.testing.assert_allclose(list(neighbours(near, row).values()), expected, atol=1e-4)
