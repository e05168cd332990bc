"""What is true of shoppers and items shows in what they do, by the stated number of log-odds, days or shares."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from tests.simulation.worlds import world

from shelfwise.domain import DAY_US
from shelfwise.simulation import Context, ItemTruth, Slate, Truth, World, WorldSettings

HOME, WEEK_US = 1, 7 * DAY_US
OPENS_US = 14_609 * DAY_US  # 2009-12-31, a Thursday: on these the weeks of a world begin
SHOPPER, ITEM, OTHER = 5, 3, 9


def plain_world(**columns: np.ndarray) -> World:
    """Items that never change, but for these columns."""
    items = ItemTruth.synthetic(40, new_per_year=0.0, seed=1)
    calm = {
        "season": np.full(40, -1.0),
        "complements": np.full((40, 4), -1),
        "substitutes": np.full((40, 4), -1),
    }
    settings = WorldSettings(opens_us=OPENS_US, click_logit=0.0, season_gain=1.5, season_days=30.0)
    return World.grow(dataclasses.replace(items, **{**calm, **columns}), settings, seed=4)


def click_logit(
    shop: World, at_us: int = OPENS_US, *, seeds: tuple[int, ...] = (), item: int = ITEM
) -> float:
    """Log-odds that the shopper clicks on the item, once looked at."""
    context = Context(at_us, seeds=np.array(seeds, np.int32))
    told = Truth(shop).chances(SHOPPER, Slate(np.array([item], np.int32), HOME), context)
    chance = told.clicked[0] / told.examined[0]
    return math.log(chance / (1 - chance))


def only(item: int, value: float, otherwise: float) -> np.ndarray:
    column = np.full(40, otherwise)
    column[item] = value
    return column


def related(item: int, other: int) -> np.ndarray:
    column = np.full((40, 4), -1, np.int32)
    column[item, 0] = other
    return column


def test_in_its_season_an_item_gains_what_the_settings_say() -> None:
    shop = plain_world(season=only(ITEM, 2.0, -1.0))  # 2010-01-03, the middle of the first week
    assert click_logit(shop) - click_logit(shop, OPENS_US + 26 * WEEK_US) == pytest.approx(1.5, abs=1e-3)
    # 4 weeks off is 28 of 30 days: a bell of exp(-0.5 * (28/30)^2)
    lower = click_logit(shop) - click_logit(shop, OPENS_US + 4 * WEEK_US)
    assert lower == pytest.approx(1.5 * (1 - math.exp(-0.5 * (28 / 30) ** 2)), abs=1e-3)
    assert click_logit(shop, item=OTHER) == pytest.approx(
        click_logit(shop, OPENS_US + 26 * WEEK_US, item=OTHER)
    )


def test_an_items_odds_halve_in_each_of_its_lives() -> None:
    shop = plain_world(life_days=only(ITEM, 70.0, np.inf), born_us=np.full(40, OPENS_US - DAY_US))
    first = click_logit(shop)
    for lives in (1, 2):
        later = click_logit(shop, OPENS_US + lives * 10 * WEEK_US)
        assert first - later == pytest.approx(lives * math.log(2), abs=1e-9)
        assert click_logit(shop, OPENS_US + lives * 10 * WEEK_US, item=OTHER) == click_logit(shop, item=OTHER)


def test_what_is_at_hand_draws_complements_and_substitutes_and_pushes_itself_away() -> None:
    for column, gain in (("complements", 1.2), ("substitutes", 0.4)):
        shop = plain_world(**{column: related(OTHER, ITEM)})
        assert click_logit(shop, seeds=(OTHER,)) - click_logit(shop) == pytest.approx(gain)
        assert click_logit(shop, seeds=(ITEM,)) - click_logit(shop) == pytest.approx(-4.0)
        assert click_logit(shop, seeds=(OTHER,), item=8) == pytest.approx(click_logit(shop, item=8))


def test_a_doubled_price_costs_the_shoppers_own_elasticity() -> None:
    shop = plain_world()
    dearer = shop.with_items(
        dataclasses.replace(
            shop.items, price_minor=np.where(np.arange(40) == ITEM, 2, 1) * shop.items.price_minor
        )
    )
    elasticity = shop.shopper(SHOPPER).latents(OPENS_US).elasticity
    assert click_logit(shop) - click_logit(dearer) == pytest.approx(elasticity * math.log(2))
    assert click_logit(shop, item=OTHER) == pytest.approx(click_logit(dearer, item=OTHER))


def test_elasticities_are_spread_as_the_settings_say() -> None:
    shop = world()
    logs = np.log([shop.shopper(n).latents(OPENS_US).elasticity for n in range(2_000)])
    error = 4 / math.sqrt(2_000)  # in spreads; four standard errors
    assert logs.mean() == pytest.approx(math.log(2.62), abs=0.4 * error)
    assert logs.std() == pytest.approx(0.4, abs=0.4 * error / math.sqrt(2))


def test_drift_turns_the_tastes_of_so_many_and_leaves_the_others_as_they_were() -> None:
    before, after = world(), world().with_settings(world().settings.model_copy(update={"drift": 0.3}))
    same = [
        np.array_equal(*(shop.shopper(n).latents(OPENS_US).taste for shop in (before, after)))
        for n in range(2_000)
    ]
    assert np.mean(same) == pytest.approx(0.7, abs=4 * math.sqrt(0.3 * 0.7 / 2_000))


def test_shoppers_leave_for_ever_as_the_hazard_says() -> None:
    settings = WorldSettings(opens_us=OPENS_US, initial_share=1.0, churn_shape=0.606, churn_scale_weeks=26.0)
    rhythm = World.grow(ItemTruth.synthetic(40), settings).rhythm(range(20_000))
    for weeks in (4, 26, 104):
        stays = (26 / (26 + weeks)) ** 0.606  # a gamma of exponentials is a Pareto
        left = rhythm.last_day >= OPENS_US // DAY_US + 7 * weeks
        assert left.mean() == pytest.approx(stays, abs=4 * math.sqrt(stays * (1 - stays) / 20_000))


def test_rates_of_visits_are_spread_as_the_settings_say() -> None:
    settings = WorldSettings(opens_us=OPENS_US, visits_per_week=0.5, visit_shape=0.553)
    weekly = 7 * World.grow(ItemTruth.synthetic(40), settings).rhythm(range(20_000)).visits_per_day
    assert weekly.mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(0.553 * 20_000))
    assert np.var(weekly / weekly.mean()) == pytest.approx(
        1 / 0.553, rel=0.12
    )  # 4 errors of a variance so skewed


def test_a_regular_item_stays_one_for_its_time_and_then_another_takes_its_place() -> None:
    shop = plain_world()
    shop = shop.with_settings(shop.settings.model_copy(update={"staple_days": 100.0, "staples": 1}))
    held = [int(shop.shopper(SHOPPER).latents(OPENS_US + day * DAY_US).staples[0]) for day in range(1_000)]
    changes = np.flatnonzero(np.diff(held)) + 1
    assert 5 <= len(changes) <= 10  # the same item may be drawn again
    assert (np.diff(changes) % 100 == 0).all()


def test_devices_of_one_shopper_are_the_main_one_and_now_and_then_another() -> None:
    shop = world().with_settings(world().settings.model_copy(update={"second_device_share": 0.25}))
    lines = [
        (batch.shopper, batch.session, batch.device)
        for batch in shop.traffic(
            shop.settings.opens_us, shop.settings.opens_us + 60 * DAY_US, shoppers=range(500)
        )
    ]
    shopper, session, device = (np.concatenate(column) for column in zip(*lines, strict=True))
    visit = np.unique(session, return_index=True)[1]
    often = np.zeros((500, 3))
    np.add.at(often, (shopper[visit], device[visit]), 1)
    many = often[often.sum(axis=1) >= 20]
    other = 1 - many.max(axis=1).sum() / many.sum()
    assert other == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / many.sum()))
