"""Online state in LMDB: one writing process, many readers, a blob per key.

It is written without any sync, through the map: the log is what is durable, and state is a fold of it. What
that means for trust in the files:

* a killed process leaves them whole. The kernel keeps the pages, and LMDB turns to a new root last;
* a machine that went down may have kept any part of them. So the file ``unclean`` holds the id of the boot
  under which a writer is, or was, at work; found with another id, or with files LMDB cannot read, the
  environment is emptied at opening and says ``needs_rebuild``.

Space is allocated before it is mapped: a write into a hole of a full disk would be a SIGBUS, not an error.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import lmdb

from shelfwise.domain import InvalidField, ShelfwiseError, StoreUnavailable
from shelfwise.stores import START, Position
from shelfwise.stores.adapters._files import boot_id, sync_folder, write_durably

MAP_BYTES = 64 << 20  # to begin with; doubled when full. On disk at once, see above
MAX_KEY_BYTES = 511  # LMDB's own limit
LARGE_BYTES = 2_000  # a value this long stands on pages of its own, and in its leaf only by their number
SPARSE = 8  # keys to a leaf page; fewer, and leaves with large values are merged as they are written
SCAN_PAIRS = 1_000  # read under one lock: the commit that waits for it waits some 2 ms
LOOK_S = 1.0  # how often a reader looks whether the files were replaced under it
_BUILT = b"\0built"  # no position has such a name
_UNREADABLE = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.VersionMismatchError, lmdb.PageNotFoundError)

log = logging.getLogger("shelfwise.stores")


class LmdbState:
    """``StateStore`` in a folder. Any thread may call it; one process may open it once.

    Args:
        folder: Holds the environment; made, unless ``read_only``.
        read_only: For all processes but the one writer.
        map_bytes: Size to begin with.

    Raises:
        StoreUnavailable: It is not there yet, cannot be opened, or the disk is full.
        InvalidField: A key is empty or above ``MAX_KEY_BYTES``.
    """

    def __init__(self, folder: Path, *, read_only: bool = False, map_bytes: int = MAP_BYTES) -> None:
        self.folder, self._read_only, self._map_bytes = folder, read_only, map_bytes
        self._lock = Lock()  # also against the rule that no transaction may be open while the map grows
        with _reported(folder):
            if not read_only:
                _claim(folder)
            self._open()

    @property
    def needs_rebuild(self) -> bool:
        """True until ``mark_built``: it is new, or was found unclean and emptied."""
        return self._get_many([_BUILT], "positions") == [None]

    def mark_built(self) -> None:
        """The fold has caught up: what is here is complete."""
        self._write({}, {_BUILT: b"1"})

    def get(self, key: bytes) -> bytes | None:
        return self._get_many((key,), "state")[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._get_many(keys, "state")

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All pairs whose key starts with ``prefix``, in key order; each run of 1,000 is of one commit."""
        pairs = self._pairs(prefix, after=None)
        while pairs:
            yield from pairs
            pairs = self._pairs(prefix, after=pairs[-1][0])

    def commit(self, changes: Mapping[bytes, bytes | None], positions: Mapping[str, Position]) -> None:
        """Write all values (None deletes) and positions, or nothing. Values are absolute."""
        self._write(changes, {name.encode(): position.encode() for name, position in positions.items()})

    def position(self, name: str) -> Position:
        """What was last committed under ``name``; START if never."""
        (found,) = self._get_many((name.encode(),), "positions")
        return START if found is None else Position(found.decode())

    def clear(self) -> None:
        """Forget everything, positions too; ``needs_rebuild`` from now on. Readers go on."""
        with _reported(self.folder), self._lock, self._env.begin(write=True) as txn:
            for db in self._dbs.values():
                txn.drop(db, delete=False)

    def copy_to(self, target: Path) -> None:
        """A consistent copy in a folder. Commits wait for it."""
        target.mkdir(parents=True, exist_ok=True)
        with _reported(self.folder), self._lock:
            self._env.copy(str(target), compact=True)

    def close(self) -> None:
        """Leave the files clean: what was committed is on disk when this returns."""
        with _reported(self.folder), self._lock:
            if not self._read_only:
                self._env.sync(True)
            self._env.close()
            if not self._read_only:
                _release(self.folder)

    def _open(self) -> None:
        self._env = _open_readable(self.folder, self._map_bytes, read_only=self._read_only)
        self._dbs = {
            name: self._env.open_db(name.encode(), create=not self._read_only)
            for name in ("state", "positions")
        }
        self._inode, self._look_at = _inode(self.folder), time.monotonic() + LOOK_S

    def _get_many(self, keys: Sequence[bytes], name: str) -> list[bytes | None]:
        try:  # not _reported: every answer begins here, and a context manager costs as much as the read
            with self._lock, self._begin() as txn:
                return [txn.get(key, db=self._dbs[name]) for key in keys]
        except lmdb.Error as trouble:
            raise _translated(self.folder, trouble, keys) from trouble

    def _pairs(self, prefix: bytes, *, after: bytes | None) -> list[tuple[bytes, bytes]]:
        """Up to ``SCAN_PAIRS`` pairs with a prefix, from a key on (without it)."""
        with _reported(self.folder, [prefix] if prefix else ()), self._lock, self._begin() as txn:
            return list(_forward(txn.cursor(self._dbs["state"]), prefix, after))

    def _begin(self) -> Any:
        """A reading transaction, whatever the writer did to the map or the files meanwhile."""
        if self._read_only and time.monotonic() > self._look_at:
            self._look()
        try:
            return self._env.begin()
        except lmdb.MapResizedError:
            self._env.set_mapsize(0)  # take over the writer's size
            return self._env.begin()

    def _look(self) -> None:
        """Open the files anew if others stand in their place."""
        self._look_at = time.monotonic() + LOOK_S
        if _inode(self.folder) not in (self._inode, None):
            self._env.close()
            self._open()

    def _write(self, changes: Mapping[bytes, bytes | None], positions: Mapping[bytes, bytes]) -> None:
        put = [(key, value) for key, value in changes.items() if value is not None]
        gone = [key for key, value in changes.items() if value is None]
        with _reported(self.folder, changes), self._lock:
            while True:
                try:
                    return self._write_once(put, gone, positions)
                except lmdb.MapFullError:
                    self._grow()

    def _write_once(
        self, put: list[tuple[bytes, bytes]], gone: list[bytes], positions: Mapping[bytes, bytes]
    ) -> None:
        with self._env.begin(write=True) as txn:
            self._thin_out(txn, put)
            txn.cursor(self._dbs["state"]).putmulti(put)
            for key in gone:
                txn.delete(key, db=self._dbs["state"])
            txn.cursor(self._dbs["positions"]).putmulti(list(positions.items()))

    def _thin_out(self, txn: Any, put: list[tuple[bytes, bytes]]) -> None:
        """Delete large values before they are written again, if leaves are sparse: only a deletion merges leaves.

        A value that outgrows its leaf leaves it empty. Of 50,000 histories grown to 5 kB each stood on a leaf of its
        own, and each write copied one: 8.3 us a value, 5.2 us once they were merged.
        """
        stat = txn.stat(self._dbs["state"])
        if SPARSE * stat["leaf_pages"] > stat["entries"]:
            for key, value in put:
                if len(value) > LARGE_BYTES:
                    txn.delete(key, db=self._dbs["state"])

    def _grow(self) -> None:
        self._env.reader_check()  # a killed reader holds old pages, else for ever
        size = 2 * self._env.info()["map_size"]
        _allocate(self.folder, size)
        self._env.set_mapsize(size)


