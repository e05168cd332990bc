from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import CART, DAY_US, HOUR_US, LINE, NOBODY, PURCHASE, REFUND, VIEW, window_before
from shelfwise.features import EFFECT, Fading, ItemCounters, Rolling, line_effects, merge_state
from shelfwise.features._features import ITEM_FADES

NOW = 1_000 * DAY_US + 5 * HOUR_US
WEEK = Rolling("week", PURCHASE, "count", 7 * DAY_US)
DAY = Rolling("day", PURCHASE, "count", DAY_US)
HOUR = Rolling("hour", VIEW, "count", HOUR_US)
ACTORS = Rolling("actors", PURCHASE, "actors", 30 * DAY_US)
FIRST = Rolling("first", PURCHASE, "first_buyers", 30 * DAY_US)
PIECES = Rolling("pieces", PURCHASE, "quantity", 7 * DAY_US)
YEAR_AGO = Rolling("year_ago", PURCHASE, "count", 14 * DAY_US, lag_us=350 * DAY_US)
FIRST_TODAY = Rolling(
    "first_today", PURCHASE, "first_buyers", DAY_US + NOW % DAY_US
)  # [midnight yesterday, now)
SPECS = (WEEK, DAY, HOUR, ACTORS, FIRST, PIECES, YEAR_AGO, FIRST_TODAY)


def effects(*rows: tuple[int, int, int]) -> np.ndarray:
    """(item, event, at_us), a quantity of 3, first of its day."""
    made = np.zeros(len(rows), EFFECT)
    for row, (item, event, at_us) in zip(made, rows, strict=True):
        row["item"], row["event"], row["at_us"], row["lines"], row["quantity"] = item, event, at_us, 1, 3
        row["actor"] = 1
        row["price_minor"] = 100 + item
    return made


def count(counters: ItemCounters, name: str, item: int = 0) -> int:
    column = counters.columns()[name]
    return int(column[item]) if item < len(column) else 0


@pytest.mark.parametrize(("spec", "width"), [(WEEK, 7 * DAY_US), (DAY, DAY_US)])
def test_a_window_holds_its_floored_start_and_not_its_end(spec: Rolling, width: int) -> None:
    start = window_before(NOW, width).start_us
    counters = ItemCounters(SPECS, NOW)
    counters.add_effects(effects((0, PURCHASE, start - 1), (0, PURCHASE, NOW)))
    assert count(counters, spec.name) == 0
    counters.add_effects(effects((0, PURCHASE, start), (0, PURCHASE, NOW - 1)))
    assert count(counters, spec.name) == 2


def test_what_lies_in_the_future_is_counted_when_its_time_has_passed() -> None:
    counters = ItemCounters(SPECS, NOW)
    counters.add_effects(effects((0, PURCHASE, NOW + 5)))
    assert count(counters, "week") == 0
    counters.advance(NOW + 5)
    assert count(counters, "week") == 0
    counters.advance(NOW + 6)
    assert count(counters, "week") == 1


def test_quantity_adds_up_pieces_and_other_events_are_not_counted() -> None:
    counters = ItemCounters(SPECS, NOW)
    counters.add_effects(
        effects((1, PURCHASE, NOW - 1), (1, PURCHASE, NOW - 2), (1, REFUND, NOW - 3), (1, 9, NOW - 3))
    )
    assert (count(counters, "pieces", 1), count(counters, "week", 1)) == (6, 2)


def test_a_lagged_window_is_whole_buckets() -> None:
    day = NOW // DAY_US
    inside = [(day - 364) * DAY_US, (day - 350) * DAY_US - 1]
    outside = [(day - 364) * DAY_US - 1, (day - 350) * DAY_US]
    counters = ItemCounters(SPECS, NOW)
    counters.add_effects(effects(*((0, PURCHASE, at) for at in inside + outside)))
    assert count(counters, "year_ago") == 2


def test_first_seen_and_last_bought_are_kept_for_ever() -> None:
    counters = ItemCounters(SPECS, NOW)
    counters.add_effects(effects((2, PURCHASE, 7), (2, VIEW, 3), (2, PURCHASE, 5), (1, VIEW, 9)))
    assert counters.columns()["item__first_us"].tolist() == [0, 9, 3]
    assert counters.columns()["item__purchase__last_us"].tolist() == [0, 0, 7]


def test_the_price_is_that_of_the_newest_purchase_and_the_highest_of_several_at_once() -> None:
    bought = effects((0, PURCHASE, 7), (0, PURCHASE, 7), (0, PURCHASE, 5), (0, VIEW, 9))
    bought["price_minor"] = [200, 250, 900, 1]
    counters = ItemCounters(SPECS, NOW)
    for row in bought[[2, 1, 3, 0]]:
        counters.add_effects(np.array([row], EFFECT))
        counters.columns()
    assert counters.columns()["item__purchase__last_price"].tolist() == [250]


