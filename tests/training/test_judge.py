from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shelfwise.domain import DAY_US, PURCHASE, VIEW, Context, Event, EventLine, InvalidInput, NotTrained
from shelfwise.features import event_lines
from shelfwise.training._gate import decide
from shelfwise.training._jobs import Job, run_jobs
from shelfwise.training._judge import baselines, judge, set_exam, user_share
from shelfwise.training._rows import query_at
from shelfwise.training._snapshot import Snapshot, take_snapshot

T = 1_000 * DAY_US
ROWS = {"a": 0, "b": 1, "c": 2, "d": 3}


def event(n: int, who: str, item: str, at_us: int, name: str = "purchase", **more: object) -> Event:
    user = {"user_id": who[2:]} if who.startswith("u:") else {"anonymous_id": who[2:]}
    return Event(
        event_id=f"e{n}",
        event=name,
        occurred_us=at_us,
        received_us=at_us,
        lines=(EventLine(item),),
        **user,
        **more,
    )  # type: ignore[arg-type]


HISTORY = [
    event(1, "u:ann", "a", T - 20 * DAY_US, context=Context(country="GB")),
    event(2, "u:ann", "b", T - 10 * DAY_US),
    event(3, "u:ann", "b", T + 1),
    event(4, "u:ann", "c", T + 2 * DAY_US),
    event(5, "u:bob", "a", T - 5 * DAY_US),
    event(6, "u:bob", "a", T + DAY_US),
    event(7, "u:eve", "d", T + DAY_US),  # new: not in the exam
    event(8, "a:x1", "c", T - 3 * DAY_US, name="view_item"),
    event(9, "u:bob", "c", T - 2 * DAY_US, name="view_item", anonymous_id="x1"),
    event(10, "u:bot", "d", T - DAY_US, bot=True),
    event(11, "u:sim", "d", T - DAY_US, origin="simulated"),
]


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    path = tmp_path / "part.parquet"
    table = event_lines(HISTORY, ROWS.__getitem__)
    pq.write_table(table.take(pa.array(np.random.default_rng(0).permutation(len(table)))), path)
    return take_snapshot([str(path)], n_items=4, origins=["real"], memory_mb=200, threads=1)


def test_bots_and_other_origins_stay_out(snapshot: Snapshot) -> None:
    assert snapshot.key == ("u:ann", "u:bob", "u:eve")


def test_a_visitor_who_turned_out_to_be_a_user_is_that_user(snapshot: Snapshot) -> None:
    bob = snapshot.person(1, before_us=T)
    assert bob.lines["item"].tolist() == [
        2,
        2,
        0,
    ]  # newest first: the view known, the view unknown, the purchase
    assert bob.lines["event"].tolist() == [VIEW, VIEW, PURCHASE]


def test_before_a_visitor_signs_in_they_are_a_stranger(snapshot: Snapshot) -> None:
    signed_in_us = T - 2 * DAY_US
    assert snapshot.person(1, before_us=signed_in_us).lines["item"].tolist() == [0]
    assert snapshot.person(1, before_us=signed_in_us + 1).lines["item"].tolist() == [2, 2, 0]
    before, after = (snapshot.interactions(before_us=at) for at in (signed_in_us, signed_in_us + 1))
    assert (before.user.tolist(), before.n_users) == ([0, 0, 3, 1], 4)
    assert (after.user.tolist(), after.n_users) == ([0, 0, 1, 1, 1], 3)


def test_a_visitor_is_who_signed_in_first_whoever_does_later(tmp_path: Path) -> None:
    told = [
        event(1, "a:x", "a", T),
        event(2, "u:zoe", "b", T + 1, anonymous_id="x"),
        event(3, "u:ann", "c", T + 2, anonymous_id="x"),
    ]
    pq.write_table(event_lines(told, ROWS.__getitem__), tmp_path / "part.parquet")
    known = take_snapshot(
        [str(tmp_path / "part.parquet")], n_items=4, origins=["real"], memory_mb=200, threads=1
    )
    assert [known.person(row, before_us=T + 9).lines["item"].tolist() for row in (0, 1)] == [[2], [1, 0]]


def test_a_country_named_later_is_not_known_yet(tmp_path: Path) -> None:
    told = [
        event(1, "u:ann", "a", T, context=Context(country="GB")),
        event(2, "u:ann", "a", T + 1),
        event(3, "u:ann", "a", T + 2, context=Context(country="FR")),
        event(4, "u:ann", "a", T + 3, context=Context(country="GB")),
    ]
    pq.write_table(event_lines(told, ROWS.__getitem__), tmp_path / "part.parquet")
    known = take_snapshot(
        [str(tmp_path / "part.parquet")], n_items=4, origins=["real"], memory_mb=200, threads=1
    )
    named = [known.person(0, before_us=T + passed).country for passed in range(5)]
    assert named == [None, "GB", "GB", "FR", "GB"]


