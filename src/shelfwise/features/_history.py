"""A person's history: hashed, packed to a blob, merged. A pure function of the set of their events."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    LINE,
    MAX_HISTORY,
    NOBODY,
    Event,
    InvalidInput,
    PersonState,
)
from shelfwise.features import _msgpack as wire
from shelfwise.features._encoded import EventColumns, columns_of
from shelfwise.features._merging import interleave, keep_fresh

DEVICE_CODES: dict[str, int] = {"desktop": 1, "mobile": 2, "tablet": 3, "app": 4, "tv": 5}
# Of a packed state: layout number, flags, bytes of the country, version, first_seen_us, country_at_us.
_HEAD = struct.Struct("<BBBxIqq")
HEAD_BYTES = _HEAD.size
LAYOUT = 1

OTHER_DEVICE = 255  # named, but none of the above; 0 is unknown


def event_hash(text: str) -> int:
    """First 8 bytes of blake2b of the UTF-8 text, little-endian, signed: the same on every host, for ever."""
    return int.from_bytes(blake2b(text.encode()).digest()[:8], "little", signed=True)


def device_code(device: str | None) -> int:
    """Code of a device as lines and blobs carry it: 0 unknown, 255 another."""
    return 0 if device is None else DEVICE_CODES.get(device.lower(), OTHER_DEVICE)


def history_lines(
    events: Sequence[Event] | EventColumns, row_of: Callable[[str], int]
) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """All lines of many events, in their order, and for each line the index of its event.

    ``row_of`` gives the item row, -1 where there is none. An event without items gives one line of item -1.
    Returns ``(N,)`` of dtype ``LINE`` and ``(N,)`` indexes into ``events``.
    """
    columns = columns_of(events)
    return lines_of(columns, item_rows(columns, row_of)), columns.owner


def item_rows(columns: EventColumns, row_of: Callable[[str], int]) -> NDArray[np.int32]:
    """The row of each item of some events; -1 for the row of an event without items."""
    return np.array([row_of(item_id) if item_id else -1 for item_id in columns.item_ids()], np.int32)


def lines_of(columns: EventColumns, rows: NDArray[np.int32]) -> NDArray[np.void]:
    """Lines of some events ``(N,)``, given the row of each item."""
    lines, owner = np.empty(len(rows), LINE), columns.owner
    hashes = _hashes(columns.encoded(wire.ID))
    ordered = columns.fields.size[:, wire.ORDER] > 0
    orders = np.where(ordered, _hashes(columns.encoded(wire.ORDER)), hashes) if ordered.any() else hashes
    lines["at_us"] = columns.number(wire.OCCURRED)[owner]
    lines["event_hash"], lines["order_hash"] = hashes[owner], orders[owner]
    lines["event"], lines["device"] = columns.code[owner], _devices(columns)[owner]
    lines["line"], lines["item"] = columns.line, rows
    lines["quantity"], lines["price_minor"] = columns.quantities(), columns.prices()
    return lines


def _hashes(texts: list[bytes]) -> NDArray[np.int64]:
    """``event_hash`` of each text."""
    return np.frombuffer(b"".join([blake2b(text).digest()[:8] for text in texts]), "<i8")


def _devices(columns: EventColumns) -> NDArray[np.uint8]:
    named = columns.texts(wire.DEVICE)
    codes = {device: device_code(device) for device in set(named)}
    return np.array([codes[device] for device in named], np.uint8)


class Head(NamedTuple):
    """What a blob says of a person beside the lines."""

    first_seen_us: int | None = None
    country: str | None = None
    opted_out: bool = False
    version: int = 0
    country_at_us: int = 0
    size: int = 0  # bytes it takes in the blob


def pack_head(head: Head) -> bytes:
    """The first bytes of a blob: layout, flags, version, instants, country."""
    country = (head.country or "").encode()
    flags = head.opted_out | (head.first_seen_us is not None) << 1
    fixed = _HEAD.pack(LAYOUT, flags, len(country), head.version, head.first_seen_us or 0, head.country_at_us)
    return fixed + country


def unpack_head(blob: bytes | memoryview | None) -> Head:
    """The head of a blob. Raises InvalidInput for a blob of another layout: it must be rebuilt from the log."""
    if blob is None:
        return _NO_HEAD
    if len(blob) < _HEAD.size or blob[0] != LAYOUT:
        raise InvalidInput(f"person blob has layout {bytes(blob[:1])!r}; expected {LAYOUT}")
    _, flags, width, version, first, country_at_us = _HEAD.unpack_from(blob)
    size = _HEAD.size + width
    country = str(blob[_HEAD.size : size], "utf-8") if width else None
    return Head(first if flags & 2 else None, country, bool(flags & 1), version, country_at_us, size)


def pack_state(state: PersonState) -> bytes:
    """One blob: a header, the country, the lines. ``unpack_state`` reads it back without copying."""
    head = Head(state.first_seen_us, state.country, state.opted_out, state.version, state.country_at_us)
    return b"".join((pack_head(head), state.lines.tobytes()))


def unpack_state(blob: bytes | memoryview | None) -> PersonState:
    """The state in a blob; NOBODY for None. ``lines`` is a read-only view of the blob's memory.

    Raises InvalidInput for a blob of another layout: it must be rebuilt from the log.
    """
    if blob is None:
        return NOBODY
    first, country, opted_out, version, country_at_us, size = unpack_head(blob)
    lines = np.frombuffer(blob, LINE, offset=size)
    return PersonState(lines, first, country, opted_out, version, country_at_us)


def merge_state(
    state: PersonState,
    lines: NDArray[np.void],
    *,
    first_seen_us: int | None = None,
    country: str | None = None,
    country_at_us: int = 0,
) -> PersonState:
    """The state with these lines in it. Lines it holds already change nothing, in any order or batching.

    A line is known by (event_hash, line); only the newest ``MAX_HISTORY`` stay. The same object comes back
    if nothing changed, else one of the next ``version``.

    Args:
        state: What was known before.
        lines: New lines of dtype ``LINE``, in any order.
        first_seen_us: Instant of the earliest of the new events; the earliest line if not given.
        country: Of the newest of the new events that named one.
        country_at_us: When that event occurred.
    """
    fresh = fresh_lines(state, lines)
    if first_seen_us is None and len(lines):
        first_seen_us = int(lines["at_us"].min())
    first = _earliest(state.first_seen_us, first_seen_us)
    place = max(_place(state), (country_at_us, country) if country else _NOWHERE)
    if len(fresh) == 0 and first == state.first_seen_us and place == _place(state):
        return state
    merged = newest_of(state.lines, fresh)
    return PersonState(merged, first, place[1] or None, state.opted_out, state.version + 1, place[0])


def join_states(states: Iterable[PersonState]) -> PersonState:
    """One person of several states: a known user and the anonymous visitors that turned out to be them."""
    joined, *others = list(states) or [NOBODY]
    for other in others:
        lines = newest_of(joined.lines, other.lines)
        first = _earliest(joined.first_seen_us, other.first_seen_us)
        at_us, country = max(_place(joined), _place(other))
        opted_out, version = joined.opted_out or other.opted_out, joined.version + other.version
        joined = PersonState(lines, first, country or None, opted_out, version, at_us)
    return joined


def fresh_lines(state: PersonState, lines: NDArray[np.void]) -> NDArray[np.void]:
    """Those of ``lines`` that the state does not hold yet, each once, newest first."""
    fresh = np.empty(len(lines), LINE)
    return fresh[: keep_fresh(state.lines, lines, fresh)]


def newest_of(one: NDArray[np.void], two: NDArray[np.void]) -> NDArray[np.void]:
    """Two histories, each newest first, as one: each line once, at most ``MAX_HISTORY``."""
    if len(two) == 0:
        return one
    out = np.empty(min(len(one) + len(two), MAX_HISTORY), LINE)
    return out[: interleave(one, two, out)]


_NO_HEAD = Head()
_NOWHERE = (0, "")


def _place(state: PersonState) -> tuple[int, str]:
    return state.country_at_us, state.country or ""


def _earliest(one: int | None, two: int | None) -> int | None:
    return two if one is None else one if two is None else min(one, two)
