"""Statistics of purchases: small cases by hand, distributions whose statistics mathematics knows, invariants."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.domain import DAY_US, InvalidInput, to_us
from shelfwise.simulation import (
    Purchases,
    gini,
    month_share,
    order_intervals,
    shop_statistics,
    spread,
    total_variation,
    zipf_slope,
)

FIRST_US = to_us(datetime(2010, 1, 4, tzinfo=UTC))


def purchases(*lines: tuple[int, int, int, float]) -> Purchases:
    """Of (person, order, item, day)."""
    person, order, item, day = np.array(lines, np.float64).reshape(-1, 4).T
    at_us = FIRST_US + (day * DAY_US).astype(np.int64)
    return Purchases(person.astype(np.int64), order.astype(np.int64), item.astype(np.int64), at_us)


LITTLE = purchases(
    (1, 10, 100, 0.0),
    (1, 10, 101, 0.0),
    (1, 10, 101, 0.0),  # the same item again in one order
    (1, 11, 102, 0.3),  # the same day: no interval
    (1, 12, 100, 4.2),  # bought before; 4 days later
    (2, 13, 100, 1.0),
    (1, 14, 103, 36.0),  # 32 days later, in February
)


def test_a_little_shop_by_hand() -> None:
    found = shop_statistics(LITTLE)
    assert (found.n_persons, found.n_orders, found.n_lines, found.n_items) == (2, 5, 6, 4)
    assert found.interval_days.mean == pytest.approx((4 + 32) / 2)
    assert found.basket_items.mean == pytest.approx(6 / 5)
    assert found.days_per_person == pytest.approx((3 + 1) / 2)
    assert found.once_share == pytest.approx(1 / 2)
    assert found.returning_share == 1.0  # on day 36 came person 1, who had been there
    assert found.repeat_share == pytest.approx(1 / 6)
    assert found.month_share[:3] == pytest.approx((4 / 5, 1 / 5, 0.0))


def test_no_purchases_have_no_statistics_but_are_no_error() -> None:
    found = shop_statistics(purchases())
    assert found.n_orders == 0
    assert math.isnan(found.interval_days.median)
    assert math.isnan(found.gini)
    assert math.isnan(found.zipf_slope)
    assert found.month_share == (0.0,) * 12


def test_a_window_holds_its_start_but_not_its_end() -> None:
    cut = LITTLE.within(FIRST_US + DAY_US, FIRST_US + 36 * DAY_US)
    assert cut.order.tolist() == [12, 13]


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"lengths \[1, 2\]; expected one"):
        Purchases(*(np.zeros(n, np.int64) for n in (1, 1, 1, 2)))


def test_intervals_are_between_days_of_one_person() -> None:
    day = np.array([3, 0, 0, 10, 5])
    gaps, days = order_intervals(np.array([7, 7, 7, 8, 7]), FIRST_US + day * DAY_US)
    assert gaps.tolist() == [3, 2]
    assert days.tolist() == [3, 1]


def test_deciles_of_whole_numbers_lie_between_them() -> None:
    # half are 1, half are 2: the middles of the two steps are at 25 % and 75 %, so the median is halfway
    both = spread(np.array([1, 2] * 50))
    assert both.mean == 1.5
    assert both.median == pytest.approx(1.5)
    assert both.deciles[0] == 1
    assert both.deciles[-1] == 2
    assert both.deciles[2] == pytest.approx(1.1)  # 30 %: (0.30 - 0.25) / 0.5


def test_deciles_of_an_exponential_are_those_of_mathematics() -> None:
    middle = -1_000 * np.log1p(-(np.arange(100_000) + 0.5) / 100_000)
    expected = -1_000 * np.log1p(-np.arange(1, 10) / 10)
    assert spread(np.rint(middle).astype(np.int64)).deciles == pytest.approx(expected, abs=0.6)


def test_gini_by_hand() -> None:
    assert gini(np.array([5, 5, 5])) == pytest.approx(0.0)
    assert gini(np.array([0, 0, 0, 8])) == pytest.approx(3 / 4)  # (n - 1) / n
    assert gini(np.array([1, 3])) == pytest.approx(1 / 4)


def test_gini_of_a_lognormal_is_the_known_one() -> None:
    sigma = 1.36
    middle = (np.arange(20_000) + 0.5) / 20_000
    value = np.exp(sigma * np.sqrt(2) * _inverse_erf(2 * middle - 1))
    known = math.erf(sigma / 2)  # 2 Phi(sigma / sqrt 2) - 1
    assert gini(np.rint(value * 1e6).astype(np.int64)) == pytest.approx(known, abs=2e-3)


def test_the_slope_of_a_power_law_is_its_exponent() -> None:
    counts = (1e9 * np.arange(1.0, 1_001.0) ** -0.7).astype(np.int64)
    assert zipf_slope(counts) == pytest.approx(-0.7, abs=1e-4)


def test_only_the_first_ranks_make_the_slope() -> None:
    counts = np.concatenate([np.full(10, 500), np.ones(10, np.int64)])
    assert zipf_slope(counts, ranks=10) == pytest.approx(0.0)
    assert zipf_slope(counts) < -1


def test_months_are_calendar_months_whatever_the_year() -> None:
    at = [
        datetime(2010, 12, 31, 23, tzinfo=UTC),
        datetime(2011, 1, 1, tzinfo=UTC),
        datetime(1969, 1, 31, tzinfo=UTC),
    ]
    share = month_share(np.array([to_us(one) for one in at]))
    assert share[0] == pytest.approx(2 / 3)
    assert share[11] == pytest.approx(1 / 3)


def test_total_variation_is_the_share_that_must_move() -> None:
    assert total_variation((0.5, 0.5, 0.0), (0.25, 0.5, 0.25)) == pytest.approx(0.25)


@given(st.permutations(range(7)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows = np.array(order)
    shuffled = Purchases(LITTLE.person[rows], LITTLE.order[rows], LITTLE.item[rows], LITTLE.at_us[rows])
    assert shop_statistics(shuffled) == shop_statistics(LITTLE)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60).filter(any), st.integers(2, 5))
def test_gini_is_a_share_and_knows_no_scale(counts: list[int], factor: int) -> None:
    value = gini(np.array(counts))
    assert 0 <= value < 1
    assert gini(np.array(counts) * factor) == pytest.approx(value)


def _inverse_erf(value: np.ndarray) -> np.ndarray:
    grid = np.linspace(-4.5, 4.5, 400_001)
    return np.interp(value, [math.erf(x) for x in grid.tolist()], grid)
