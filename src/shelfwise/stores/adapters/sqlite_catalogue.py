"""The catalogue in its own SQLite file: a row per item, with its content as one blob.

Its own file, because a nightly feed of 100,000 items must not hold up a change of a rule. Synchronous NORMAL:
the log is what is durable. After the machine went down the file may stand some commits back, at a position
of its own past, and the fold goes on from there to the same rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from shelfwise.domain import Item, StoreUnavailable
from shelfwise.stores import ItemChange, Position, StoredItem
from shelfwise.stores._changes import changed
from shelfwise.stores.adapters._sqlite import copy_database, open_reader, open_writer, reported, transaction

IDS_AT_ONCE = 500  # below SQLite's oldest limit of 999 values in a statement

_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    row INTEGER PRIMARY KEY,
    item_id TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL,
    etag TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    retired INTEGER NOT NULL,
    first_seen_us INTEGER NOT NULL,
    generation INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS items_by_generation ON items (generation);
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY, position TEXT NOT NULL, generation INTEGER NOT NULL);
INSERT OR IGNORE INTO state VALUES (1, '', 0);
"""
_FIELDS = "SELECT body, row, etag, updated_us, retired, first_seen_us FROM items "
_UPSERT = """
INSERT INTO items (body, row, etag, updated_us, retired, first_seen_us, item_id, generation)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (row) DO UPDATE SET body = excluded.body, etag = excluded.etag, updated_us = excluded.updated_us,
    retired = excluded.retired, generation = excluded.generation
"""


class SqliteCatalogue:
    """``Catalogue`` in one file. Any thread may call it; one process writes.

    Args:
        path: The database; made, with its folder, unless ``read_only``.
        read_only: For all processes but the one writer.

    Raises:
        StoreUnavailable: The file cannot be opened, is locked, is no database; or the disk is full.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with reported("catalogue", path):
            self._writer = None if read_only else _prepared(path)
            self._reader = open_reader(path)
            self._reader.execute("SELECT 1 FROM sqlite_schema").fetchone()  # is it there, and a database?
        self._writing, self._reading = Lock(), Lock()

    def apply(self, changes: Sequence[ItemChange], *, position: Position) -> list[StoredItem]:
        """Fold changes and the position in one transaction; each item as its change left it, in their order.

        A patch or delete of an unknown id is left out. Raises InvalidField for a change that is none.
        """
        with reported("catalogue", self.path), self._writing, transaction(self._open_writer()) as connection:
            known = _by_id(connection, {change.item_id for change in changes})
            before = dict(known)
            after = _folded(known, changes, next_row=_count(connection))
            fresh = [stored for item_id, stored in known.items() if stored is not before.get(item_id)]
            _write(connection, fresh, position)
        return after

    def position(self) -> Position:
        return Position(self._state()[0])

    def get(self, item_id: str) -> StoredItem | None:
        return self.get_many([item_id])[0]

    def get_many(self, item_ids: Sequence[str]) -> list[StoredItem | None]:
        with reported("catalogue", self.path), self._reading:
            known = _by_id(self._reader, set(item_ids))
        return [known.get(item_id) for item_id in item_ids]

    def page(self, *, after: str, limit: int) -> list[StoredItem]:
        """Items in the order of their ids, after an id; retired ones left out."""
        return self._select("WHERE item_id > ? AND NOT retired ORDER BY item_id LIMIT ?", after, limit)

    def since(self, generation: int) -> list[StoredItem]:
        """Items that changed after a generation, by row. ``since(0)`` is the whole catalogue."""
        if generation <= 0:
            return self._select("ORDER BY row")
        return self._select("WHERE generation > ? ORDER BY +row", generation)  # +: by the index, not by rows

    def generation(self) -> int:
        """Grows with each applied batch that changed something."""
        return int(self._state()[1])

    def copy_to(self, target: Path) -> None:
        """A consistent copy in one file, while changes go on."""
        with reported("catalogue", self.path):
            copy_database(self.path, target)

    def close(self) -> None:
        self._reader.close()
        if self._writer:
            self._writer.close()

    def _select(self, where: str, *values: object) -> list[StoredItem]:
        with reported("catalogue", self.path), self._reading:
            return [_stored(row) for row in self._reader.execute(_FIELDS + where, values)]

    def _state(self) -> tuple[str, int]:
        with reported("catalogue", self.path), self._reading:
            row: tuple[str, int] = self._reader.execute("SELECT position, generation FROM state").fetchone()
        return row

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            raise StoreUnavailable(f"catalogue {self.path} is opened to read; expected the writing process")
        return self._writer


def _prepared(path: Path) -> sqlite3.Connection:
    connection = open_writer(path, synchronous="NORMAL")
    connection.executescript(_SCHEMA)
    return connection


def _by_id(connection: sqlite3.Connection, item_ids: Iterable[str]) -> dict[str, StoredItem]:
    wanted, found = list(item_ids), dict[str, StoredItem]()
    for start in range(0, len(wanted), IDS_AT_ONCE):
        some = wanted[start : start + IDS_AT_ONCE]
        marks = ", ".join("?" * len(some))
        for row in connection.execute(f"{_FIELDS} WHERE item_id IN ({marks})", some):
            stored = _stored(row)
            found[stored.item.item_id] = stored
    return found


def _count(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute("SELECT coalesce(max(row) + 1, 0) FROM items").fetchone()
    return int(count)


def _folded(
    known: dict[str, StoredItem], changes: Sequence[ItemChange], *, next_row: int
) -> list[StoredItem]:
    """Fold the changes into ``known``; each item as its change left it."""
    after: list[StoredItem] = []
    for change in changes:
        stored = changed(known.get(change.item_id), change, next_row=next_row)
        if stored is not None:
            next_row = max(next_row, stored.row + 1)
            known[change.item_id] = stored
            after.append(stored)
    return after


def _write(connection: sqlite3.Connection, fresh: list[StoredItem], position: Position) -> None:
    connection.execute(
        "UPDATE state SET position = ?, generation = generation + ?", (position, int(bool(fresh)))
    )
    (generation,) = connection.execute("SELECT generation FROM state").fetchone()
    connection.executemany(_UPSERT, (_values(stored, generation) for stored in fresh))


def _values(stored: StoredItem, generation: int) -> tuple[Any, ...]:
    return (
        _encode(stored.item), stored.row, stored.etag, stored.updated_us, stored.retired, stored.first_seen_us,
        stored.item.item_id, generation,
    )  # fmt: skip


def _stored(row: tuple[Any, ...]) -> StoredItem:
    body, number, etag, updated_us, retired, first_seen_us = row
    return StoredItem(_decode(body), number, etag, updated_us, bool(retired), first_seen_us)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Item).decode
