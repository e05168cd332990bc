"""The slate: order, groups, caps, pins, slots, boosts, diversity. Laws that hold whatever the rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reranking.shop import Thing, judged, live_of, person, query, shelf_of
from reranking.test_eligibility import ANY_THING, may_be_sold
from shelfwise.domain import NOBODY, PURCHASE, STRATEGIES, Candidates, Context, PersonState, Slate
from shelfwise.reranking import ArrangeSettings, RuleBook, parse_rule


def arranged(
    things: list[Thing],
    ranked: Candidates,
    *rules: dict[str, Any],
    size: int = 10,
    options: ArrangeSettings | None = None,
    who: PersonState = NOBODY,
    similarity: Any = None,
    **asked: Any,
) -> Slate:
    book = RuleBook.compile(
        [parse_rule({"rule_id": f"r{n}", **rule}) for n, rule in enumerate(rules)],
        settings=options,
        similarity=similarity,
    )
    shelf, live, question = shelf_of(things), live_of(things), query(size=size, **asked)
    permitted = ranked.take(book.permit(question, who, live, shelf, ranked.item))
    return book.arrange(question, permitted, live, shelf, size=size, person=who)


def items(slate: Slate) -> list[int]:
    return slate.item.tolist()


@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=60), st.integers(1, 100))
def test_without_rules_the_slate_is_in_the_order_of_scores(score: list[float], size: int) -> None:
    slate = arranged([Thing()] * len(score), judged(score), size=size)
    assert slate.score.tolist() == sorted(score, reverse=True)[:size]
    assert slate.propensity.tolist() == [1.0] * len(slate)
    assert slate.rules == ()


def test_ties_keep_the_order_of_retrieval_and_an_unscored_item_never_wins() -> None:
    assert items(arranged([Thing()] * 4, judged([np.nan, 0.2, 0.9, 0.2]))) == [2, 1, 3, 0]


def test_an_empty_answer_is_a_slate_too() -> None:
    assert items(arranged([], judged([]))) == []


def test_only_the_best_of_a_group_is_shown() -> None:
    things = [Thing(group_id="shirt"), Thing(group_id="shirt"), Thing(), Thing()]
    assert items(arranged(things, judged([1, 4, 3, 2]))) == [1, 2, 3]
    together = ArrangeSettings(collapse_groups=False)
    assert items(arranged(things, judged([1, 4, 3, 2]), options=together)) == [1, 2, 3, 0]


def test_a_cap_lets_only_so_many_through_and_counts_no_absent_value() -> None:
    things = [Thing(brand="A"), Thing(brand="A"), Thing(brand="A"), Thing(brand="B"), Thing(), Thing()]
    cap = {"kind": "cap", "limit": 1, "per": "brand"}
    slate = arranged(things, judged([6, 5, 4, 3, 2, 1]), cap)
    assert items(slate) == [0, 3, 4, 5]
    assert slate.rules == ("r0",)


def test_a_cap_may_count_only_some_items() -> None:
    things = [Thing(brand="A", price=900), Thing(brand="A", price=900), Thing(brand="A", price=100)]
    cap = {"kind": "cap", "limit": 1, "per": "brand", "where": "price > 5"}
    assert items(arranged(things, judged([3, 2, 1]), cap)) == [0, 2]


def test_a_cap_that_held_nothing_back_is_not_named() -> None:
    things = [Thing(brand="A"), Thing(brand="B")]
    assert arranged(things, judged([2, 1]), {"kind": "cap", "limit": 1, "per": "brand"}).rules == ()


def test_a_boost_lifts_by_standard_deviations_whatever_the_sign_of_the_scores() -> None:
    # scores -1, -2, -3: deviation sqrt(2/3) = 0.816; ln(6) = 1.79 of it is 1.463: -3 becomes -1.537
    things = [Thing(), Thing(), Thing(brand="A")]
    slate = arranged(things, judged([-1, -2, -3]), {"kind": "boost", "where": "brand = 'A'", "factor": 6.0})
    assert items(slate) == [0, 2, 1]
    assert slate.score.tolist() == pytest.approx([-1.0, -3.0 + np.log(6) * np.sqrt(2 / 3), -2.0], abs=1e-5)
    assert slate.rules == ("r0",)


@given(st.floats(0.01, 100.0), st.floats(-50.0, 50.0))
def test_a_boost_gives_the_same_order_in_any_unit(scale: float, shift: float) -> None:
    things = [Thing(), Thing(brand="A"), Thing(brand="B"), Thing(), Thing(brand="A")]
    score = np.array([2.0, 1.4, 1.1, 0.6, -3.0])
    rules = ({"kind": "boost", "where": "brand = 'A'"}, {"kind": "bury", "where": "brand = 'B'"})
    assert items(arranged(things, judged(score * scale + shift), *rules)) == items(
        arranged(things, judged(score), *rules)
    )


def test_factors_multiply_and_opposites_cancel_out() -> None:
    things = [Thing(), Thing(brand="A"), Thing()]
    by = [{"kind": "boost", "where": "brand = 'A'", "factor": factor} for factor in (2.0, 3.0, 6.0)]
    twice = arranged(things, judged([3, 2, 1]), by[0], by[1])
    once = arranged(things, judged([3, 2, 1]), by[2])
    assert twice.score.tolist() == pytest.approx(once.score.tolist())
    none = arranged(things, judged([3, 2, 1]), by[0], {"kind": "bury", "where": "brand = 'A'", "factor": 0.5})
    assert none.score.tolist() == pytest.approx([3, 2, 1])


def test_equal_scores_still_feel_a_boost() -> None:
    assert items(
        arranged([Thing(), Thing(brand="A")], judged([1, 1]), {"kind": "boost", "where": "brand = 'A'"})
    ) == [
        1,
        0,
    ]


def test_a_pin_stands_at_its_position_proposed_or_not() -> None:
    things = [Thing()] * 5
    slate = arranged(
        things, judged([3, 2, 1], item=[0, 1, 2]), {"kind": "pin", "items": ["i2", "i4"], "positions": [1, 3]}
    )
    assert items(slate) == [2, 0, 4, 1]
    assert slate.proposed.tolist() == [1, 1, 0, 1]  # nobody proposed item 4
    assert np.isnan(slate.signal[2]).all()
    assert slate.score.tolist() == [1, 3, 1, 2]  # an item nobody judged has the lowest score
    assert slate.rules == ("r0",)


def test_a_pin_may_name_its_items_in_the_filter() -> None:
    pin = {"kind": "pin", "where": "item_id in ('i2', 'i1') and context.country = 'GB'"}
    things, ranked = [Thing()] * 3, judged([3, 2, 1])
    assert items(arranged(things, ranked, pin, context=Context(country="GB"))) == [2, 1, 0]
    assert items(arranged(things, ranked, pin)) == [0, 1, 2]


@pytest.mark.parametrize("thing", [Thing(stock=0), Thing(hidden=True), Thing(regions=frozenset({"DE"}))])
def test_a_pin_that_may_not_be_shown_leaves_its_position_to_others(thing: Thing) -> None:
    slate = arranged([Thing(), Thing(), thing], judged([2, 1], item=[0, 1]), {"kind": "pin", "items": ["i2"]})
    assert items(slate) == [0, 1]
    assert slate.rules == ()


def test_a_pin_obeys_what_the_question_and_the_person_rule_out() -> None:
    things, pin = [Thing(price=100), Thing(price=900)], {"kind": "pin", "items": ["i1"]}
    ranked = judged([1], item=[0])
    assert items(arranged(things, ranked, pin)) == [1, 0]
    assert items(arranged(things, ranked, pin, filter="price < 5")) == [0]
    assert items(arranged(things, ranked, pin, who=person((1, PURCHASE, 9)), seen="exclude")) == [0]
    assert items(arranged(things, ranked, pin, seeds=[1])) == [0]


def test_the_higher_priority_has_a_contested_position() -> None:
    pins = ({"kind": "pin", "items": ["i1"]}, {"kind": "pin", "items": ["i2"], "priority": 1})
    slate = arranged([Thing()] * 3, judged([3, 2, 1]), *pins)
    assert items(slate) == [2, 0, 1]
    assert slate.rules == ("r1",)


def test_a_pin_counts_under_a_cap_but_is_not_held_back_by_it() -> None:
    things = [Thing(brand="A"), Thing(brand="A"), Thing(brand="A"), Thing(brand="B")]
    pin, cap = {"kind": "pin", "items": ["i2"]}, {"kind": "cap", "limit": 1, "per": "brand"}
    assert items(arranged(things, judged([4, 3, 2, 1]), pin, cap)) == [2, 3]


def test_a_pin_beyond_a_short_slate_closes_up() -> None:
    assert items(
        arranged([Thing()] * 3, judged([1], item=[0]), {"kind": "pin", "items": ["i2"], "positions": [7]})
    ) == [0, 2]
    assert items(
        arranged(
            [Thing()] * 3, judged([1], item=[0]), {"kind": "pin", "items": ["i2"], "positions": [7]}, size=5
        )
    ) == [0]


def test_a_slot_takes_the_best_candidate_that_fits() -> None:
    new = frozenset({"new"})
    things = [Thing(), Thing(), Thing(tags=new), Thing(tags=new), Thing()]
    slot = {"kind": "slot", "where": "tags contains 'new'", "positions": [2, 4]}
    slate = arranged(things, judged([5, 4, 2, 3, 1]), slot)
    assert items(slate) == [0, 3, 1, 2, 4]
    assert slate.rules == ("r0",)


def test_a_slot_that_nothing_fits_is_filled_as_any_other() -> None:
    slate = arranged(
        [Thing()] * 2, judged([1, 2]), {"kind": "slot", "where": "tags = 'new'", "positions": [1]}
    )
    assert (items(slate), slate.rules) == ([1, 0], ())


def test_diversity_prefers_the_unlike_when_told_to() -> None:
    things = [
        Thing(category=("Home", "Candles")),
        Thing(category=("Home", "Candles")),
        Thing(category=("Party",)),
    ]
    ranked = judged([1.0, 0.9, 0.0])
    assert items(arranged(things, ranked, size=2)) == [0, 1]
    assert items(arranged(things, ranked, size=2, options=ArrangeSettings(relevance_weight=0.3))) == [0, 2]


def test_titles_tell_colours_of_one_product_apart_from_other_products() -> None:
    things = [
        Thing(title="RED RETROSPOT MUG"),
        Thing(title="BLUE RETROSPOT MUG"),
        Thing(title="WICKER BASKET"),
    ]
    options = ArrangeSettings(relevance_weight=0.3)
    assert items(arranged(things, judged([1.0, 0.9, 0.5]), size=2, options=options)) == [0, 2]


def brute_mmr(
    relevance: NDArray[np.float64], like: NDArray[np.float32], weight: float, size: int
) -> list[int]:
    """Carbonell and Goldstein's formula, read off step by step."""
    chosen: list[int] = []
    while len(chosen) < min(size, len(relevance)):
        left = [c for c in range(len(relevance)) if c not in chosen]
        value = [
            weight * relevance[c] - (1 - weight) * max((float(like[c, s]) for s in chosen), default=0.0)
            for c in left
        ]
        chosen.append(left[int(np.argmax(value))])
    return chosen


