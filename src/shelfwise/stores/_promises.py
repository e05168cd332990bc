"""What the house keeps, as promises. One adapter file per vendor in ``stores/adapters``; one contract suite each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NewType, Protocol

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shelfwise.domain import Item, LiveItems, Shelf

Position = NewType("Position", str)
"""Where a reader stands in a stream: opaque text, ordered per partition only. ``START`` is before everything."""

START = Position("")

Stream = Literal["events", "answers", "items"]

BOARD_NAMES = ("release", "rules", "settings", "keys", "catalogue", "position", "live")
"""What the board counts the changes of. Append only: a name's place in the mapped file is its place here."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored batch and the position *after* it."""

    position: Position
    blob: bytes
    appended_us: int


class EventLog(Protocol):
    """The one log. Appends are durable when they return; nobody rewrites, but to erase a person."""

    def append(self, stream: Stream, blobs: Sequence[bytes], *, at_us: int) -> Position:
        """Append batches in one durable commit; the position after the last. Raises StoreUnavailable."""
        ...

    def append_all(self, batches: Mapping[Stream, Sequence[bytes]], *, at_us: int) -> dict[Stream, Position]:
        """Append to several streams in one durable commit; the new end of each. Raises StoreUnavailable."""
        ...

    def read(self, stream: Stream, after: Position, *, limit: int = 100) -> Sequence[Entry]:
        """Up to ``limit`` batches after a position, oldest first; empty at the end."""
        ...

    def end(self, stream: Stream) -> Position:
        """The position after the newest batch ever appended; START if there was none."""
        ...

    def trim(self, stream: Stream, *, before_us: int) -> int:
        """Forget the oldest batches, up to the first one appended at ``before_us`` or later; how many went."""
        ...

    def rewrite(self, stream: Stream, blobs: Mapping[Position, bytes]) -> None:
        """Replace stored batches, each under its own position: only to erase a person. Leaves no old bytes."""
        ...

    def close(self) -> None: ...


class StateStore(Protocol):
    """Online state: a blob per key, and the positions of what was folded into it, in one transaction."""

    def get(self, key: bytes) -> bytes | None: ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]: ...

    def scan(self, prefix: bytes) -> Iterable[tuple[bytes, bytes]]:
        """All pairs whose key starts with ``prefix``, in key order; not of one moment if others commit."""
        ...

    def commit(self, changes: Mapping[bytes, bytes | None], positions: Mapping[str, Position]) -> None:
        """Write all values (None deletes) and positions, or nothing. Values are absolute."""
        ...

    def position(self, name: str) -> Position:
        """What was last committed under ``name``; START if never."""
        ...

    @property
    def needs_rebuild(self) -> bool:
        """True until ``mark_built``: it is new, or was found damaged and emptied."""
        ...

    def mark_built(self) -> None:
        """The fold has caught up: what is here is complete."""
        ...

    def clear(self) -> None:
        """Forget everything, positions too; ``needs_rebuild`` from now on. Readers go on."""
        ...

    def close(self) -> None: ...


