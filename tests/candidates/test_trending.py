"""Aged counts by hand; live counters, countries and categories on top; the floor of five people."""

from __future__ import annotations

import numpy as np
import pytest
from tests.candidates.asking import items, propose
from tests.world import DAY, NOW_US, Row, history, live_items, person, shelf_of

from shelfwise.candidates import Trending, fit_source
from shelfwise.candidates.trending.serve import BUYERS, FIRST, VIEWERS, TrendingSource
from shelfwise.candidates.trending.settings import TrendingSettings
from shelfwise.domain import Context

AGED = {"half_life_days": 10.0, "first_half_life_days": 10.0, "first": 0.0, "country": 0.0, "live": 0.0}


def five(item: int, days_back: float, *, first_user: int = 0) -> list[Row]:
    """Five people buy an item."""
    at_us = NOW_US - int(days_back * DAY)
    return [Row(user, item, at_us, user) for user in range(first_user, first_user + 5)]


def fitted(rows: list[Row], n_items: int = 3, **settings: float) -> TrendingSource:
    shelf = shelf_of(
        ["a", "b", "c", "d"][:n_items],
        [("Home", "Mugs"), ("Home", "Lamps"), ("Home", "Lamps"), ("Toys",)][:n_items],
    )
    source = fit_source(
        "trending", history(rows, n_items=n_items), shelf, as_of_us=NOW_US, settings={**AGED, **settings}
    )
    assert isinstance(source, TrendingSource)
    return source


def test_a_purchase_loses_half_its_weight_with_each_half_life() -> None:
    found = propose(fitted(five(0, 10) + five(1, 20) + five(1, 30)), live=live_items(3))
    # 5 * 0.5 against 5 * (0.25 + 0.125).
    assert items(found) == [0, 1]
    assert found.score == pytest.approx([0.5 / 0.875, 0.375 / 0.875])


def test_one_person_counts_once_a_day_and_item() -> None:
    again = [row._replace(at_us=row.at_us + 60_000_000) for row in five(0, 10)]
    found = propose(fitted(five(0, 10) + again + five(1, 10)), live=live_items(3))
    assert found.score == pytest.approx([0.5, 0.5], rel=1e-3)


def test_what_wins_new_buyers_leads_where_first_purchases_count() -> None:
    rows = five(0, 15) + five(0, 6) + five(0, 2) + five(1, 2, first_user=5)
    live = live_items(3)
    assert items(propose(fitted(rows), live=live)) == [0, 1]
    assert items(propose(fitted(rows, first=1.0), live=live)) == [1, 0]


@pytest.mark.parametrize(("n_people", "shown"), [(4, []), (5, [0])])
def test_an_item_trends_from_five_people_on(n_people: int, shown: list[int]) -> None:
    rows = five(0, 1)[:n_people] + [Row(0, 0, NOW_US - day * DAY, day) for day in range(2, 60)]
    found = propose(fitted(rows), live=live_items(3, **{BUYERS: [900, 0, 0]}))
    assert items(found) == shown
    with pytest.raises(ValueError, match="greater than or equal to 5"):
        TrendingSettings(min_people=4)


def test_live_counters_take_their_share_of_the_score() -> None:
    rows = five(0, 1) + five(1, 1)
    live = live_items(3, **{BUYERS: [1, 3, 0], FIRST: [0, 1, 0], VIEWERS: [10, 0, 0]})
    sure = {"live_doubt": 0.0, "viewed_doubt": 0.0}
    found = propose(fitted(rows, live=0.5, first=0.4, viewed=0.1, **sure), live=live)
    fit = 0.5
    of_0 = 0.5 * fit + 0.5 * (0.9 * (0.6 * 0.25 + 0.4 * 0) + 0.1 * 1.0)
    of_1 = 0.5 * fit + 0.5 * (0.9 * (0.6 * 0.75 + 0.4 * 1))
    assert items(found) == [1, 0]
    assert found.score == pytest.approx([of_1, of_0], rel=1e-5)


def test_the_fewer_people_the_live_counters_tell_of_the_less_they_say() -> None:
    rows = five(0, 1) + five(1, 1)
    live = live_items(3, **{BUYERS: [10, 30, 0], VIEWERS: [10, 0, 0]})
    found = propose(fitted(rows, live=0.5, viewed=0.1, live_doubt=40.0, viewed_doubt=30.0), live=live)
    live_part, viewed_part = 0.5 * 40 / 80, 0.1 * 10 / 40
    of_0 = (1 - live_part) * 0.5 + live_part * ((1 - viewed_part) * 0.25 + viewed_part)
    of_1 = (1 - live_part) * 0.5 + live_part * (1 - viewed_part) * 0.75
    assert items(found) == [1, 0]
    assert found.score == pytest.approx([of_1, of_0], rel=1e-5)