def test_mmr_equals_the_formula_on_a_thousand_random_cases() -> None:
    rng = np.random.default_rng(3)
    shelf, live = shelf_of([Thing()] * 20), live_of([Thing()] * 20)
    for _ in range(1_000):
        n, weight = int(rng.integers(2, 20)), float(rng.choice([0.0, 0.3, 0.5, 0.7, 0.95, 1.0]))
        half = rng.random((n, n), np.float32)
        like = (half + half.T) / 2
        score = np.sort(rng.standard_normal(n).astype(np.float32))[::-1]
        book = RuleBook.compile(
            settings=ArrangeSettings(relevance_weight=weight), similarity=lambda shelf, item, like=like: like
        )
        slate = book.arrange(query(), judged(score.tolist()), live, shelf, size=8)
        stretched = (score.astype(np.float64) - score[-1]) / (np.float64(score[0]) - score[-1])
        assert items(slate) == brute_mmr(stretched, like, weight, 8)


def test_with_novelty_alone_each_next_item_is_the_least_like_those_above() -> None:
    like = np.array([[1, 0.9, 0.2], [0.9, 1, 0.8], [0.2, 0.8, 1]], np.float32)
    options = ArrangeSettings(relevance_weight=0.0)
    slate = arranged([Thing()] * 3, judged([3, 2, 1]), options=options, similarity=lambda shelf, item: like)
    assert items(slate) == [0, 2, 1]


