from __future__ import annotations

import dataclasses
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.simulation.worlds import N_ITEMS, situation, world

from shelfwise.domain import DAY_US, InvalidField
from shelfwise.simulation import Context, ItemTruth, Slate, Traffic, Truth, World


def _worst(truth: Truth, n_pairs: int, draws: int) -> float:
    """The largest distance between what is stated and what happens, in standard errors."""
    rng, worst = np.random.default_rng(11), 0.0
    for _ in range(n_pairs):
        shopper, slate, context = situation(truth.world, rng)
        stated = truth.chances(shopper, slate, context)
        for counted, chance in zip(
            truth.tally(shopper, slate, context, draws),
            (stated.examined, stated.clicked, stated.carted, stated.bought),
            strict=True,
        ):
            usual = chance * draws > 20  # below, a normal error says little
            error = np.sqrt(chance * (1 - chance) / draws)[usual]
            off = np.abs(counted / draws - chance)[usual]
            sure = error < 1e-12
            assert (off[sure] < 1e-9).all()
            worst = max(worst, float((off[~sure] / error[~sure]).max(initial=0.0)))
            rare = counted[~usual]
            assert (rare <= 60).all()  # of at most 20 expected: never by chance
    return worst


@pytest.mark.parametrize("examination", ["position", "cascade"])
def test_shoppers_respond_as_the_truth_states(examination: str) -> None:
    # about 20 pairs x 4 steps x 6 positions: beyond 4.5 once in 700 seeds; the seed is fixed
    assert _worst(Truth(world(examination)), n_pairs=20, draws=20_000) < 4.5


def test_a_tally_is_the_count_of_responses() -> None:
    shop = world()
    shopper, slate, context = situation(shop, np.random.default_rng(5), size=6)
    responses = [shop.shopper(shopper).respond(slate, context, draw=draw) for draw in range(300)]
    counted = Truth(shop).tally(shopper, slate, context, 300)
    for row, name in enumerate(("examined", "clicked", "carted", "bought")):
        assert counted[row].tolist() == sum(getattr(r, name).astype(int) for r in responses).tolist()


@given(raised=st.floats(1.0, 5.0), seed=st.integers(0, 1_000))
@settings(max_examples=30, deadline=None)
def test_demand_falls_as_the_price_rises(raised: float, seed: int) -> None:
    shop = world()
    shopper, slate, context = situation(shop, np.random.default_rng(seed), size=5)
    price = shop.items.price_minor.copy()
    price[slate.item[2]] = int(price[slate.item[2]] * raised)
    dearer = shop.with_items(dataclasses.replace(shop.items, price_minor=price))
    before, after = (Truth(w).chances(shopper, slate, context) for w in (shop, dearer))
    assert after.clicked[2] <= before.clicked[2]
    assert after.bought[2] <= before.bought[2] + 1e-9


def test_what_is_out_of_stock_is_looked_at_but_not_bought() -> None:
    shop = world()
    shopper, slate, context = situation(shop, np.random.default_rng(1), size=4)
    stock = np.full(N_ITEMS, -1, np.int64)
    stock[slate.item[0]] = 0
    chances = Truth(shop.with_items(dataclasses.replace(shop.items, stock=stock))).chances(
        shopper, slate, context
    )
    assert chances.clicked[0] > 0
    assert chances.bought[0] == 0


def test_what_is_not_on_sale_yet_is_not_clicked() -> None:
    shop = world()
    born = shop.items.born_us.copy()
    new, old = np.flatnonzero(born < 0)[:2]
    born[new] = 2**60
    later = Truth(shop.with_items(dataclasses.replace(shop.items, born_us=born)))
    chances = later.chances(1, Slate(np.array([new, old], np.int32), 1), Context(shop.settings.opens_us))
    assert chances.clicked[0] == chances.bought[0] == 0
    assert chances.clicked[1] > 0


@pytest.mark.parametrize("examination", ["position", "cascade"])
def test_the_best_slate_is_the_best_of_all_slates(examination: str) -> None:
    small = World.grow(_few(world(examination)), world(examination).settings)
    truth, context = Truth(small), Context(small.settings.opens_us, intent=1, category=0)
    for shopper in range(5):
        worth = {
            rows: truth.chances(shopper, Slate(np.array(rows, np.int32), 1), context).bought.sum()
            for rows in permutations(range(6), 3)
        }
        best = tuple(truth.best_slate(shopper, context, 3).tolist())
        assert worth[best] == pytest.approx(max(worth.values()), abs=1e-9)


