"""Cross-sell pairs by hand, and the floor of five buyers behind each."""

from __future__ import annotations

import numpy as np
import pytest
from tests.candidates.asking import items, propose
from tests.world import DAY, NOW_US, Row, history, live_items, shelf_of

from shelfwise.candidates import Complements, fit_source
from shelfwise.candidates._matrix import baskets
from shelfwise.candidates.complements.settings import ComplementsSettings
from shelfwise.candidates.complements.train import buyers_of, by_person, together

PLAIN = {
    "half_life_days": None, "size_power": 0.0, "popularity_power": 1.0, "shrink": 0.0, "apart_power": 0.0,
    "likeness_penalty": 0.0,
}  # fmt: skip


def bought(baskets_: list[tuple[int, tuple[int, ...]]]) -> list[Row]:
    """(person, items) of each basket, a day apart."""
    return [
        Row(user, item, NOW_US - (order + 1) * DAY, order)
        for order, (user, held) in enumerate(baskets_)
        for item in held
    ]


TEN = [*((user, (0, 1)) for user in range(6)), (6, (0,)), (7, (1, 2)), (8, (2,)), (9, (3,))]


def test_at_full_popularity_power_the_strength_is_the_lift() -> None:
    # Of 10 baskets 0 is in 7, 1 in 7, both in 6: lift = (6/10) / (7/10 * 7/10).
    source = fit_source(
        "complements", history(bought(TEN), n_items=4), shelf_of("abcd"), as_of_us=NOW_US, settings=PLAIN
    )
    found = propose(source, None, 0, strategy="complements", live=live_items(4))
    assert items(found) == [1]
    assert found.score[0] == pytest.approx(0.6 / 0.49)


def test_at_half_of_it_the_cosine_and_doubt_shrinks_by_buyers() -> None:
    settings = ComplementsSettings(**{**PLAIN, "popularity_power": 0.5, "shrink": 4.0})  # type: ignore[arg-type]
    kept = by_person(baskets(history(bought(TEN), n_items=4), largest=200))
    pairs, buyers = together(kept, NOW_US, settings, limit=5)
    assert pairs.item.tolist() == [1, 0]
    assert pairs.similarity == pytest.approx(np.full(2, 6 / 7 * 6 / (6 + 4)))
    assert buyers.tolist() == [6, 6]


def test_baskets_age_and_count_less_the_bigger_they_are() -> None:
    rows = [Row(user, item, NOW_US - 10 * DAY, user) for user in range(5) for item in (0, 1)]
    rows += [Row(5, item, NOW_US - 20 * DAY, 5) for item in (0, 2, 3, 4)]
    settings = ComplementsSettings(**{**PLAIN, "half_life_days": 10.0, "size_power": 0.5})  # type: ignore[arg-type]
    pairs, _ = together(by_person(baskets(history(rows, n_items=5), largest=200)), NOW_US, settings, limit=5)
    pair = 5 * 0.5 / 2**0.5
    zero = pair + 0.25 / 4**0.5
    assert pairs.item.tolist() == [1, 0]
    assert pairs.similarity == pytest.approx(np.full(2, pair / (zero * pair) * zero), rel=1e-5)


@pytest.mark.parametrize(("n_buyers", "shown"), [(4, []), (5, [1])])
def test_a_pair_is_shown_from_five_distinct_buyers_on(n_buyers: int, shown: list[int]) -> None:
    rows = bought([(user, (0, 1)) for user in range(n_buyers)] + [(0, (0, 1))] * 50)
    source = fit_source("complements", history(rows, n_items=2), shelf_of("ab"), as_of_us=NOW_US)
    assert items(propose(source, None, 0, strategy="complements", live=live_items(2))) == shown
    frame = {"user_id": [r.user for r in rows], "item_id": [r.item for r in rows],
             "order_id": [r.order for r in rows], "occurred_at": [r.at_us for r in rows]}  # fmt: skip
    assert Complements().fit(frame).next_items([[0]])["item_id"].to_pylist() == shown


def test_nobody_can_lower_the_floor() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 5"):
        ComplementsSettings(min_buyers=4)
    with pytest.raises(ValueError, match="greater than or equal to 5"):
        Complements(min_buyers=4)


def test_what_the_same_people_buy_apart_replaces_rather_than_completes() -> None:
    both = [(user, (0, 1)) for user in range(6)]
    apart = [(user, (2,)) for user in range(6, 26)] + [(user, (0,)) for user in range(6, 26)]
    together_too = [(user, (0, 2)) for user in range(30, 36)]
    source = fit_source(
        "complements", history(bought(both + apart + together_too), n_items=3), shelf_of("abc"),
        as_of_us=NOW_US, settings={**PLAIN, "popularity_power": 0.0, "apart_power": 1.0},
    )  # fmt: skip
    found = propose(source, None, 0, strategy="complements", live=live_items(3))
    assert items(found) == [1, 2]
    assert found.score[1] / found.score[0] == pytest.approx(6 / 26)


def test_people_who_bought_both_are_counted_once() -> None:
    kept = by_person(baskets(history(bought(TEN + [(0, (0, 1))] * 3), n_items=4), largest=200))
    pairs, _ = together(kept, NOW_US, ComplementsSettings(**PLAIN), limit=5)  # type: ignore[arg-type]
    assert buyers_of(pairs, kept).tolist() == [6, 6]


def test_two_items_with_one_text_are_alternatives() -> None:
    rows = history(bought([(user, (0, 1, 2)) for user in range(6)]), n_items=3)
    shelf = shelf_of(["red mug", "red mug", "steel spoon"])
    source = fit_source(
        "complements", rows, shelf, as_of_us=NOW_US, settings={**PLAIN, "likeness_penalty": 1.0}
    )
    assert items(propose(source, None, 0, strategy="complements", live=live_items(3))) == [2]