def test_items_below_the_pool_follow_in_order() -> None:
    options = ArrangeSettings(pool_size=1, relevance_weight=0.5)
    assert items(arranged([Thing()] * 5, judged([5, 4, 3, 2, 1]), options=options, size=3)) == [0, 1, 2]


BRAND = st.integers(0, 3).map(lambda n: f"brand = 'b{n}'")
PLACE, PER = st.integers(1, 12), st.sampled_from(["brand", "category", "group_id"])
RULES = st.lists(
    st.one_of(
        st.builds(
            lambda where, by: {"kind": "boost", "where": where, "factor": by}, BRAND, st.floats(1.1, 100.0)
        ),
        st.builds(lambda where: {"kind": "bury", "where": where}, BRAND),
        st.builds(
            lambda row, at: {"kind": "pin", "items": [f"i{row}"], "positions": [at]},
            st.integers(0, 24),
            PLACE,
        ),
        st.builds(lambda where, at: {"kind": "slot", "where": where, "positions": [at]}, BRAND, PLACE),
        st.builds(lambda n, per: {"kind": "cap", "limit": n, "per": per}, st.integers(0, 3), PER),
        st.builds(lambda where: {"kind": "exclude", "where": where}, BRAND),
        st.just({"kind": "include", "where": "brand in ('b0', 'b1', null)"}),
    ),
    max_size=6,
)
THINGS = st.lists(
    st.tuples(ANY_THING, st.sampled_from([None, "b0", "b1", "b2"]), st.sampled_from([None, "g0", "g1"])),
    min_size=1,
    max_size=25,
).map(lambda rows: [_named(thing, brand, group) for thing, brand, group in rows])