class ItemChange(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One change of the catalogue, as the log's ``items`` stream carries it.

    ``put`` replaces the whole item, ``patch`` sets the named fields, ``delete`` retires it (its row stays).
    """

    action: Literal["put", "patch", "delete"]
    item_id: str
    at_us: int
    item: Item | None = None  # put
    fields: dict[str, Any] = {}  # patch: names and checked values of Item's fields


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item with its row and version."""

    item: Item
    row: int
    etag: str
    updated_us: int
    retired: bool
    first_seen_us: int = 0


class Catalogue(Protocol):
    """All items: the fold of the log's ``items`` stream. Gives each item its row at first sight, for ever."""

    def apply(self, changes: Sequence[ItemChange], *, position: Position) -> list[StoredItem]:
        """Fold changes and the position in one transaction; each item as its change left it, in their order.

        A patch or delete of an unknown id is left out. A put revives a retired item, a patch does not. What
        changes nothing leaves the item as it was, etag and instant too. Raises InvalidField for a patch of a
        field that items do not have, or with a value of another type; then nothing is applied.
        """
        ...

    def position(self) -> Position: ...

    def get(self, item_id: str) -> StoredItem | None: ...

    def get_many(self, item_ids: Sequence[str]) -> list[StoredItem | None]: ...

    def page(self, *, after: str, limit: int) -> list[StoredItem]:
        """Items in the order of their ids, after an id; retired ones left out."""
        ...

    def since(self, generation: int) -> list[StoredItem]:
        """Items that changed after a generation, by row. ``since(0)`` is the whole catalogue."""
        ...

    def generation(self) -> int:
        """Grows with each applied batch that changed something."""
        ...

    def close(self) -> None: ...


def sql_text(value: str) -> str:
    """A text as SQL writes it, for a predicate: quotes within are doubled."""
    return "'" + value.replace("'", "''") + "'"


class Lake(Protocol):
    """The long history as tables that any engine reads."""

    def append(self, table: str, rows: pa.Table, *, sink: str, version: int) -> bool:
        """Append rows once for each (sink, version), versions growing; False if it was there already."""
        ...

    def merge(self, table: str, rows: pa.Table, *, key: Sequence[str], sink: str, version: int) -> bool:
        """Append the rows whose key is not there yet, once for each (sink, version).

        Of rows with one key the first is kept. In a table with a ``day``, rows of one key are of one day: no
        others are compared.
        """
        ...

    def version(self, table: str, sink: str) -> int:
        """The last version this sink wrote; -1 if none."""
        ...

    def files(self, table: str) -> list[str]:
        """Parquet files that make up the table now, good for an hour. Empty if there is no such table.

        A table with a ``day`` has a ``month`` too (text, ``2011-12``), which may stand in the path alone.
        """
        ...

    def delete(self, table: str, predicate: str) -> int:
        """Delete rows by an SQL predicate (``sql_text`` quotes); how many went. Raises InvalidField.

        Their bytes go too, and files of older versions with them: lists of files held by others go bad.
        """
        ...

    def compact(self, table: str) -> None:
        """Fewer, larger files; those that no list of the last hour names are removed."""
        ...

    def close(self) -> None: ...


class ControlStore(Protocol):
    """Rules, keys, settings, dead letters, audit: small documents with versions, and an audit line per change."""

    def put(
        self,
        kind: str,
        key: str,
        body: Mapping[str, Any],
        *,
        if_match: str | None,
        actor: str,
        at_us: int,
    ) -> str:
        """Write a document; its new etag. ``if_match`` '' demands that it is new. Raises Conflict."""
        ...

    def get(self, kind: str, key: str) -> tuple[dict[str, Any], str] | None:
        """Body and etag."""
        ...

    def documents(
        self, kind: str, *, after: str = "", limit: int = 200
    ) -> list[tuple[str, dict[str, Any], str]]:
        """(key, body, etag) in key order."""
        ...

    def delete(self, kind: str, key: str, *, if_match: str | None, actor: str, at_us: int) -> bool: ...

    def forget(self, kind: str, key: str) -> int:
        """Remove a document and every audit line about it, to erase a person; how many rows went."""
        ...

    def generation(self, kind: str) -> int:
        """Grows with each change of this kind."""
        ...

    def audit(self, *, limit: int = 200) -> list[dict[str, Any]]:
        """Newest first: who changed what, when, from and to."""
        ...

    def add_dead_letters(self, letters: Sequence[Mapping[str, Any]], *, at_us: int) -> None:
        """Keep rejected rows: source, row, field, value, rule."""
        ...

    def dead_letters(self, *, limit: int = 200) -> list[dict[str, Any]]: ...

    def close(self) -> None: ...


class ReleaseRegistry(Protocol):
    """Releases: content-addressed folders, and aliases that move. Training writes, serving reads."""

    def publish(self, folder: Path, *, metrics: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
        """Seal a folder (manifest, hashes), copy it in, check it; its id, ``r-`` and the hash. Moves no alias."""
        ...

    def open(self, release_id: str) -> Path:
        """The checked folder of a release. Raises NotFound, BadRelease."""
        ...

    def manifest(self, release_id: str) -> dict[str, Any]: ...

    def releases(self) -> list[dict[str, Any]]:
        """Manifests with their id and aliases, newest first."""
        ...

    def alias(self, name: str) -> str | None:
        """The release an alias (``champion``, ``previous``) stands on."""
        ...

    def move(self, name: str, release_id: str) -> None:
        """Move an alias, atomically. Moving ``champion`` leaves ``previous`` on the old one."""
        ...


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What the keeper says after its commit."""

    accepted: int = 0
    duplicates: tuple[int, ...] = ()  # indexes in the batch
    conflicts: tuple[int, ...] = ()  # the same event_id with another body
    untracked: tuple[int, ...] = ()  # people who opted out: dropped, not stored
    result: Any = None


class Inbox(Protocol):
    """The door to the one writer. Returns after the keeper's commit. Raises StoreUnavailable if it is away.

    ==============  =====================================================================================
    command         payload
    ==============  =====================================================================================
    events          list of Event
    items           list of ItemChange; ``result``: per change [etag, row] or None where the id is unknown
    answers         list of Answer
    dead_letters    list of {source, row, field, value, rule}
    control         {op: put or delete, kind, key, body, if_match, actor}; ``result``: the new etag
    consent         {person, opted_out}
    erase           {person}; ``result``: the report of what was removed
    backup          {folder}; ``result``: the files written
    drain           {}: returns once every sink has taken in all that was accepted before
    ==============  =====================================================================================
    """

    def submit(self, command: str, payload: Any) -> Receipt:
        """Hand it over and wait for the commit."""
        ...

    def close(self) -> None: ...


class Board(Protocol):
    """Generation counters in mapped memory: what changed since a reader last looked, for nanoseconds."""

    def read(self, name: str) -> int:
        """Names: those of ``BOARD_NAMES``. Raises UnknownName."""
        ...

    def bump(self, name: str) -> int: ...


class LiveColumns(Protocol):
    """The live item columns: one writer, many readers, the same memory."""

    def view(self) -> LiveItems:
        """Views as of now. Grown files are picked up here; costs nanoseconds when nothing grew."""
        ...

    def write(self, items: Sequence[StoredItem]) -> None:
        """Set the fact columns (price, stock, hidden, availability) of these items; grows as needed."""
        ...

    def write_counters(self, counters: Mapping[str, NDArray[np.int64]]) -> None:
        """Replace counter columns, each ``(<= I,)`` by item row; rows beyond are 0."""
        ...


class ShelfReader(Protocol):
    """Keeps a ``Shelf`` in step with the catalogue, off the request path."""

    def shelf(self) -> Shelf: ...
