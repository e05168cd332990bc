from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from tests.simulation.worlds import world

from shelfwise.domain import CART, DAY_US, EVENT_CODES, MAX_LINES, PURCHASE, VIEW, InvalidField, UnknownName
from shelfwise.simulation import DTYPES, Outbox, Slate, Traffic, World, WorldSettings, in_time_order, stacked

DAYS = 60


def sent(
    shop: World, shoppers: range = range(150), first: int = 0, last: int = DAYS, **asked: object
) -> Traffic:
    start = shop.settings.opens_us
    stream = shop.traffic(start + first * DAY_US, start + last * DAY_US, shoppers=shoppers, **asked)  # type: ignore[arg-type]
    return Traffic.joined(list(stream))


def same(one: Traffic, other: Traffic) -> bool:
    return all(np.array_equal(one.columns()[name], other.columns()[name]) for name in DTYPES)


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return sent(world())


def test_the_same_seed_is_the_same_traffic(traffic: Traffic) -> None:
    again = World.grow(world().items, world().settings, seed=world().seed)
    assert same(sent(again), traffic)
    assert not same(sent(World.grow(world().items, world().settings, seed=8)), traffic)


def test_a_shopper_more_changes_nobody_else(traffic: Traffic) -> None:
    fewer = sent(world(), range(40, 90))
    among = (traffic.shopper >= 40) & (traffic.shopper < 90)
    assert same(traffic.take(among), fewer)


def test_two_halves_of_a_time_are_the_whole(traffic: Traffic) -> None:
    shop, start = world(), world().settings.opens_us
    cut = start + 23 * DAY_US + 7_777_777_777
    ends = ((start, cut), (cut, start + DAYS * DAY_US))
    parts = (part for begin, end in ends for part in shop.parts(begin, end, shoppers=range(150)))
    assert same(Traffic.joined(list(in_time_order(parts))), traffic)


def test_traffic_is_in_time_order_and_lines_of_an_event_stand_together(traffic: Traffic) -> None:
    assert (np.diff(traffic.at_us) >= 0).all()
    starts = np.flatnonzero(traffic.line == 0)
    assert len(np.unique(traffic.event_no)) == len(starts)
    for begin, end in pairwise([*starts[:500].tolist()]):
        assert len(set(traffic.event_no[begin:end].tolist())) == 1
        assert traffic.line[begin:end].tolist() == list(range(end - begin))


def test_batches_do_not_overlap_in_time() -> None:
    start = world().settings.opens_us
    batches = list(world().traffic(start, start + 30 * DAY_US, shoppers=range(100)))
    assert len(batches) > 1
    assert all(one.at_us[-1] <= other.at_us[0] for one, other in pairwise(batches))


def test_what_is_not_asked_for_happens_all_the_same(traffic: Traffic) -> None:
    only = sent(world(), only=("purchase", "view_item"))
    assert same(traffic.take(np.isin(traffic.event, (PURCHASE, VIEW))), only)


def test_a_purchase_is_of_what_was_put_into_the_cart_and_that_of_what_was_viewed(traffic: Traffic) -> None:
    def pairs(event: int) -> set[tuple[int, int]]:
        rows = traffic.event == event
        return set(zip(traffic.session[rows].tolist(), traffic.item[rows].tolist(), strict=True))

    assert pairs(PURCHASE) < pairs(CART) < pairs(VIEW)
    assert (np.bincount(traffic.line[traffic.event == PURCHASE]) > 0).all()
    assert traffic.line.max() < MAX_LINES


def test_orders_are_fewer_than_filled_carts_and_these_than_visits(traffic: Traffic) -> None:
    visits, carts = (len(np.unique(traffic.session[rows])) for rows in (slice(None), traffic.event == CART))
    orders = len(np.unique(traffic.order[traffic.order >= 0]))
    assert 0 < orders < carts < visits


def test_whoever_checks_out_is_known(traffic: Traffic) -> None:
    assert traffic.known[traffic.event == PURCHASE].all()
    assert traffic.known[traffic.event == EVENT_CODES["begin_checkout"]].all()
    assert not traffic.known.all()


def test_nobody_visits_before_the_shop_opens() -> None:
    shop = world()
    assert not list(shop.traffic(0, shop.settings.opens_us, shoppers=range(50)))


def test_items_not_on_sale_yet_are_in_no_list(traffic: Traffic) -> None:
    born = world().items.born_us[traffic.item]
    early = (traffic.item >= 0) & (traffic.at_us < born)
    assert not early.any()


def test_a_visit_that_is_shown_nothing_is_the_visit_of_the_open_loop(traffic: Traffic) -> None:
    start, drained = world().settings.opens_us, []
    for visit in world().visits(start, start + 10 * DAY_US, shoppers=range(150)):
        for _ in visit.asks():
            drained.append(visit.drain())
        drained.append(visit.drain())
    closed = Traffic.joined(drained).in_time_order()
    assert same(closed, sent(world(), last=10))


def by_visit(lines: Traffic) -> Traffic:
    return lines.take(np.lexsort((lines.at_us, lines.session)))


