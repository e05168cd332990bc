"""The compiled steps against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.candidates.asking import query
from tests.world import DAY, NOW_US, Row, history, live_items, person

from shelfwise.candidates._history import digest
from shelfwise.candidates._kernels import anchors, best, known_once, reads, votes, without
from shelfwise.candidates._matrix import INTENT, csr, pair_days, stable_order
from shelfwise.candidates._select import keep_best, order_of, score_of, sort_best
from shelfwise.domain import DAY_US, VIEW

scores = hnp.arrays(
    np.float32,
    st.integers(0, 40),
    elements=st.sampled_from([np.float32(v) for v in (-1.0, 0.0, 0.5, 1.0, 2.0, 3.5, np.nan)]),
)


@given(score=scores, limit=st.integers(0, 50), data=st.data())
@settings(max_examples=200, deadline=None)
def test_the_best_are_those_of_a_full_sort_by_score_then_row(
    score: np.ndarray, limit: int, data: st.DataObject
) -> None:
    blocked = data.draw(hnp.arrays(np.uint8, len(score), elements=st.integers(0, 1)))
    row, value = best(score, blocked, limit)
    free = [i for i in range(len(score)) if score[i] > 0 and not blocked[i]]
    assert row.tolist() == sorted(free, key=lambda i: (-score[i], i))[:limit]
    assert value.tolist() == score[row].tolist()


@pytest.mark.parametrize("n", [7, 4_000, 50_000])
def test_the_best_of_many_are_found_whatever_the_sample_says(n: int, rng: np.random.Generator) -> None:
    for drawn in (
        rng.normal(size=n),
        np.arange(n),
        np.arange(n)[::-1],
        np.zeros(n),
        (np.arange(n) % 64 == 0) * 1.0,
    ):
        score = drawn.astype(np.float32)
        row, value = best(score, np.zeros(n, np.uint8), 200)
        expected = np.sort(score[score > 0])[::-1][:200]
        assert np.array_equal(value, expected)
        assert np.array_equal(score[row], expected)


some_rows = st.lists(
    st.tuples(st.sampled_from([-2.5, -0.5, 0.5, 1.0, 7.0]), st.integers(0, 99)),
    max_size=40,
    unique_by=lambda one: one[1],
)


@given(of=some_rows, wanted=st.integers(0, 45))
@settings(max_examples=200, deadline=None)
def test_the_best_stay_in_their_sequence_and_are_sorted_by_score_then_row(
    of: list[tuple[float, int]], wanted: int
) -> None:
    order = np.array([order_of(np.float32(score)) for score, _ in of], np.int32)
    row = np.array([row for _, row in of], np.int32)
    best_first = sorted(of, key=lambda one: (-one[0], one[1]))[:wanted]
    n = keep_best(order, row, len(of), wanted)
    assert row[:n].tolist() == [row for score, row in of if (score, row) in best_first]
    sort_best(order, row, n)
    assert [
        (float(score_of(at)), int(of_row)) for at, of_row in zip(order[:n], row[:n], strict=True)
    ] == best_first


def test_votes_are_a_sparse_product_and_anchors_their_largest_terms(rng: np.random.Generator) -> None:
    dense = (rng.random((8, 8)) < 0.4) * rng.uniform(0.1, 1, (8, 8))
    row, column = np.nonzero(dense)
    near = csr(
        row.astype(np.int32), column.astype(np.int32), dense[row, column].astype(np.float32), shape=(8, 8)
    )
    asked, weight = np.array([1, 4, 6], np.int32), np.array([0.5, 2.0, 1.0], np.float32)
    parts = weight[:, None] * dense[asked]
    assert votes(asked, weight, near.start, near.column, near.value) == pytest.approx(
        parts.sum(axis=0), abs=1e-6
    )
    hung = anchors(
        asked, weight, near.start, near.column, near.value, np.array([*range(8), 99, -3], np.int32)
    )
    expected = np.where(parts.max(axis=0) > 0, asked[parts.argmax(axis=0)], -1)
    assert hung.tolist() == [*expected.tolist(), -1, -1]


def test_without_marks_known_rows_alone() -> None:
    asked, live = query(1, 77, -1, exclude=[2, -9]), live_items(3, hidden=[0])
    marked = without(asked, np.array([4, 50], np.int32), live, 6)
    assert marked.tolist() == [1, 1, 1, 0, 1, 0]
    assert known_once(np.array([3, 9, 3, -1, 0], np.int32), 6).tolist() == [0, 3]


def test_an_opinion_reads_the_table_and_nan_beyond() -> None:
    opinion = reads(np.array([[1, 2], [3, 4]], np.float32))(np.array([1, 2, -1]))
    assert np.array_equal(opinion, np.array([[2, 4], [np.nan] * 2, [np.nan] * 2], np.float32), equal_nan=True)


events = st.sampled_from([1, 2, 3, 4, 6, 7, 9])
rows_of_one = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 12), events), max_size=25)


@given(rows=rows_of_one)
@settings(max_examples=150, deadline=None)
def test_a_history_holds_each_item_and_day_once_at_its_strongest(rows: list[tuple[int, int, int]]) -> None:
    lines = person([(item, NOW_US - age * DAY // 3, event) for item, age, event in rows]).lines
    seen = digest(lines)
    strongest: dict[tuple[int, int], int] = {}
    for line in lines:
        item, event = int(line["item"]), int(line["event"])
        if item >= 0 and INTENT[event]:
            key = item, int(line["at_us"]) // DAY_US
            strongest[key] = max(strongest.get(key, 0), int(INTENT[event]))
    found = {
        (int(seen.item[place]), int(at) // DAY_US): int(INTENT[event])
        for place, at, event in zip(seen.place, seen.at_us, seen.event, strict=True)
    }
    assert found == strongest
    assert len(seen.place) == len(found)
    bought = {int(line["item"]) for line in lines if line["event"] == 3 and line["item"] >= 0}
    assert set(seen.item[seen.bought].tolist()) == bought


@given(rows=rows_of_one, seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_pair_days_of_a_log_and_of_a_state_agree(rows: list[tuple[int, int, int]], seed: int) -> None:
    told = [Row(0, item, NOW_US - age * DAY // 3, 0, event) for item, age, event in rows if item >= 0]
    shuffled = [told[k] for k in np.random.default_rng(seed).permutation(len(told))]
    days = pair_days(history(shuffled, n_items=5, n_users=1))
    seen = digest(person([(item, at_us, event) for _, item, at_us, _, event in told]).lines)
    ours = sorted((int(i), int(t), int(e)) for i, t, e in zip(days.item, days.at_us, days.event, strict=True))
    theirs = sorted(
        (int(seen.item[p]), int(t), int(e))
        for p, t, e in zip(seen.place, seen.at_us, seen.event, strict=True)
    )
    assert ours == theirs


def test_of_a_history_the_heaviest_items_are_asked_and_seeds_on_top() -> None:
    seen = digest(
        person([(0, NOW_US - DAY), (1, NOW_US - 11 * DAY), (2, NOW_US - 2 * DAY, VIEW), (9, NOW_US)]).lines
    )
    by_event = np.zeros(256, np.float32)
    by_event[3], by_event[VIEW] = 1.0, 0.1
    rows, weight = seen.recent(
        query(1, 4, 9), half_lives=np.array([10.0, np.inf]), by_event=by_event, n_items=6, limit=2,
        seed_weight=2.0,
    )  # fmt: skip
    assert rows.tolist() == [0, 1, 4]
    assert weight[0] == pytest.approx([0.5**0.1, 0.5**1.1 + 2, 2])
    assert weight[1] == pytest.approx([1, 3, 2])


@given(key=hnp.arrays(np.int32, st.integers(0, 60), elements=st.integers(0, 5)))
@settings(deadline=None)
def test_the_counting_sort_is_stable(key: np.ndarray) -> None:
    assert np.array_equal(stable_order(key, 6), np.argsort(key, kind="stable"))
