"""The live item columns: one mapped file, written by the keeper in place, read by all as numpy views.

One file with a block per column, so that a reader holds one map and learns all it must from one header::

    header    64 KB: magic, capacity, rows, superseded, length of the names, how often counters were written;
              then the counters' names as JSON
    facts     capacity x int64 each
    counters  capacity x int64 each
    hidden    capacity x uint8

A file never changes its layout. When it is full, or a new counter comes, a larger one is written beside it,
the old one is marked superseded, and the new one takes its name; readers see the mark at their next ``view``.
The keeper writes the whole file anew when it starts, so that a torn one never matters.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import LiveItems, StoreUnavailable
from shelfwise.stores import StoredItem

FIRST_CAPACITY = 4_096  # rows; doubled when full
ALWAYS_US, NEVER_US = np.iinfo(np.int64).min, np.iinfo(np.int64).max  # no bound on availability
_UNKNOWN = {  # a row nobody has written: hidden, and nothing known
    "price_minor": -1,
    "list_price_minor": -1,
    "cost_minor": -1,
    "stock": -1,
    "available_from_us": ALWAYS_US,
    "available_until_us": NEVER_US,
}
_HEADER_BYTES = 64 << 10  # some 1,500 counters' names
_MAGIC = int.from_bytes(b"shelflv1", "little")
_CAPACITY, _ROWS, _SUPERSEDED, _NAMES, _WRITTEN, _NAMES_AT = 1, 2, 3, 4, 5, 8  # places of 8 bytes


class MappedLive:
    """``LiveColumns`` in one mapped file. This opens it to read; the keeper makes it by ``MappedLive.rebuilt``.

    One thread writes. Any thread may view.

    Raises:
        StoreUnavailable: There is no such file yet, or no disk space for a larger one.
    """

    _view: LiveItems

    def __init__(self, path: Path) -> None:
        self.path = path
        self._use(_mapped(path, write=False), read_only=True)

    @classmethod
    def rebuilt(cls, path: Path, items: Sequence[StoredItem], *, counters: Iterable[str] = ()) -> MappedLive:
        """Write the columns anew for the one writer; readers turn to them once they are whole."""
        live = cls.__new__(cls)
        live.path = path
        _clear_leftovers(path)
        rows = 1 + max((item.row for item in items), default=-1)
        beside = path.with_name(f".{path.name}.new")
        live._use(_created(beside, _room_for(rows, FIRST_CAPACITY), sorted(set(counters))), read_only=False)
        live.write(items)
        _supersede(path)
        beside.replace(path)
        return live

    def view(self) -> LiveItems:
        """Views as of now. What grew is picked up here; costs nanoseconds when nothing did."""
        cells = self._cells
        if cells[_SUPERSEDED] or cells[_ROWS] != self._rows:
            self._refresh()
        elif cells[_WRITTEN] != self._view.written:
            self._view = replace(self._view, written=cells[_WRITTEN])
        return self._view

    def write(self, items: Sequence[StoredItem]) -> None:
        """Set the fact columns of these items; the last one counts if an item comes twice."""
        if not items:
            return
        rows = np.array([item.row for item in items], np.intp)
        n_rows = int(rows.max()) + 1
        self._ensure(n_rows, ())
        for name, values in _facts(items).items():
            self._columns[name][rows] = values
        self._cells[_ROWS] = max(self._cells[_ROWS], n_rows)  # last: a reader of the row finds it written

    def write_counters(self, counters: Mapping[str, NDArray[np.int64]]) -> None:
        """Replace counter columns, each ``(<= I,)`` by item row; rows beyond are 0."""
        self._ensure(max(map(len, counters.values()), default=0), counters)
        for name, values in counters.items():
            column = self._columns[_counter(name)]
            column[: len(values)] = values
            column[len(values) : self._cells[_ROWS]] = 0
        self._cells[_WRITTEN] += 1  # last: who finds another number finds the columns whole

    def _use(self, memory: mmap.mmap, *, read_only: bool) -> None:
        self._read_only = read_only
        self._columns = _columns(memory)
        self._cells = memoryview(memory).cast("q")
        self._look()

    def _look(self) -> None:
        n_rows = self._cells[_ROWS]
        self._view = _view(self._columns, n_rows, self._cells[_WRITTEN])
        self._rows = n_rows

    def _refresh(self) -> None:
        """More rows, or another file. Until the writer has put the new one in place, the old one serves on."""
        if self._cells[_SUPERSEDED]:
            try:
                self._use(_mapped(self.path, write=False), read_only=True)
            except StoreUnavailable:
                self._look()
        else:
            self._look()

    def _ensure(self, n_rows: int, names: Iterable[str]) -> None:
        """A writable file with room for the rows and a column for each counter."""
        if self._read_only:
            raise StoreUnavailable(f"live columns {self.path} are opened to read; expected the keeper")
        known = _names(self._cells)
        wanted = sorted({*known, *names})
        if n_rows > self._cells[_CAPACITY] or wanted != known:
            self._enlarge(_room_for(n_rows, self._cells[_CAPACITY]), wanted)

    def _enlarge(self, capacity: int, names: list[str]) -> None:
        beside = self.path.with_name(f".{self.path.name}.new")
        memory = _created(beside, capacity, names)
        larger, n_rows = _columns(memory), self._cells[_ROWS]
        for name, column in self._columns.items():
            larger[name][:n_rows] = column[:n_rows]
        cells = memoryview(memory).cast("q")
        cells[_ROWS], cells[_WRITTEN] = n_rows, self._cells[_WRITTEN]
        self._cells[_SUPERSEDED] = 1  # before the new file has the name: a keeper that dies between leaves
        beside.replace(self.path)  # readers that look again at each view, not readers that never do
        self._use(memory, read_only=False)


def _created(path: Path, capacity: int, names: list[str]) -> mmap.mmap:
    """A new file of unknown, hidden rows. Its space is allocated: a hole on a full disk would be a SIGBUS."""
    text = json.dumps(names).encode()
    if len(text) > _HEADER_BYTES - 8 * _NAMES_AT:
        raise StoreUnavailable(f"names of {len(names)} counters take {len(text)} bytes; expected under 64 KB")
    size = _HEADER_BYTES + capacity * (8 * (len(_UNKNOWN) + len(names)) + 1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
            memory = mmap.mmap(file.fileno(), size)
    except OSError as trouble:
        path.unlink(missing_ok=True)
        raise StoreUnavailable(f"live columns {path} are unavailable ({trouble})") from trouble
    cells = memoryview(memory).cast("B")[: 8 * _NAMES_AT].cast("q")
    cells[0], cells[_CAPACITY], cells[_NAMES] = _MAGIC, capacity, len(text)
    memory[8 * _NAMES_AT : 8 * _NAMES_AT + len(text)] = text
    columns = _columns(memory)
    for name, unknown in _UNKNOWN.items():
        columns[name][:] = unknown
    columns["hidden"][:] = 1
    return memory


def _mapped(path: Path, *, write: bool) -> mmap.mmap:
    try:
        with path.open("r+b" if write else "rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_WRITE if write else mmap.ACCESS_READ)
    except (OSError, ValueError) as trouble:  # ValueError: an empty file
        raise StoreUnavailable(f"live columns {path} are unavailable ({trouble})") from trouble
    if len(memory) < _HEADER_BYTES or int.from_bytes(memory[:8], "little") != _MAGIC:
        raise StoreUnavailable(f"live columns {path} are no live columns; expected those the keeper made")
    return memory


def _columns(memory: mmap.mmap) -> dict[str, NDArray[Any]]:
    """Every column of a file over its whole capacity, by name; counters under ``_counter(name)``."""
    head = np.frombuffer(memory, np.int64, _NAMES_AT)
    capacity, offset = int(head[_CAPACITY]), _HEADER_BYTES
    columns: dict[str, NDArray[Any]] = {}
    for name in (*_UNKNOWN, *map(_counter, _names(memoryview(memory).cast("q")))):
        columns[name] = np.frombuffer(memory, np.int64, capacity, offset)
        offset += 8 * capacity
    columns["hidden"] = np.frombuffer(memory, np.uint8, capacity, offset)
    return columns


def _names(cells: memoryview) -> list[str]:
    text = cells.cast("B")[8 * _NAMES_AT : 8 * _NAMES_AT + cells[_NAMES]]
    return list(json.loads(bytes(text)))


def _counter(name: str) -> str:
    return f"counter {name}"


def _view(columns: Mapping[str, NDArray[Any]], n_rows: int, written: int) -> LiveItems:
    views = {name: column[:n_rows] for name, column in columns.items()}
    for view in views.values():
        view.flags.writeable = False
    facts = {name: views.pop(name) for name in (*_UNKNOWN, "hidden")}
    counters = {name.removeprefix("counter "): view for name, view in views.items()}
    return LiveItems(**facts, counters=counters, written=written)


def _facts(items: Sequence[StoredItem]) -> dict[str, list[int]]:
    """The fact columns of some items. Stock below zero is oversold, not untracked."""
    return {
        "price_minor": [_or(stored.item.price_minor, -1) for stored in items],
        "list_price_minor": [_or(stored.item.list_price_minor, -1) for stored in items],
        "cost_minor": [_or(stored.item.cost_minor, -1) for stored in items],
        "stock": [-1 if stored.item.stock is None else max(stored.item.stock, 0) for stored in items],
        "available_from_us": [_or(stored.item.available_from_us, ALWAYS_US) for stored in items],
        "available_until_us": [_or(stored.item.available_until_us, NEVER_US) for stored in items],
        "hidden": [int(stored.item.hidden or stored.retired) for stored in items],
    }


def _or(value: int | None, absent: int) -> int:
    return absent if value is None else value


def _room_for(n_rows: int, capacity: int) -> int:
    while capacity < n_rows:
        capacity *= 2
    return capacity


def _supersede(path: Path) -> None:
    """Tell the readers of the file that another one will stand in its place."""
    try:
        memory = _mapped(path, write=True)
    except StoreUnavailable:
        return  # none, or none that a reader could have opened
    memory[8 * _SUPERSEDED : 8 * _SUPERSEDED + 8] = (1).to_bytes(8, "little")
    memory.close()


def _clear_leftovers(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f".{path.name}.new").unlink(missing_ok=True)
