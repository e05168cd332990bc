"""One batch of events folded into the states of all its people at once: what the stream reader runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from shelfwise.domain import LINE, MAX_HISTORY, Event
from shelfwise.features import _msgpack as wire
from shelfwise.features._effects import EFFECT, most_effects, note_effects
from shelfwise.features._encoded import EventColumns, columns_of
from shelfwise.features._history import HEAD_BYTES, LAYOUT, unpack_head
from shelfwise.features._merging import Lines, interleave, keep_fresh

Bytes = NDArray[np.uint8]

_AT_ONCE = (
    128  # people: their blobs, old and new, stay in the cache, and no call of the system makes room for them
)
_LARGEST_COUNTRY = 255  # bytes: its size is one of the head's
_LINE_BYTES = LINE.itemsize
_FIRST_KNOWN = 2  # a flag of the head


def fold_people(
    blobs: Sequence[bytes | None],
    events: Sequence[Event] | EventColumns,
    person: NDArray[np.int64],
    lines: NDArray[np.void],
    owner: NDArray[np.int64],
) -> tuple[list[bytes | None], NDArray[np.void]]:
    """Merge a batch into packed states; the same as ``unpack_state``, ``merge_state``, ``pack_state`` for each.

    Args:
        blobs: The packed state of each person of the batch, ``P``; None for one not seen before.
        events: The batch, ``E``.
        person: Index into ``blobs`` of each event's person, ``(E,)``.
        lines: All lines of the batch, ``(N,)``, and
        owner: the event of each line, ``(N,)``: both as ``history_lines`` gives them.

    Returns:
        The new blob of each person, None where nothing changed; and the changes of item counters, as
        ``line_effects`` would find them, of dtype ``EFFECT``.

    Raises:
        InvalidInput: A blob has another layout.
    """
    columns = columns_of(events)
    for blob in blobs:
        if blob is not None and (len(blob) < HEAD_BYTES or blob[0] != LAYOUT):
            unpack_head(blob)
    whose = person[owner]
    order = np.argsort(whose, kind="stable")
    given, given_at = lines[order], np.searchsorted(whose[order], np.arange(len(blobs) + 1))
    said = (
        columns.number(wire.OCCURRED), np.frombuffer(columns.blob, np.uint8),
        columns.fields.value[:, wire.COUNTRY], columns.fields.size[:, wire.COUNTRY],
    )  # fmt: skip
    earliest, newest = _of_events(person, *said, len(blobs))
    packed: list[bytes | None] = []
    effects, count = np.zeros(_most_effects(blobs, np.diff(given_at)), EFFECT), 0
    for first in range(0, len(blobs), _AT_ONCE):
        held, part = blobs[first : first + _AT_ONCE], slice(first, first + _AT_ONCE)
        edges = given_at[first : first + len(held) + 1]
        held_at = _edges([len(blob) if blob else 0 for blob in held])
        room = np.diff(held_at) + _LINE_BYTES * np.diff(edges) + HEAD_BYTES + _LARGEST_COUNTRY
        out_at, out_end = _edges(room), np.zeros(len(held), np.int64)
        out = np.empty(out_at[-1], np.uint8)
        count += _fold(
            np.frombuffer(b"".join([blob or b"" for blob in held]), np.uint8), held_at,
            given, edges, earliest[part], newest[part], *said, out, out_at, out_end, effects[count:],
        )  # fmt: skip
        ends = zip(out_at.tolist(), out_end.tolist(), strict=False)
        packed += [out.data[start:end].tobytes() if end else None for start, end in ends]
    return packed, effects[:count]


def _most_effects(blobs: Sequence[bytes | None], given: NDArray[np.int64]) -> int:
    """Room for the effects of all; blobs are taken for lines altogether."""
    held = [len(blob) // _LINE_BYTES if blob else 0 for blob in blobs]
    return sum(map(most_effects, held, given.tolist()))


def _edges(sizes: Any) -> NDArray[np.int64]:
    """Where each of some runs begins, and where the last one ends."""
    edges = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=edges[1:])
    return edges


@njit(cache=True, nogil=True)
def _fold(
    held: Bytes,
    held_at: NDArray[np.int64],
    given: Lines,
    given_at: NDArray[np.int64],
    earliest: NDArray[np.int64],
    newest: NDArray[np.int64],
    occurred_us: NDArray[np.int64],
    said: Bytes,
    country_at: NDArray[np.int64],
    country_size: NDArray[np.int64],
    out: Bytes,
    out_at: NDArray[np.int64],
    out_end: NDArray[np.int64],
    effects: Any,
) -> int:
    """Per person: which lines are fresh, what they change, and the blob where something changed; number of effects."""
    fresh = np.empty(len(given), LINE)
    count = 0
    for one in range(len(out_end)):
        start, end, goal = held_at[one], held_at[one + 1], out_at[one]
        if start == end:
            _new_head(out, goal)
            before = given[:0]
        else:
            body = start + HEAD_BYTES + held[start + 2]
            _copy(held, start, out, goal, body - start)
            before = _lines_at(held, body, (end - body) // _LINE_BYTES)
        changed = _see(out, goal, earliest[one], newest[one], occurred_us, said, country_at, country_size)
        n_fresh = keep_fresh(before, given[given_at[one] : given_at[one + 1]], fresh)
        if n_fresh == 0 and not changed:
            continue
        count += note_effects(before, fresh[:n_fresh], effects[count:])
        _put(out, goal + 4, _get(out, goal + 4, 4) + 1, 4)
        body = goal + HEAD_BYTES + out[goal + 2]
        after = _lines_at(out, body, min(len(before) + n_fresh, MAX_HISTORY))
        out_end[one] = body + interleave(before, fresh[:n_fresh], after) * _LINE_BYTES
    return count


@njit(cache=True, nogil=True)
def _of_events(
    person: NDArray[np.int64],
    occurred_us: NDArray[np.int64],
    said: Bytes,
    country_at: NDArray[np.int64],
    country_size: NDArray[np.int64],
    n_people: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each person their earliest event, and the one whose country is newest; -1 where there is none."""
    earliest, newest = np.full(n_people, -1), np.full(n_people, -1)
    for event in range(len(person)):
        one = person[event]
        if earliest[one] < 0 or occurred_us[event] < occurred_us[earliest[one]]:
            earliest[one] = event
        if 0 < country_size[event] <= _LARGEST_COUNTRY:
            other = newest[one]
            if other < 0 or _is_newer(
                occurred_us[event], said, country_at[event], country_size[event],
                occurred_us[other], said, country_at[other], country_size[other],
            ):  # fmt: skip
                newest[one] = event
    return earliest, newest


