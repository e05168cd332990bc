from __future__ import annotations

import asyncio

from shelfwise.serving.http._turns import Turns


def run(scene):  # type: ignore[no-untyped-def]
    return asyncio.run(scene())


def test_who_comes_to_an_idle_door_does_not_wait() -> None:
    async def scene() -> tuple[bool, int]:
        turns = Turns(4)
        return turns.free(), len(turns)

    assert run(scene) == (True, 0)


def test_turns_are_taken_in_order_of_arrival_one_a_round() -> None:
    async def scene() -> tuple[list[int], list[int]]:
        turns, order, rounds = Turns(10), [], []
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1
            loop.call_soon(tick)

        async def worker(number: int) -> None:
            await turns.wait()
            order.append(number)
            rounds.append(count)

        loop = asyncio.get_running_loop()
        loop.call_soon(tick)
        await asyncio.gather(*(worker(number) for number in range(5)))
        return order, rounds

    order, rounds = run(scene)
    assert order == [0, 1, 2, 3, 4]
    assert len(set(rounds)) == 5  # never two in one round of the loop


def test_the_queue_knows_when_it_is_full() -> None:
    async def scene() -> list[bool]:
        turns = Turns(2)
        turns.free()  # somebody is at work
        seen = [turns.full]
        waiting = [turns.wait(), turns.wait()]
        for one in waiting:
            one.send(None)  # up to where it waits, in the same round
        seen.append(turns.full)
        for _ in range(6):
            await asyncio.sleep(0)
        seen.append(turns.full)
        for one in waiting:
            one.close()
        return seen

    assert run(scene) == [False, True, False]


def test_a_patient_one_lets_those_who_came_later_go_first() -> None:
    async def scene() -> list[str]:
        turns, order = Turns(10), []

        async def worker(name: str, *, patient: bool = False) -> None:
            await turns.wait(patient=patient)
            order.append(name)

        await asyncio.gather(
            worker("first"), worker("batch", patient=True), worker("shopper"), worker("another shopper")
        )
        return order

    assert run(scene) == ["first", "shopper", "another shopper", "batch"]


def test_one_who_left_the_queue_costs_nobody_a_turn() -> None:
    async def scene() -> str:
        turns = Turns(10)
        turns.free()
        gone = asyncio.ensure_future(turns.wait())
        stays = asyncio.ensure_future(turns.wait())
        gone.cancel()
        await asyncio.wait_for(stays, 1.0)
        return "served"

    assert run(scene) == "served"


def test_after_the_last_turn_the_door_is_idle_again() -> None:
    async def scene() -> bool:
        turns = Turns(10)
        await asyncio.gather(*(turns.wait() for _ in range(3)))
        for _ in range(3):
            await asyncio.sleep(0)
        return turns.free()

    assert run(scene)
