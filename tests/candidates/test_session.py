"""Session-kNN against a few lines of plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.candidates.asking import items, propose
from tests.world import DAY, NOW_US, Row, history, live_items, person, shelf_of

from shelfwise.candidates import SessionKNN, fit_source
from shelfwise.candidates._matrix import sessions
from shelfwise.candidates.session.serve import SessionSource, current_session, in_order
from shelfwise.candidates.session.settings import SessionSettings
from shelfwise.candidates.session.train import index
from shelfwise.domain import VIEW

MINUTE = 60_000_000
some_sessions = st.lists(
    st.lists(st.integers(0, 6), min_size=1, max_size=5, unique=True), min_size=1, max_size=12
)


def clicks(of: list[list[int]]) -> list[Row]:
    """Session k by person k, k days back, its items a minute apart."""
    return [
        Row(k, item, NOW_US - (k + 1) * DAY + minute * MINUTE, k, VIEW)
        for k, held in enumerate(of)
        for minute, item in enumerate(held)
    ]


def by_hand(of: list[list[int]], query: list[int], s: SessionSettings) -> np.ndarray:
    """Votes for 7 items; ``query`` newest first."""
    kept = [(age, held) for age, held in enumerate(of) if len(held) >= 2]
    idf = [math.log1p(len(kept) / (1 + sum(item in held for _, held in kept))) for item in range(7)]
    near = []
    for k, held in kept:
        shared = [r for r, item in enumerate(query) if item in held]
        if shared:
            like = sum((1 - r / (len(query) + 1)) * idf[query[r]] ** s.rarity for r in shared)
            age = (k + 1) - (len(held) - 1) / 1_440
            like *= len(held) ** -s.size_power * 0.5 ** (age / s.half_life_days if s.half_life_days else 0)
            near.append((like, k, held, min(shared)))
    near.sort(key=lambda one: (-np.float32(one[0]), one[1]))
    out = np.zeros(7)
    for like, _, held, back in near[: s.neighbours]:
        power = like * len(held) ** -s.size_power * max(0.05, 1 - s.match_decay * (back + 1))
        for item in held:
            out[item] += power * (1 + idf[item]) ** s.vote_rarity
    return out


@given(
    of=some_sessions, query=st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True), data=st.data()
)
@settings(max_examples=80, deadline=None)
def test_votes_are_those_of_plain_python(of: list[list[int]], query: list[int], data: st.DataObject) -> None:
    draw = st.sampled_from
    chosen = SessionSettings(
        size_power=data.draw(draw([0.0, 0.5])), rarity=data.draw(draw([0.0, 1.0])),
        vote_rarity=data.draw(draw([0.0, 1.0])), match_decay=data.draw(draw([0.0, 0.3])),
        half_life_days=data.draw(draw([None, 7.0])),
    )  # fmt: skip
    found = sessions(history(clicks(of), n_items=7), largest=200)
    source = SessionSource(index(found, NOW_US, chosen), chosen)
    rows, weight = in_order(np.array(query, np.int32), 7, 60)
    assert source.votes(rows, weight) == pytest.approx(by_hand(of, query, chosen), rel=1e-4, abs=1e-6)
    assert not source._likeness.any()


def test_only_the_nearest_sessions_vote_the_newer_of_equals() -> None:
    of = [[0, 1], [0, 2], [0, 3]]
    chosen = SessionSettings(neighbours=1, half_life_days=None)
    source = SessionSource(
        index(sessions(history(clicks(of), n_items=7), largest=200), NOW_US, chosen), chosen
    )
    votes = source.votes(*in_order(np.array([0], np.int32), 7, 60))
    assert np.flatnonzero(votes).tolist() == [0, 1]


def test_only_the_newest_sessions_of_an_item_are_looked_at() -> None:
    chosen = SessionSettings(sessions_per_item=2)
    made = index(
        sessions(history(clicks([[0, k] for k in range(1, 6)]), n_items=7), largest=200), NOW_US, chosen
    )
    newest = made.posting[made.posting_start[0] : made.posting_start[1]]
    assert [made.item[made.start[s] : made.start[s + 1]].tolist() for s in newest] == [[1, 0], [2, 0]]


def test_a_pause_of_more_than_half_an_hour_ends_a_session() -> None:
    rows = [Row(0, 0, NOW_US - DAY, 0, VIEW), Row(0, 1, NOW_US - DAY + 30 * MINUTE, 0, VIEW)]
    assert len(sessions(history(rows, n_items=2), largest=200)) == 1
    late = [rows[0], rows[1]._replace(at_us=rows[1].at_us + 1)]
    assert len(sessions(history(late, n_items=2), largest=200)) == 2


def test_the_session_under_way_ends_at_the_first_pause() -> None:
    state = person(
        [(3, NOW_US - MINUTE, VIEW), (2, NOW_US - 5 * MINUTE, VIEW), (1, NOW_US - 60 * MINUTE, VIEW)]
    )
    assert current_session(state.lines, NOW_US).tolist() == [3, 2]
    assert current_session(state.lines, NOW_US + DAY).tolist() == []
    assert current_session(person([]).lines, NOW_US).tolist() == []


def test_the_session_under_way_is_asked_before_the_history() -> None:
    of = [[0, 1]] * 3 + [[2, 3]] * 3
    source = fit_source("session", history(clicks(of), n_items=5), shelf_of("abcde"), as_of_us=NOW_US)
    old = (0, NOW_US - 9 * DAY, VIEW)
    live = live_items(5)
    assert items(propose(source, person([old]), live=live))[0] in (0, 1)
    now = propose(source, person([old, (2, NOW_US - MINUTE, VIEW)]), strategy="session", live=live)
    assert 3 in items(now)
    assert 1 not in items(now)


def test_clicks_in_order_are_known_distinct_and_weigh_less_the_older() -> None:
    rows, weight = in_order(np.array([4, 9, 4, 2, -1, 0], np.int32), 5, 2)
    assert rows.tolist() == [4, 2]
    assert weight == pytest.approx([1.0, 2 / 3])


def test_next_items_follow_a_session_of_known_and_unknown_ids() -> None:
    of = [["a", "b", "c"], ["a", "b", "d"], ["x", "y"], ["a", "c"]]
    frame = {
        "session_id": [k for k, held in enumerate(of) for _ in held],
        "item_id": [item for held in of for item in held],
        "occurred_at": [k * DAY + m * MINUTE for k, held in enumerate(of) for m in range(len(held))],
    }
    model = SessionKNN().fit(frame)
    found = model.next_items([["never", "a"], [], ["x"]], n=2)
    assert found["session"].to_pylist() == [0, 0, 2]
    assert set(found["item_id"].to_pylist()[:2]) <= {"b", "c"}
    assert found["item_id"].to_pylist()[2] == "y"
    again = model.next_items([["x"]], n=5, repeat=True)
    assert set(again["item_id"].to_pylist()) == {"x", "y"}
