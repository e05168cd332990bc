"""Events read as columns from their encoded bytes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import EVENT_CODES, Context, Event, EventLine, InvalidInput
from shelfwise.features import EventColumns, columns_of, event_lines, read_columns

TEXT = st.text(max_size=40)
MAYBE = st.none() | TEXT
NUMBERS = st.integers(-(2**63), 2**63 - 1)
UNITS = st.integers(-(2**31) + 1, 2**31 - 1)
LINES = st.builds(EventLine, TEXT, UNITS, st.none() | NUMBERS, MAYBE, st.none() | NUMBERS)
EVENTS = st.builds(
    Event,
    event_id=TEXT, event=st.sampled_from([*EVENT_CODES]), occurred_us=NUMBERS, received_us=NUMBERS,
    user_id=MAYBE, anonymous_id=TEXT, session_id=MAYBE, lines=st.lists(LINES, max_size=4).map(tuple),
    order_id=MAYBE, query=MAYBE, recommendation_id=MAYBE, origin=st.sampled_from(["real", "test", "simulated"]),
    bot=st.booleans(),
    context=st.builds(Context, MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, st.none() | NUMBERS, st.none() | NUMBERS),
)  # fmt: skip
encode = msgspec.msgpack.encode


def said(columns: EventColumns) -> list[tuple[object, ...]]:
    """What states and lake take from columns."""
    return [
        columns.person_keys(), columns.people(), columns.item_ids(), columns.quantities().tolist(),
        columns.prices().tolist(), columns.code.tolist(), columns.origin.tolist(), columns.bots().tolist(),
        columns.owner.tolist(), columns.line.tolist(), columns.batch.tolist(),
    ]  # type: ignore[list-item]  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(st.lists(EVENTS, max_size=12))
def test_columns_say_what_the_events_say(events: list[Event]) -> None:
    columns = columns_of(events)
    each = [line for event in events for line in event.lines or (EventLine("", 0),)]
    assert [key.decode() for key in columns.person_keys()] == [event.person_key for event in events]
    assert columns.people() == [(event.user_id, event.anonymous_id) for event in events]
    assert columns.item_ids() == [line.item_id for line in each]
    assert columns.quantities().tolist() == [line.quantity for line in each]
    assert columns.prices().tolist() == [
        -1 if line.price_minor is None else line.price_minor for line in each
    ]
    assert columns.code.tolist() == [EVENT_CODES[event.event] for event in events]
    assert columns.bots().tolist() == [event.bot for event in events]
    assert len(columns) == len(events)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(EVENTS, max_size=4), max_size=4))
def test_batches_read_together_are_their_events_in_order(batches: list[list[Event]]) -> None:
    together = read_columns([encode(batch) for batch in batches])
    alone = columns_of([event for batch in batches for event in batch])
    assert said(together)[:-1] == said(alone)[:-1]
    assert together.batch.tolist() == [number for number, batch in enumerate(batches) for _ in batch]


@settings(deadline=None, max_examples=50)
@given(st.lists(EVENTS, max_size=8), st.data())
def test_some_of_the_events_are_columns_of_those_events(events: list[Event], data: st.DataObject) -> None:
    keep = data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))
    some = columns_of(events).take(np.array(keep, bool))
    assert said(some) == said(columns_of([event for event, kept in zip(events, keep, strict=True) if kept]))


@settings(deadline=None, max_examples=150)
@given(st.lists(EVENTS, min_size=1, max_size=3), st.data())
def test_a_batch_with_a_wrong_byte_is_read_as_the_typed_decoder_reads_it_or_refused(
    events: list[Event], data: st.DataObject
) -> None:
    blob = bytearray(encode(events))
    blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(blob[: data.draw(st.integers(0, len(blob)) | st.just(len(blob)))])
    try:
        columns = read_columns([cut])
    except InvalidInput:
        return
    try:
        decoded = msgspec.msgpack.decode(cut, type=list[Event])
    except ValueError:
        return  # a nil where a default stands: read as that
    assert said(columns) == said(columns_of(decoded))


def test_fields_that_older_events_lack_have_their_defaults() -> None:
    old = encode([["e", "purchase", 5, 6, "u", None, None, [["a"]]]])
    columns = read_columns([old])
    assert (columns.quantities().tolist(), columns.prices().tolist(), columns.bots().tolist()) == (
        [1],
        [-1],
        [False],
    )
    assert (
        event_lines(columns, lambda _: 3).to_pylist()
        == event_lines(msgspec.msgpack.decode(old, type=list[Event]), lambda _: 3).to_pylist()
    )


@pytest.mark.parametrize(
    "wrong",
    [
        [["e", "purchase", 5]], [["e", "buy", 5, 6, "u"]], [[None, "purchase", 5, 6, "u"]], [["e", "purchase", 5.5, 6]],
        [["e", "purchase", 5, 6, "u", None, None, [["a", 2**31]]]], {"events": []}, ["e"], 7,
        [["e", "purchase", 5, 6, 7]],
    ],
)  # fmt: skip
def test_what_is_no_list_of_events_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidInput, match="batch of events"):
        read_columns([encode(wrong)])
