"""kill -9 of a real keeper at random moments under load: nothing acknowledged is lost, nothing counts twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest

from shelfwise.app._layout import Layout
from shelfwise.domain import Context, Event, EventLine, Item, StoreUnavailable
from shelfwise.features import unpack_state
from shelfwise.stores import ItemChange
from shelfwise.stores.adapters.delta_lake import DeltaLake
from shelfwise.stores.adapters.lmdb_state import LmdbState
from shelfwise.stores.adapters.mapped_live import MappedLive
from shelfwise.stores.adapters.sqlite_log import SqliteLog
from shelfwise.stores.adapters.unix_inbox import UnixInbox

KILLS = int(os.environ.get("SHELFWISE_TEST_KILLS", "10"))
PEOPLE, ITEMS, SENDERS, BATCH = 200, 50, 3, 20


class KeptShop:
    """A shop folder with a keeper process that is started again and again."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder)
        self.layout.make()
        self.layout.settings.write_text("")
        self.process: subprocess.Popen[bytes] | None = None
        self.slowest_s = 0.0

    def start(self) -> None:
        began = time.monotonic()
        reader, writer = os.pipe()
        command = [sys.executable, "-m", "shelfwise.app._keeper_main", str(self.layout.folder)]
        self.process = subprocess.Popen([*command, "--ready-fd", str(writer)], pass_fds=(writer,))
        os.close(writer)
        assert os.read(reader, 1) == b"1"
        os.close(reader)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(20) == 0


class Sender(threading.Thread):
    """Sends batches, each again and again until it is acknowledged, as a client does."""

    def __init__(self, path: Path, number: int) -> None:
        super().__init__()
        self.inbox, self.number, self.rng = UnixInbox(path), number, random.Random(number)
        self.acknowledged: dict[str, Event] = {}
        self.stopping = False

    def run(self) -> None:
        count = 0
        while not self.stopping:
            batch = [self.event(count + at) for at in range(BATCH)]
            count += BATCH
            while not self.stopping:
                try:
                    receipt = self.inbox.submit("events", batch)
                except StoreUnavailable:
                    time.sleep(0.01)
                    continue
                assert receipt.conflicts == ()
                assert receipt.accepted + len(receipt.duplicates) == len(batch)
                self.acknowledged.update((event.event_id, event) for event in batch)
                break
        self.inbox.close()

    def event(self, count: int) -> Event:
        now_us = time.time_ns() // 1000
        return Event(
            event_id=f"{self.number}-{count}", event=self.rng.choice(["view_item", "purchase"]),
            occurred_us=now_us - self.rng.randrange(3_600_000_000), received_us=now_us,
            user_id=f"u{self.rng.randrange(PEOPLE)}", context=Context(country="GB"),
            lines=tuple(self.line() for _ in range(self.rng.randrange(1, 4))),
        )  # fmt: skip

    def line(self) -> EventLine:
        return EventLine(f"i{self.rng.randrange(ITEMS)}", 1, 100, "GBP")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[KeptShop]:
    shop = KeptShop(tmp_path)
    yield shop
    if shop.process is not None and shop.process.poll() is None:
        shop.kill()


def changes() -> list[ItemChange]:
    return [
        ItemChange(action="put", item_id=f"i{n}", at_us=1, item=Item(item_id=f"i{n}", title=f"item {n}"))
        for n in range(ITEMS)
    ]


@pytest.mark.slow
def test_a_keeper_killed_at_random_moments_loses_nothing_and_counts_nothing_twice(shop: KeptShop) -> None:
    shop.start()
    UnixInbox(shop.layout.socket).submit("items", changes())
    senders = [Sender(shop.layout.socket, number) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    rng = random.Random(11)
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.1, 1.5))
        shop.kill()
        shop.start()
    time.sleep(0.5)
    for sender in senders:
        sender.stopping = True
        sender.join()
    inbox = UnixInbox(shop.layout.socket)
    inbox.submit("drain", {})
    inbox.close()
    shop.stop()

    acknowledged = {key: event for sender in senders for key, event in sender.acknowledged.items()}
    stored = logged(shop.layout)
    print(
        f"{KILLS} kills, {len(acknowledged)} acknowledged, {len(stored)} stored, ready <= {shop.slowest_s:.1f} s"
    )
    assert Counter(event.event_id for event in stored).most_common(1)[0][1] == 1
    events = {event.event_id: event for event in stored}
    assert acknowledged.keys() <= events.keys()
    assert_states_hold(shop.layout, events)
    assert_lake_holds(shop.layout, events)


def logged(layout: Layout) -> list[Event]:
    log = SqliteLog(layout.log, read_only=True)
    found, after = [], ""
    while entries := log.read("events", after, limit=500):
        found += [
            event for entry in entries for event in msgspec.msgpack.decode(entry.blob, type=list[Event])
        ]
        after = entries[-1].position
    log.close()
    return found


def assert_states_hold(layout: Layout, events: dict[str, Event]) -> None:
    """Lines of every person, and the counters of items, are those of the set of events."""
    state = LmdbState(layout.state, read_only=True)
    lines = Counter(event.user_id for event in events.values() for _ in event.lines)
    for user_id, count in lines.items():
        held = unpack_state(state.get(b"u:" + user_id.encode())).lines
        assert len(held) == min(count, 2_000)
    state.close()
    bought = MappedLive(layout.live / "items").view().counters["item__purchase__count__7d"]
    assert bought.sum() == sum(len(event.lines) for event in events.values() if event.event == "purchase")


def assert_lake_holds(layout: Layout, events: dict[str, Event]) -> None:
    """Each line once, none missing."""
    files = DeltaLake(layout.lake).files("event_lines")
    rows, distinct = duckdb.sql(
        "SELECT count(*), count(DISTINCT (event_id, line)) FROM read_parquet(?)", params=[files]
    ).fetchall()[0]
    assert rows == distinct == sum(len(event.lines) for event in events.values())