def test_a_hundred_viewers_do_not_pass_an_item_by_that_more_people_bought() -> None:
    """300 people bought item 1 and 290 item 0, lately; a hundred made-up visitors look at item 0."""
    rows = [Row(user, int(user < 300), NOW_US - DAY, user) for user in range(590)]
    live = live_items(3, **{BUYERS: [290, 300, 0], VIEWERS: [100, 0, 0]})
    defaults = TrendingSettings().model_dump()
    assert items(propose(fitted(rows, **defaults), live=live)) == [1, 0]


def test_where_nobody_bought_live_the_fit_alone_counts() -> None:
    live = live_items(3, **{BUYERS: [0, 0, 0], FIRST: [0, 0, 0]})
    ours = propose(fitted(five(0, 1), live=1.0), live=live)
    assert ours.score == pytest.approx([1.0])


def test_in_a_country_its_own_taste_leads_by_as_much_as_it_is_known() -> None:
    rows = five(0, 1) + five(1, 1, first_user=5) + five(1, 1, first_user=10)
    told = history(rows, n_items=3, country=("DE",) * 5 + ("GB",) * 10)
    settings = {**AGED, "country": 1.0, "country_doubt": 10.0}
    source = fit_source("trending", told, shelf_of("abc"), as_of_us=NOW_US, settings=settings)
    live, left = live_items(3), 0.5**0.1
    german = propose(source, person([], country="DE"), live=live)
    assert german.score == pytest.approx(
        [(5 * left + 10 / 3) / (5 * left + 10), (10 * 2 / 3) / (5 * left + 10)], rel=1e-4
    )
    assert items(german) == [0, 1]
    assert items(propose(source, live=live)) == [1, 0]
    # Where the query says another country than the person's last event, the query is right.
    asked = Context(country="GB")
    assert items(propose(source, person([], country="DE"), live=live, context=asked)) == [1, 0]
    assert (
        source.because(_query(), person([], country="DE"), np.array([0], np.int32))[0]
        == "trending_in_country"
    )  # type: ignore[attr-defined]


def test_a_country_of_four_buyers_has_no_list() -> None:
    told = history(five(0, 1) + five(1, 1)[:4], n_items=3, country=("LI",) * 4 + ("DE",))
    source = fit_source("trending", told, shelf_of("abc"), as_of_us=NOW_US)
    assert isinstance(source, TrendingSource)
    assert source.trends.countries == ()


def test_the_categories_at_hand_lift_their_items() -> None:
    source = fitted(five(0, 1) + five(1, 1.5) + five(2, 2) + five(3, 0.5), n_items=4, category=2.0)
    live = live_items(4)
    plain = propose(source, live=live)
    assert items(plain) == [3, 0, 1, 2]
    lamps = propose(source, None, 2, live=live)
    assert items(lamps) == [1, 3, 0]
    assert lamps.score[0] == pytest.approx(3 * plain.score[2])
    by_history = propose(source, person([(2, NOW_US - DAY)]), strategy="trending", live=live)
    assert items(by_history)[:2] == [1, 2]


def test_the_last_resort_holds_each_item_once_best_first_then_the_newest() -> None:
    source = fitted(five(1, 1) + five(0, 5), n_items=4)
    assert source.packed(4).tolist() == [1, 0, 3, 2]
    assert source.packed(3).tolist() == [1, 0, 3]
    assert source.packed(99).tolist() == [1, 0, 3, 2]


def test_the_estimator_counts_by_hand() -> None:
    frame = {
        "user_id": [1, 2, 3, 1, 2],
        "item_id": ["a", "a", "b", "b", "b"],
        "occurred_at": [0, 10 * DAY, 10 * DAY, 10 * DAY, 0],
    }
    found = Trending(half_life_days=10.0, min_people=2).fit(frame).recommend([3], exclude_seen=False)
    assert found["item_id"].to_pylist() == ["b", "a"]
    assert found["score"].to_pylist() == pytest.approx([2.5, 1.5], rel=1e-4)


def _query():  # type: ignore[no-untyped-def]
    from tests.candidates.asking import query

    return query()