def test_a_person_is_known_strictly_before_the_instant(snapshot: Snapshot) -> None:
    ann = snapshot.person(0, before_us=T + 1)
    assert ann.lines["item"].tolist() == [1, 0]
    assert ann.first_seen_us == T - 20 * DAY_US
    assert ann.country == "GB"
    assert len(snapshot.person(0, before_us=T + 2).lines) == 3


def test_interactions_are_columns_of_the_same_lines(snapshot: Snapshot) -> None:
    known = snapshot.interactions(before_us=T)
    assert len(known) == 5
    assert known.only(PURCHASE).item.tolist() == [1, 0, 0]
    assert known.n_users == 3


def test_an_exam_asks_known_buyers_about_what_they_bought_next(snapshot: Snapshot) -> None:
    exam = set_exam(snapshot, as_of_us=T, end_us=T + 14 * DAY_US, limit=99, rng=np.random.default_rng(0))
    assert exam.person.tolist() == [0, 1]
    assert [bought.tolist() for bought in exam.bought] == [[1, 2], [0]]
    assert [seen.tolist() for seen in exam.seen] == [[0, 1], [0]]


def test_never_bought_truth_leaves_out_people_with_nothing_new(snapshot: Snapshot) -> None:
    exam = set_exam(snapshot, as_of_us=T, end_us=T + 14 * DAY_US, limit=99, rng=np.random.default_rng(0))
    share = user_share(snapshot, before_us=T)
    assert share.tolist() == [2 / 3, 1 / 3, 0, 0]
    lists = np.array([[2, -1], [2, 3]], np.int32)
    mark, ndcg = judge(exam, lists, never_bought=True, popularity=share, seed=0)
    assert mark.n_people == 1  # only ann bought something new
    assert ndcg.tolist() == [1.0]
    both, _ = judge(exam, np.array([[1, 2], [3, 0]], np.int32), never_bought=False, popularity=share, seed=0)
    assert both.ndcg.mean == pytest.approx((1 + 1 / np.log2(3)) / 2)


def test_baselines_hold_what_they_are_named_after(snapshot: Snapshot) -> None:
    exam = set_exam(snapshot, as_of_us=T, end_us=T + 14 * DAY_US, limit=99, rng=np.random.default_rng(0))
    lists = baselines(snapshot, exam, never_bought=False)
    assert lists["popular"][:, :2].tolist() == [[0, 1], [0, 1]]
    assert lists["popular_recent"][0, :2].tolist() == [0, 1]
    assert lists["buy_again"][0, :2].tolist() == [1, 0]  # the newer one weighs more
    assert lists["buy_again"][1, 0] == 0
    fresh = baselines(snapshot, exam, never_bought=True)
    assert 0 not in fresh["popular"]


def test_an_empty_lake_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotTrained, match="no events"):
        take_snapshot([], n_items=1, origins=["real"], memory_mb=200, threads=1)
    path = tmp_path / "part.parquet"
    pq.write_table(event_lines(HISTORY[-1:], ROWS.__getitem__), path)
    with pytest.raises(NotTrained, match="origin real"):
        take_snapshot([str(path)], n_items=1, origins=["real"], memory_mb=200, threads=1)


def test_the_gate_opens_only_above_every_baseline() -> None:
    assert decide(0.3, {"popular": 0.1}, None, tolerance=0).passed
    lost = decide(0.1, {"popular": 0.1, "buy_again": 0.2}, None, tolerance=0)
    assert not lost.passed
    assert len(lost.reasons) == 2


def test_the_gate_refuses_what_falls_short_of_the_champion_by_more_than_the_tolerance() -> None:
    assert decide(0.29, {"popular": 0.1}, 0.30, tolerance=0.05).passed
    assert "champion" in decide(0.28, {"popular": 0.1}, 0.30, tolerance=0.05).reasons[0]


def test_jobs_hand_on_what_they_make_and_a_missing_need_is_named() -> None:
    jobs = [
        Job("double", ("x",), ("y",), lambda x: 2 * x),
        Job("split", ("y", "x"), ("a", "b"), lambda y, x: (y, x)),
    ]
    assert run_jobs(jobs, {"x": 4}) == {"x": 4, "y": 8, "a": 8, "b": 4}
    with pytest.raises(InvalidInput, match=r"'split' needs \['y'\]"):
        run_jobs(jobs[1:], {"x": 4})


def test_a_question_of_the_past_assumes_the_country_that_the_door_assumes(snapshot: Snapshot) -> None:
    asked = query_at(snapshot, 0, T, size=10, country="DE")
    assert (asked.context.country, asked.user_id, asked.asked_us) == ("DE", "ann", T)
