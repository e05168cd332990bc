"""The event log in one SQLite file: WAL, synchronous FULL, a row is a batch.

One process writes, many read. A table per stream in one file, so that one fsync covers whatever streams a
commit touches. A thread copies the WAL into the file beside the writer: done by the writer, the same
work stood in the way of every hundredth commit (measured: p99 17 ms against 8 ms on a busy disk).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Lock, Thread

from shelfwise.domain import InvalidField, StoreUnavailable
from shelfwise.stores import START, Entry, Position, Stream
from shelfwise.stores.adapters._sqlite import copy_database, open_reader, open_writer, reported, transaction

STREAMS: tuple[Stream, ...] = ("events", "answers", "items")
CHECKPOINT_BYTES = 4 << 20  # appended between two runs of the copying thread: 100 batches of 100 events
WAL_PAGES = 16_384  # 64 MB: past this the writer itself finishes the copying, so that the WAL starts over
TRIM_ROWS = 500  # deleted in one transaction: the writer is held up for a few ms only

log = logging.getLogger("shelfwise.stores")


class SqliteLog:
    """``EventLog`` in one file. Any thread may call it.

    Args:
        path: The database; made, with its folder, unless ``read_only``.
        read_only: For all processes but the one writer.

    Raises:
        StoreUnavailable: The file cannot be opened, is locked, is no database; or the disk is full.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with reported("event log", path):
            self._writer = None if read_only else _prepared(path)
            self._reader = open_reader(path)
            self._reader.execute("SELECT 1 FROM sqlite_schema").fetchone()  # is it there, and a database?
        self._writing, self._reading = Lock(), Lock()
        self._checkpoints = _Checkpoints(path) if self._writer else None

    def append(self, stream: Stream, blobs: Sequence[bytes], *, at_us: int) -> Position:
        """Append batches in one durable commit; the position after the last. Raises StoreUnavailable."""
        return self.append_all({stream: blobs}, at_us=at_us).get(stream) or self.end(stream)

    def append_all(self, batches: Mapping[Stream, Sequence[bytes]], *, at_us: int) -> dict[Stream, Position]:
        """Append to several streams in one durable commit; the new end of each. Raises StoreUnavailable."""
        with reported("event log", self.path), self._writing, transaction(self._open_writer()) as connection:
            ends = {
                stream: _inserted(connection, stream, blobs, at_us)
                for stream, blobs in batches.items()
                if blobs
            }
        if self._checkpoints:
            self._checkpoints.written(sum(len(blob) for blobs in batches.values() for blob in blobs))
        return ends

    def read(self, stream: Stream, after: Position, *, limit: int = 100) -> Sequence[Entry]:
        """Up to ``limit`` batches after a position, oldest first; empty at the end."""
        number = _number(after)
        with reported("event log", self.path), self._reading:
            rows = self._reader.execute(_READ[stream], (number, limit)).fetchall()
        return [Entry(_position(n), blob, at_us) for n, at_us, blob in rows]

    def end(self, stream: Stream) -> Position:
        """The position after the newest batch ever appended; START if there is none."""
        with reported("event log", self.path), self._reading:
            row = self._reader.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (stream,)).fetchone()
        return _position(row[0]) if row else START

    def trim(self, stream: Stream, *, before_us: int) -> int:
        """Forget the oldest batches, up to the first one appended at ``before_us`` or later; how many went."""
        with reported("event log", self.path):
            first = self._first_kept(stream, before_us)
            gone = 0
            while went := self._trim_some(stream, first):
                gone += went
        return gone

    def rewrite(self, stream: Stream, blobs: Mapping[Position, bytes]) -> None:
        """Replace stored batches, each under its own position: only to erase a person. Leaves no old bytes."""
        rows = [(blob, _number(position)) for position, blob in blobs.items()]
        with reported("event log", self.path), self._writing:
            connection = self._open_writer()
            connection.execute("PRAGMA secure_delete = ON")
            with transaction(connection):
                connection.executemany(_UPDATE[stream], rows)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA secure_delete = FAST")

    def copy_to(self, target: Path) -> None:
        """A consistent copy in one file, while appends go on."""
        with reported("event log", self.path):
            copy_database(self.path, target)

    def close(self) -> None:
        if self._checkpoints:
            self._checkpoints.close()
        with self._reading:  # never under a statement of another thread: that one is told, not torn down
            self._reader.close()
        with self._writing:
            if self._writer:
                self._writer.close()

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            raise StoreUnavailable(f"event log {self.path} is opened to read; expected the writing process")
        return self._writer

    def _first_kept(self, stream: Stream, before_us: int) -> int:
        with self._reading:
            row = self._reader.execute(_FIRST_KEPT[stream], (before_us,)).fetchone()
        return row[0] if row else _number(self.end(stream)) + 1

    def _trim_some(self, stream: Stream, first: int) -> int:
        with self._writing, transaction(self._open_writer()) as connection:
            return connection.execute(_DELETE[stream], (first, TRIM_ROWS)).rowcount


class _Checkpoints:
    """Copies the WAL into the database beside the writer."""

    def __init__(self, path: Path) -> None:
        self._path, self._bytes = path, 0
        self._wake, self._closing = Event(), False
        self._thread = Thread(target=self._run, name="log-checkpoints", daemon=True)
        self._thread.start()

    def written(self, n_bytes: int) -> None:
        self._bytes += n_bytes
        if self._bytes >= CHECKPOINT_BYTES:
            self._bytes = 0
            self._wake.set()

    def close(self) -> None:
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        connection = open_writer(self._path, synchronous="FULL")
        while self._wake.wait() and not self._closing:
            self._wake.clear()
            _checkpoint(connection)
        connection.close()


def _checkpoint(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error as trouble:  # nothing is lost, the WAL holds it; the writer will hear of a full disk
        log.warning("log.checkpoint_failed", extra={"reason": str(trouble)})


def _prepared(path: Path) -> sqlite3.Connection:
    connection = open_writer(path, synchronous="FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_PAGES * 4096}")
    connection.execute("PRAGMA secure_delete = FAST")
    for stream in STREAMS:  # AUTOINCREMENT: a position is never given twice, also after a trim of everything
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {stream} "
            "(n INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL, blob BLOB NOT NULL)"
        )
    return connection


def _inserted(connection: sqlite3.Connection, stream: Stream, blobs: Sequence[bytes], at_us: int) -> Position:
    for blob in blobs:
        n = connection.execute(_INSERT[stream], (at_us, blob)).lastrowid
    return _position(n or 0)


def _position(n: int) -> Position:
    return Position(f"{n:016d}")


def _number(position: Position) -> int:
    if position == START:
        return 0
    if not position.isdigit():
        raise InvalidField("position", position, "a position this log has given")
    return int(position)


def _for_each_stream(text: str) -> dict[Stream, str]:
    return {stream: text.replace("STREAM", stream) for stream in STREAMS}


_INSERT = _for_each_stream("INSERT INTO STREAM (at_us, blob) VALUES (?, ?)")
_READ = _for_each_stream("SELECT n, at_us, blob FROM STREAM WHERE n > ? ORDER BY n LIMIT ?")
_UPDATE = _for_each_stream("UPDATE STREAM SET blob = ? WHERE n = ?")
_FIRST_KEPT = _for_each_stream("SELECT n FROM STREAM WHERE at_us >= ? ORDER BY n LIMIT 1")
_DELETE = _for_each_stream(
    "DELETE FROM STREAM WHERE n IN (SELECT n FROM STREAM WHERE n < ? ORDER BY n LIMIT ?)"
)
