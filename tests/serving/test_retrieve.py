from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.candidates import Proposal
from shelfwise.domain import SOURCES
from shelfwise.serving._retrieve import hear, merge, places_of, unjudged

ROWS = st.lists(st.integers(0, 60), unique=True, max_size=30)


def proposal(rows: list[int]) -> Proposal:
    item = np.array(rows, np.int32)
    return Proposal(
        item, np.linspace(1, 0, len(rows), dtype=np.float32), lambda asked: np.zeros((len(asked), 1))
    )


def by_turns(lists: dict[str, list[int]], size: int) -> dict[int, int]:
    """The law in plain words: every source's first, then every second; a bit for each that named a kept item."""
    kept: dict[int, int] = {}
    longest = max(map(len, lists.values()), default=0)
    for rank in range(longest):
        for name, rows in lists.items():
            if rank < len(rows) and (rows[rank] in kept or len(kept) < size):
                kept[rows[rank]] = kept.get(rows[rank], 0) | 1 << SOURCES.index(name)
    return kept


@settings(deadline=None)  # the first call compiles
@given(st.lists(ROWS, min_size=1, max_size=6), st.integers(1, 80))
def test_sources_take_turns_and_each_item_comes_once(lists: list[list[int]], size: int) -> None:
    given_lists = dict(zip(SOURCES, lists, strict=False))
    merged = merge({name: proposal(rows) for name, rows in given_lists.items()}, pool_size=size)
    expected = by_turns(given_lists, size)
    assert merged.item.tolist() == list(expected)
    assert merged.proposed.tolist() == list(expected.values())


def test_large_item_rows_do_not_collide() -> None:
    rows = [2**31 - 1, 0, 2**30, 2**31 - 2]
    assert merge({"session": proposal(rows)}, pool_size=10).item.tolist() == rows


def test_nobody_proposing_anything_is_no_candidate() -> None:
    assert len(merge({}, pool_size=5)) == 0
    assert len(merge({"session": proposal([])}, pool_size=5)) == 0


@settings(deadline=None)
@given(ROWS, ROWS)
def test_places_are_where_items_stand(item: list[int], among: list[int]) -> None:
    found = places_of(np.array(item, np.int32), np.array(among, np.int32))
    assert found.tolist() == [among.index(row) if row in among else -1 for row in item]


def test_a_source_that_hands_over_its_table_is_heard_as_by_its_opinion() -> None:
    table = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]], np.float32)
    item = np.array([2, 0, 1, 7], np.int32)  # 7 is beyond the table
    asked = unjudged(item, np.zeros(4, np.uint16))
    told = [[3.0, 6.0], [1.0, 4.0], [np.nan, 5.0], [np.nan, np.nan]]

    def opinion(rows: np.ndarray) -> np.ndarray:
        assert rows is item
        return np.array(told, np.float32)

    class Two:
        signals = ("a", "b")

    proposals = {
        "other": Proposal(item[:0], np.empty(0, np.float32), opinion),
        "tabled": Proposal(item[:0], np.empty(0, np.float32), opinion, table),
    }
    heard = hear(asked, proposals, {"other": Two(), "silent": Two(), "tabled": Two()})
    np.testing.assert_array_equal(heard.signal[:, :2], told)
    assert np.isnan(heard.signal[:, 2:4]).all()
    np.testing.assert_array_equal(heard.signal[:, 4:], told)
