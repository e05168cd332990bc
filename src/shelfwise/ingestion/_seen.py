"""The memory of event ids: has this id been taken in the last seven days, and with the same body?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import StoreUnavailable, day_of
from shelfwise.ingestion._seen_head import Head
from shelfwise.ingestion._seen_kernels import CONFLICT, DUPLICATE, NEW, insert, look_up, settle, siphash128
from shelfwise.stores import Position

__all__ = ["CONFLICT", "DUPLICATE", "NEW", "SeenIds"]

KEEP_DAYS = 7  # whole UTC days; with the day that is not over yet, ids are remembered for 7 to 8 days
_SLOT_BYTES = 24  # 16 of the id's hash, 8 of the body's
_FULL = 0.8  # linear probing looks at 3 slots for a known id and 13 for a new one at this load
_SMALLEST = 1 << 17  # slots: 3 MB for a shop of up to 100,000 events a day
_LARGEST = 1 << 22  # slots: 100 MB; what a busier day needs more comes as further tables
_HEADER = 4_096  # bytes before the slots: a page, so that the slots are aligned
_PENDING = 1 << 12  # slots of the table of what is not committed yet: emptied in 5 us


@dataclass(slots=True)
class _Table:
    """One mapped file of a day: ``facts`` are its UTC day and the number of ids in it."""

    path: Path
    facts: NDArray[np.int64]  # (2,)
    slots: NDArray[np.uint64]  # (2**p, 3)

    @property
    def day(self) -> int:
        return int(self.facts[0])

    @property
    def room(self) -> int:
        """Ids that still fit."""
        return int(len(self.slots) * _FULL) - int(self.facts[1])

    def take(self, ids: NDArray[np.uint64], bodies: NDArray[np.uint64]) -> None:
        self.facts[1] += insert(self.slots, ids, bodies, np.zeros(len(ids), np.int8))


@dataclass(slots=True)
class _Chunk:
    """Ids that were admitted and wait for the commit."""

    ids: NDArray[np.uint64]  # (N, 2)
    bodies: NDArray[np.uint64]  # (N,)


class SeenIds:
    """Event ids of the last seven days, with what their body was, in mapped files of one folder.

    The keeper asks ``admit``, writes what is new to the log, and says ``commit`` with the log's position: only
    then do the ids stay. So an id whose event was never written is never called a duplicate, whenever the process
    dies. After a restart, ``position`` says up to where the log is known; what follows is told by ``remember``.
    A crash of the machine loses the files: then ``position`` is START and the log is read again.

    Nothing is rehashed: a full table is followed by another of twice its size, a day's tables are deleted a week
    later. Two ids are held for one with a chance of 2**-128 each pair, and nobody outside can look for such a
    pair: the hash is keyed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._head = Head.open(folder)
        self._tables = [_open_table(path) for path in sorted(folder.glob("ids-*.bin"))]
        self._day = max((table.day for table in self._tables), default=0)
        self._number = max((_number_of(table.path) for table in self._tables), default=0)
        self._pending = np.zeros((_PENDING, 3), np.uint64)
        self._waiting: list[_Chunk] = []
        self._n_waiting = 0

    @classmethod
    def open(cls, folder: Path) -> SeenIds:
        """Open or make the memory in a folder of its own. Raises StoreUnavailable."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return cls(folder)
        except OSError as error:
            raise StoreUnavailable(f"the memory of event ids in {folder}: {error}") from error

    @property
    def position(self) -> Position:
        """The log up to here is remembered; START if nothing is."""
        return Position(self._head.position)

    @property
    def nbytes(self) -> int:
        """Bytes of mapped memory."""
        return sum(table.slots.nbytes for table in self._tables)

    def __len__(self) -> int:
        """Ids remembered, those that wait for a commit left out."""
        return sum(int(table.facts[1]) for table in self._tables)

    def admit(self, ids: Sequence[str], bodies: Sequence[bytes], at_us: int) -> NDArray[np.int8]:
        """The verdict on each id: 0 new, 1 duplicate with the same body, 2 conflict with another body.

        Of ids that are repeated in one call the first is new. New ids wait for ``commit``.
        """
        keys, sums = self._hash(ids, bodies)
        verdict = np.zeros(len(keys), np.int8)
        self._day = max(self._day, day_of(at_us))
        for table in self._recent():
            look_up(table.slots, keys, sums, verdict)
        self._make_room(len(keys))
        self._n_waiting += insert(self._pending, keys, sums, verdict)
        fresh = verdict == NEW
        self._waiting.append(_Chunk(keys[fresh], sums[fresh]))
        return verdict

    def commit(self, position: Position) -> None:
        """Keep what was admitted, now that the log holds it up to ``position``. Raises StoreUnavailable."""
        for chunk in self._waiting:
            self._keep(chunk)
        self._forget_waiting()
        self._head.move(position)
        self._expire()

    def rollback(self) -> None:
        """Forget what was admitted since the last commit: the log did not take it."""
        self._forget_waiting()

    def remember(self, ids: Sequence[str], bodies: Sequence[bytes], at_us: int) -> None:
        """Take in what the log holds already, whatever is known of it; ``commit`` then moves the position."""
        keys, sums = self._hash(ids, bodies)
        verdict = np.zeros(len(keys), np.int8)
        self._day = max(self._day, day_of(at_us))
        if day_of(at_us) < self._day - KEEP_DAYS:
            return
        for table in self._recent():
            look_up(table.slots, keys, sums, verdict)
            settle(table.slots, keys, sums, verdict)
        self._make_room(len(keys))
        self._n_waiting += insert(self._pending, keys, sums, verdict)
        fresh = verdict == NEW
        self._waiting.append(_Chunk(keys[fresh], sums[fresh]))

    def close(self) -> None:
        """Write everything down. What was admitted and not committed is forgotten."""
        self._forget_waiting()
        for table in self._tables:
            _flush(table.slots)
        self._head.close()
        self._tables = []

    def _hash(
        self, ids: Sequence[str], bodies: Sequence[bytes]
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Two words of each id ``(N, 2)``, one of each body ``(N,)``."""
        keys = _hash_all([text.encode() for text in ids], self._head.key)
        keys[:, 0] |= keys[:, 0] == 0  # a first word of 0 would be an empty slot
        return keys, np.ascontiguousarray(_hash_all(bodies, self._head.key)[:, 0])

    def _recent(self) -> list[_Table]:
        """Tables not older than a week, the newest first: most repeats come within seconds."""
        return [table for table in reversed(self._tables) if table.day >= self._day - KEEP_DAYS]

    def _make_room(self, n_more: int) -> None:
        """A pending table at most half full."""
        needed = 2 * (self._n_waiting + n_more)
        if needed <= len(self._pending):
            return
        self._pending = np.zeros((1 << needed.bit_length(), 3), np.uint64)
        for chunk in self._waiting:
            insert(self._pending, chunk.ids, chunk.bodies, np.zeros(len(chunk.ids), np.int8))

    def _keep(self, chunk: _Chunk) -> None:
        start = 0
        while start < len(chunk.ids):
            table = self._with_room()
            end = min(len(chunk.ids), start + table.room)
            table.take(chunk.ids[start:end], chunk.bodies[start:end])
            start = end

    def _with_room(self) -> _Table:
        last = self._tables[-1] if self._tables else None
        if last is not None and last.day == self._day and last.room > 0:
            return last
        self._number += 1
        path = self._folder / f"ids-{self._number:09d}.bin"
        self._tables.append(_make_table(path, self._next_size(), self._day))
        return self._tables[-1]

    def _next_size(self) -> int:
        """Twice today's last table; on a new day, what yesterday needed."""
        today = [table for table in self._tables if table.day == self._day]
        if today:
            return min(2 * len(today[-1].slots), _LARGEST)
        last_day = self._tables[-1].day if self._tables else 0
        n_ids = sum(int(table.facts[1]) for table in self._tables if table.day == last_day)
        return int(min(max(_SMALLEST, 1 << int(n_ids / _FULL).bit_length()), _LARGEST))

    def _forget_waiting(self) -> None:
        if len(self._pending) > _PENDING:
            self._pending = np.zeros((_PENDING, 3), np.uint64)
        elif self._n_waiting:
            self._pending[:] = 0
        self._waiting, self._n_waiting = [], 0

    def _expire(self) -> None:
        old = [table for table in self._tables if table.day < self._day - KEEP_DAYS]
        for table in old:
            table.path.unlink(missing_ok=True)
        if old:
            self._tables = self._recent()[::-1]