def _named(thing: Thing, brand: str | None, group: str | None) -> Thing:
    return Thing(
        stock=thing.stock, hidden=thing.hidden, from_us=thing.from_us, until_us=thing.until_us, regions=thing.regions,
        min_age=thing.min_age, brand=brand, group_id=group, category=(brand or "none",),
    )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(THINGS, RULES, st.integers(1, 12), st.sampled_from(STRATEGIES), st.sampled_from([0.5, 1.0]), st.data())
def test_no_rule_breaks_a_hard_fact_and_caps_groups_and_pins_hold(
    things: list[Thing],
    rules: list[dict[str, Any]],
    size: int,
    strategy: str,
    weight: float,
    data: st.DataObject,
) -> None:
    score = data.draw(st.lists(st.floats(-5, 5, width=32), min_size=len(things), max_size=len(things)))
    context = Context(country="GB", age=30)
    slate = arranged(
        things, judged(score), *rules, size=size, options=ArrangeSettings(relevance_weight=weight),
        strategy=strategy, context=context,
    )  # fmt: skip
    shown = items(slate)
    assert len(set(shown)) == len(shown) <= size
    assert all(may_be_sold(things[row], "GB", 30) for row in shown)
    excluded = {rule["where"][-3:-1] for rule in rules if rule["kind"] == "exclude"}
    assert not excluded & {things[row].brand for row in shown}
    pinned = {int(rule["items"][0][1:]) for rule in rules if rule["kind"] == "pin"}
    free = [row for row in shown if row not in pinned]
    _check_groups(things, free, [row for row in shown if row in pinned])
    _check_caps(things, rules, free, [row for row in shown if row in pinned])
    _check_pins(things, rules, shown, size)


def _check_groups(things: list[Thing], free: list[int], pinned: list[int]) -> None:
    for group in ("g0", "g1"):
        n_pinned = sum(things[row].group_id == group for row in pinned)
        assert sum(things[row].group_id == group for row in free) <= max(0, 1 - n_pinned)


def _check_caps(things: list[Thing], rules: list[dict[str, Any]], free: list[int], pinned: list[int]) -> None:
    for rule in rules:
        if rule["kind"] != "cap":
            continue
        for value in {getattr(thing, rule["per"]) for thing in things} - {None}:
            n_pinned = sum(getattr(things[row], rule["per"]) == value for row in pinned)
            assert sum(getattr(things[row], rule["per"]) == value for row in free) <= max(
                0, rule["limit"] - n_pinned
            )


def _check_pins(things: list[Thing], rules: list[dict[str, Any]], shown: list[int], size: int) -> None:
    """The first pin for a position has it, if its item is allowed, not pinned above, and the slate reaches so far."""
    allowed_by_rules = [rule["where"] for rule in rules if rule["kind"] in ("include", "exclude")]
    taken_rows: set[int] = set()
    taken_places: set[int] = set()
    for rule in (rule for rule in rules if rule["kind"] == "pin"):
        row, place = int(rule["items"][0][1:]), rule["positions"][0]
        if row >= len(things) or allowed_by_rules or not may_be_sold(things[row], "GB", 30):
            continue
        if place > size or place in taken_places or row in taken_rows:
            continue
        taken_rows.add(row)
        taken_places.add(place)
        assert row in shown
        if len(shown) == size:
            assert shown[place - 1] == row
