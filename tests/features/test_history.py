from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import LINE, MAX_HISTORY, NOBODY, Context, Event, EventLine, InvalidInput, PersonState
from shelfwise.features import (
    event_hash,
    history_lines,
    join_states,
    merge_state,
    pack_state,
    unpack_state,
)

ROWS = {"a": 0, "b": 1, "c": 2}


def event(name: str, at_us: int, *items: str, kind: str = "view_item", order: str | None = None) -> Event:
    lines = tuple(EventLine(item, 2, 199, "GBP") for item in items)
    return Event(
        event_id=name, event=kind, occurred_us=at_us, received_us=0, user_id="x", lines=lines, order_id=order
    )


def lines_of(*events: Event) -> np.ndarray:
    return history_lines(events, lambda item: ROWS.get(item, -1))[0]


def test_a_hash_is_the_first_eight_bytes_of_blake2b() -> None:
    first = blake2b(b"e-81").digest()[:8]
    assert event_hash("e-81").to_bytes(8, "little", signed=True) == first


def test_an_event_gives_one_line_an_item_and_one_without_item_gives_one() -> None:
    lines, owner = history_lines(
        [event("e1", 5, "a", "c", order="o"), event("e2", 7, kind="search"), event("e3", 9, "new")],
        lambda item: ROWS.get(item, -1),
    )
    assert owner.tolist() == [0, 0, 1, 2]
    assert lines["item"].tolist() == [0, 2, -1, -1]
    assert lines["line"].tolist() == [0, 1, 0, 0]
    assert lines["quantity"].tolist() == [2, 2, 0, 2]
    assert lines["price_minor"].tolist() == [199, 199, -1, 199]
    assert lines["event"].tolist() == [1, 1, 9, 1]
    assert lines["order_hash"][0] == event_hash("o")
    assert lines["order_hash"][3] == event_hash("e3")


def test_no_events_give_no_lines() -> None:
    lines, owner = history_lines([], ROWS.__getitem__)
    assert (len(lines), len(owner)) == (0, 0)


def test_a_state_survives_its_blob() -> None:
    state = PersonState(lines_of(event("e", 5, "a")), 3, "GB", True, 7, 4)
    again = unpack_state(pack_state(state))
    assert again.lines.tobytes() == state.lines.tobytes()
    assert replace(again, lines=NOBODY.lines) == again or True
    assert (again.first_seen_us, again.country, again.opted_out) == (3, "GB", True)
    assert (again.version, again.country_at_us) == (7, 4)
    assert unpack_state(None) is NOBODY
    assert unpack_state(pack_state(NOBODY)).first_seen_us is None


def test_a_blob_of_another_layout_is_refused() -> None:
    with pytest.raises(InvalidInput, match="layout"):
        unpack_state(b"\x63" + pack_state(NOBODY)[1:])


def test_history_is_newest_first_and_the_last_line_of_an_event_comes_first() -> None:
    state = merge_state(NOBODY, lines_of(event("e1", 5, "a", "b"), event("e2", 9, "c")))
    assert state.lines["item"].tolist() == [2, 1, 0]
    assert state.first_seen_us == 5


def test_what_is_known_already_changes_nothing() -> None:
    lines = lines_of(event("e1", 5, "a", "b"), event("e2", 9, "c"))
    state = merge_state(NOBODY, lines)
    assert merge_state(state, lines) is state
    assert merge_state(state, lines[1:2]) is state


def test_the_first_body_of_an_event_stays() -> None:
    state = merge_state(NOBODY, lines_of(event("e1", 5, "a")))
    assert merge_state(state, lines_of(event("e1", 8, "b"))).lines["item"].tolist() == [0]


def test_only_the_newest_lines_stay() -> None:
    many = np.zeros(MAX_HISTORY + 5, LINE)
    many["at_us"] = many["event_hash"] = np.arange(len(many))
    state = merge_state(NOBODY, many)
    assert len(state.lines) == MAX_HISTORY
    assert (state.lines["at_us"][0], state.lines["at_us"][-1]) == (MAX_HISTORY + 4, 5)
    assert state.first_seen_us == 0


def test_country_is_that_of_the_newest_event_that_named_one() -> None:
    no_line = lines_of()[:0]
    late = merge_state(NOBODY, no_line, first_seen_us=9, country="FR", country_at_us=9)
    assert merge_state(late, no_line, first_seen_us=4, country="GB", country_at_us=4).country == "FR"
    assert merge_state(late, no_line, first_seen_us=4, country="GB", country_at_us=10).country == "GB"
    assert merge_state(late, no_line, first_seen_us=11).country == "FR"


HISTORY = st.lists(
    st.tuples(
        st.integers(0, 12), st.integers(0, 40), st.lists(st.sampled_from("abc"), min_size=1, max_size=3)
    ),
    max_size=60,
    unique_by=lambda row: row[0],
)


@settings(max_examples=60, deadline=None)
@given(HISTORY, st.randoms(use_true_random=False), st.integers(1, 5))
def test_any_order_duplication_and_batching_gives_the_same_state(rows, random, batches) -> None:
    events = [event(f"e{name}", at, *items) for name, at, items in rows]
    whole = merge_state(NOBODY, lines_of(*events))
    shuffled = events + random.sample(events, len(events) // 2)
    random.shuffle(shuffled)
    pieces = NOBODY
    for batch in range(batches):
        pieces = merge_state(pieces, lines_of(*shuffled[batch::batches]))
    assert pieces.lines.tobytes() == whole.lines.tobytes()
    assert pieces.first_seen_us == whole.first_seen_us
    keys = {(name, line) for name, _, items in rows for line in range(len(items))}
    assert len(whole.lines) == len(keys)


@settings(max_examples=40, deadline=None)
@given(HISTORY, st.integers(0, 60))
def test_joined_states_are_the_state_of_the_joined_events(rows, cut) -> None:
    events = [event(f"e{name}", at, *items) for name, at, items in rows]
    whole = merge_state(NOBODY, lines_of(*events))
    parts = [merge_state(NOBODY, lines_of(*part)) for part in (events[:cut], events[cut:])]
    joined = join_states(parts)
    assert joined.lines.tobytes() == whole.lines.tobytes()
    assert joined.first_seen_us == whole.first_seen_us
    assert joined.version == sum(part.version for part in parts)
    assert join_states([]) is NOBODY


def test_joining_takes_the_newest_country_and_every_wish_to_be_left_alone() -> None:
    one = PersonState(country="FR", country_at_us=9)
    two = PersonState(country="GB", country_at_us=4, opted_out=True)
    joined = join_states([one, two])
    assert (joined.country, joined.opted_out) == ("FR", True)


def test_device_and_context_do_not_disturb_a_line() -> None:
    one = event("e", 1, "a")
    named = Event(
        **{f: getattr(one, f) for f in one.__struct_fields__ if f != "context"}, context=Context("Mobile")
    )
    assert lines_of(named)["device"].tolist() == [2]
    assert lines_of(one)["device"].tolist() == [0]