def _hash_all(texts: Sequence[bytes], key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SipHash-2-4-128 of each text, ``(N, 2)``."""
    ends = np.fromiter(map(len, texts), np.int64, len(texts)).cumsum()
    out = np.empty((len(texts), 2), np.uint64)
    siphash128(np.frombuffer(b"".join(texts), np.uint8), ends, key, out)
    return out


def _make_table(path: Path, size: int, day: int) -> _Table:
    """A new file, its blocks reserved: a full disk is an error here, not a crash when a page is written."""
    try:
        with path.open("xb") as file:
            os.posix_fallocate(file.fileno(), 0, _HEADER + size * _SLOT_BYTES)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StoreUnavailable(f"the memory of event ids, {path}: {error}") from error
    table = _open_table(path)
    table.facts[:] = day, 0
    return table


def _open_table(path: Path) -> _Table:
    size = (path.stat().st_size - _HEADER) // _SLOT_BYTES
    facts: Any = np.memmap(path, np.int64, "r+", 0, (2,))
    slots: Any = np.memmap(path, np.uint64, "r+", _HEADER, (size, 3))
    return _Table(path, facts.view(np.ndarray), slots.view(np.ndarray))


def _flush(slots: NDArray[np.uint64]) -> None:
    base: Any = slots.base
    if isinstance(base, np.memmap):
        base.flush()


def _number_of(path: Path) -> int:
    return int(path.stem.removeprefix("ids-"))
