"""The memory of event ids."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import DAY_US, EVENT_CODES, Context, Event, EventLine
from shelfwise.features import columns_of, read_columns
from shelfwise.stores import START, Position
from shelfwise.streaming._digest import DIGEST, digests_of, encoded_batch
from shelfwise.streaming._seen import CONFLICT, DUPLICATE, NEW, SeenIds
from streaming.shop import an_event, encoded

TEXT = st.text(max_size=300)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
UNITS = st.integers(-(2**31) + 1, 2**31 - 1)
LINES = st.builds(EventLine, TEXT, UNITS, st.none() | NUMBERS, st.none() | TEXT, st.none() | NUMBERS)
EVENTS = st.builds(
    Event,
    event_id=TEXT, event=st.sampled_from([*EVENT_CODES]), occurred_us=NUMBERS, received_us=NUMBERS,
    user_id=st.none() | TEXT,
    lines=st.lists(LINES, max_size=20).map(tuple), query=st.none() | TEXT, bot=st.booleans(),
    context=st.builds(Context, device=st.none() | TEXT, age=st.none() | NUMBERS),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=20))
def test_columns_say_where_each_event_lies_whatever_it_says(events: list[Event]) -> None:
    blob = encoded(*events)
    cuts = read_columns([blob]).cuts
    assert [blob[start:end] for start, *_, end in cuts] == [msgspec.msgpack.encode(event) for event in events]


@settings(deadline=None)
@given(EVENTS, NUMBERS)
def test_when_it_was_received_is_no_part_of_an_event(event: Event, received_us: int) -> None:
    again = msgspec.structs.replace(event, received_us=received_us)
    one, two = digests_of(columns_of([event, again]), 7)
    assert (one["high"], one["low"], one["body"]) == (two["high"], two["low"], two["body"])


@settings(deadline=None)
@given(st.lists(EVENTS, max_size=40), st.data())
def test_a_batch_without_some_events_is_the_batch_of_the_others(
    events: list[Event], data: st.DataObject
) -> None:
    keep = data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))
    kept = encoded_batch(columns_of(events).take(np.array(keep, bool)))
    assert kept == encoded(*(event for event, wanted in zip(events, keep, strict=True) if wanted))


def some(count: int, *, seed: int = 0) -> np.ndarray:
    digests = np.zeros(count, DIGEST)
    rng = np.random.default_rng(seed)
    for field in ("high", "low"):
        digests[field] = rng.integers(0, 2**64, count, np.uint64)
    digests["body"] = rng.integers(0, 2**32, count, np.uint32)
    return digests


def test_what_was_remembered_is_a_duplicate_and_with_another_body_a_conflict(tmp_path: Path) -> None:
    seen, digests = SeenIds(tmp_path), some(10)
    assert seen.check(digests).tolist() == [NEW] * 10
    seen.remember(digests[:5], at_us=DAY_US, position=Position("1"))
    changed = digests.copy()
    changed["body"] += 1
    assert seen.check(digests).tolist() == [DUPLICATE] * 5 + [NEW] * 5
    assert seen.check(changed).tolist() == [CONFLICT] * 5 + [NEW] * 5
    seen.close()


def test_of_one_id_twice_in_a_batch_the_first_is_new(tmp_path: Path) -> None:
    seen, digests = SeenIds(tmp_path), some(2)
    other = digests.copy()
    other["body"] += 1
    assert (
        seen.check(np.concatenate([digests, digests, other])).tolist()
        == [NEW] * 2 + [DUPLICATE] * 2 + [CONFLICT] * 2
    )
    seen.close()


def test_remembering_twice_changes_nothing(tmp_path: Path) -> None:
    seen, digests = SeenIds(tmp_path), some(100)
    for _ in range(2):
        seen.remember(digests, at_us=DAY_US, position=Position("1"))
    assert len(seen) == 100
    seen.close()


def test_a_grown_table_holds_what_the_small_one_held(tmp_path: Path) -> None:
    seen, digests = SeenIds(tmp_path, smallest=64), some(5_000)
    for start in range(0, 5_000, 250):
        seen.remember(digests[start : start + 250], at_us=DAY_US, position=Position(str(start)))
    assert (len(seen), seen.position) == (5_000, "4750")
    assert (seen.check(digests) == DUPLICATE).all()
    assert (seen.check(some(1_000, seed=1)) == NEW).all()
    seen.close()


def test_ids_older_than_seven_days_are_let_go_when_room_is_needed(tmp_path: Path) -> None:
    seen, old, young = SeenIds(tmp_path, smallest=64), some(40), some(40, seed=1)
    seen.remember(old, at_us=DAY_US, position=Position("1"))
    seen.remember(young, at_us=9 * DAY_US, position=Position("2"))
    assert (seen.check(old) == NEW).all()
    assert (seen.check(young) == DUPLICATE).all()
    seen.close()


def test_a_killed_process_loses_no_id(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    seen.remember(some(50), at_us=DAY_US, position=Position("17"))
    again = SeenIds(tmp_path)  # the first was never closed
    assert (len(again), again.position) == (50, "17")
    again.close()


def test_after_the_machine_went_down_the_memory_starts_empty(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    seen.remember(some(50), at_us=DAY_US, position=Position("17"))
    seen._sign(b"another boot")
    again = SeenIds(tmp_path)
    assert (len(again), again.position) == (0, START)
    again.close()


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "seen_ids").write_bytes(b"not a table")
    seen = SeenIds(tmp_path)
    assert len(seen) == 0
    seen.close()


def test_events_of_the_shop_are_told_apart(tmp_path: Path) -> None:
    seen = SeenIds(tmp_path)
    digests = digests_of(columns_of([an_event(n) for n in range(1_000)]), seen.seed)
    assert (seen.check(digests) == NEW).all()
    seen.close()
