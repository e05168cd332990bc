"""Stores that keep everything in memory: for tests only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shelfwise.domain import Conflict, InvalidField, InvalidInput, LiveItems, UnknownName
from shelfwise.stores import BOARD_NAMES, START, Entry, ItemChange, Position, StoredItem, Stream
from shelfwise.stores._changes import changed


class MemoryLog:
    """``EventLog``: a list per stream."""

    def __init__(self) -> None:
        self._entries: dict[Stream, list[Entry]] = {"events": [], "answers": [], "items": []}
        self._count: dict[Stream, int] = {"events": 0, "answers": 0, "items": 0}

    def append(self, stream: Stream, blobs: Sequence[bytes], *, at_us: int) -> Position:
        for blob in blobs:
            self._count[stream] += 1
            self._entries[stream].append(Entry(self.end(stream), blob, at_us))
        return self.end(stream)

    def append_all(self, batches: Mapping[Stream, Sequence[bytes]], *, at_us: int) -> dict[Stream, Position]:
        return {stream: self.append(stream, blobs, at_us=at_us) for stream, blobs in batches.items() if blobs}

    def read(self, stream: Stream, after: Position, *, limit: int = 100) -> Sequence[Entry]:
        return [entry for entry in self._entries[stream] if entry.position > after][:limit]

    def end(self, stream: Stream) -> Position:
        return Position(f"{self._count[stream]:016d}") if self._count[stream] else START

    def trim(self, stream: Stream, *, before_us: int) -> int:
        entries = self._entries[stream]
        gone = 0
        while entries and entries[0].appended_us < before_us:
            del entries[0]
            gone += 1
        return gone

    def rewrite(self, stream: Stream, blobs: Mapping[Position, bytes]) -> None:
        self._entries[stream] = [
            Entry(entry.position, blobs.get(entry.position, entry.blob), entry.appended_us)
            for entry in self._entries[stream]
        ]

    def close(self) -> None:
        """Nothing to close."""


class MemoryState:
    """``StateStore``: two dicts."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._positions: dict[str, Position] = {}
        self.needs_rebuild = True

    def mark_built(self) -> None:
        self.needs_rebuild = False

    def get(self, key: bytes) -> bytes | None:
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        _check_keys(keys)
        return [self._values.get(key) for key in keys]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(pair for pair in self._values.items() if pair[0].startswith(prefix)))

    def commit(self, changes: Mapping[bytes, bytes | None], positions: Mapping[str, Position]) -> None:
        _check_keys(changes)
        self._values.update({key: value for key, value in changes.items() if value is not None})
        for key in [key for key, value in changes.items() if value is None]:
            self._values.pop(key, None)
        self._positions.update(positions)

    def position(self, name: str) -> Position:
        return self._positions.get(name, START)

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    def close(self) -> None:
        """Nothing to close."""


def _check_keys(keys: Sequence[bytes] | Mapping[bytes, bytes | None]) -> None:
    for key in keys:
        if not 1 <= len(key) <= 511:
            raise InvalidField("key", key, "1 to 511 bytes")


