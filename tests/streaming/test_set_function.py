"""The state of a shop is a function of the set of its events: order, batching, repetition and replay change nothing."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import Event
from streaming.shop import NOW_US, ShopUnderTest, an_event

EVENTS = [an_event(number) for number in range(40)]
ITEMS = [f"i{n}" for n in range(6)]


def outcome(batches: list[list[Event]]) -> tuple[object, object, object]:
    with tempfile.TemporaryDirectory() as folder:
        shop = ShopUnderTest(Path(folder))
        shop.put(*ITEMS)
        for batch in batches:
            shop.send(*batch)
        told = all_of(shop)
        shop.close()
    return told


def all_of(shop: ShopUnderTest) -> tuple[object, object, object]:
    contents, counters = shop.contents(), shop.counters()  # these wait until the lake has all, too
    return contents, counters, sorted((row["event_id"], row["line"]) for row in shop.lake.rows("event_lines"))


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[Event]]:
    """All events at least once, some again, in any order, cut into any batches."""
    again = draw(st.lists(st.sampled_from(EVENTS), max_size=15))
    order = draw(st.permutations(EVENTS + again))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=8)))
    edges = [0, *cuts, len(order)]
    return [order[start:end] for start, end in pairwise(edges) if start < end]


REFERENCE = outcome([EVENTS])


@settings(max_examples=12, deadline=None)
@given(deliveries())
def test_any_delivery_of_the_same_events_ends_in_the_same_shop(batches: list[list[Event]]) -> None:
    assert outcome(batches) == REFERENCE


@settings(max_examples=6, deadline=None)
@given(deliveries(), st.integers(0, 8))
def test_a_keeper_that_dies_between_any_two_batches_ends_in_the_same_shop(
    batches: list[list[Event]], at: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = ShopUnderTest(Path(folder))
        shop.put(*ITEMS)
        for number, batch in enumerate(batches):
            shop.send(*batch)
            if number == at:
                shop.crash()  # no last fold, no last tick
                shop = ShopUnderTest(Path(folder), lake=shop.lake, control=shop.control)
        assert all_of(shop) == REFERENCE
        shop.close()


def test_what_was_appended_and_not_folded_is_folded_by_the_next_keeper(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    shop.put(*ITEMS)
    from streaming.shop import encoded

    shop.keeper.commit([("events", encoded(*EVENTS))])  # durable, acknowledged; then it dies
    shop.crash()
    again = ShopUnderTest(tmp_path, lake=shop.lake, control=shop.control)
    assert all_of(again) == REFERENCE
    assert again.send(*EVENTS).accepted == 0
    again.close()


def test_states_lost_with_the_machine_are_rebuilt_from_the_log(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    shop.put(*ITEMS)
    shop.send(*EVENTS[:25])
    shop.send(*EVENTS[25:])
    shop.state.clear()
    shop.crash()
    again = ShopUnderTest(tmp_path, lake=shop.lake, control=shop.control)
    assert not again.state.needs_rebuild
    assert all_of(again) == REFERENCE
    again.close()


def test_ids_are_known_again_from_the_log_when_their_memory_is_lost(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    shop.send(*EVENTS)
    shop.crash()
    (tmp_path / "seen" / "seen_ids").unlink()
    again = ShopUnderTest(tmp_path, lake=shop.lake, control=shop.control, now_us=NOW_US + 1)
    assert len(again.seen) == len(EVENTS)
    assert again.send(*EVENTS).accepted == 0
    again.close()
