"""The filter language: what it says of items, and what it says of a text it cannot read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranking.shop import DAY, NOW, Thing, live_of, shelf_of
from shelfwise.domain import Context, InvalidField
from shelfwise.reranking import FIELDS, FilterError, compile_filter

THINGS = (
    Thing(title="White Hanging Heart", category=("Home", "Candles"), brand="Lund", price=255, list_price=300, cost=110,
          stock=120, tags=frozenset({"sale", "gift"}), attributes=(("color", "white"), ("size", "42"))),
    Thing(title="Red Alarm Clock", category=("Home", "Clocks"), brand="Acme", price=1_500, stock=0,
          attributes=(("color", "red"), ("eco", "True"))),
    Thing(title="Party Bunting", category=("Party",), price=495, cost=450, first_seen_us=NOW - 400 * DAY),
    Thing(title="heart of glass", regions=frozenset({"GB"}), group_id="g1"),
)  # fmt: skip
SHELF, LIVE = shelf_of(THINGS), live_of(THINGS)
ALL = np.arange(len(THINGS), dtype=np.int32)


def rows_of(text: str, context: Context = Context(), **more: Any) -> list[int]:
    mask = compile_filter(text).mask(SHELF, LIVE, context, ALL, now_us=NOW, **more)
    assert mask.dtype == np.bool_
    return ALL[mask].tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("category = 'Candles'", [0]),
        ("category = 'Home'", [0, 1]),  # any element of the path
        ("category = 'Home > Clocks'", [1]),  # the path's beginning
        ("category contains 'cand'", [0]),
        ("category in ('Clocks', 'Party')", [1, 2]),
        ("category = null", [3]),
        ("category != null and price < 5", [0, 2]),
        ("brand = 'Lund'", [0]),
        ("brand != 'Lund'", [1, 2, 3]),  # what has no brand is not of that brand
        ("brand not in ('Lund', null)", [1]),
        ("brand starts_with 'ac'", [1]),
        ("price < 15", [0, 2]),  # 15.00 is not below 15; an unknown price is not below anything
        ("price <= 15", [0, 1, 2]),
        ("price = 2.55", [0]),
        ("price in (2.55, 4.95)", [0, 2]),
        ("price = null", [3]),
        ("not price < 15", [1, 3]),  # not is the opposite, also where the price is unknown
        ("price < list_price", [0]),
        ("discount >= 0.1", [0]),  # (300 - 255) / 300 = 0.15
        ("discount = 0", [1, 2]),  # no list price: not reduced
        ("margin > 0.5", [0]),  # (255 - 110) / 255 = 0.57
        ("margin < 0.1", [2]),  # (495 - 450) / 495 = 0.09
        ("stock > 0", [0]),
        ("stock = null", [2, 3]),
        ("stock = null or stock >= 100", [0, 2, 3]),
        ("tags contains 'SALE'", [0]),
        ("tags contains 'sal'", []),  # a list contains an element, not a part of one
        ("tags = 'gift'", [0]),
        ("regions = 'GB'", [3]),
        ("group_id = 'g1'", [3]),
        ("title contains 'HEART'", [0, 3]),
        ("title starts_with 'heart'", [3]),
        ("item_id in ('i2', 'i0', 'gone')", [0, 2]),
        ("attributes.color = 'red'", [1]),
        ("attributes.size >= 40", [0]),
        ("attributes.size = 42.0", [0]),
        ("attributes.eco = true", [1]),
        ("attributes.nothing = 'x'", []),
        ("attributes.nothing = null", [0, 1, 2, 3]),
        ("age_days > 365", [2]),
        ("true", [0, 1, 2, 3]),
        ("false or category = 'Party'", [2]),
        ("NOT (category = 'Home' OR category = 'Party')", [3]),
        ("category = 'Home' and price < 5 or title contains 'glass'", [0, 3]),  # and binds tighter than or
        ("category = 'Home' and (price < 5 or stock == 0)", [0, 1]),
        ("brand <> 'Lund' and brand = \"Acme\"", [1]),
        ("currency = 'GBP'", [0, 1, 2, 3]),
    ],
)
def test_a_filter_marks_exactly_the_rows_it_describes(text: str, rows: list[int]) -> None:
    assert rows_of(text) == rows


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("context.country = 'GB'", True),
        ("context.country in ('DE', 'FR')", False),
        ("context.device = null", True),
        ("context.age >= 18", True),
        ("context.placement = 'home'", True),
        ("context.strategy = 'auto'", True),
        ("context.hour = 19", True),  # 18:40 UTC, one hour ahead
        ("context.weekday = 7", True),
        ("context.weekday in (1, 2)", False),
        ("not context.country = 'GB'", False),
    ],
)
def test_a_context_field_answers_for_every_row_alike(text: str, holds: bool) -> None:
    context = Context(country="GB", age=40, offset_minutes=60)
    assert rows_of(text, context, placement="home") == (ALL.tolist() if holds else [])


def test_an_item_may_be_compared_with_the_context() -> None:
    assert rows_of("regions = context.country", Context(country="GB")) == [3]
    assert rows_of("regions = context.country") == []  # a context that says nothing equals nothing


def test_money_is_compared_in_the_items_own_currency() -> None:
    things = (
        Thing(currency="KWD", price=2_550),
        Thing(currency="JPY", price=3),
        Thing(currency="EUR", price=255),
    )
    mask = compile_filter("price <= 2.55").mask(shelf_of(things), live_of(things), Context(), ALL[:3])
    assert mask.tolist() == [True, False, True]  # 2.550 dinar, 3 yen, 2.55 euro


def test_a_quote_is_written_twice_inside_a_text() -> None:
    things = (Thing(title="Santa's little helper"), Thing(title="Santas"))
    mask = compile_filter("title contains 'santa''s'").mask(
        shelf_of(things), live_of(things), Context(), ALL[:2]
    )
    assert mask.tolist() == [True, False]


def test_a_new_shelf_is_read_anew() -> None:
    wanted = compile_filter("brand = 'Lund'")
    renamed = (Thing(brand="Acme"), Thing(brand="Lund"), Thing(), Thing())
    assert wanted.mask(SHELF, LIVE, Context(), ALL).tolist() == [True, False, False, False]
    assert wanted.mask(shelf_of(renamed), live_of(renamed), Context(), ALL).tolist() == [
        False,
        True,
        False,
        False,
    ]


def test_large_dictionaries_are_decided_row_by_row_with_the_same_answer() -> None:
    things = [Thing(brand=f"b{row}") for row in range(5_000)]
    rows = np.array([7, 4_999, 70], np.int32)
    mask = compile_filter("brand in ('b7', 'b70')").mask(shelf_of(things), live_of(things), Context(), rows)
    assert mask.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("prise < 3", 0, r"not 'prise' \(did you mean 'price'\?\), at character 1\n  prise < 3\n  \^"),
        ("country = 'GB'", 0, "did you mean 'context.country'"),
        ("category = Candles", 11, "write texts in quotes, such as 'Candles'"),
        ("price < 'abc'", 8, "a number for price, not 'abc'"),
        ("brand > 3", 6, "one of =, !=, in, contains, starts_with for brand, not >"),
        ("price contains '3'", 6, "for price, not contains"),
        ("category = 'x' an price < 3", 15, r"'and', 'or' or the end, not 'an' \(did you mean 'and'"),
        ("(price < 3", 10, r"'\)', not the end"),
        ("price ! 3", 6, "not '!'"),
        ("brand = 'abc", 8, "a closing ' for the text that begins"),
        ("stock in ()", 10, r"not '\)'"),
        ("", 0, "a field, not the end"),
        ("price <", 7, "a number, a 'text'"),
        ("price < null", 8, "null is neither more nor less"),
        ("price < stock", 8, "something that price can be compared with, not stock"),
        ("brand contains ''", 15, "at least one character"),
        ("brand not = 'x'", 10, "'in', 'contains' or 'starts_with' after 'not'"),
        ("__import__('os')", 0, "the name of a field"),
        ("price < 1e999", 9, "'and', 'or' or the end"),
        ("context.age = 'old'", 14, "a number for context.age"),
        ("attributes.", 10, "not '.'"),
    ],
)
def test_a_text_that_cannot_be_read_is_answered_with_the_place_and_a_hint(
    text: str, position: int, says: str
) -> None:
    with pytest.raises(FilterError, match=says) as caught:
        compile_filter(text)
    assert isinstance(caught.value, InvalidField)
    assert caught.value.field == "filter"
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("price < 3" + " " * 2_000, "at most 2,000 characters, not 2,009"),
        ("(" * 40 + "price < 3" + ")" * 40, "at most 32 levels"),
        ("not " * 40 + "price < 3", "at most 32 levels"),
        ("stock in (" + ",".join(["1"] * 300) + ")", "at most 200 tests and values"),
        ("price < 1" + "1" * 30, "at most 20 characters"),
    ],
)
def test_the_language_is_bounded(text: str, says: str) -> None:
    with pytest.raises(FilterError, match=says):
        compile_filter(text)


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["price", "brand", "(", ")", "and", "or", "not", "in", "=", "<", "'x'", "3", ",", "null", "contains", "tags"]
), max_size=12).map(" ".join))  # fmt: skip
def test_any_text_is_a_filter_or_an_error_with_its_place(text: str) -> None:
    try:
        compile_filter(text).mask(SHELF, LIVE, Context(), ALL)
    except FilterError as trouble:
        place = trouble.position
    else:
        place = 0
    assert 0 <= place <= len(text)


LEAVES: dict[str, Any] = {
    "price < 5": lambda thing: 0 <= thing.price < 500,
    "brand = 'Lund'": lambda thing: thing.brand == "Lund",
    "stock = null": lambda thing: thing.stock < 0,
    "title contains 'heart'": lambda thing: "heart" in thing.title.lower(),
    "category = 'Home'": lambda thing: "Home" in (thing.category or ()),
    "context.country = 'GB'": lambda thing: True,
    "false": lambda thing: False,
}
TREES = st.recursive(
    st.sampled_from([*LEAVES]).map(lambda text: (text, LEAVES[text])),
    lambda inner: st.one_of(
        inner.map(lambda a: (f"not ({a[0]})", lambda thing: not a[1](thing))),
        st.tuples(inner, inner).map(
            lambda p: (f"({p[0][0]}) and ({p[1][0]})", lambda t: p[0][1](t) and p[1][1](t))
        ),
        st.tuples(inner, inner).map(
            lambda p: (f"({p[0][0]}) or ({p[1][0]})", lambda t: p[0][1](t) or p[1][1](t))
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(TREES)
def test_and_or_not_are_those_of_logic(tree: Any) -> None:
    text, holds = tree
    assert rows_of(text, Context(country="GB")) == [row for row, thing in enumerate(THINGS) if holds(thing)]


def test_every_field_has_a_meaning_and_can_be_asked() -> None:
    for name, field in FIELDS.items():
        assert field.meaning, name
        rows_of(f"{name} = null")
