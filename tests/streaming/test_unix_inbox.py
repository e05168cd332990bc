"""The keeper's socket: what is told when it is there, when it goes, and when it comes back."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shelfwise.domain import Conflict, InvalidField, StoreUnavailable
from shelfwise.stores import Receipt
from shelfwise.stores.adapters.unix_inbox import AsyncUnixInbox, UnixInbox
from shelfwise.stores.adapters.unix_inbox_server import InboxServer, Outcome


class Echo:
    """Tells back what was said; takes its time with some."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.pause_s = 0.0
        self.later: list[Future[Receipt]] = []

    def commit(self, requests: Sequence[tuple[str, Any]]) -> list[Outcome]:
        self.groups.append(len(requests))
        time.sleep(self.pause_s)
        return [self.one(command, msgspec.msgpack.decode(payload)) for command, payload in requests]

    def one(self, command: str, payload: Any) -> Outcome:
        if command == "field":
            return InvalidField("stock", payload, "a whole number")
        if command == "conflict":
            return Conflict("changed meanwhile")
        if command == "drain":
            self.later.append(Future())
            return self.later[-1]
        return Receipt(result=payload)

    def fold(self) -> None: ...

    def tick(self) -> float:
        return 0.05


class Running:
    """A server in a thread."""

    def __init__(self, path: Path) -> None:
        self.handler = Echo()
        self.server = InboxServer(path, self.handler)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def stop(self) -> None:
        self.server.stop()
        self.thread.join()


@pytest.fixture
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path has at most 107 bytes
        yield Path(folder) / "keeper.sock"


@pytest.fixture
def start(path: Path) -> Iterator[Callable[[], Running]]:
    running: list[Running] = []

    def begin() -> Running:
        running.append(Running(path))
        return running[-1]

    yield begin
    for one in running:
        if one.thread.is_alive():
            one.stop()


def test_a_receipt_comes_back_for_what_was_submitted(path: Path, start: Callable[[], Running]) -> None:
    start()
    inbox = UnixInbox(path)
    assert inbox.submit("say", {"a": [1, "x"]}).result == {"a": [1, "x"]}
    inbox.close()


def test_large_payloads_go_through(path: Path, start: Callable[[], Running]) -> None:
    start()
    inbox = UnixInbox(path)
    large = "x" * (12 << 20)
    assert inbox.submit("say", large).result == large
    inbox.close()


def test_the_keepers_errors_are_raised_with_their_class_and_words(
    path: Path, start: Callable[[], Running]
) -> None:
    start()
    inbox = UnixInbox(path)
    with pytest.raises(InvalidField, match=r"stock is -1; expected a whole number"):
        inbox.submit("field", -1)
    with pytest.raises(Conflict, match="changed meanwhile"):
        inbox.submit("conflict", None)
    inbox.close()


def test_only_the_owner_may_talk_to_the_keeper(path: Path, start: Callable[[], Running]) -> None:
    start()
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_a_keeper_it_fails_at_once_and_works_when_one_comes(
    path: Path, start: Callable[[], Running]
) -> None:
    inbox = UnixInbox(path)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        inbox.submit("say", 1)
    assert time.monotonic() - began < 5.0  # at once, not after the time-out
    running = start()
    assert inbox.submit("say", 1).result == 1
    running.stop()
    with pytest.raises(StoreUnavailable):
        inbox.submit("say", 2)
    start()
    assert inbox.submit("say", 3).result == 3
    inbox.close()


def test_requests_of_many_threads_are_answered_each_with_its_own(
    path: Path, start: Callable[[], Running]
) -> None:
    start()
    inbox = UnixInbox(path)
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda n: inbox.submit("say", n).result, range(200)))
    assert told == list(range(200))
    inbox.close()


def test_many_in_flight_share_groups_and_each_gets_its_own_answer(
    path: Path, start: Callable[[], Running]
) -> None:
    running = start()
    running.handler.pause_s = 0.01

    async def talk() -> list[Any]:
        inbox = AsyncUnixInbox(path)
        receipts = await asyncio.gather(*(inbox.submit("say", n) for n in range(500)))
        await inbox.aclose()
        return [receipt.result for receipt in receipts]

    assert asyncio.run(talk()) == list(range(500))
    assert len(running.handler.groups) < 100


def test_an_event_loop_hears_at_once_that_the_keeper_is_away_and_finds_it_again(
    path: Path, start: Callable[[], Running]
) -> None:
    async def talk() -> None:
        inbox = AsyncUnixInbox(path)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await inbox.submit("say", 1)
        assert time.monotonic() - began < 5.0  # at once, not after the time-out
        running = await asyncio.to_thread(start)
        assert (await until_there(inbox)).result == "there"
        await asyncio.to_thread(running.stop)
        await asyncio.sleep(0.05)
        with pytest.raises(StoreUnavailable):
            await inbox.submit("say", 2)
        await asyncio.to_thread(start)
        assert (await until_there(inbox)).result == "there"
        await inbox.aclose()

    asyncio.run(talk())


async def until_there(inbox: AsyncUnixInbox) -> Receipt:
    """The first answer within two seconds."""
    for _ in range(200):
        try:
            return await inbox.submit("say", "there")
        except StoreUnavailable:
            await asyncio.sleep(0.01)
    raise AssertionError("not found again")


def test_what_is_in_flight_when_the_keeper_goes_fails_and_says_that_it_is_unknown(
    path: Path, start: Callable[[], Running]
) -> None:
    async def talk() -> None:
        inbox = AsyncUnixInbox(path)
        running = await asyncio.to_thread(start)
        assert await inbox.connect()
        waiting = [asyncio.ensure_future(inbox.submit("drain", {})) for _ in range(3)]
        await asyncio.sleep(0.1)
        await asyncio.to_thread(running.stop)
        for one in waiting:
            with pytest.raises(StoreUnavailable, match="unknown"):
                await one
        await inbox.aclose()

    asyncio.run(talk())


def test_an_answer_that_takes_long_holds_up_nobody_else(path: Path, start: Callable[[], Running]) -> None:
    running = start()
    waiter, other = UnixInbox(path), UnixInbox(path)
    with ThreadPoolExecutor(1) as threads:
        long = threads.submit(waiter.submit, "drain", {})
        assert other.submit("say", 1).result == 1
        while not running.handler.later:
            time.sleep(0.01)
        running.handler.later[0].set_result(Receipt(result="done"))
        assert long.result(2).result == "done"
    waiter.close()
    other.close()


def test_more_than_may_be_in_flight_is_refused_not_queued(path: Path, start: Callable[[], Running]) -> None:
    start()

    async def talk() -> None:
        inbox = AsyncUnixInbox(path, max_in_flight=2)
        assert await inbox.connect()
        waiting = [asyncio.ensure_future(inbox.submit("drain", {})) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(StoreUnavailable, match="2 requests wait"):
            await inbox.submit("say", 1)
        await inbox.aclose()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(talk())


def test_a_peer_that_talks_nonsense_is_dropped_and_the_others_go_on(
    path: Path, start: Callable[[], Running]
) -> None:
    start()
    inbox = UnixInbox(path)
    for nonsense in (b"\xff\xff\xff\xff", b"\x03\0\0\0abc", b"\x01\0\0\0\xc1"):
        rude = socket.socket(socket.AF_UNIX)
        rude.connect(str(path))
        rude.sendall(nonsense)
        rude.settimeout(2)
        assert rude.recv(1) == b""
        rude.close()
    assert inbox.submit("say", 1).result == 1
    inbox.close()
