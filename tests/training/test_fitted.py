from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.domain import DAY_US, PURCHASE, Interactions
from shelfwise.training._fitted import buyers, last_price, percentile, percentile_within, typical_gap_days


def bought(rows: list[tuple[int, int, float, int]], n_items: int = 4) -> Interactions:
    """Rows of (user, item, day, price)."""
    user, item, day, price = (np.array(column) for column in zip(*rows, strict=True))
    return Interactions(
        user.astype(np.int32), item.astype(np.int32), (day * DAY_US).astype(np.int64),
        np.full(len(user), PURCHASE, np.uint8), np.arange(len(user)), np.ones(len(user), np.int32),
        price.astype(np.int64), int(user.max()) + 1, n_items,
    )  # fmt: skip


def test_a_buyer_counts_once_an_item() -> None:
    assert buyers(bought([(0, 1, 1, 5), (0, 1, 2, 5), (1, 1, 3, 5), (1, 2, 3, 5)])).tolist() == [0, 2, 1, 0]


def test_percentiles_by_hand_ties_share_their_middle_and_the_unknown_stay_unknown() -> None:
    got = percentile(np.array([10.0, 30.0, 20.0, 20.0, np.nan]))
    assert got[:4].tolist() == pytest.approx([0.0, 1.0, 0.5, 0.5])
    assert np.isnan(got[4])


def test_percentiles_are_taken_within_each_group() -> None:
    got = percentile_within(np.array([1.0, 2.0, 100.0, 50.0]), np.array([0, 0, 1, 1], np.int32))
    assert got.tolist() == [0.0, 1.0, 1.0, 0.0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_percentiles_keep_the_order_and_stay_in_bounds(values: list[float]) -> None:
    got = percentile(np.array(values))
    assert ((got >= 0) & (got <= 1)).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(got[order]) >= 0).all()


def test_the_price_last_paid_is_the_newest() -> None:
    got = last_price(bought([(0, 1, 5, 300), (1, 1, 9, 250), (0, 1, 7, 200), (0, 2, 1, -1)]))
    assert got[1] == 250
    assert np.isnan(got[[0, 2, 3]]).all()


def test_a_typical_gap_needs_five_repeats_and_is_their_median() -> None:
    days = [0, 10, 30, 37, 40, 140]  # gaps 10, 20, 7, 3, 100 -> median 10
    got = typical_gap_days(bought([(0, 1, day, 1) for day in days] + [(1, 2, day, 1) for day in days[:5]]))
    assert got[1] == pytest.approx(10)
    assert np.isnan(got[2])


def test_lines_of_one_day_are_no_rhythm() -> None:
    days = [0, 0.1, 10, 10.2, 20, 30, 40, 50]
    assert typical_gap_days(bought([(0, 1, day, 1) for day in days]))[1] == pytest.approx(10, abs=0.2)
