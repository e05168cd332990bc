"""The memory of event ids: a hash table in a mapped file that outlives the process, with its position in the log.

The table is only a memory: what it holds can be read again from the log. After a killed process the mapped pages are
still there and only the tail of the log is read; after an operating system that went down without ``close`` the table
starts empty and is filled from the log.
"""

from __future__ import annotations

import mmap
import os
import secrets
import struct
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, SECOND_US
from shelfwise.stores import START, Position
from shelfwise.streaming._digest import DIGEST

REMEMBER_US = 7 * DAY_US
NEW, DUPLICATE, CONFLICT = 0, 1, 2

_SLOT = np.dtype([("high", "<u8"), ("low", "<u8"), ("body", "<u4"), ("at_s", "<u4")])
_FULLEST = 0.7  # share of slots in use; above it linear probing walks long
_SMALLEST = 1 << 16
_HEADER = 4096
_HEAD = struct.Struct("<8sQQ40s")  # magic, seed, capacity, boot of the writer or "clean"
_MAGIC = b"seenids1"
_PLACES = (256, 512)  # where the two copies of (count, position) stand
_TURN = 128  # which of them is valid: one byte, so a kill never leaves half a position
_PLACE = struct.Struct("<QB")


class SeenIds:
    """Which event ids were accepted, and with which body. One process writes; ``folder`` is its own."""

    def __init__(self, folder: Path, *, smallest: int = _SMALLEST) -> None:
        self._path = folder / "seen_ids"
        folder.mkdir(parents=True, exist_ok=True)
        self._smallest = smallest
        if not self._open():
            self._create(smallest, secrets.randbits(64), START)

    @property
    def position(self) -> Position:
        """Up to where in the log's ``events`` stream ids are known."""
        return self._read_place()[1]

    def __len__(self) -> int:
        return self._read_place()[0]

    def check(self, digests: NDArray[np.void]) -> NDArray[np.uint8]:
        """NEW, DUPLICATE or CONFLICT (the same id with another body) for each event. Remembers nothing.

        Of several events of one id in the same batch the first is NEW.
        """
        codes = np.empty(len(digests), np.uint8)
        scratch = np.full(1 << max(4, (2 * len(digests)).bit_length()), -1, np.int64)
        _check(self._slots, digests, scratch, codes)
        return codes

    def remember(self, digests: NDArray[np.void], *, at_us: int, position: Position) -> None:
        """Remember what the log now holds up to ``position``. Doing it twice changes nothing."""
        if len(self) + len(digests) > _FULLEST * len(self._slots):
            self._grow(len(digests), at_us)
        added = _insert(self._slots, digests, at_us // SECOND_US)
        self._write_place(len(self) + added, position)

    def close(self) -> None:
        """Write everything down and mark it whole."""
        self._map.flush()
        self._sign(b"clean")
        self._release()

    def _open(self) -> bool:
        try:
            self._map = _mapped(self._path)
        except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
            return False
        if len(self._map) < _HEADER:
            self._map.close()
            return False
        magic, self.seed, capacity, boot = _HEAD.unpack_from(self._map)
        whole = magic == _MAGIC and len(self._map) == _size(capacity)
        if not whole or boot.rstrip(b"\0") not in (b"clean", boot_id()):
            self._map.close()
            return False
        self._view(capacity)
        self._sign(boot_id())
        return True

    def _create(self, capacity: int, seed: int, position: Position) -> None:
        beside = self._path.with_name("seen_ids.new")
        with beside.open("wb") as file:
            file.truncate(_size(capacity))
        self._map, self.seed = _mapped(beside), seed
        _HEAD.pack_into(self._map, 0, _MAGIC, seed, capacity, boot_id())
        self._view(capacity)
        self._write_place(0, position)
        self._map.flush(0, _HEADER)
        beside.replace(self._path)

    def _grow(self, more: int, now_us: int) -> None:
        """A larger table with what is still worth remembering."""
        old, old_map, position = self._slots, self._map, self.position
        kept = old[(old["high"] | old["low"]) != 0]
        kept = kept[kept["at_s"] >= (now_us - REMEMBER_US) // SECOND_US]
        capacity = max(self._smallest, int((len(kept) + more) * 1.6 / _FULLEST))
        self._create(capacity, self.seed, START)
        _reinsert(self._slots, kept)
        self._write_place(len(kept), position)
        del old
        _close(old_map)

    def _view(self, capacity: int) -> None:
        self._slots = np.frombuffer(self._map, _SLOT, capacity, _HEADER)

    def _sign(self, boot: bytes) -> None:
        magic, seed, capacity, _ = _HEAD.unpack_from(self._map)
        _HEAD.pack_into(self._map, 0, magic, seed, capacity, boot)
        self._map.flush(0, _HEADER)

    def _release(self) -> None:
        self._slots = np.empty(0, _SLOT)
        _close(self._map)

    def _read_place(self) -> tuple[int, Position]:
        at = _PLACES[self._map[_TURN]]
        count, width = _PLACE.unpack_from(self._map, at)
        start = at + _PLACE.size
        return count, Position(self._map[start : start + width].decode())

    def _write_place(self, count: int, position: Position) -> None:
        turn = 1 - self._map[_TURN]
        text = position.encode()
        _PLACE.pack_into(self._map, _PLACES[turn], count, len(text))
        start = _PLACES[turn] + _PLACE.size
        self._map[start : start + len(text)] = text
        self._map[_TURN] = turn


def boot_id() -> bytes:
    """Names the run of the operating system; empty where it has no such name, so that nothing is trusted."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return b""


def _size(capacity: int) -> int:
    return _HEADER + capacity * _SLOT.itemsize


def _mapped(path: Path) -> mmap.mmap:
    number = os.open(path, os.O_RDWR)
    try:
        return mmap.mmap(number, 0)
    finally:
        os.close(number)


def _close(mapped: mmap.mmap) -> None:
    try:
        mapped.close()
    except BufferError:  # a view is still alive; the map goes with it
        return


assert _PLACES[0] + 255 < _PLACES[1]
assert DIGEST["high"] == _SLOT["high"]


@njit(cache=True)
def _find(slots, high, low):  # type: ignore[no-untyped-def]
    """The slot of this id: taken by it, or the free one where it belongs.

    Slots stand in the order of ``low``, in any capacity, so that a larger table is filled from front to back.
    """
    at = np.int64(((low >> np.uint64(32)) * np.uint64(len(slots))) >> np.uint64(32))
    while (slots[at].high != high or slots[at].low != low) and (slots[at].high | slots[at].low) != 0:
        at += 1
        if at == len(slots):
            at = np.int64(0)
    return at


@njit(cache=True)
def _check(slots, digests, scratch, codes):  # type: ignore[no-untyped-def]
    mask = len(scratch) - 1
    for row in range(len(digests)):
        one = digests[row]
        held = slots[_find(slots, one.high, one.low)]
        if (held.high | held.low) != 0:
            codes[row] = DUPLICATE if held.body == one.body else CONFLICT
            continue
        at = np.int64(one.low & np.uint64(0x7FFFFFFF)) & mask
        while scratch[at] >= 0 and (
            digests[scratch[at]].high != one.high or digests[scratch[at]].low != one.low
        ):
            at = (at + 1) & mask
        if scratch[at] < 0:
            scratch[at] = row
            codes[row] = NEW
        else:
            codes[row] = DUPLICATE if digests[scratch[at]].body == one.body else CONFLICT


@njit(cache=True)
def _insert(slots, digests, at_s):  # type: ignore[no-untyped-def]
    """How many were not there yet. The id is written after the body: half a write is no id at all."""
    added = 0
    for row in range(len(digests)):
        one = digests[row]
        at = _find(slots, one.high, one.low)
        added += (slots[at].high | slots[at].low) == 0
        slots[at].body, slots[at].at_s = one.body, at_s
        slots[at].high, slots[at].low = one.high, one.low
    return added


@njit(cache=True)
def _reinsert(slots, kept):  # type: ignore[no-untyped-def]
    for row in range(len(kept)):
        at = _find(slots, kept[row].high, kept[row].low)
        slots[at] = kept[row]