def _open_readable(folder: Path, map_bytes: int, *, read_only: bool) -> Any:
    """The environment; a writer that finds files LMDB cannot read begins with empty ones."""
    if read_only:
        return lmdb.open(str(folder), map_size=0, max_dbs=2, readonly=True, create=False, max_spare_txns=4)
    try:
        return _open_to_write(folder, map_bytes)
    except _UNREADABLE as trouble:
        log.warning("state.discarded", extra={"reason": str(trouble)})
        _discard(folder)
        return _open_to_write(folder, map_bytes)


def _open_to_write(folder: Path, map_bytes: int) -> Any:
    size = max(map_bytes, _size(folder))
    env = lmdb.open(
        str(folder), map_size=size, max_dbs=2, writemap=True, sync=False, metasync=False, meminit=False
    )
    env.reader_check()
    _allocate(folder, size)
    return env


def _claim(folder: Path) -> None:
    """Throw away what a writer of an earlier boot left open; from now on it is ours to close."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / "unclean"
    if mark.exists() and mark.read_text() != boot_id():
        log.warning("state.discarded", extra={"reason": "the machine went down while it was written"})
        _discard(folder)
    write_durably(mark, boot_id().encode())


def _release(folder: Path) -> None:
    (folder / "unclean").unlink(missing_ok=True)
    sync_folder(folder)


def _discard(folder: Path) -> None:
    for name in ("data.mdb", "lock.mdb"):
        (folder / name).unlink(missing_ok=True)


def _allocate(folder: Path, size: int) -> None:
    with (folder / "data.mdb").open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, size)


def _size(folder: Path) -> int:
    path = folder / "data.mdb"
    return path.stat().st_size if path.exists() else 0


def _inode(folder: Path) -> int | None:
    try:
        return (folder / "data.mdb").stat().st_ino
    except FileNotFoundError:
        return None


def _forward(cursor: Any, prefix: bytes, after: bytes | None) -> Iterator[tuple[bytes, bytes]]:
    start = after or prefix
    there = cursor.set_range(start) if start else cursor.first()
    if there and cursor.key() == after:
        there = cursor.next()
    for _ in range(SCAN_PAIRS):
        if not there or not cursor.key().startswith(prefix):
            return
        yield cursor.item()
        there = cursor.next()


@contextmanager
def _reported(folder: Path, keys: Iterable[bytes] = ()) -> Iterator[None]:
    """Turn LMDB's errors into ours."""
    try:
        yield
    except (lmdb.Error, OSError) as trouble:
        raise _translated(folder, trouble, keys) from trouble


def _translated(folder: Path, trouble: Exception, keys: Iterable[bytes]) -> ShelfwiseError:
    """A key of a wrong length is the caller's to fix; all else may pass with time."""
    if isinstance(trouble, lmdb.BadValsizeError):
        wrong = next((key for key in keys if not 1 <= len(key) <= MAX_KEY_BYTES), None)
        return InvalidField("key", wrong, f"1 to {MAX_KEY_BYTES} bytes")
    return StoreUnavailable(f"state {folder} is unavailable ({trouble})")
