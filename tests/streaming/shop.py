"""A shop folder with a keeper over the real stores of the embedded profile, and events to give it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from shelfwise.domain import Context, Event, EventLine, Item, StoreUnavailable
from shelfwise.stores import ItemChange, Receipt
from shelfwise.stores.adapters.lmdb_state import LmdbState
from shelfwise.stores.adapters.mapped_board import MappedBoard
from shelfwise.stores.adapters.mapped_live import MappedLive
from shelfwise.stores.adapters.sqlite_catalogue import SqliteCatalogue
from shelfwise.stores.adapters.sqlite_log import SqliteLog
from shelfwise.streaming import DirectInbox, Keeper, KeeperSettings, KeeperStores, SeenIds

NOW_US = 1_700_000_000_000_000


class Lake:
    """A lake in memory; pickled nowhere, so a test that kills processes uses the real one."""

    def __init__(self) -> None:
        self.tables: dict[str, list[pa.Table]] = {}
        self.versions: dict[tuple[str, str], int] = {}
        self.away = False

    def append(self, table: str, rows: pa.Table, *, sink: str, version: int) -> bool:
        if self.away:
            raise StoreUnavailable("the lake is away")
        if version <= self.versions.get((table, sink), -1):
            return False
        self.tables.setdefault(table, []).append(rows)
        self.versions[table, sink] = version
        return True

    def merge(self, table: str, rows: pa.Table, *, key: Sequence[str], sink: str, version: int) -> bool:
        held = {tuple(row[name] for name in key) for row in self.rows(table)}
        keep = [tuple(row[name] for name in key) not in held for row in rows.to_pylist()]
        return self.append(table, rows.filter(pa.array(keep)), sink=sink, version=version)

    def version(self, table: str, sink: str) -> int:
        return self.versions.get((table, sink), -1)

    def files(self, table: str) -> list[str]:
        return []

    def delete(self, table: str, predicate: str) -> int:
        return 0

    def compact(self, table: str) -> None: ...

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [row for part in self.tables.get(table, []) for row in part.to_pylist()]


class Control:
    """Documents in memory."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], dict[str, Any]] = {}
        self.letters: list[Any] = []

    def put(self, kind: str, key: str, body: Any, **_: Any) -> str:
        self.held[kind, key] = dict(body)
        return "e1"

    def get(self, kind: str, key: str) -> tuple[dict[str, Any], str] | None:
        body = self.held.get((kind, key))
        return None if body is None else (body, "e1")

    def delete(self, kind: str, key: str, **_: Any) -> bool:
        return self.held.pop((kind, key), None) is not None

    def forget(self, kind: str, key: str) -> int:
        return int(self.delete(kind, key))

    def documents(
        self, kind: str, *, after: str = "", limit: int = 200
    ) -> list[tuple[str, dict[str, Any], str]]:
        return [(k, body, "e1") for (of, k), body in sorted(self.held.items()) if of == kind and k > after]

    def add_dead_letters(self, letters: Any, *, at_us: int) -> None:
        self.letters += letters


class ShopUnderTest:
    """All stores of a shop in a folder, and its keeper."""

    def __init__(
        self, folder: Path, *, lake: Any = None, control: Any = None, now_us: int = NOW_US, **settings: Any
    ):
        self.folder, self.now_us = folder, now_us
        self.log = SqliteLog(folder / "log.sqlite")
        self.state = LmdbState(folder / "state", map_bytes=1 << 20)
        self.catalogue = SqliteCatalogue(folder / "catalogue.sqlite")
        self.live = MappedLive.rebuilt(folder / "items", self.catalogue.since(0))
        self.lake = Lake() if lake is None else lake
        self.control = Control() if control is None else control
        self.board = MappedBoard(folder / "board")
        self.seen = SeenIds(folder / "seen")
        stores = KeeperStores(
            self.log, self.state, self.catalogue, self.live, self.lake, self.control, None, self.board, self.seen,
            lambda: self.now_us, lambda target: [str(target)],
        )  # fmt: skip
        settings.setdefault("lake_every_s", 3600.0)
        self.keeper = Keeper(stores, KeeperSettings(**settings))
        self.inbox = DirectInbox(self.keeper)

    def send(self, *events: Event) -> Receipt:
        return self.inbox.submit("events", list(events))

    def put(self, *item_ids: str, **fields: Any) -> Receipt:
        changes = [
            ItemChange(action="put", item_id=i, at_us=self.now_us, item=Item(item_id=i, title=i, **fields))
            for i in item_ids
        ]
        return self.inbox.submit("items", changes)

    def contents(self) -> dict[bytes, Any]:
        """Everything online, versions of people left out: they count batches, not events."""
        self.inbox.submit("drain", {})
        found: dict[bytes, Any] = dict(self.state.scan(b"l:"))
        for prefix in (b"u:", b"a:"):
            for key, blob in self.state.scan(prefix):
                found[key] = without_version(blob)
        return found

    def counters(self) -> dict[str, list[int]]:
        self.inbox.submit("drain", {})
        return {name: column.tolist() for name, column in self.live.view().counters.items()}

    def close(self) -> None:
        self.inbox.close()
        self.crash()

    def crash(self) -> None:
        """Let go of the stores without a last fold."""
        self.state.close()
        self.catalogue.close()
        self.log.close()


def without_version(blob: bytes) -> tuple[Any, ...]:
    from shelfwise.features import unpack_state

    state = unpack_state(blob)
    return (state.lines.tobytes(), state.first_seen_us, state.country, state.opted_out, state.country_at_us)


def an_event(number: int, **fields: Any) -> Event:
    """An event of its own, a minute or so before the last, of a few people and items."""
    rng = random.Random(number)
    values: dict[str, Any] = {
        "event_id": f"e-{number}",
        "event": rng.choice(["view_item", "add_to_cart", "purchase", "search"]),
        "occurred_us": NOW_US - 60_000_000 * (1 + number) - rng.randrange(30_000_000),
        "received_us": NOW_US,
        "user_id": rng.choice([None, "ann", "bob"]),
        "anonymous_id": rng.choice(["v1", "v2", "v3"]),
        "context": Context(country=rng.choice([None, "GB", "DE"])),
    }
    values["lines"] = tuple(
        EventLine(f"i{rng.randrange(6)}", rng.randrange(1, 4), 250, "GBP") for _ in range(rng.randrange(4))
    )
    return Event(**{**values, **fields})


def encoded(*events: Event) -> bytes:
    return msgspec.msgpack.encode(events)
