"""Years beside each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shelfwise.simulation import BAR, Compared, Purchases, compared, month_distance, shop_statistics, worst

YEAR = shop_statistics(
    Purchases(
        np.array([1, 1, 1, 2]),
        np.array([1, 2, 2, 3]),
        np.array([5, 5, 6, 6]),
        np.array([0, 1, 1, 40]) * 86_400_000_000,
    )
)


def test_a_year_is_as_near_to_itself_as_can_be() -> None:
    rows = compared(YEAR, YEAR, YEAR)
    assert worst(rows) == pytest.approx(0)
    assert all(row.within for row in rows if row.barred)


def test_distance_is_relative_to_the_real_second_year() -> None:
    row = Compared("g", "n", fitted=90, real=100, simulated=116)
    assert (row.noise, row.off) == pytest.approx((-0.1, 0.16))
    assert not row.within


def test_what_is_a_distance_itself_is_taken_as_it_is() -> None:
    row = Compared("g", "n", fitted=0.05, real=0.0, simulated=0.14)
    assert (row.noise, row.off, row.within) == (0.05, 0.14, True)


def test_the_distance_of_months_is_their_mean_relative_difference() -> None:
    flat = replace(YEAR, month_share=(1 / 12,) * 12)
    tilted = replace(YEAR, month_share=(1.2 / 12, 0.8 / 12) * 6)
    assert month_distance(tilted, flat) == pytest.approx(0.2)


def test_a_single_month_is_told_and_not_judged() -> None:
    moved = replace(YEAR, month_share=YEAR.month_share[::-1])
    rows = compared(YEAR, YEAR, moved)
    months = [row for row in rows if row.name.endswith("share of orders")]
    assert len(months) == 12
    assert not any(row.barred for row in months)
    assert worst(rows) > BAR  # by their distance all the same
