from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shelfwise.features import spread

COLUMNS = arrays(
    np.float32,
    st.integers(0, 60),
    elements=st.floats(-(2.0**20), 2.0**20, width=32) | st.just(float("nan")),
)


def test_few_values_have_a_bar_each() -> None:
    told = spread(np.array([3.0, 0.0, 0.0, np.nan, 7.0]))
    assert (told.rows, told.nulls, told.low, told.median, told.high) == (5, 1, 0.0, 1.5, 7.0)
    assert (told.counts, told.edges, told.example) == ((2, 1, 1), (0.0, 7.0), 3.0)


def test_one_far_value_does_not_press_the_others_into_one_bar() -> None:
    told = spread(np.append(np.arange(1000.0), 1e9))
    assert told.high == 1e9
    assert max(told.counts) < 100


@given(COLUMNS)
def test_every_value_stands_in_one_bar(column: np.ndarray) -> None:
    told = spread(column)
    assert sum(told.counts) == told.rows - told.nulls


@pytest.mark.parametrize(
    ("column", "constant"),
    [([1.0, 1.0], True), ([np.nan, np.nan], True), ([1.0, np.nan], False), ([1.0, 2.0], False), ([], True)],
)
def test_what_never_differs_is_constant_and_absence_is_a_difference(
    column: list[float], constant: bool
) -> None:
    assert spread(np.array(column)).constant is constant
