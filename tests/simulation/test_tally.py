"""A tally: counts by hand, and the same whatever the batches."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.domain import EVENT_CODES
from shelfwise.simulation import LISTS, Funnel, Tally, Traffic
from shelfwise.simulation._traffic import DTYPES

# (event, event_no, line, seconds, shopper, session, item, order, index, list)
STORY = (
    ("view_item_list", 1, 0, 0, 5, 100, 7, -1, 1, "category"),
    ("view_item_list", 1, 1, 0, 5, 100, 8, -1, 2, "category"),
    ("select_item", 2, 0, 9, 5, 100, 8, -1, 2, "category"),
    ("view_item", 3, 0, 10, 5, 100, 8, -1, -1, "none"),
    ("view_item_list", 4, 0, 11, 6, 101, 7, -1, 1, "home"),
    ("add_to_cart", 5, 0, 20, 5, 100, 8, -1, -1, "none"),
    ("begin_checkout", 6, 0, 30, 5, 100, 8, -1, -1, "none"),
    ("purchase", 7, 0, 40, 5, 100, 8, 70, -1, "none"),
    ("purchase", 7, 1, 40, 5, 100, 9, 70, -1, "none"),
    ("view_item", 8, 0, 50, 6, 102, 7, -1, -1, "none"),
)


def story(rows: slice = slice(None)) -> Traffic:
    columns = {name: np.zeros(len(STORY), dtype) for name, dtype in DTYPES.items()}
    for at, (event, number, line, seconds, shopper, session, item, order, index, listed) in enumerate(STORY):
        values = (EVENT_CODES[event], number, line, seconds * 1_000_000, shopper, session, item, order, index)
        names = ("event", "event_no", "line", "at_us", "shopper", "session", "item", "order", "index")
        for name, value in zip(names, values, strict=True):
            columns[name][at] = value
        columns["list"][at] = LISTS.index(listed)
    return Traffic(**columns).take(rows)


def tallied(*parts: Traffic) -> Tally:
    tally = Tally()
    for part in parts:
        tally.add(part)
    return tally


def test_a_story_by_hand() -> None:
    tally = tallied(story())
    assert tally.n_lines == 10
    assert tally.n_events == 8
    assert tally.events()["view_item_list"] == 2
    assert "search" not in tally.events()
    assert tally.funnel() == Funnel(visits=3, viewed=2, carted=1, begun=1, ordered=1)


def test_positions_are_of_one_list_and_a_rate_needs_something_shown() -> None:
    category = tallied(story()).by_position("category")
    assert category.shown[:3].tolist() == [1, 1, 0]
    assert category.click_rate[:2].tolist() == [0, 1]
    assert np.isnan(category.click_rate[2])
    assert tallied(story()).by_position("home").clicked.sum() == 0


def test_purchases_are_order_lines() -> None:
    bought = tallied(story()).purchases()
    assert bought.person.tolist() == [5, 5]
    assert bought.item.tolist() == [8, 9]
    assert bought.order.tolist() == [70, 70]


def test_a_visit_begins_with_its_first_event() -> None:
    visits = tallied(story()).visits()
    assert (visits.at_us // 1_000_000).tolist() == [0, 11, 50]
    assert visits.shopper.tolist() == [5, 6, 6]
    assert visits.ordered.tolist() == [True, False, False]


def test_nothing_happened_is_counted_too() -> None:
    tally = tallied(Traffic.none())
    assert tally.funnel() == Funnel(0, 0, 0, 0, 0)
    assert tally.events() == {}
    assert len(tally.purchases()) == 0


@given(st.sampled_from([2, 3, 4, 5, 6, 7, 9]), st.booleans())
def test_the_batches_and_their_order_do_not_matter(cut: int, swapped: bool) -> None:
    parts = [story(slice(0, cut)), story(slice(cut, None))]
    tally, whole = tallied(*(parts[::-1] if swapped else parts)), tallied(story())
    assert tally.funnel() == whole.funnel()
    assert tally.events() == whole.events()
    assert tally.visits().at_us.tolist() == whole.visits().at_us.tolist()
    assert sorted(tally.purchases().item.tolist()) == [8, 9]
