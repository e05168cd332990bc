"""Compiled: batches of encoded events read into columns, byte by byte, without making an object of any.

A batch is a msgpack array of ``domain.Event``, each an array of its fields in their order; fields at the end may be
missing, and more than are known may follow. Nothing is believed: lengths that lead outside make the batch unreadable,
and of each field is told what it is, so that whoever wants a text there can see that it is none.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

PAD = 16  # bytes that must follow the last batch, so that a number cut off is read without looking

# What a field is. A missing one is ABSENT too. WIDE is text with a byte that is no ASCII: it may not even be UTF-8.
ABSENT, INTEGER, TEXT, WIDE, TRUTH, OTHER = range(6)

# Fields of an event, those of its context behind them; fields of an item.
(
    ID, NAME, OCCURRED, RECEIVED, USER, VISITOR, SESSION, _ITEMS, ORDER, QUERY, _CONTEXT, RECOMMENDATION, ORIGIN, BOT,
    DEVICE, COUNTRY, REGION, REFERRER, PLACEMENT, OFFSET, AGE,
) = range(21)  # fmt: skip
EVENT_FIELDS, _OWN = 21, 14
ITEM_ID, QUANTITY, PRICE, CURRENCY, INDEX = range(5)
ITEM_FIELDS = 5

# Where an event and some of its fields begin and end.
START, ID_START, ID_END, OCCURRED_END, RECEIVED_END, END = range(CUTS := 6)


@njit(cache=True, nogil=True)
def count_events(
    data: Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], sizes: NDArray[np.int64]
) -> bool:
    """Write to ``sizes`` ``(B, 2)`` the events and rows of items of each batch; False if one is no list of events.

    An event without items has one row, of no item.
    """
    for batch in range(len(starts)):
        end = ends[batch]
        n_events, at = _array(data, starts[batch], end)
        n_items = 0
        for _ in range(n_events):
            event = at
            n_fields, at = _array(data, at, end)
            items = 0
            if n_fields > _ITEMS:
                at = _skip(data, at, end, _ITEMS)
                items, _ = _array(data, at, end)
            n_items += max(1, items)
            at = _skip(data, event, end, 1)
        if at != end:
            return False
        sizes[batch, 0], sizes[batch, 1] = n_events, n_items
    return True


@njit(cache=True, nogil=True)
def read_events(
    data: Bytes,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    sizes: NDArray[np.int64],
    kind: NDArray[np.uint8],
    value: NDArray[np.int64],
    size: NDArray[np.int64],
    cuts: NDArray[np.int64],
    owner: NDArray[np.int64],
    line: NDArray[np.int64],
) -> bool:
    """Fill the columns of batches whose ``sizes`` were counted; False if one is no list of events.

    ``kind``, ``value``, ``size`` ``(21 E + 5 N,)``, zeros before: of each field of each event, then of each item, what
    it is; its number, or where its text begins; bytes of the text. ``owner`` and ``line`` ``(N,)``: the event of each
    item, and its place in it.
    """
    event = row = 0
    behind = EVENT_FIELDS * len(cuts)
    for batch in range(len(starts)):
        end = ends[batch]
        _, at = _array(data, starts[batch], end)
        for _ in range(sizes[batch, 0]):
            cuts[event, START] = at
            n_fields, at = _array(data, at, end)
            cuts[event, ID_START] = at
            rows = 0
            for field in range(n_fields):
                groups, count, known, goal = 1, 1, _OWN - field, EVENT_FIELDS * event + field
                if field == _ITEMS:
                    groups, at = _array(data, at, end)
                    rows, known, goal = groups, ITEM_FIELDS, behind + ITEM_FIELDS * row
                elif field == _CONTEXT:
                    known, goal = EVENT_FIELDS - _OWN, EVENT_FIELDS * event + _OWN
                for group in range(groups):
                    if known != _OWN - field:
                        count, at = _array(data, at, end)
                    at = _read(data, at, end, count, known, goal + ITEM_FIELDS * group, kind, value, size)
                if field == ID:
                    cuts[event, ID_END] = at
                elif field == OCCURRED:
                    cuts[event, OCCURRED_END] = at
                elif field == RECEIVED:
                    cuts[event, RECEIVED_END] = at
            cuts[event, END] = at
            rows = max(1, rows)
            for number in range(rows):
                owner[row + number], line[row + number] = event, number
            event += 1
            row += rows
        if at != end:
            return False
    return True


@njit(cache=True, nogil=True)
def _read(
    data: Bytes,
    at: int,
    end: int,
    count: int,
    known: int,
    goal: int,
    kind: NDArray[np.uint8],
    value: NDArray[np.int64],
    size: NDArray[np.int64],
) -> int:
    """Note ``count`` values from place ``goal`` on, those beyond ``known`` left out; where they end."""
    for place in range(count):
        head = int(data[at]) if at < end else 0xC1
        wide = _WIDTH[head]
        number, width = _number(data, at + 1, wide), 0
        what, after = _KIND[head], at + 1 + wide
        if what == INTEGER:
            if wide == 0:
                number = head if head < 0x80 else head - 256
            elif head >= 0xD0:
                number = (number << (64 - 8 * wide)) >> (64 - 8 * wide)
            elif number < 0:
                what = OTHER
        elif what == TEXT:
            number, width = after, number + _FIXED[head]
            after += width
            bits = np.uint8(0)
            for k in range(number, min(after, end)):
                bits |= data[k]
            if bits >= 0x80:
                what = WIDE
        elif what == TRUTH:
            number = head & 1
        elif what == OTHER:
            after = _skip(data, at, end, 1)
        if after > end:
            return end + 1
        if place < known:
            kind[goal + place], value[goal + place], size[goal + place] = what, number, width
        at = after
    return at


@njit(cache=True, nogil=True)
def _array(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """Length of an array, and where its first element begins; behind ``end`` if none is there, or not all of it."""
    head = int(data[at]) if at < end else 0
    count, after = 0, end + 1
    if 0x90 <= head <= 0x9F:
        count, after = head & 0x0F, at + 1
    elif 0xDC <= head <= 0xDD:
        wide = 2 << (head - 0xDC)
        count, after = _number(data, at + 1, wide), at + 1 + wide
    if after + count > end:  # each element has a byte at least
        return 0, end + 1
    return count, after


@njit(cache=True, nogil=True)
def _skip(data: Bytes, at: int, end: int, count: int) -> int:
    """Where ``count`` values end, with all that is in them; behind ``end`` if they are not whole."""
    left = count
    while left > 0 and at < end:
        head = int(data[at])
        left -= 1
        wide = _WIDTH[head]
        number = _number(data, at + 1, wide)
        at += 1 + wide + _FIXED[head] + number * _SIZED[head]
        left += _FIXED_INSIDE[head] + number * _INSIDE[head]
    return at if left == 0 else end + 1


@njit(cache=True, nogil=True)
def _number(data: Bytes, at: int, wide: int) -> int:
    """The unsigned number in ``wide`` bytes."""
    value = np.int64(0)
    for k in range(wide):
        value = (value << np.int64(8)) | np.int64(data[at + k])
    return int(value)


def _by_head(ranges: dict[tuple[int, int], int]) -> NDArray[np.int64]:
    """A table by the first byte of a value, from what holds of heads first to last; 0 elsewhere."""
    table = np.zeros(256, np.int64)
    for (first, last), value in ranges.items():
        table[first : last + 1] = value
    return table


# By the first byte of a value: bytes of the number behind it; bytes that follow without being counted there; whether
# that number counts bytes; values inside without being counted there; how many values it counts; what a field is.
_WIDTH = _by_head(
    {
        (0xC4, 0xC4): 1, (0xC5, 0xC5): 2, (0xC6, 0xC6): 4, (0xC7, 0xC7): 1, (0xC8, 0xC8): 2, (0xC9, 0xC9): 4,
        (0xCC, 0xCC): 1, (0xCD, 0xCD): 2, (0xCE, 0xCE): 4, (0xCF, 0xCF): 8, (0xD0, 0xD0): 1, (0xD1, 0xD1): 2,
        (0xD2, 0xD2): 4, (0xD3, 0xD3): 8, (0xD9, 0xD9): 1, (0xDA, 0xDA): 2, (0xDB, 0xDB): 4, (0xDC, 0xDC): 2,
        (0xDD, 0xDD): 4, (0xDE, 0xDE): 2, (0xDF, 0xDF): 4,
    }
)  # fmt: skip
_FIXED = _by_head(
    {
        (0xC7, 0xC9): 1, (0xCA, 0xCA): 4, (0xCB, 0xCB): 8, (0xD4, 0xD4): 2, (0xD5, 0xD5): 3, (0xD6, 0xD6): 5,
        (0xD7, 0xD7): 9, (0xD8, 0xD8): 17, **{(0xA0 + size, 0xA0 + size): size for size in range(32)},
    }
)  # fmt: skip
_SIZED = _by_head({(0xC4, 0xC9): 1, (0xD9, 0xDB): 1})
_FIXED_INSIDE = _by_head(
    {
        **{(0x80 + size, 0x80 + size): 2 * size for size in range(16)},
        **{(0x90 + size, 0x90 + size): size for size in range(16)},
    }
)
_INSIDE = _by_head({(0xDC, 0xDD): 1, (0xDE, 0xDF): 2})
_KIND = _by_head(
    {
        (0x00, 0xFF): OTHER, (0x00, 0x7F): INTEGER, (0xE0, 0xFF): INTEGER, (0xCC, 0xD3): INTEGER, (0xA0, 0xBF): TEXT,
        (0xD9, 0xDB): TEXT, (0xC2, 0xC3): TRUTH, (0xC0, 0xC0): ABSENT,
    }
)  # fmt: skip
