"""What may be shown: hard facts, the shopper's own wishes, filters and rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranking.shop import DAY, NOW, Thing, live_of, person, query, shelf_of
from shelfwise.domain import (
    CART,
    EVENT_CODES,
    LINE,
    NOBODY,
    PURCHASE,
    STRATEGIES,
    Context,
    InvalidField,
    LiveItems,
    PersonState,
)
from shelfwise.reranking import ArrangeSettings, RuleBook, parse_rule

REMOVED = EVENT_CODES["remove_from_cart"]


def reasons(
    things: list[Thing], who: PersonState = NOBODY, *rules: dict[str, Any], **asked: Any
) -> list[str]:
    """Why each item is kept out; permit must agree."""
    shelf, live, question = shelf_of(things), live_of(things), query(**asked)
    rows = np.arange(len(things), dtype=np.int32)
    book = RuleBook.compile([parse_rule({"rule_id": f"r{n}", **rule}) for n, rule in enumerate(rules)])
    told = book.why_not(question, who, live, shelf, rows)
    assert book.permit(question, who, live, shelf, rows).tolist() == [reason == "" for reason in told]
    return list(told)


@pytest.mark.parametrize(
    ("thing", "reason"),
    [
        (Thing(stock=0), "out_of_stock"),
        (Thing(stock=1), ""),
        (Thing(stock=-1), ""),  # not tracked
        (Thing(hidden=True), "hidden"),
        (Thing(from_us=NOW + 1), "not_yet_available"),
        (Thing(from_us=NOW), ""),
        (Thing(until_us=NOW), "no_longer_available"),
        (Thing(until_us=NOW + 1), ""),
        (Thing(until_us=0), ""),  # no end given
        (Thing(regions=frozenset({"DE"})), "region"),  # where the shopper is, nobody knows
        (Thing(min_age=18), "age"),  # how old the shopper is, nobody knows
    ],
)
def test_a_hard_fact_keeps_an_item_out(thing: Thing, reason: str) -> None:
    assert reasons([thing]) == [reason]


@pytest.mark.parametrize(
    ("country", "known", "reason"),
    [("DE", None, ""), ("de", None, ""), ("GB", None, "region"), (None, "DE", ""), ("GB", "DE", "region")],
)
def test_an_item_is_sold_only_in_its_regions(country: str | None, known: str | None, reason: str) -> None:
    thing = Thing(regions=frozenset({"DE", "AT"}))
    assert reasons([thing], PersonState(country=known), context=Context(country=country)) == [reason]


@pytest.mark.parametrize(("age", "reason"), [(17, "age"), (18, ""), (None, "age")])
def test_an_item_for_adults_needs_a_known_age(age: int | None, reason: str) -> None:
    assert reasons([Thing(min_age=18)], context=Context(age=age)) == [reason]


def test_what_the_question_holds_is_not_recommended_nor_its_other_sizes() -> None:
    things = [Thing(), Thing(group_id="shirt"), Thing(group_id="shirt"), Thing()]
    assert reasons(things, seeds=[0, 1]) == ["looked_at", "looked_at", "looked_at", ""]
    assert reasons(things, seeds=[1], placement="cart") == ["", "in_cart", "in_cart", ""]
    assert reasons(things, seeds=[0], strategy="complements") == ["in_cart", "", "", ""]


def test_what_lies_in_the_cart_is_not_recommended() -> None:
    who = person(
        (0, CART, 1),
        (1, CART, 2), (1, REMOVED, 1),  # taken out again
        (2, CART, 3), (2, PURCHASE, 2),  # bought
        (3, REMOVED, 3), (3, CART, 2),  # put in again
        (4, CART, 8),  # a week is over
    )  # fmt: skip
    assert reasons([Thing()] * 5, who) == ["in_cart", "", "", "in_cart", ""]


def test_seen_excludes_what_was_bought_and_only_that() -> None:
    who = person((0, PURCHASE, 300), (1, EVENT_CODES["view_item"], 1))
    assert reasons([Thing()] * 3, who, seen="exclude") == ["already_bought", "", ""]
    assert reasons([Thing()] * 3, who, seen="keep") == ["", "", ""]


def test_excludes_and_the_filter_keep_items_out() -> None:
    things = [Thing(price=100), Thing(price=100), Thing(price=900)]
    assert reasons(things, exclude=[1], filter="price < 5") == ["", "excluded", "filter"]


def test_an_unreadable_filter_is_the_askers_error() -> None:
    with pytest.raises(InvalidField, match="did you mean 'price'"):
        reasons([Thing()], filter="prise < 5")


def test_exclude_beats_include_and_any_include_will_do() -> None:
    things = [Thing(brand="A"), Thing(brand="B"), Thing(brand="C"), Thing(brand="A", tags=frozenset({"old"}))]
    rules = (
        {"kind": "include", "where": "brand = 'A'"},
        {"kind": "include", "where": "brand = 'B'"},
        {"kind": "exclude", "where": "tags contains 'old'"},
    )
    assert reasons(things, NOBODY, *rules) == ["", "", "rule:r0", "rule:r2"]


@pytest.mark.parametrize(
    ("scope", "applies"),
    [
        ({}, True),
        ({"placements": ["home"]}, True),
        ({"placements": ["cart"]}, False),
        ({"strategies": ["auto", "trending"]}, True),
        ({"strategies": ["session"]}, False),
        ({"valid_from": "2011-10-30T18:40:00Z"}, True),  # now
        ({"valid_until": "2011-10-30T18:40:00Z"}, False),
        ({"valid_until": "2011-10-30T18:40:01Z"}, True),
        ({"enabled": False}, False),
    ],
)
def test_a_rule_applies_only_where_and_when_it_says(scope: dict[str, Any], applies: bool) -> None:
    rule = {"kind": "exclude", "where": "brand = 'A'", **scope}
    assert reasons([Thing(brand="A")], NOBODY, rule) == ["rule:r0" if applies else ""]


def test_rules_are_named_only_if_they_dropped_something() -> None:
    things = [Thing(brand="A"), Thing(brand="B", stock=0)]
    book = RuleBook.compile(
        [
            parse_rule({"rule_id": "drops", "kind": "exclude", "where": "brand = 'A'"}),
            parse_rule({"rule_id": "too late", "kind": "exclude", "where": "brand = 'B'"}),
        ]
    )
    rows = np.arange(2, dtype=np.int32)
    assert book.judge(query(), NOBODY, live_of(things), shelf_of(things), rows).rules == ("drops",)


def test_a_row_that_shelf_or_live_columns_lack_is_not_shown() -> None:
    things = [Thing(price=100)] * 3
    rows = np.array([0, 2, 3, 99, -1], np.int32)
    short = live_of(things[:2])
    question = query(filter="price < 5", seeds=[0])
    told = RuleBook.compile().why_not(question, NOBODY, short, shelf_of(things), rows)
    assert told == ("looked_at", "unknown", "unknown", "unknown", "unknown")


def test_read_only_mapped_columns_are_read_as_any_other(tmp_path: Any) -> None:
    things = [Thing(stock=0), Thing()]
    plain = live_of(things)
    np.save(tmp_path / "stock.npy", plain.stock)
    mapped = np.load(tmp_path / "stock.npy", mmap_mode="r")
    live = LiveItems(
        plain.price_minor, plain.list_price_minor, plain.cost_minor, mapped, plain.hidden,
        plain.available_from_us, plain.available_until_us, {},
    )  # fmt: skip
    rows = np.arange(2, dtype=np.int32)
    assert RuleBook.compile().permit(query(), NOBODY, live, shelf_of(things), rows).tolist() == [False, True]


def test_a_read_only_history_is_read_as_any_other() -> None:
    who = person((0, PURCHASE, 1), (1, CART, 1))
    frozen = PersonState(np.frombuffer(who.lines.tobytes(), LINE))
    assert reasons([Thing()] * 3, frozen, seen="exclude") == ["already_bought", "in_cart", ""]


def test_without_cart_days_only_the_question_says_what_is_in_the_cart() -> None:
    book = RuleBook.compile(settings=ArrangeSettings(cart_days=0.0))
    things = [Thing()]
    allowed = book.permit(
        query(), person((0, CART, 0)), live_of(things), shelf_of(things), np.zeros(1, np.int32)
    )
    assert allowed.tolist() == [True]


def test_nothing_asked_is_nothing_answered() -> None:
    nothing = np.empty(0, np.int32)
    assert RuleBook.compile().permit(query(), NOBODY, live_of([]), shelf_of([]), nothing).tolist() == []


ANY_THING = st.builds(
    Thing,
    stock=st.sampled_from([-1, 0, 5]),
    hidden=st.booleans(),
    from_us=st.sampled_from([0, NOW + DAY]),
    until_us=st.sampled_from([0, NOW - DAY, NOW + DAY]),
    regions=st.sampled_from([None, frozenset({"GB"}), frozenset({"DE"})]),
    min_age=st.sampled_from([0, 18]),
)


def may_be_sold(thing: Thing, country: str, age: int | None) -> bool:
    """The hard facts once more, in plain words."""
    available = thing.from_us <= NOW and (thing.until_us == 0 or thing.until_us > NOW)
    in_region = thing.regions is None or country in thing.regions
    return thing.stock != 0 and not thing.hidden and available and in_region and thing.min_age <= (age or 0)


@given(
    st.lists(ANY_THING, min_size=1, max_size=30), st.sampled_from([None, 17, 40]), st.sampled_from(STRATEGIES)
)
def test_permit_is_the_conjunction_of_all_hard_facts(
    things: list[Thing], age: int | None, strategy: str
) -> None:
    told = reasons(things, strategy=strategy, context=Context(country="GB", age=age))
    assert [reason == "" for reason in told] == [may_be_sold(thing, "GB", age) for thing in things]
