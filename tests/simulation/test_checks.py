"""A world is held against what it says of itself, and a wrong figure is noticed."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest

from shelfwise.domain import DAY_US
from shelfwise.simulation import (
    Audit,
    Check,
    ItemTruth,
    MessSettings,
    Tally,
    Truth,
    World,
    WorldSettings,
    audit,
    checks,
    checks_on_the_way,
)

OPENS_US = 14_610 * DAY_US  # 2010-01-01
LATER_US = OPENS_US + 28 * DAY_US


@cache
def run() -> tuple[World, Tally]:
    world = World.grow(ItemTruth.synthetic(300), WorldSettings(opens_us=OPENS_US, initial_share=1.0), seed=3)
    tally = Tally()
    for lines in world.traffic(OPENS_US, LATER_US, shoppers=range(3_000)):
        tally.add(lines)
    return world, tally


def test_a_world_does_what_it_was_set_to() -> None:
    world, tally = run()
    found = checks(tally, world.settings, start_us=OPENS_US, end_us=LATER_US)
    assert {one.name for one in found} >= {
        "first visits on mobile",
        "visits on weekends",
        "visits from 18 to 24 h",
    }
    assert [one.name for one in found if not one.published and not one.met] == []


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"home_country_share": 0.8}, "shoppers of the home country"),
        ({"device_shares": (0.5, 0.46, 0.04)}, "first visits on mobile"),
        ({"weekday_factors": (1, 1, 1, 1, 1, 3, 3)}, "visits on weekends"),
        ({"begin_rate": 0.9}, "check-outs begun, of carts not paid for"),
    ],
)
def test_a_world_set_to_something_else_is_noticed(wrong: dict[str, object], name: str) -> None:
    world, tally = run()
    other = WorldSettings(**{**world.settings.model_dump(), **wrong})
    found = {one.name: one for one in checks(tally, other, start_us=OPENS_US, end_us=LATER_US)}
    assert not found[name].met


def test_a_run_of_less_than_a_week_says_nothing_of_weekends() -> None:
    world, tally = run()
    found = checks(tally, world.settings, start_us=OPENS_US, end_us=OPENS_US + 6 * DAY_US)
    assert "visits on weekends" not in {one.name for one in found}


def test_a_shop_whose_time_is_not_the_worlds_is_checked_in_the_worlds() -> None:
    world, tally = run()
    moved, week_us = Tally(), 7 * DAY_US
    for lines in world.traffic(OPENS_US, LATER_US, shoppers=range(3_000)):
        moved.add(dataclasses.replace(lines, at_us=lines.at_us + 30 * week_us))
    times = {"start_us": OPENS_US, "end_us": LATER_US}
    assert checks(moved, world.settings, **times, shift_us=30 * week_us) == checks(
        tally, world.settings, **times
    )


def test_of_a_run_that_was_cut_off_nothing_is_said_of_carts() -> None:
    world, tally = run()
    found = checks(tally, world.settings, start_us=OPENS_US, end_us=LATER_US, whole=False)
    assert found
    assert not any("carts" in one.name for one in found)


def test_the_dirt_of_the_traffic_is_held_against_its_rates() -> None:
    befell = {"robots": 100, "lost": 50, "faulty": 10, "late": 21, "twice": 0}
    found = checks_on_the_way(befell, 1_000, MessSettings(bad_rate=0.01, late_rate=0.02))
    assert [(one.stated, one.measured, one.n) for one in found] == [
        (0.01, 0.01, 1_000),
        (0.02, 0.02, 1_050),  # robots' pages can be late too, what is lost cannot
    ]


def test_a_figure_is_met_within_four_standard_errors() -> None:
    # sqrt(0.5 * 0.5 / 10,000) = 0.005
    assert Check("n", 0.5, 0.519, 10_000, "s").met
    assert not Check("n", 0.5, 0.521, 10_000, "s").met
    assert Check("n", 0.5, 0.7, 10_000, "s", published=True).met
    assert Check("n", 0.5, 0.52, 10_000, "s").away == pytest.approx(4)
    assert np.isnan(Check("n", 1.0, 1.0, 10_000, "s").away)


def test_what_shoppers_do_is_what_the_world_states() -> None:
    world, _ = run()
    truth = Truth(world)
    occasions = truth.occasions(OPENS_US, LATER_US, shoppers=range(200), limit=20)
    found = audit(truth, occasions, size=5, draws=500)
    assert found.n == 10_000
    assert found.size == 5
    assert found.farthest < 4.5  # of 15 numbers: wrong about once in 10,000 seeds; seed fixed


def test_the_farthest_is_counted_in_standard_errors() -> None:
    stated = np.full((3, 2), 0.5)
    happened = stated + np.array([[0.0, 0.03], [0.0, 0.0], [-0.01, 0.0]])
    assert Audit(100, happened, stated, np.full((3, 2), 0.01)).farthest == pytest.approx(3)
