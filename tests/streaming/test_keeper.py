"""What the keeper promises, over the real stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shelfwise.domain import EventLine, InvalidInput, StoreUnavailable
from shelfwise.features import unpack_state
from shelfwise.stores import ItemChange
from streaming.shop import NOW_US, ShopUnderTest, an_event


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ShopUnderTest]:
    shop = ShopUnderTest(tmp_path)
    yield shop
    shop.close()


def test_an_event_is_in_the_state_of_its_person_when_submit_returns(shop: ShopUnderTest) -> None:
    shop.put("i1")
    receipt = shop.send(an_event(1, user_id="ann", event="view_item", lines=(EventLine("i1", 1),)))
    assert receipt.accepted == 1
    lines = unpack_state(shop.state.get(b"u:ann")).lines
    assert lines["item"].tolist() == [shop.catalogue.get("i1").row]


def test_a_repeated_event_is_a_duplicate_and_counts_once(shop: ShopUnderTest) -> None:
    event = an_event(1, user_id="ann", event="purchase", lines=(EventLine("i1", 1),))
    assert shop.send(event, event).duplicates == (1,)
    later = msgspec.structs.replace(event, received_us=NOW_US + 5)
    receipt = shop.send(later, an_event(2))
    assert (receipt.accepted, receipt.duplicates, receipt.conflicts) == (1, (0,), ())
    assert shop.counters()["item__purchase__count__7d"] == [1] + [0] * (len(shop.catalogue.since(0)) - 1)


def test_the_same_id_with_another_body_is_a_conflict_and_is_not_kept(shop: ShopUnderTest) -> None:
    shop.send(an_event(1))
    receipt = shop.send(an_event(1, event="refund", order_id="o-7"))
    assert (receipt.accepted, receipt.conflicts) == (0, (0,))
    shop.inbox.submit("drain", {})
    assert {row["event_id"] for row in shop.lake.rows("event_lines")} == {"e-1"}


def test_an_item_named_by_an_event_first_keeps_its_row_when_its_feed_comes(shop: ShopUnderTest) -> None:
    shop.send(an_event(1, user_id="ann", event="view_item", lines=(EventLine("late", 1),)))
    stub = shop.catalogue.get("late")
    assert stub.retired
    shop.put("late")
    assert shop.catalogue.get("late").row == stub.row
    assert not shop.catalogue.get("late").retired
    assert unpack_state(shop.state.get(b"u:ann")).lines["item"].tolist() == [stub.row]


def test_invented_items_get_no_more_rows_than_allowed(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path, unknown_items=2)
    shop.send(an_event(1, lines=tuple(EventLine(f"x{n}", 1) for n in range(5))))
    assert len(shop.catalogue.since(0)) == 2
    shop.close()


def test_a_change_of_stock_is_live_when_submit_returns(shop: ShopUnderTest) -> None:
    shop.put("i1", stock=5)
    seen = shop.board.read("catalogue")
    row = shop.catalogue.get("i1").row
    change = ItemChange(action="patch", item_id="i1", at_us=NOW_US, fields={"stock": 0})
    unknown = ItemChange(action="patch", item_id="none", at_us=NOW_US, fields={"stock": 0})
    receipt = shop.inbox.submit("items", [unknown, change])
    assert shop.live.view().stock[row] == 0
    assert shop.board.read("catalogue") > seen
    assert receipt.result == [None, [shop.catalogue.get("i1").etag, row]]


def test_bots_and_tests_move_no_counter_but_stand_in_the_lake(shop: ShopUnderTest) -> None:
    buy = {"event": "purchase", "lines": (EventLine("i1", 1),)}
    shop.send(an_event(1, bot=True, **buy), an_event(2, origin="test", **buy), an_event(3, **buy))
    assert shop.counters()["item__purchase__count__7d"] == [1]
    shop.inbox.submit("drain", {})
    assert [row["bot"] for row in shop.lake.rows("event_lines")] == [True, False, False]


def test_who_opted_out_is_forgotten_and_no_longer_tracked(shop: ShopUnderTest) -> None:
    shop.send(an_event(1, user_id="ann", anonymous_id="v1"), an_event(2, user_id=None, anonymous_id="v1"))
    shop.inbox.submit("consent", {"person": "u:ann", "opted_out": True})
    receipt = shop.send(
        an_event(3, user_id="ann"),
        an_event(4, user_id="bob", anonymous_id="v9"),
        an_event(5, user_id=None, anonymous_id="v1"),
    )
    assert (receipt.accepted, receipt.untracked) == (1, (0, 2))
    state = unpack_state(shop.state.get(b"u:ann"))
    assert (state.opted_out, len(state.lines)) == (True, 0)
    shop.inbox.submit("consent", {"person": "u:ann", "opted_out": False})
    assert shop.send(an_event(6, user_id="ann")).accepted == 1


def test_a_wish_outlives_a_lost_state(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    shop.send(an_event(1, user_id="ann"))
    shop.inbox.submit("consent", {"person": "u:ann", "opted_out": True})
    control, lake = shop.control, shop.lake
    shop.state.clear()
    shop.close()
    again = ShopUnderTest(tmp_path, control=control, lake=lake)
    assert unpack_state(again.state.get(b"u:ann")).opted_out
    assert again.send(an_event(2, user_id="ann")).untracked == (0,)
    again.close()


def test_erasing_a_person_leaves_nothing_of_them(shop: ShopUnderTest) -> None:
    shop.send(
        *(an_event(n, user_id="ann", anonymous_id="v1") for n in range(5)),
        an_event(9, user_id="bob", anonymous_id="v2"),
    )
    shop.send(an_event(20, user_id=None, anonymous_id="v1"))
    report = shop.inbox.submit("erase", {"person": "u:ann"}).result
    assert report["log_events"] == 6
    assert shop.state.get_many([b"u:ann", b"a:v1", b"l:u:ann"]) == [None, None, None]
    assert shop.state.get(b"u:bob") is not None
    blobs = [entry.blob for entry in shop.log.read("events", "", limit=100)]
    assert not any(b"ann" in blob for blob in blobs)
    assert any(b"bob" in blob for blob in blobs)


def test_malformed_payloads_are_refused_and_the_rest_of_the_group_is_kept(shop: ShopUnderTest) -> None:
    good = msgspec.msgpack.encode([an_event(1)])
    outcomes = shop.keeper.commit(
        [("events", b"\xc1"), ("events", good), ("nonsense", b"\x80"), ("consent", b"\x80")]
    )
    shop.keeper.fold()
    assert [isinstance(outcome, InvalidInput) for outcome in outcomes] == [True, False, True, True]
    assert outcomes[1].accepted == 1


def test_an_event_in_two_batches_of_one_group_is_taken_once(shop: ShopUnderTest) -> None:
    batch = msgspec.msgpack.encode([an_event(1)])
    outcomes = shop.keeper.commit([("events", batch), ("events", batch)])
    assert [outcome.accepted for outcome in outcomes] == [1, 0]


def test_a_lake_that_was_away_gets_everything_once(shop: ShopUnderTest) -> None:
    shop.lake.away = True
    shop.send(*(an_event(n, event="search", lines=()) for n in range(10)))
    with pytest.raises(StoreUnavailable):
        shop.inbox.submit("drain", {})
    shop.lake.away = False
    shop.send(*(an_event(n, event="search", lines=()) for n in range(5, 15)))
    shop.inbox.submit("drain", {})
    assert sorted(row["event_id"] for row in shop.lake.rows("event_lines")) == sorted(
        f"e-{n}" for n in range(15)
    )


def test_dead_letters_reach_the_control_store(shop: ShopUnderTest) -> None:
    letter = {"source": "http", "row": 3, "field": "price", "value": "x", "rule": "a number"}
    assert shop.inbox.submit("dead_letters", [letter]).accepted == 1
    assert shop.control.letters == [letter]