class MemoryBoard:
    """``Board``: a dict."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(BOARD_NAMES, 0)

    def read(self, name: str) -> int:
        if name not in self._counts:
            raise UnknownName("counter", name, BOARD_NAMES)
        return self._counts[name]

    def bump(self, name: str) -> int:
        self._counts[name] = self.read(name) + 1
        return self._counts[name]


class MemoryLive:
    """``LiveColumns``: columns made anew at each view."""

    def __init__(self) -> None:
        self._items: dict[int, StoredItem] = {}
        self._counters: dict[str, NDArray[np.int64]] = {}

    def write(self, items: Sequence[StoredItem]) -> None:
        self._items.update({item.row: item for item in items})

    def write_counters(self, counters: Mapping[str, NDArray[np.int64]]) -> None:
        self._counters.update({name: values.copy() for name, values in counters.items()})

    def view(self) -> LiveItems:
        n_rows = 1 + max(self._items, default=-1)

        def column(field: str, absent: int) -> NDArray[np.int64]:
            values = [
                getattr(self._items[row].item, field) if row in self._items else None for row in range(n_rows)
            ]
            return np.array([absent if value is None else value for value in values], np.int64)

        def counter(values: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.append(values, np.zeros(n_rows, np.int64))[:n_rows]

        hidden = [
            row not in self._items or self._items[row].item.hidden or self._items[row].retired
            for row in range(n_rows)
        ]
        stock = column("stock", -1)
        tracked = column("stock", np.iinfo(np.int64).max) != np.iinfo(np.int64).max
        return LiveItems(
            price_minor=column("price_minor", -1),
            list_price_minor=column("list_price_minor", -1),
            cost_minor=column("cost_minor", -1),
            stock=np.where(tracked, np.maximum(stock, 0), -1),
            hidden=np.array(hidden, np.uint8),
            available_from_us=column("available_from_us", np.iinfo(np.int64).min),
            available_until_us=column("available_until_us", np.iinfo(np.int64).max),
            counters={name: counter(values) for name, values in self._counters.items()},
        )


class MemoryCatalogue:
    """``Catalogue``: a dict by id, and the generation each item last changed in."""

    def __init__(self) -> None:
        self._items: dict[str, StoredItem] = {}
        self._changed: dict[str, int] = {}
        self._position, self._generation = START, 0

    def apply(self, changes: Sequence[ItemChange], *, position: Position) -> list[StoredItem]:
        items, after = dict(self._items), list[StoredItem]()
        for change in changes:
            stored = changed(items.get(change.item_id), change, next_row=len(items))
            if stored is not None:
                items[change.item_id] = stored
                after.append(stored)
        fresh = [item_id for item_id, stored in items.items() if stored is not self._items.get(item_id)]
        self._generation += bool(fresh)
        self._changed.update(dict.fromkeys(fresh, self._generation))
        self._items, self._position = items, position
        return after

    def position(self) -> Position:
        return self._position

    def get(self, item_id: str) -> StoredItem | None:
        return self._items.get(item_id)

    def get_many(self, item_ids: Sequence[str]) -> list[StoredItem | None]:
        return [self._items.get(item_id) for item_id in item_ids]

    def page(self, *, after: str, limit: int) -> list[StoredItem]:
        ids = sorted(
            item_id for item_id, stored in self._items.items() if item_id > after and not stored.retired
        )
        return [self._items[item_id] for item_id in ids[:limit]]

    def since(self, generation: int) -> list[StoredItem]:
        fresh = [self._items[item_id] for item_id, at in self._changed.items() if at > generation]
        return sorted(fresh, key=lambda stored: stored.row)

    def generation(self) -> int:
        return self._generation

    def close(self) -> None:
        """Nothing to close."""


class MemoryLake:
    """``Lake``: Arrow tables; a list of files is written when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._names = folder, count()
        self._tables: dict[str, pa.Table] = {}
        self._versions: dict[tuple[str, str], int] = {}

    def append(self, table: str, rows: pa.Table, *, sink: str, version: int) -> bool:
        return self._add(table, rows, key=(), sink=sink, version=version)

    def merge(self, table: str, rows: pa.Table, *, key: Sequence[str], sink: str, version: int) -> bool:
        return self._add(table, rows, key=key, sink=sink, version=version)

    def _add(self, table: str, rows: pa.Table, *, key: Sequence[str], sink: str, version: int) -> bool:
        if self.version(table, sink) >= version:
            return False
        there = self._tables.get(table)
        if there is not None and any(
            field.type != there.schema.field(field.name).type
            for field in rows.schema
            if field.name in there.column_names
        ):
            raise InvalidInput(f"rows do not fit lake table {table!r}")
        known = (
            set()
            if there is None or not key
            else set(zip(*(there[name].to_pylist() for name in key), strict=True))
        )
        fresh = []
        for row in rows.to_pylist():
            own = tuple(row[name] for name in key)
            if not key or own not in known:
                known.add(own)
                fresh.append(row)
        added = pa.Table.from_pylist(fresh, schema=rows.schema)
        tables = [added] if there is None else [there, added]
        self._tables[table] = pa.concat_tables(tables, promote_options="default")
        self._versions[table, sink] = version
        return True

    def version(self, table: str, sink: str) -> int:
        return self._versions.get((table, sink), -1)

    def files(self, table: str) -> list[str]:
        if table not in self._tables:
            return []
        path = self._folder / f"{table}-{next(self._names)}.parquet"
        pq.write_table(self._tables[table], path)
        return [str(path)]

    def delete(self, table: str, predicate: str) -> int:
        if table not in self._tables:
            return 0
        rows = self._tables[table]
        try:
            kept = duckdb.sql(f"SELECT * FROM rows WHERE ({predicate}) IS NOT TRUE").to_arrow_table()
        except duckdb.Error as trouble:
            raise InvalidField("predicate", predicate, f"a condition on the columns ({trouble})") from None
        self._tables[table] = kept.cast(rows.schema)
        return len(rows) - len(kept)

    def compact(self, table: str) -> None:
        """Nothing to compact."""

    def close(self) -> None:
        """Nothing to close."""