def test_sums_of_logarithms_are_thousandths_rounded() -> None:
    spec = Rolling("logs", PURCHASE, "log_price", 7 * DAY_US, summed=True)
    counters = ItemCounters([spec], NOW)
    column = np.array([0, 0])
    counters.add(column, column + PURCHASE, column + NOW - 1, column + 1, column, column, np.array([100, -1]))
    assert counters.columns()["logs"].tolist() == [4605]  # ln 100 = 4.60517
    assert counters.columns()["shop__logs"].tolist() == [4605]


ROW = st.tuples(
    st.integers(0, 3),
    st.sampled_from([VIEW, CART, PURCHASE, REFUND]),
    st.integers(NOW - 400 * DAY_US, NOW + 3 * DAY_US),
)


def recount(rows, now: int) -> dict[str, list[int]]:
    """Each window counted anew from all rows."""
    found = {}
    for spec in SPECS:
        if spec.lag_us:
            span = range((now - spec.lag_us - spec.width_us) // DAY_US, (now - spec.lag_us) // DAY_US)
            inside = [row for row in rows if row[2] // DAY_US in span]
        else:
            inside = [row for row in rows if row[2] in window_before(now, spec.width_us)]
        weight = {"count": 1, "quantity": 3, "actors": 1, "first_buyers": 0}[spec.how]
        found[spec.name] = [
            sum(weight for row in inside if row[:2] == (item, spec.event)) for item in range(4)
        ]
    return found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(ROW, max_size=40),
    st.lists(st.integers(0, 40 * DAY_US), max_size=4),
    st.randoms(use_true_random=False),
)
def test_sliding_windows_equal_a_recount_in_any_order_and_after_a_restart(rows, steps, random) -> None:
    shuffled = random.sample(rows, len(rows))
    store: dict[bytes, bytes] = {}
    counters, now = ItemCounters(SPECS, NOW), NOW
    for place, step in enumerate([0, *steps]):
        now += step
        counters.advance(now)
        counters.add_effects(effects(*shuffled[place :: len(steps) + 1]))
        for key, blob in counters.dump().items():
            store.pop(key, None) if blob is None else store.update({key: blob})
    again = ItemCounters(SPECS, now)
    again.load(store)
    for one in (counters, again):
        one.advance(now + 1)
        expected = recount(rows, now + 1)
        assert {name: [count(one, name, item) for item in range(4)] for name in expected} == expected
    for name in ("item__first_us", "item__purchase__last_us", "item__purchase__last_price"):
        assert [count(again, name, item) for item in range(4)] == [
            count(counters, name, item) for item in range(4)
        ]


def test_blobs_of_buckets_that_no_window_holds_are_deleted() -> None:
    counters = ItemCounters(SPECS, NOW)
    counters.add_effects(effects((0, PURCHASE, NOW - 1)))
    kept = {key for key, blob in counters.dump().items() if blob is not None}
    counters.advance(NOW + 400 * DAY_US)
    gone = {key for key, blob in counters.dump().items() if blob is None}
    assert len(kept - gone) == 1  # the item's first and last instants stay for ever


def test_many_small_dumps_are_written_anew_as_one() -> None:
    counters = ItemCounters(SPECS, NOW)
    store: dict[bytes, bytes] = {}
    for step in range(200):
        counters.add_effects(effects((step % 3, PURCHASE, NOW - 1 - step)))
        for key, blob in counters.dump().items():
            store.pop(key, None) if blob is None else store.update({key: blob})
    assert len(store) < 120
    again = ItemCounters(SPECS, NOW)
    again.load(store)
    assert [count(again, "week", item) for item in range(3)] == [67, 67, 66]


def lines(*rows: tuple[int, int, int]) -> np.ndarray:
    made = np.zeros(len(rows), LINE)
    for number, (row, (item, event, at_us)) in enumerate(zip(made, rows, strict=True)):
        row["item"], row["event"], row["at_us"], row["event_hash"] = item, event, at_us, at_us * 100 + item
        row["line"], row["quantity"] = number, 1
    return made


def test_a_person_counts_once_a_day_and_buys_for_the_first_time_once() -> None:
    found = line_effects(NOBODY, lines((7, PURCHASE, 10), (7, PURCHASE, 20), (7, PURCHASE, DAY_US + 5)))
    assert found["actor"].tolist() == [1, 0, 1]
    assert found["first_buyer"].tolist() == [1, 0, 0]


def test_a_late_purchase_takes_the_first_buyer_mark() -> None:
    known = merge_state(NOBODY, lines((7, PURCHASE, 5 * DAY_US)))
    found = line_effects(known, lines((7, PURCHASE, 3 * DAY_US)))
    assert found[["at_us", "lines", "first_buyer"]].tolist() == [(3 * DAY_US, 1, 1), (5 * DAY_US, 0, -1)]


def test_lines_already_known_have_no_effect() -> None:
    known = merge_state(NOBODY, lines((7, PURCHASE, 5)))
    assert len(line_effects(known, lines((7, PURCHASE, 5)))) == 0


PERSONAL = st.tuples(
    st.integers(0, 2), st.sampled_from([VIEW, PURCHASE]), st.integers(NOW - 5 * DAY_US, NOW - 1)
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(PERSONAL, max_size=25, unique_by=lambda row: row[2]),
    st.randoms(use_true_random=False),
    st.integers(1, 6),
)
def test_actors_and_first_buyers_do_not_depend_on_the_order_of_arrival(rows, random, batches) -> None:
    counters, state = ItemCounters(SPECS, NOW), NOBODY
    whole = lines(*rows)
    arrivals = whole[random.sample(range(len(rows)), len(rows))]
    for batch in range(batches):
        part = arrivals[batch::batches]
        counters.add_effects(line_effects(state, part))
        state = merge_state(state, part)
    bought = [(item, at) for item, event, at in rows if event == PURCHASE]
    days = {(item, at // DAY_US) for item, at in bought}
    for item in range(3):
        assert count(counters, "actors", item) == sum(1 for other, _ in days if other == item)
        assert count(counters, "first", item) == len({other for other, _ in bought if other == item})
        first = [at for other, at in bought if other == item]
        assert count(counters, "first_today", item) == (min(first, default=0) // DAY_US >= NOW // DAY_US - 1)


def first_buyers(parts: list[np.ndarray]) -> dict[int, int]:
    """Marks by instant, summed over what each part of a history changes as it arrives."""
    marks, state = Counter(), NOBODY
    for part in parts:
        for effect in line_effects(state, part):
            marks[int(effect["at_us"])] += int(effect["first_buyer"])
        state = merge_state(state, part)
    return {at_us: mark for at_us, mark in marks.items() if mark}


def test_a_late_line_pushes_a_purchase_out_of_reach_of_the_one_before() -> None:
    within = lines((7, PURCHASE, 10), *((8, VIEW, 20 + at) for at in range(999)), (7, PURCHASE, 5_000))
    assert first_buyers([within]) == {10: 1}  # 1,000 lines back: still seen
    assert first_buyers([within, lines((8, VIEW, 4_000))]) == {10: 1, 5_000: 1}
    assert first_buyers([within, lines((8, VIEW, 5))]) == {10: 1}  # before both: no further apart


@pytest.mark.parametrize("seed", range(5))
def test_first_buyers_among_many_lines_do_not_depend_on_the_order_of_arrival(seed: int) -> None:
    rng = np.random.default_rng(seed)
    item, event = rng.integers(0, 400, 1_800), rng.choice([VIEW, PURCHASE], 1_800)
    whole = lines(*zip(item.tolist(), event.tolist(), (1_000 + np.arange(1_800)).tolist(), strict=True))
    expected, bought = {}, {}
    for place, line in enumerate(whole):
        if line["event"] == PURCHASE:
            if place - bought.get(int(line["item"]), -9_999) > 1_000:
                expected[int(line["at_us"])] = 1
            bought[int(line["item"])] = place
    assert len(expected) > len(bought)  # some bought the same again, more than a thousand lines later
    arrivals = whole[np.argsort(np.arange(1_800) + rng.choice([0, 0, 700], 1_800), kind="stable")]
    assert first_buyers([arrivals[start : start + 60] for start in range(0, 1_800, 60)]) == expected


def test_what_fades_weighs_half_after_its_half_life_and_nothing_after_ten() -> None:
    fade = Fading("fade", PURCHASE, "count", 2)
    counters = ItemCounters([fade], NOW)
    today = NOW // DAY_US * DAY_US
    counters.add_effects(
        effects(*((item, PURCHASE, today - age * DAY_US) for item, age in enumerate((0, 1, 2, 19, 20))))
    )
    expected = [2**20, round(2**20 / 2**0.5), 2**19, round(2**20 / 2**9.5), 0]
    assert counters.columns()["fade"].tolist() == expected
    counters.advance(NOW + 2 * DAY_US)
    assert [count(counters, "fade", item) for item in range(3)] == [2**19, round(2**20 / 2**1.5), 2**18]


@pytest.mark.parametrize("half_life", [one.half_life_days for one in ITEM_FADES])
def test_weights_are_far_enough_from_a_tie_that_every_engine_rounds_alike(half_life: int) -> None:
    age = np.arange(10 * half_life)
    exact = 2.0 ** (-age / half_life) * 2**20
    assert np.abs(exact % 1 - 0.5).min() > 1e-6
