"""Answers: durable, found again by id, flat in the lake."""

from __future__ import annotations

import time
from concurrent.futures import Future
from pathlib import Path

import msgspec
import pytest

from shelfwise.domain import DAY_US, Answer, Degraded, StoreUnavailable
from shelfwise.stores import Receipt
from shelfwise.streaming import ANSWERS, answer_rows, find_answer
from streaming.shop import NOW_US, ShopUnderTest, an_event, encoded


def an_answer(number: int, items: tuple[str, ...] = ("i1", "i2"), at_us: int = NOW_US) -> Answer:
    return Answer(
        recommendation_id=f"{at_us // 1000:011x}{number:013x}", answered_us=at_us, user_id="ann", anonymous_id=None,
        session_id=None, placement="home", strategy="auto", release="r-1", items=items,
        scores=tuple(0.5 for _ in items), propensities=tuple(1.0 for _ in items),
        sources=tuple({"session": 0.25} for _ in items), features=tuple(b"\0" * 8 for _ in items),
    )  # fmt: skip


def test_an_answer_is_found_by_its_id_wherever_its_batch_lies(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    answers = [an_answer(n) for n in range(9)]
    for start in (0, 2, 5):
        shop.inbox.submit("answers", answers[start : start + 4])
    for answer in answers:
        assert find_answer(shop.state, shop.log, answer.recommendation_id) == answer
    assert find_answer(shop.state, shop.log, "unknown") is None
    shop.close()


def test_answers_appended_before_a_kill_are_found_after_it(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    shop.keeper.commit([("answers", msgspec.msgpack.encode([an_answer(1)]))])
    shop.keeper.settle()
    shop.crash()
    again = ShopUnderTest(tmp_path, lake=shop.lake, control=shop.control)
    assert find_answer(again.state, again.log, an_answer(1).recommendation_id) == an_answer(1)
    again.close()


def test_answers_wait_for_a_commit_to_share_and_are_told_after_it(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    (receipt,) = shop.keeper.commit([("answers", msgspec.msgpack.encode([an_answer(1)]))])
    assert isinstance(receipt, Future)
    assert not receipt.done()
    assert 0 < shop.keeper.tick() <= 0.2
    shop.keeper.commit([("events", encoded(an_event(1)))])
    assert receipt.result(0) == Receipt(accepted=1)
    shop.close()


def test_answers_alone_wait_no_longer_than_they_may(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    (receipt,) = shop.keeper.commit([("answers", msgspec.msgpack.encode([an_answer(1)]))])
    assert isinstance(receipt, Future)
    while not receipt.done():
        time.sleep(shop.keeper.tick())
    assert find_answer(shop.state, shop.log, an_answer(1).recommendation_id) == an_answer(1)
    shop.close()


def test_answers_that_could_not_be_written_are_told_so(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    (receipt,) = shop.keeper.commit([("answers", msgspec.msgpack.encode([an_answer(1)]))])
    assert isinstance(receipt, Future)
    shop.log.close()
    shop.keeper.settle()
    with pytest.raises(StoreUnavailable):
        receipt.result(0)


def test_the_lake_has_a_row_per_shown_position(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    shop.inbox.submit("answers", [an_answer(1), an_answer(2, items=())])
    shop.inbox.submit("drain", {})
    rows = shop.lake.rows("answers")
    assert [(row["position"], row["item_id"]) for row in rows] == [(1, "i1"), (2, "i2"), (0, None)]
    assert rows[0]["sources"] == '{"session":0.25}'
    shop.close()


def test_a_marked_fallback_is_told_in_the_lake() -> None:
    answer = msgspec.structs.replace(an_answer(1), degraded=Degraded("trending", "no time left"))
    table = answer_rows([answer])
    assert table.schema == ANSWERS
    assert table["degraded_level"].to_pylist() == ["trending", "trending"]


def test_each_row_tells_of_its_own_answer_and_position() -> None:
    two, none, one = an_answer(1, ("i1", "i2")), an_answer(2, ()), an_answer(3, ("i9",))
    rows = answer_rows([two, none, one]).to_pylist()
    assert [(row["recommendation_id"], row["position"], row["item_id"]) for row in rows] == [
        (two.recommendation_id, 1, "i1"),
        (two.recommendation_id, 2, "i2"),
        (none.recommendation_id, 0, None),
        (one.recommendation_id, 1, "i9"),
    ]
    assert [row["score"] for row in rows] == [0.5, 0.5, None, 0.5]
    assert {(row["seeds"], row["missing"], row["filter"]) for row in rows} == {("[]", "{}", None)}


def test_an_answer_is_found_among_those_of_other_workers_and_moments(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    moments = [NOW_US, NOW_US + 100_000, NOW_US + 10_000_000]
    batches = [[an_answer(worker, at_us=at_us) for at_us in moments] for worker in range(3)]
    shop.keeper.commit([("answers", msgspec.msgpack.encode(batch)) for batch in batches])
    shop.keeper.settle()
    shop.keeper.fold()
    for answer in (answer for batch in batches for answer in batch):
        assert find_answer(shop.state, shop.log, answer.recommendation_id) == answer
    assert find_answer(shop.state, shop.log, batches[0][0].recommendation_id[:-1] + "x") is None
    shop.close()


def test_old_answers_are_no_longer_looked_up(tmp_path: Path) -> None:
    shop = ShopUnderTest(tmp_path)
    old, young = an_answer(1, at_us=NOW_US - 8 * DAY_US), an_answer(2)
    shop.inbox.submit("answers", [old, young])
    shop.keeper._sweep()
    assert find_answer(shop.state, shop.log, old.recommendation_id) is None
    assert find_answer(shop.state, shop.log, young.recommendation_id) == young
    shop.close()
