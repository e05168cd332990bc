from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shelfwise.domain import Answer, InvalidInput, StoreUnavailable
from shelfwise.serving import Recorder, new_id


class Inbox:
    """Takes answers, unless it is away."""

    def __init__(self) -> None:
        self.away, self.taken = False, list[str]()

    async def submit(self, command: str, payload: Any) -> None:
        assert command == "answers"
        if self.away:
            raise StoreUnavailable("the keeper is away")
        self.taken += [answer.recommendation_id for answer in payload]


def answer(number: int) -> Answer:
    return Answer(
        recommendation_id=f"a{number}", answered_us=number, user_id=None, anonymous_id=None, session_id=None,
        placement="home", strategy="auto", release="r", items=(), scores=(), propensities=(), sources=(),
    )  # fmt: skip


@given(st.integers(0, 4_000_000_000_000_000), st.integers(0, 4_000_000_000_000_000))
def test_ids_sort_as_their_milliseconds_do(one: int, two: int) -> None:
    if one // 1000 != two // 1000:
        assert (new_id(one) < new_id(two)) == (one < two)
    assert int(new_id(one)[:11], 16) == one // 1000


def test_no_two_ids_are_alike() -> None:
    assert len({new_id(0) for _ in range(10_000)}) == 10_000


def test_answers_reach_the_keeper_within_50_ms() -> None:
    async def scene() -> list[str]:
        inbox = Inbox()
        recorder = Recorder(inbox)
        task = asyncio.create_task(recorder.run())
        recorder.record(answer(1))
        await asyncio.sleep(0.05)
        task.cancel()
        return inbox.taken

    assert asyncio.run(scene()) == ["a1"]


def test_while_the_keeper_is_away_answers_wait_in_order_and_the_oldest_go_first() -> None:
    async def scene() -> tuple[list[str], tuple[int, int]]:
        inbox = Inbox()
        recorder = Recorder(inbox, limit=3)
        inbox.away = True
        for number in range(5):
            recorder.record(answer(number))
        await recorder.flush()
        inbox.away = False
        await recorder.flush()
        return inbox.taken, recorder.taken()

    assert asyncio.run(scene()) == (["a2", "a3", "a4"], (3, 2))


def test_answers_that_the_keeper_refuses_are_lost_and_the_next_go_on() -> None:
    class Refusing(Inbox):
        async def submit(self, command: str, payload: Any) -> None:
            if payload[0].recommendation_id == "a1":
                raise InvalidInput("answers are malformed")
            await super().submit(command, payload)

    async def scene() -> tuple[list[str], tuple[int, int]]:
        inbox = Refusing()
        recorder = Recorder(inbox)
        recorder.record(answer(1))
        await recorder.flush()
        recorder.record(answer(2))
        await recorder.flush()
        return inbox.taken, recorder.taken()

    assert asyncio.run(scene()) == (["a2"], (1, 1))


def test_what_was_counted_is_counted_once() -> None:
    recorder = Recorder(Inbox(), limit=1)
    recorder.record(answer(1))
    recorder.record(answer(2))
    assert recorder.taken() == (0, 1)
    assert recorder.taken() == (0, 0)


def test_a_batch_does_not_wait_until_the_one_before_it_is_durable() -> None:
    class Slow(Inbox):
        async def submit(self, command: str, payload: Any) -> None:
            await super().submit(command, payload)
            await asyncio.sleep(60)

    async def scene() -> list[str]:
        inbox = Slow()
        recorder = Recorder(inbox)
        task = asyncio.create_task(recorder.run())
        for number in range(2):
            recorder.record(answer(number))
            await asyncio.sleep(0.06)
        task.cancel()
        return inbox.taken

    assert asyncio.run(scene()) == ["a0", "a1"]
