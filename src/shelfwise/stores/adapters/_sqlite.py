"""What the SQLite adapters share: connections in WAL mode, and one way to report their trouble."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shelfwise.domain import StoreUnavailable

BUSY_S = 5.0  # the one writer waits for nobody but a backup or an operator's shell; longer than any of theirs


def open_writer(path: Path, *, synchronous: str) -> sqlite3.Connection:
    """A read-write connection in WAL mode; transactions are begun by hand, threads by the caller's lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; sees each commit of the writer, also of another process."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)


@contextmanager
def reported(noun: str, path: Path) -> Iterator[None]:
    """Turn SQLite's errors into StoreUnavailable with the reason."""
    try:
        yield
    except (sqlite3.Error, OSError) as trouble:
        raise StoreUnavailable(f"{noun} {path} is unavailable ({_reason(trouble)})") from trouble


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing: committed at the end, rolled back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk may have rolled back already
            connection.execute("ROLLBACK")
        raise


def copy_database(path: Path, target: Path) -> None:
    """A consistent copy of a database in one file, while others read and write."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    source = open_reader(path)
    try:
        source.execute("VACUUM INTO ?", (str(target),))
    finally:
        source.close()


def _reason(trouble: Exception) -> str:
    name = getattr(trouble, "sqlite_errorname", None)
    return f"{trouble}, {name}" if name else str(trouble)
