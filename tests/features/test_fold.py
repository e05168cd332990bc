from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import DAY_US, NOBODY, Context, Event, EventLine
from shelfwise.features import fold_people, history_lines, line_effects, merge_state, pack_state, unpack_state

KINDS = ("view_item", "add_to_cart", "purchase", "refund", "search")
EVENT = st.builds(
    lambda name, kind, person, at, items, country: Event(
        event_id=f"e{name}", event=kind, occurred_us=at * DAY_US // 5, received_us=0, user_id=person,
        lines=tuple(EventLine(item, 1) for item in items), context=Context(country=country),
    ),
    st.integers(0, 10**6), st.sampled_from(KINDS), st.sampled_from("xyz"), st.integers(0, 40),
    st.lists(st.sampled_from("abcd"), max_size=3), st.sampled_from([None, "GB", "FR"]),
)  # fmt: skip


def row_of(item: str) -> int:
    return "abcd".find(item)


def fold(blobs: dict[str, bytes], batch: list[Event]) -> np.ndarray:
    people = sorted({event.person_key for event in batch})
    person = np.array([people.index(event.person_key) for event in batch], np.int64)
    new, effects = fold_people(
        [blobs.get(one) for one in people], batch, person, *history_lines(batch, row_of)
    )
    blobs.update({one: blob for one, blob in zip(people, new, strict=True) if blob is not None})
    return effects


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(EVENT, min_size=1, max_size=12), max_size=5))
def test_a_folded_batch_is_each_person_merged_alone(batches: list[list[Event]]) -> None:
    blobs: dict[str, bytes] = {}
    for batch in batches:
        alone = dict(blobs)
        expected = []
        for one in sorted({event.person_key for event in batch}):
            mine = [event for event in batch if event.person_key == one]
            lines, _ = history_lines(mine, row_of)
            state = unpack_state(alone.get(one))
            expected.append(line_effects(state, lines))
            named = [(event.occurred_us, event.context.country) for event in mine if event.context.country]
            at, country = max(named, default=(0, None))
            first = min(event.occurred_us for event in mine)
            state = merge_state(state, lines, first_seen_us=first, country=country, country_at_us=at)
            alone[one] = pack_state(state)
        effects = fold(blobs, batch)
        assert blobs == alone
        assert effects.tobytes() == np.concatenate(expected).tobytes()


@settings(max_examples=30, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=12))
def test_a_batch_folded_twice_changes_nothing(batch: list[Event]) -> None:
    blobs: dict[str, bytes] = {}
    fold(blobs, batch)
    once = dict(blobs)
    assert len(fold(blobs, batch)) == 0
    assert blobs == once


def test_a_person_not_seen_before_is_born_of_their_events() -> None:
    blobs: dict[str, bytes] = {}
    fold(blobs, [Event(event_id="e", event="search", occurred_us=7, received_us=0, user_id="x")])
    state = unpack_state(blobs["u:x"])
    assert (state.first_seen_us, len(state.lines), state.version) == (7, 1, NOBODY.version + 1)
