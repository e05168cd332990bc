"""The dirt of real traffic, at stated rates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import CART, EVENT_CODES, MINUTE_US, PURCHASE, SECOND_US, VIEW
from shelfwise.simulation import DTYPES, FAULTS, Arrivals, MessSettings, Queue, Traffic, arrivals, stacked

N_ITEMS = 50
SEARCH = EVENT_CODES["search"]
EVER = 10**18


def traffic(n_events: int, *, lines: int = 1, event: int = VIEW, first: int = 0) -> Traffic:
    """Events a second apart, each of so many lines."""
    size = n_events * lines
    number = np.repeat(np.arange(first, first + n_events), lines)
    columns = {name: np.zeros(size, dtype) for name, dtype in DTYPES.items()}
    columns["event"][:] = event
    columns["event_no"] = number
    columns["line"] = np.tile(np.arange(lines), n_events).astype(np.int16)
    columns["at_us"] = number * SECOND_US
    columns["shopper"] = (number % 7).astype(np.int32)
    columns["item"] = np.full(size, -1, np.int32) if event == SEARCH else (number % N_ITEMS).astype(np.int32)
    columns["price_minor"][:] = 250
    columns["quantity"][:] = 1
    return Traffic(**columns)


def all_of(batches: list[Traffic], rates: MessSettings, seed: int = 3) -> Arrivals:
    parts = list(arrivals(batches, [(EVER, rates)], seed=seed, n_items=N_ITEMS))
    return Arrivals(stacked([part.rows for part in parts]))


def test_no_mess_is_the_traffic_itself() -> None:
    clean = traffic(100, lines=2)
    made = all_of([clean], MessSettings())
    for name, column in clean.columns().items():
        assert np.array_equal(getattr(made.traffic, name), column)
    assert np.array_equal(made.arrived_us, clean.at_us)
    assert not made.fault.any()
    assert (made.robot == -1).all()


def test_what_befell_events_is_counted_as_they_arrive() -> None:
    lines, rates = traffic(5_000, lines=3), MessSettings(
        bad_rate=0.1, duplicate_rate=0.2, late_rate=0.3, robot_rate=1.0, broken_event="view_item", broken_rate=0.4
    )  # fmt: skip
    queue = Queue([(EVER, rates)], seed=3, n_items=N_ITEMS)
    made = Arrivals(stacked([queue.take(lines.records()).rows, queue.rest().rows]))
    number, times = np.unique(made.traffic.event_no[made.traffic.line == 0], return_counts=True)
    befell = queue.befell
    assert befell["twice"] == np.count_nonzero(times == 2) > 0
    assert befell["lost"] == 5_000 + befell["robots"] - len(number) > 0
    assert befell["robots"] % rates.robot_pages == 0 < befell["robots"]
    first_sending = np.unique(made.traffic.event_no, return_index=True)[1]
    late = made.arrived_us[first_sending] - made.traffic.at_us[first_sending]
    assert befell["late"] == np.count_nonzero(late > 0) > 0
    # faults are dealt before events are lost: 5,000 at 0.1, within four standard errors of 21
    assert befell["faulty"] == pytest.approx(500, abs=85)


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_rates_are_what_they_are_set_to(rate: float) -> None:
    n = 20_000
    error = 4 * np.sqrt(rate * (1 - rate) / n)  # four standard errors: wrong once in 16,000 seeds; seed fixed
    made = all_of([traffic(n)], MessSettings(bad_rate=rate))
    assert (made.fault > 0).mean() == pytest.approx(rate, abs=error)
    made = all_of([traffic(n)], MessSettings(duplicate_rate=rate))
    assert len(made) / n - 1 == pytest.approx(rate, abs=error)
    made = all_of([traffic(n)], MessSettings(late_rate=rate, late_hours=5))
    assert (made.arrived_us > made.traffic.at_us).mean() == pytest.approx(rate, abs=error)
    made = all_of([traffic(n, event=CART)], MessSettings(broken_event="add_to_cart", broken_rate=rate))
    assert 1 - len(made) / n == pytest.approx(rate, abs=error)


def test_robots_look_at_as_many_pages_as_their_rate_says() -> None:
    n, pages = 100_000, 20
    made = all_of([traffic(n)], MessSettings(robot_rate=0.5, robot_pages=pages, n_robots=4))
    robots = made.robot >= 0
    bursts = robots.sum() / pages
    assert bursts == pytest.approx(n * 0.5 / pages, abs=4 * np.sqrt(n * 0.5 / pages))
    assert set(made.robot[robots].tolist()) == {0, 1, 2, 3}
    assert set(made.traffic.event[robots].tolist()) == {VIEW}
    assert not made.traffic.known[robots].any()
    assert len(np.unique(made.traffic.event_no)) == n + robots.sum()
    assert len(np.unique(made.traffic.session[robots])) == bursts


def test_robots_that_attack_look_at_their_targets_only() -> None:
    made = all_of([traffic(5_000)], MessSettings(robot_rate=2.0, robot_targets=3, robot_honesty=0.0))
    robots = made.robot >= 0
    assert len(np.unique(made.traffic.item[robots])) <= 3
    assert not made.honest.any()


def test_only_the_broken_event_is_lost() -> None:
    mixed = Traffic.joined([traffic(50, event=CART), traffic(50, event=PURCHASE, first=50)])
    made = all_of([mixed], MessSettings(broken_event="add_to_cart", broken_rate=1.0))
    assert set(made.traffic.event.tolist()) == {PURCHASE}
    assert len(made) == 50


def test_a_second_sending_has_the_same_body_and_comes_later() -> None:
    made = all_of([traffic(500, lines=3)], MessSettings(duplicate_rate=1.0))
    assert len(made) == 2 * 500 * 3
    for number in (0, 17, 499):
        rows = np.flatnonzero(made.traffic.event_no == number)
        first, second = rows[:3], rows[3:]
        assert made.traffic.line[rows].tolist() == [0, 1, 2, 0, 1, 2]
        assert np.array_equal(made.traffic.item[first], made.traffic.item[second])
        assert made.arrived_us[second[0]] > made.arrived_us[first[0]]


def test_faults_that_need_an_item_befall_events_with_items_only() -> None:
    made = all_of([traffic(3_000, event=SEARCH)], MessSettings(bad_rate=1.0))
    assert {FAULTS[code] for code in made.fault} == {
        "unknown_event",
        "nobody",
        "far_future",
        "naive_instant",
    }
    made = all_of([traffic(3_000)], MessSettings(bad_rate=1.0))
    assert {FAULTS[code] for code in made.fault} == set(FAULTS) - {"none"}


def test_rates_change_where_their_stretch_ends() -> None:
    stretches = [(60 * SECOND_US, MessSettings()), (EVER, MessSettings(broken_event="view_item"))]
    (made, rest) = arrivals([traffic(100)], stretches, seed=1, n_items=N_ITEMS)
    assert made.traffic.event_no.tolist() == list(range(60))
    assert len(rest) == 0


ALL = MessSettings(
    duplicate_rate=0.2,
    late_rate=0.2,
    late_hours=0.05,
    jitter_s=30,
    bad_rate=0.1,
    robot_rate=0.5,
    robot_pages=5,
)


@given(st.integers(0, 2**31), st.lists(st.integers(1, 299), max_size=5))
@settings(max_examples=25, deadline=None)
def test_any_cut_into_batches_gives_the_same_arrivals(seed: int, cuts: list[int]) -> None:
    whole = traffic(300)
    edges = [0, *sorted(set(cuts)), 300]
    batches = [whole.take(slice(a, b)) for a, b in pairwise(edges)]
    one, many = all_of([whole], ALL, seed), all_of(batches, ALL, seed)
    assert sorted(_rows(one)) == sorted(_rows(many))


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_arrivals_are_in_order_and_nothing_arrives_before_it_happens(seed: int) -> None:
    made = all_of([traffic(120, first=0), traffic(120, first=120)], ALL, seed)
    assert (np.diff(made.arrived_us) >= 0).all()
    assert (made.arrived_us >= made.traffic.at_us).all()


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_lines_of_one_sending_stand_together_and_share_their_fate(seed: int) -> None:
    made = all_of([traffic(100, lines=3)], ALL.model_copy(update={"robot_rate": 0.0}), seed)
    triples = made.traffic.event_no.reshape(-1, 3)
    assert (triples == triples[:, :1]).all()
    assert (made.traffic.line.reshape(-1, 3) == [0, 1, 2]).all()
    assert (made.fault.reshape(-1, 3) == made.fault.reshape(-1, 3)[:, :1]).all()


def test_another_seed_is_another_mess_and_the_same_seed_the_same() -> None:
    first, again, other = (all_of([traffic(500)], ALL, seed) for seed in (1, 1, 2))
    assert _rows(first) == _rows(again)
    assert _rows(first) != _rows(other)


def test_nobody_else_changes_when_a_shopper_is_added() -> None:
    few = all_of([traffic(200)], ALL)
    more = all_of([Traffic.joined([traffic(200), traffic(200, first=200)])], ALL)
    assert set(_rows(few)) <= set(_rows(more))


def test_what_waits_arrives_when_its_time_has_come() -> None:
    queue = Queue([(EVER, MessSettings(jitter_s=60.0))], seed=1, n_items=N_ITEMS)
    first = queue.take(traffic(10).records())
    second = queue.take(traffic(1, first=10 * 60).records())
    assert len(first) < 10
    assert len(first) + len(second) + len(queue.rest()) == 11
    assert (second.arrived_us <= 10 * MINUTE_US).all()


def _rows(made: Arrivals) -> list[tuple[int, ...]]:
    lines = made.traffic
    columns = (lines.event_no, lines.line, lines.item, made.arrived_us, made.fault, made.robot)
    return list(zip(*(column.tolist() for column in columns), strict=True))
