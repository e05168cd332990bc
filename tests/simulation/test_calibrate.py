"""A world is fitted to a year of another world, whose purchases stand for real ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.domain import DAY_US, InvalidInput
from shelfwise.simulation import (
    WHOLESALE,
    ItemTruth,
    Purchases,
    Tally,
    World,
    WorldSettings,
    bent_power_law,
    fit_world,
    shop_statistics,
    zipf_slope,
)

START_US = 14_610 * DAY_US  # 2010-01-01
END_US = START_US + 365 * DAY_US
ITEMS = ItemTruth.synthetic(150, n_categories=3)


def a_year() -> Purchases:
    settings = WorldSettings(
        **{
            **WHOLESALE,
            "opens_us": START_US - 1_000 * DAY_US,
            "arrival_days": 2_000.0,
            "visits_per_week": 0.2,
            "visit_shape": 2.0,
            "wholesale_basket_median": 6.0,
        }
    )
    tally = Tally()
    for lines in World.grow(ITEMS, settings, seed=1).traffic(
        START_US, END_US, shoppers=range(1_500), only=("purchase",)
    ):
        tally.add(lines)
    return tally.purchases()


def test_a_fitted_world_has_the_years_rhythm_baskets_and_popularity() -> None:
    year = a_year()
    real = shop_statistics(year.within(START_US, END_US))
    told: list[str] = []
    fitted = fit_world(ITEMS, year, start_us=START_US, end_us=END_US, rounds=4, polish=3, told=told.append)
    found = fitted.statistics
    assert found.interval_days.mean == pytest.approx(real.interval_days.mean, rel=0.1)
    assert found.basket_items.mean == pytest.approx(real.basket_items.mean, rel=0.1)
    assert found.basket_items.median == pytest.approx(real.basket_items.median, rel=0.15)
    assert found.gini == pytest.approx(real.gini, rel=0.1)
    assert found.n_persons == pytest.approx(real.n_persons, rel=0.1)
    assert max(found.month_share) == pytest.approx(max(real.month_share), rel=0.15)
    assert len(told) == 8


def test_a_handful_of_orders_is_refused() -> None:
    few = Purchases(*(np.arange(50) for _ in range(3)), np.full(50, START_US))
    with pytest.raises(InvalidInput, match="50 orders; expected 100"):
        fit_world(ITEMS, few, start_us=START_US, end_us=END_US)


def test_without_a_bend_popularity_is_zipfs_law() -> None:
    weight = bent_power_law(np.arange(500), head=0.8, tail=0.0)
    assert zipf_slope((weight * 1e9).astype(np.int64), ranks=500) == pytest.approx(-0.8, abs=1e-4)


@given(st.floats(0.01, 2), st.floats(0.01, 6), st.integers(2, 300))
def test_a_better_rank_is_more_popular_and_the_mean_is_one(head: float, tail: float, n_items: int) -> None:
    weight = bent_power_law(np.arange(n_items), head=head, tail=tail)
    assert (np.diff(weight) < 0).all()
    assert weight.mean() == pytest.approx(1)