def test_visits_that_share_an_outbox_write_what_each_would_write_to_its_own() -> None:
    start, shared, apart = world().settings.opens_us, Outbox(), []
    days = (start, start + 10 * DAY_US)
    for visit in world().visits(*days, shoppers=range(150)):
        list(visit.asks())
        apart.append(visit.drain())
    under_way = [(visit, visit.asks()) for visit in world().visits(*days, shoppers=range(150), outbox=shared)]
    while under_way:  # one step of each in turn
        under_way = [(visit, asks) for visit, asks in under_way if next(asks, None) is not None]
    assert len(shared) > 2 * 1_024  # more than it had room for
    lines = shared.drain()
    assert same(by_visit(Traffic.of_records(lines)), by_visit(Traffic.joined(apart)))


def test_an_outbox_keeps_what_happens_later() -> None:
    start, outbox = world().settings.opens_us, Outbox()
    for visit in world().visits(start, start + 3 * DAY_US, shoppers=range(150), outbox=outbox):
        list(visit.asks())
    whole, until_us = outbox.lines[: len(outbox)].copy(), start + DAY_US
    parts = [outbox.drain(until_us), outbox.drain()]
    assert parts[0]["at_us"].max() <= until_us < parts[1]["at_us"].min()
    assert len(outbox) == 0
    whole = whole[np.argsort(whole["at_us"], kind="stable")]
    assert same(Traffic.of_records(stacked(parts)), Traffic.of_records(whole))


def test_what_a_slate_sold_carries_the_answer_that_showed_it() -> None:
    start, shown, drained = world().settings.opens_us, {}, []
    for visit in world().visits(start, start + 20 * DAY_US, shoppers=range(100)):
        for ask in visit.asks():
            answer = len(shown)
            shown[answer] = np.arange(answer % 100, answer % 100 + 10, dtype=np.int32)
            response = visit.show(Slate(shown[answer], ask.list, answer))
            assert (response.bought <= response.carted).all()
            assert (response.carted <= response.clicked).all()
        drained.append(visit.drain())
    lines = Traffic.joined(drained)
    lines = lines.take(lines.recommendation >= 0)
    assert (lines.event == PURCHASE).any()
    for item, answer in zip(lines.item.tolist(), lines.recommendation.tolist(), strict=True):
        assert item in shown[answer]


def test_good_recommendations_sell_more_than_none_and_take_from_the_shops_own_lists() -> None:
    from shelfwise.simulation import Truth

    start, truth = world().settings.opens_us, Truth(world())
    counts = {}
    for shows in (False, True):
        drained = []
        for visit in world().visits(start, start + 20 * DAY_US, shoppers=range(150)):
            for ask in visit.asks():
                if shows:
                    best = truth.best_slate(visit.shopper, ask.context, 8)
                    visit.show(Slate(best, ask.list, 1))
            drained.append(visit.drain())
        lines = Traffic.joined(drained)
        lines = lines.take(lines.event == PURCHASE)
        counts[shows] = (len(lines), int((lines.recommendation < 0).sum()))
    assert counts[True][0] > counts[False][0]  # more lines are sold
    assert counts[True][1] < counts[False][1]  # fewer of them by the shop's own lists


def test_visits_follow_the_months_they_are_set_to() -> None:
    months = (2.0, *[1.0] * 5, 0.5, *[1.0] * 5)
    settings = WorldSettings(
        month_factors=months,
        holidays=(),
        visits_per_week=2.0,
        visit_shape=50.0,
        initial_share=1.0,
        churn_scale_weeks=100_000.0,
    )
    shop = World.grow(world().items, settings)
    schedule = [
        v.at_us for v in shop.visits(settings.opens_us, settings.opens_us + 366 * DAY_US, shoppers=range(60))
    ]
    month = np.array(schedule, "datetime64[us]").astype("datetime64[M]").astype(int) % 12
    january, july = (month == 0).sum(), (month == 6).sum()
    assert january / july == pytest.approx(4.0, rel=0.25)


def test_a_new_shopper_visits_on_the_day_they_find_the_shop() -> None:
    shop, shoppers = world(), range(100)
    rhythm = shop.rhythm(shoppers)
    start = shop.settings.opens_us
    lines = sent(shop, shoppers, last=366)
    for row in np.flatnonzero(rhythm.arrives)[:30]:
        own = lines.at_us[lines.shopper == row]
        assert own.min() // DAY_US == rhythm.first_day[row]
    assert rhythm.first_day.min() >= start // DAY_US


def test_shoppers_beyond_what_numbers_hold_are_refused() -> None:
    with pytest.raises(InvalidField, match="shoppers"):
        next(world().traffic(0, DAY_US, shoppers=range(1 << 26, (1 << 26) + 1)))


def test_a_wrong_event_is_answered_with_the_right_one() -> None:
    with pytest.raises(UnknownName, match="did you mean 'purchase'"):
        next(world().traffic(0, DAY_US, shoppers=range(1), only=("purchases",)))


def test_the_room_opens_no_store_clock_or_socket() -> None:
    code = (
        "import sys, shelfwise.simulation\n"
        "print(sorted({'lmdb', 'sqlalchemy', 'deltalake', 'httpx', 'xgboost'} & set(sys.modules)), "
        "[name for name in sys.modules if name.startswith('shelfwise.stores')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