@njit(cache=True, nogil=True)
def _see(
    out: Bytes,
    head: int,
    earliest: int,
    newest: int,
    occurred_us: NDArray[np.int64],
    said: Bytes,
    country_at: NDArray[np.int64],
    country_size: NDArray[np.int64],
) -> bool:
    """Bring first sight and country of the head at ``out[head:]`` up to date; whether that changed it."""
    changed = False
    if earliest >= 0:
        first = occurred_us[earliest]
        if out[head + 1] & _FIRST_KNOWN == 0 or first < _get(out, head + 8, 8):
            out[head + 1] |= _FIRST_KNOWN
            _put(out, head + 8, first, 8)
            changed = True
    if newest >= 0:
        start, size = country_at[newest], country_size[newest]
        if _is_newer(
            occurred_us[newest], said, start, size,
            _get(out, head + 16, 8), out, head + HEAD_BYTES, np.int64(out[head + 2]),
        ):  # fmt: skip
            out[head + 2] = size
            _put(out, head + 16, occurred_us[newest], 8)
            _copy(said, start, out, head + HEAD_BYTES, size)
            changed = True
    return changed


@njit(cache=True, nogil=True)
def _is_newer(
    at_us: int, data: Bytes, start: int, size: int, other_us: int, other: Bytes, there: int, other_size: int
) -> bool:
    """Whether (instant, country) stands after another; texts compare as Python compares them, byte by byte."""
    if at_us != other_us:
        return at_us > other_us
    for k in range(min(size, other_size)):
        if data[start + k] != other[there + k]:
            return data[start + k] > other[there + k]
    return size > other_size


@intrinsic
def _address(_: Any, data: Any, at: Any) -> Any:
    """Where the byte at a place of an array of bytes lies."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.gep(array.data, [args[1]])

    return types.voidptr(data, at), generate


@njit(cache=True, nogil=True)
def _lines_at(data: Bytes, at: int, count: int) -> Lines:
    """The lines that lie in bytes, not copied: they may begin anywhere. Good as long as ``data`` is."""
    return carray(_address(data, at), (count,), LINE)


@njit(cache=True, nogil=True)
def _new_head(out: Bytes, at: int) -> None:
    for k in range(HEAD_BYTES):
        out[at + k] = 0
    out[at] = LAYOUT


@njit(cache=True, nogil=True)
def _copy(one: Bytes, start: int, two: Bytes, there: int, size: int) -> None:
    for k in range(size):
        two[there + k] = one[start + k]


@njit(cache=True, nogil=True)
def _get(data: Bytes, at: int, width: int) -> int:
    """The little-endian number there; a signed one if it has 8 bytes."""
    value = np.int64(0)
    for k in range(width):
        value |= np.int64(data[at + k]) << np.int64(8 * k)
    return int(value)


@njit(cache=True, nogil=True)
def _put(data: Bytes, at: int, value: int, width: int) -> None:
    for k in range(width):
        data[at + k] = np.uint8((value >> (8 * k)) & 0xFF)