def test_policy_values_by_common_luck_agree_with_the_exact_ones() -> None:
    truth, policies = Truth(world()), (_first_rows, _last_rows)
    occasions = truth.occasions(
        world().settings.opens_us, world().settings.opens_us + 20 * DAY_US, shoppers=range(200), limit=60
    )
    exact = np.array([truth.value(occasions, policy) for policy in policies])
    drawn = np.array([truth.value_drawn(occasions, policy, draws=4_000) for policy in policies])
    error = np.sqrt((exact * (1 - exact)).sum(axis=1) / 4_000)
    assert (np.abs(drawn.sum(axis=1) - exact.sum(axis=1)) < 4 * error).all()


def test_the_value_of_a_policy_is_that_of_what_it_shows() -> None:
    truth = Truth(world())
    start = world().settings.opens_us
    (occasion,) = truth.occasions(start, start + DAY_US, shoppers=range(50), limit=1)
    slate = Slate(_first_rows(0, occasion.context), occasion.list)
    bought = truth.chances(occasion.shopper, slate, occasion.context).bought
    assert truth.value([occasion], _first_rows)[0] == pytest.approx(bought.sum())
    dearest = truth.value([occasion], _first_rows, "revenue_minor")[0]
    assert dearest >= bought @ world().items.price_minor[slate.item]  # a line has one unit at least


def test_lifetime_value_is_what_shoppers_come_to_spend() -> None:
    shop, shoppers = world(), range(400)
    start, days = shop.settings.opens_us + 30 * DAY_US, 90
    lifetime = Truth(shop).lifetime(start, days, shoppers=shoppers, draws=24)
    sent = Traffic.joined(list(shop.traffic(start, start + days * DAY_US, shoppers=shoppers)))
    paid, margin = sent.order >= 0, (sent.price_minor - shop.items.cost_minor[sent.item]) * sent.quantity
    came = np.unique(sent.session) >> 22  # the shopper's number stands in front
    for happened, expected in (
        (np.bincount(came, minlength=len(shoppers)), lifetime.visits),
        (np.bincount(sent.shopper[paid & (sent.line == 0)], minlength=len(shoppers)), lifetime.orders),
        (np.bincount(sent.shopper[paid], margin[paid], minlength=len(shoppers)), lifetime.margin_minor),
    ):
        off = happened - expected  # mean 0 by shopper: their squares tell the variance of the sum
        assert abs(off.sum()) < 4 * np.sqrt((off**2).sum())


def test_who_has_left_is_worth_nothing() -> None:
    shop = world()
    rhythm = shop.rhythm(range(300))
    start = shop.settings.opens_us + 200 * DAY_US
    gone = rhythm.last_day < start // DAY_US
    lifetime = Truth(shop).lifetime(start, 30, shoppers=range(300), draws=2)
    assert gone.any()
    assert (lifetime.visits[gone] == 0).all()
    assert (lifetime.margin_minor[gone] == 0).all()


def test_an_item_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidField, match="rows of items, 0 to 199"):
        Truth(world()).chances(1, Slate(np.array([N_ITEMS], np.int32), 1), Context(0))


def test_a_slate_holds_each_item_once() -> None:
    with pytest.raises(InvalidField, match="each once"):
        Slate(np.array([1, 1], np.int32), 1)


def _first_rows(shopper: int, context: Context) -> NDArray[np.int32]:
    return np.arange(8, dtype=np.int32)


def _last_rows(shopper: int, context: Context) -> NDArray[np.int32]:
    return np.arange(N_ITEMS - 8, N_ITEMS, dtype=np.int32)


def _few(shop: World) -> ItemTruth:
    columns = {name: column[:6].copy() for name, column in shop.items.columns().items()}
    for name in ("complements", "substitutes"):
        columns[name] = np.full_like(columns[name], -1)
    columns["born_us"][:] = 0
    columns["category"] = np.array([0, 0, 1, 1, 2, 2], np.int32)
    return ItemTruth(**columns)
