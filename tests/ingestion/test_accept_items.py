"""The door for items: puts replace, patches set, and every row gets a verdict."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import Item
from shelfwise.ingestion import ItemVerdicts, accept_items, accept_patch

NOW_US = 1_323_435_000_000_000
HOLDER: dict[str, Any] = {
    "item_id": "85123A", "title": "White Hanging Heart T-Light Holder", "category": ["Home", "Candles"],
    "price": 2.55, "cost": 1.10, "currency": "GBP", "stock": 120, "attributes": {"color": "white"}, "url": "/p/85123A",
}  # fmt: skip


def put(*rows: Any, **given: Any) -> ItemVerdicts:
    return accept_items(json.dumps({"items": rows}).encode(), now_us=NOW_US, **given)


def item_of(row: dict[str, Any], **given: Any) -> Item:
    verdicts = put(row, **given)
    assert verdicts.rejected == []
    (change,) = verdicts.changes
    assert change.item is not None
    return change.item


def patch(fields: Any, **given: Any) -> dict[str, Any]:
    verdicts = accept_patch("85123A", json.dumps(fields).encode(), now_us=NOW_US, **given)
    assert verdicts.rejected == []
    (change,) = verdicts.changes
    assert (change.action, change.item_id, change.at_us) == ("patch", "85123A", NOW_US)
    return change.fields


def test_a_whole_item_arrives_whole() -> None:
    item = item_of(HOLDER)
    assert (item.price_minor, item.cost_minor, item.currency, item.stock) == (255, 110, "GBP", 120)
    assert item.category == ("Home", "Candles")
    assert item.attributes == {"color": "white"}
    assert item.list_price_minor is None


def test_a_category_may_be_written_as_a_path() -> None:
    assert item_of(HOLDER | {"category": "Home > Candles"}) == item_of(HOLDER)


def test_an_item_without_stock_is_not_tracked() -> None:
    assert item_of({"item_id": "a"}).stock is None
    assert item_of({"item_id": "a", "stock": None}).stock is None


def test_attributes_are_text_whatever_was_sent() -> None:
    sent = {"a": 3, "b": 2.5, "c": True, "d": "x", "e": None, "f": 4.0}
    assert item_of({"item_id": "a", "attributes": sent}).attributes == {
        "a": "3", "b": "2.5", "c": "true", "d": "x", "f": "4",
    }  # fmt: skip


def test_the_address_names_the_item_and_the_body_does_not_contradict_it() -> None:
    one = accept_items(b'{"title": "T"}', now_us=NOW_US, item_id="a")
    assert [change.item_id for change in one.changes] == ["a"]
    other = accept_items(b'{"item_id": "b"}', now_us=NOW_US, item_id="a")
    assert [rejection.field for rejection in other.rejected] == ["item_id"]


def test_a_value_inside_a_mapping_is_told_with_the_whole_mapping() -> None:
    (rejection,) = put({"item_id": "a", "attributes": {"size": {"eu": 42}}}).rejected
    assert (rejection.field, rejection.value) == ("attributes", "an object of 1 fields")


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"item_id": None}, "item_id", "it is required"),
        ({"item_id": "é" * 128}, "item_id", "255 bytes"),
        ({"titel": "x"}, "titel", "did you mean 'title'?"),
        ({"price": 2.555}, "price", "at most 2 decimals"),
        ({"price": "2.55"}, "price", "a decimal number"),
        ({"stock": -1}, "stock", "at least 0"),
        ({"stock": 1.5}, "stock", "a whole number"),
        ({"currency": "EURO"}, "currency", "three capitals"),
        ({"currency": None}, "currency", "the currency of price"),
        ({"url": "javascript:alert(1)"}, "url", "http or https"),
        ({"image": "data:text/html,x"}, "image", "http or https"),
        ({"url": "http://[x"}, "url", "http or https"),
        ({"regions": ["GB", "Germany"]}, "regions[1]", "two letters"),
        ({"category": ["a"] * 11}, "category", "at most 10 levels"),
        ({"attributes": {"a": {"b": 1}}}, "attributes", "texts, numbers"),
        ({"attributes": {"a": "x" * 1_001}}, "attributes.a", "at most 1000 characters"),
        ({"vector": []}, "vector", "1 to 4096 numbers"),
        ({"vector": [1.0, float("nan")]}, "vector[1]", "a finite number"),
        ({"available_from": "2011-11-03"}, "available_from", "an instant with its offset"),
        ({"available_from": "2011-11-03T00:00:00Z", "available_until": "2011-11-03T00:00:00Z"},
         "available_until", "later than available_from"),
        ({"title": "a\0"}, "title", "without NUL"),
        ({"attributes": {"a\0": "x"}}, "attributes", "without NUL"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_field_and_rule(change: dict[str, Any], field: str, rule: str) -> None:
    verdicts = put(HOLDER, HOLDER | change)
    assert verdicts.rows == [0]
    (rejection,) = verdicts.rejected
    assert (rejection.index, rejection.field) == (1, field)
    assert rule in rejection.rule


def test_a_patch_sets_what_it_names() -> None:
    assert patch({"stock": 0}) == {"stock": 0}
    assert patch({"price": 1.25}, currency="GBP") == {"price_minor": 125, "currency": "GBP"}
    assert patch({"category": "A > B", "hidden": True}) == {"category": ("A", "B"), "hidden": True}


def test_null_in_a_patch_clears() -> None:
    assert patch({"stock": None, "price": None, "title": None, "tags": None, "hidden": None}) == {
        "stock": None, "price_minor": None, "title": "", "tags": (), "hidden": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "field"),
    [({}, "body"), ({"item_id": "b"}, "item_id"), ({"price": 1.0}, "currency"), ({"currency": "EUR"}, "price")]
   ,
)  # fmt: skip
def test_a_patch_that_says_nothing_or_too_little_is_refused(fields: Any, field: str) -> None:
    verdicts = accept_patch("a", json.dumps(fields).encode(), now_us=NOW_US)
    (rejection,) = verdicts.rejected or [verdicts.body]
    assert rejection is not None
    assert rejection.field == field


def test_every_patched_field_is_one_of_an_item() -> None:
    everything = {
        "title": "T", "description": "D", "category": ["A"], "brand": "B", "price": 1, "list_price": 2, "cost": 0.5,
        "currency": "EUR", "stock": 1, "hidden": False, "available_from": "2011-01-01T00:00:00Z",
        "available_until": "2012-01-01T00:00:00Z", "group_id": "g", "sku": "s", "attributes": {"a": "b"},
        "tags": ["t"], "regions": ["GB"], "min_age": 18, "image": "/i.png", "url": "/p", "vector": [1.0],
    }  # fmt: skip
    fields = patch(everything)
    patched = msgspec.structs.replace(Item(item_id="85123A"), **fields)
    assert patched == item_of(everything | {"item_id": "85123A"})
    assert set(fields) == set(Item.__struct_fields__) - {"item_id"}


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(
    st.sampled_from(sorted(HOLDER)),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.floats(), max_size=2),
))  # fmt: skip
def test_any_row_gets_a_verdict_and_never_an_exception(row: dict[str, Any]) -> None:
    verdicts = put(row)
    assert len(verdicts.changes) + len(verdicts.rejected) == 1
    patched = accept_patch("a", json.dumps(row).encode(), now_us=NOW_US)
    msgspec.json.encode(
        (verdicts.changes, verdicts.rejected, patched.changes, patched.rejected, patched.body)
    )


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_get_verdicts_and_never_an_exception(raw: bytes) -> None:
    msgspec.json.encode((accept_items(raw, now_us=NOW_US).body, accept_patch("a", raw, now_us=NOW_US).body))


def test_vectors_of_another_size_than_the_first_are_refused_by_name_and_good_rows_go_on() -> None:
    rows = [{"item_id": f"i{at}", "vector": vector} for at, vector in enumerate(([1, 2], [3, 4, 5], [6, 7]))]
    verdicts = put(*rows, {"item_id": "plain"})
    assert [change.item_id for change in verdicts.changes] == ["i0", "i2", "plain"]
    (refused,) = verdicts.rejected
    assert (refused.index, refused.field) == (1, "vector")
    assert (refused.value, refused.rule) == ("3 numbers", "2 numbers, as the others have")


def test_the_shop_may_say_how_long_vectors_are() -> None:
    assert (
        put({"item_id": "a", "vector": [1, 2]}, vector_size=3).rejected[0].rule
        == "3 numbers, as the others have"
    )
    patched = accept_patch("a", b'{"vector": [1, 2]}', now_us=NOW_US, vector_size=3)
    assert patched.rejected[0].field == "vector"
    assert accept_patch("a", b'{"vector": null}', now_us=NOW_US, vector_size=3).changes[0].fields == {
        "vector": None
    }
