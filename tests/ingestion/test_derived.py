"""Sessions and identity are functions of the set of events."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import SESSION_GAP_US, Event, InvalidInput, PersonKey
from shelfwise.ingestion import Link, identity_links, merge_links, resolve, sessions


def test_a_pause_of_thirty_minutes_stays_and_a_microsecond_more_starts_anew() -> None:
    at = np.array([0, SESSION_GAP_US, 2 * SESSION_GAP_US + 1], np.int64)
    found = sessions(np.zeros(3, np.int64), at)
    assert found.number.tolist() == [0, 0, 1]
    assert found.start_us.tolist() == [0, 2 * SESSION_GAP_US + 1]
    assert found.end_us.tolist() == [SESSION_GAP_US, 2 * SESSION_GAP_US + 1]


def test_nobody_has_no_sessions() -> None:
    assert len(sessions(np.empty(0, np.int64), np.empty(0, np.int64))) == 0


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(InvalidInput, match="owner has 1 rows"):
        sessions(np.zeros(1, np.int64), np.zeros(2, np.int64))


def test_the_partition_is_that_of_a_window_query() -> None:
    """DuckDB: a row starts a session if the pause before it is longer than 30 minutes."""
    rng = np.random.default_rng(5)
    owner = rng.integers(0, 300, 20_000)
    at = rng.integers(0, 400 * SESSION_GAP_US, 20_000)
    at[:200] = at[200:400]  # ties
    found = sessions(owner, at)
    rows = pa.table({"row": np.arange(20_000), "owner": owner, "at_us": at})
    query = f"""
        SELECT row, SUM(starts) OVER (ORDER BY owner, at_us, row) - 1 AS number FROM (
            SELECT row, owner, at_us, CASE WHEN at_us - LAG(at_us) OVER (PARTITION BY owner ORDER BY at_us, row)
                <= {SESSION_GAP_US} THEN 0 ELSE 1 END AS starts FROM rows) ORDER BY row"""
    expected = duckdb.sql(query).to_arrow_table()["number"].to_numpy()
    assert rows.num_rows == len(expected)
    assert found.number.tolist() == expected.astype(np.int64).tolist()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5 * SESSION_GAP_US)), max_size=40),
    st.randoms(use_true_random=False),
)
def test_any_order_gives_the_same_sessions(rows: list[tuple[int, int]], rng: object) -> None:
    shuffled = list(rows)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]

    def spans(ordered: list[tuple[int, int]]) -> set[tuple[int, int, int, int]]:
        found = sessions(
            np.array([o for o, _ in ordered], np.int64), np.array([a for _, a in ordered], np.int64)
        )
        return {
            (*row, int(found.start_us[n]), int(found.end_us[n]))
            for row, n in zip(ordered, found.number, strict=True)
        }

    assert spans(shuffled) == spans(rows)


def event(at_us: int, user: str | None, anonymous: str | None) -> Event:
    return Event(
        event_id=f"{at_us}{user}{anonymous}", event="view_item", occurred_us=at_us, received_us=at_us, user_id=user,
        anonymous_id=anonymous,
    )  # fmt: skip


def test_a_shared_device_belongs_to_who_logged_in_first() -> None:
    links = identity_links(
        [event(3, "late", "tablet"), event(2, "early", "tablet"), event(1, None, "tablet")]
    )
    assert links == {"tablet": Link(2, "early")}
    assert resolve(PersonKey("a:tablet"), links) == "u:early"
    assert resolve(PersonKey("a:phone"), links) == "a:phone"
    assert resolve(PersonKey("u:late"), links) == "u:late"


@given(
    st.lists(
        st.builds(
            event, st.integers(0, 9), st.sampled_from([None, "u", "v"]), st.sampled_from([None, "a", "b"])
        ),
        max_size=20,
    ),
    st.randoms(use_true_random=False),
    st.integers(0, 20),
)
def test_any_order_batching_and_repetition_gives_the_same_links(
    events: list[Event], rng: object, cut: int
) -> None:
    whole = identity_links(events)
    shuffled = events * 2
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    assert identity_links(shuffled[cut:], identity_links(shuffled[:cut])) == whole
    assert merge_links(identity_links(shuffled[cut:]), identity_links(shuffled[:cut])) == whole
