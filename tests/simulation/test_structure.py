"""Complements and seasons planted in orders are found; what only looks like one is not."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import DAY_US, to_us
from shelfwise.simulation import Purchases, complements_of, seasons_of

START_US = to_us(datetime(2010, 1, 1, tzinfo=UTC))
N_ITEMS = 12


def orders(*baskets: tuple[float, tuple[int, ...]]) -> Purchases:
    """Each a day and its items."""
    lines = [(number, item, day) for number, (day, items) in enumerate(baskets) for item in items]
    order, item, day = np.array(lines, np.float64).reshape(-1, 3).T
    at_us = START_US + (day * DAY_US).astype(np.int64)
    return Purchases(order.astype(np.int64), order.astype(np.int64), item.astype(np.int64), at_us)


def test_what_is_bought_together_far_more_than_by_chance_goes_together_the_nearest_first() -> None:
    cups = (
        [(0, (0, 1))] * 20 + [(0, (0, 2))] * 8 + [(0, (5,))] * 100
    )  # 1 always with 0, 2 too, but 0 less often
    rare = [(0, (6, 7))] * 4  # four orders prove nothing
    usual = [(0, (3, n)) for n in (4, 8, 9, 10) for _ in range(25)] + [(0, (3,))] * 200  # 3 is in most orders
    found = complements_of(orders(*cups, *rare, *usual), N_ITEMS)
    assert found[0].tolist() == [1, 2, -1, -1]
    assert found[1].tolist() == [0, -1, -1, -1]
    assert found[[5, 6, 7, 11]].max() == -1
    assert 3 not in found[[4, 8, 9, 10]]


def test_what_half_the_orders_hold_goes_with_nothing_by_chance() -> None:
    # item 0 in 3 of 5 orders, whatever else they hold: lift 1, below 2
    found = complements_of(
        orders(*[(0, (n, 0)[: 1 + (k % 5 < 3)]) for n in range(1, 6) for k in range(50)]), N_ITEMS
    )
    assert found.max() == -1


def test_an_order_of_a_whole_shelf_tells_of_no_pair() -> None:
    n_items = 60
    large = [(0, tuple(range(n_items)))] * 10
    alone = [(0, (n,)) for n in range(n_items)]
    assert complements_of(orders(*large, *alone), n_items).max() == -1


@given(st.lists(st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=6), max_size=80))
@settings(max_examples=40, deadline=None)
def test_complements_are_other_items_of_five_orders_or_more_each_once(baskets: list[list[int]]) -> None:
    found = complements_of(orders(*((0, tuple(basket)) for basket in baskets)), N_ITEMS)
    for item, others in enumerate(found.tolist()):
        kept = [other for other in others if other >= 0]
        assert item not in kept
        assert len(set(kept)) == len(kept)
        assert others[: len(kept)] == kept  # padding comes last
        for other in kept:
            assert sum(item in basket and other in basket for basket in baskets) >= 5


def two_years(
    item: int, about: int, n: int, *, spread: float, years: tuple[int, ...] = (0, 1)
) -> list[tuple[float, tuple[int, ...]]]:
    """Orders of one item, as a bell about a day of each year."""
    rng = np.random.default_rng(item)
    return [
        (365.0 * year + (about + rng.normal(0, spread)) % 365, (item,)) for year in years for _ in range(n)
    ]


def evenly(item: int, n: int) -> list[tuple[float, tuple[int, ...]]]:
    return [(730.0 * (k + 0.5) / n, (item,)) for k in range(n)]


def test_a_season_that_comes_every_year_is_found_by_its_day() -> None:
    made = (
        two_years(0, 340, 60, spread=25)
        + two_years(1, 130, 60, spread=25)
        + evenly(2, 200)
        + evenly(3, 2_000)
    )
    found = seasons_of(orders(*made), N_ITEMS)
    assert found is not None
    assert abs(found[0] - 340) < 12  # a mean of 120 days of spread 25, and of parts of 15 days
    assert abs(found[1] - 130) < 12
    assert found[2:].max() == -1


def test_the_shops_own_peak_gives_nothing_a_season() -> None:
    peak = [
        (day, items) for year in (0, 1) for day, items in two_years(0, 330, 300, spread=10, years=(year,))
    ]
    like_the_shop = [(day, (n,)) for n in range(4) for day, _ in peak]
    found = seasons_of(orders(*like_the_shop, *(one for n in range(4) for one in evenly(n, 600))), N_ITEMS)
    assert found is not None
    assert found.max() == -1


def test_what_came_and_went_once_has_no_season() -> None:
    found = seasons_of(orders(*evenly(3, 2_000), *two_years(0, 200, 200, spread=25, years=(1,))), N_ITEMS)
    assert found is not None
    assert found[0] == -1


def test_less_than_two_years_tell_of_no_season() -> None:
    assert seasons_of(orders(*[(day, (0,)) for day in range(700)]), N_ITEMS) is None
    assert seasons_of(orders(), N_ITEMS) is None
