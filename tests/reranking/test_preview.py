"""What a rule would change."""

from __future__ import annotations

from reranking.shop import Thing, judged, live_of, query, shelf_of
from shelfwise.domain import NOBODY
from shelfwise.reranking import RuleBook, parse_rule, preview

THINGS = [Thing(brand="A"), Thing(brand="B"), Thing(brand="C"), Thing(brand="D")]


def test_a_preview_tells_what_goes_what_comes_and_what_moves() -> None:
    before = RuleBook.compile()
    after = before.with_rule(parse_rule({"rule_id": "r", "kind": "exclude", "where": "brand = 'A'"}))
    told = preview(
        before, after, query(size=3), NOBODY, judged([4, 3, 2, 1]), live_of(THINGS), shelf_of(THINGS)
    )
    assert told.before.item.tolist() == [0, 1, 2]
    assert told.after.item.tolist() == [1, 2, 3]
    assert told.gone.tolist() == [0]
    assert told.new.tolist() == [3]
    assert told.moved == ((1, 2, 1), (2, 3, 2))


def test_a_rule_with_the_same_id_replaces_the_old_one_and_can_be_taken_out() -> None:
    first = parse_rule({"rule_id": "r", "kind": "boost", "where": "brand = 'A'"})
    second = parse_rule({"rule_id": "r", "kind": "boost", "where": "brand = 'B'"})
    book = RuleBook.compile([first]).with_rule(second)
    assert book.rules == (second,)
    assert book.without("r").rules == ()
