"""Rule documents: what is accepted, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from shelfwise.domain import InvalidField
from shelfwise.reranking import Rule, RuleBook, parse_rule, rule_document


@pytest.mark.parametrize(
    "document",
    [
        {"rule_id": "r1", "kind": "pin", "items": ["a", "b"], "positions": [1, 4]},
        {"rule_id": "r1", "kind": "pin", "where": "item_id in ('a', 'b') and context.country = 'GB'"},
        {"rule_id": "r1", "kind": "boost", "where": "margin > 0.4", "factor": 3.0, "note": "clear the shelves"},
        {"rule_id": "r1", "kind": "bury", "where": "stock < 3", "factor": 0.2, "enabled": False},
        {"rule_id": "r1", "kind": "exclude", "where": "tags contains 'adult'", "placements": ["home"]},
        {"rule_id": "r1", "kind": "include", "where": "category = 'Wine'", "strategies": ["trending"]},
        {"rule_id": "r1", "kind": "slot", "where": "tags = 'new'", "positions": [3], "priority": 5},
        {"rule_id": "r1", "kind": "cap", "limit": 2, "per": "brand",
         "valid_from": "2011-12-01T00:00:00Z", "valid_until": "2012-01-01T00:00:00Z"},
    ],
)  # fmt: skip
def test_a_rule_survives_being_written_down(document: dict[str, Any]) -> None:
    rule = parse_rule(document)
    assert rule_document(rule) == document
    assert parse_rule(rule_document(rule)) == rule


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"kind": "bost"}, "kind", "did you mean 'boost'"),
        ({"wehre": "true"}, "wehre", "did you mean 'where'"),
        ({"where": "prise < 3"}, "where", "did you mean 'price'"),
        ({"factor": 0.5}, "factor", "above 1"),
        ({"factor": "big"}, "factor", "expected a number: above 1"),
        ({"limit": 3}, "limit", "no limit for a boost rule"),
        ({"items": ["a"]}, "items", "no items for a boost rule"),
        ({"positions": [1]}, "positions", "none for a boost rule"),
        ({"kind": "bury", "factor": 2.0}, "factor", "below 1"),
        ({"kind": "exclude", "where": ""}, "where", "would concern every item"),
        ({"kind": "pin"}, "items", "the ids of the items to pin"),
        ({"kind": "pin", "items": ["a"], "positions": [0]}, "positions", "from 1 to 100"),
        ({"kind": "pin", "items": ["a"], "positions": [1, 2]}, "positions", "one position for each of the 1"),
        ({"kind": "pin", "items": ["a", "b"], "positions": [2, 2]}, "positions", "each position once"),
        ({"kind": "slot"}, "positions", "the positions to keep"),
        ({"kind": "slot", "where": "", "positions": [1]}, "where", "which items the slot is for"),
        ({"kind": "cap", "per": "brand"}, "limit", "from 0 to 100"),
        ({"kind": "cap", "limit": 1}, "per", "one of brand"),
        ({"kind": "cap", "limit": 1, "per": "colour"}, "per", "expected one of brand, category, group_id$"),
        (
            {"valid_until": "soon"},
            "valid_until",
            "expected an instant with a time zone, such as 2011-12-01T00:00:00Z$",
        ),
        ({"strategies": ["magic"]}, "strategies", "one of auto"),
        ({"valid_from": "2011-12-01T00:00:00"}, "valid_from", "a time zone"),
        (
            {"valid_from": "2011-12-01T00:00:00Z", "valid_until": "2011-12-01T00:00:00Z"},
            "valid_until",
            "after",
        ),
        ({"rule_id": ""}, "rule_id", "1 to 255 bytes"),
        ({"rule_id": "x" * 256}, "rule_id", "1 to 255 bytes"),
        ({"rule_id": 7}, "rule_id", "expected text of 1 to 255 bytes"),
        ({"positions": [1, "x"]}, "positions", "expected a list of positions from 1 to 100"),
        ({"enabled": "yes"}, "enabled", "expected true or false"),
    ],
)
def test_a_wrong_rule_is_told_its_field_and_what_was_expected(
    change: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidField, match=says) as caught:
        parse_rule({"rule_id": "r1", "kind": "boost", "where": "price < 5", **change})
    assert caught.value.field == field


@pytest.mark.parametrize("missing", ["rule_id", "kind"])
def test_what_a_rule_cannot_do_without_is_named(missing: str) -> None:
    document = {"rule_id": "r1", "kind": "boost"}
    del document[missing]
    with pytest.raises(InvalidField, match=r"; it is required$") as caught:
        parse_rule(document)
    assert caught.value.field == missing


def test_every_field_of_a_rule_says_in_words_what_it_may_be() -> None:
    for name in Rule.__struct_fields__:
        with pytest.raises(InvalidField) as caught:
            parse_rule({"rule_id": "r1", "kind": "boost", name: {}})
        assert caught.value.field == name
        assert not {"`", "array"} & set(caught.value.rule.replace("`", " ` ").split())


def test_a_book_checks_rules_that_were_made_in_code() -> None:
    with pytest.raises(InvalidField, match="where"):
        RuleBook.compile([Rule(rule_id="r", kind="exclude")])


def test_a_book_forgets_what_is_over_and_keeps_what_is_to_come() -> None:
    over = parse_rule({"rule_id": "over", "kind": "boost", "valid_until": "2011-01-01T00:00:00Z"})
    coming = parse_rule({"rule_id": "coming", "kind": "boost", "valid_from": "2031-01-01T00:00:00Z"})
    assert RuleBook.compile([over, coming], 1_320_000_000_000_000).rules == (coming,)