class MemoryControl:
    """``ControlStore``: a dict, and two lists."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], tuple[dict[str, Any], str]] = {}
        self._versions, self._generations = count(1), dict[str, int]()
        self._audit: list[dict[str, Any]] = []
        self._letters: list[dict[str, Any]] = []

    def put(
        self, kind: str, key: str, body: Mapping[str, Any], *, if_match: str | None, actor: str, at_us: int
    ) -> str:
        for name, value, most in (("kind", kind, 64), ("key", key, 255)):
            if not 1 <= len(value.encode()) <= most:
                raise InvalidField(name, value, f"1 to {most} bytes")
        if len(json.dumps(body)) > 262_144:
            raise InvalidInput(f"{kind} {key!r} is too large; expected at most 262144 bytes")
        self._check_match(kind, key, if_match)
        etag = str(next(self._versions))
        self._change(kind, key, dict(body), etag, actor, at_us)
        return etag

    def get(self, kind: str, key: str) -> tuple[dict[str, Any], str] | None:
        return self._held.get((kind, key))

    def documents(
        self, kind: str, *, after: str = "", limit: int = 200
    ) -> list[tuple[str, dict[str, Any], str]]:
        held = sorted(key for one, key in self._held if one == kind and key > after)
        return [(key, *self._held[kind, key]) for key in held[:limit]]

    def delete(self, kind: str, key: str, *, if_match: str | None, actor: str, at_us: int) -> bool:
        if (kind, key) not in self._held:
            return False
        self._check_match(kind, key, if_match)
        self._change(kind, key, None, "", actor, at_us)
        return True

    def forget(self, kind: str, key: str) -> int:
        kept = [line for line in self._audit if (line["kind"], line["key"]) != (kind, key)]
        gone = len(self._audit) - len(kept) + (self._held.pop((kind, key), None) is not None)
        self._audit = kept
        self._generations[kind] = self.generation(kind) + 1
        return gone

    def generation(self, kind: str) -> int:
        return self._generations.get(kind, 0)

    def audit(self, *, limit: int = 200) -> list[dict[str, Any]]:
        return self._audit[::-1][:limit]

    def add_dead_letters(self, letters: Sequence[Mapping[str, Any]], *, at_us: int) -> None:
        for letter in letters:
            cells = {name: letter.get(name) for name in ("source", "row", "field", "value", "rule")}
            cut = {name: None if cell is None else str(cell)[:1_000] for name, cell in cells.items()}
            self._letters.append({"at_us": at_us, **cut})

    def dead_letters(self, *, limit: int = 200) -> list[dict[str, Any]]:
        return self._letters[::-1][:limit]

    def close(self) -> None:
        """Nothing to close."""

    def _check_match(self, kind: str, key: str, if_match: str | None) -> None:
        held = self._held.get((kind, key))
        if if_match == "" and held is not None:
            raise Conflict(f"{kind} {key!r} exists already")
        if if_match and (held is None or held[1] != if_match):
            found = "is gone" if held is None else f"has etag {held[1]!r}"
            raise Conflict(f"{kind} {key!r} {found}; expected {if_match!r}")

    def _change(
        self, kind: str, key: str, body: dict[str, Any] | None, etag: str, actor: str, at_us: int
    ) -> None:
        before = self._held.pop((kind, key), (None, ""))[0]
        if body is not None:
            self._held[kind, key] = (body, etag)
        self._generations[kind] = self.generation(kind) + 1
        line = {"kind": kind, "key": key, "actor": actor, "at_us": at_us, "before": before, "after": body}
        self._audit.append(line)
