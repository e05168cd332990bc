"""The board: a page of mapped memory with a counter per thing that may change."""

from __future__ import annotations

import fcntl
import mmap
import struct
from pathlib import Path
from threading import Lock

from shelfwise.domain import StoreUnavailable, UnknownName
from shelfwise.stores import BOARD_NAMES
from shelfwise.stores.adapters._files import write_durably

_MAGIC = int.from_bytes(b"shelfbd1", "little")
_BYTES = mmap.PAGESIZE
_PLACE = {name: place for place, name in enumerate(BOARD_NAMES, start=1)}  # place 0 holds the magic


class MappedBoard:
    """``Board`` in one mapped file: a counter is 8 aligned bytes, read and written as a whole.

    Counters outlive processes. After a machine went down they may stand lower; then no reader is alive to mind.

    Raises:
        StoreUnavailable: There is no board yet (``read_only``), or no disk space for one.
        UnknownName: A name that is not on the board.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path, self._read_only = path, read_only
        try:
            if not _whole(path):
                _make(path, read_only=read_only)
            self._file = path.open("rb" if read_only else "r+b")
        except OSError as trouble:
            raise StoreUnavailable(f"board {path} is unavailable ({trouble})") from trouble
        access = mmap.ACCESS_READ if read_only else mmap.ACCESS_WRITE
        self._memory = mmap.mmap(self._file.fileno(), _BYTES, access=access)
        self._cells = memoryview(self._memory).cast("q")
        self._bumping = Lock()

    def read(self, name: str) -> int:
        """The counter of a name, as it stands this instant in any process."""
        try:
            return self._cells[_PLACE[name]]
        except KeyError:
            raise UnknownName("counter", name, BOARD_NAMES) from None

    def bump(self, name: str) -> int:
        """Add 1; the new count. Processes that bump at once take turns, so that no change is missed."""
        place = _PLACE.get(name)
        if place is None:
            raise UnknownName("counter", name, BOARD_NAMES)
        if self._read_only:
            raise StoreUnavailable(f"board {self.path} is opened to read; expected a writing process")
        with self._bumping:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                self._cells[place] += 1
                return self._cells[place]
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        self._cells.release()
        self._memory.close()
        self._file.close()


def _make(path: Path, *, read_only: bool) -> None:
    if read_only:
        raise StoreUnavailable(f"board {path} is missing or damaged; expected the one that the keeper makes")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, struct.pack("<q", _MAGIC).ljust(_BYTES, b"\0"))


def _whole(path: Path) -> bool:
    if not path.exists() or path.stat().st_size != _BYTES:
        return False
    with path.open("rb") as file:
        return file.read(8) == struct.pack("<q", _MAGIC)
