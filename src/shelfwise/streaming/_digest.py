"""Compiled: what an encoded batch of events says of each event, read from its bytes without making objects.

A batch is a msgpack array of events, each an array that begins ``[event_id, event, occurred_us, received_us, ...``
(``domain.Event``). The bytes were checked by a typed decoder before they come here.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

DIGEST = np.dtype([("high", "<u8"), ("low", "<u8"), ("body", "<u4"), ("start", "<u4"), ("end", "<u4")])
"""128 bits of the event_id, 32 bits of the rest without ``received_us``, and where the event lies in its batch."""

# Odd 64-bit constants of wyhash (public domain, Wang Yi); any with mixed bits will do.
_P0, _P1 = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
_P2, _P3 = np.uint64(0x8EBC6AF09C88C6E3), np.uint64(0x589965CC75374CC3)


def digest_batch(blob: bytes | memoryview, seed: int) -> NDArray[np.void]:
    """One row of dtype ``DIGEST`` an event of the batch, in order.

    ``received_us`` is left out of the body: who sends an event again sends the same event. ``seed`` is a secret of
    the shop, so that nobody can make ids that collide.
    """
    data = np.frombuffer(blob, np.uint8)
    count, _ = array_head(data, 0)
    digests = np.empty(count, DIGEST)
    _digest(data, np.uint64(seed), digests)
    return digests


def without(blob: bytes, digests: NDArray[np.void], keep: NDArray[np.bool_]) -> bytes:
    """The same batch with only the events that are marked."""
    kept = digests[keep]
    parts = [blob[start:end] for start, end in zip(kept["start"].tolist(), kept["end"].tolist(), strict=True)]
    return b"".join((_head(len(parts)), *parts))


def _head(count: int) -> bytes:
    """The msgpack head of an array."""
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")


@njit(cache=True)
def _digest(data: Bytes, seed: np.uint64, digests: NDArray[np.void]) -> None:
    _, at = array_head(data, 0)
    for row in range(len(digests)):
        start = at
        _, at = array_head(data, at)  # of the event
        id_end = skip(data, at)
        kind_end = skip(data, id_end)
        occurred_end = skip(data, kind_end)
        received_end = skip(data, occurred_end)
        end = _skip_whole(data, start)
        digests[row].high = hash_bytes(data, at, id_end, seed ^ _P0)
        digests[row].low = hash_bytes(data, at, id_end, seed ^ _P3)
        body = hash_bytes(data, id_end, occurred_end, seed)
        body = hash_bytes(data, received_end, end, body)
        digests[row].body = body >> np.uint64(32)
        digests[row].start, digests[row].end = start, end
        at = end


@njit(cache=True)
def hash_bytes(data: Bytes, start: int, end: int, seed: np.uint64) -> np.uint64:
    """64 bits of ``data[start:end]``: eight bytes a step, mixed by multiplication and shift."""
    h = seed ^ (np.uint64(end - start) * _P1)
    at = start
    while at < end:
        word = np.uint64(0)
        for k in range(min(8, end - at)):
            word |= np.uint64(data[at + k]) << np.uint64(8 * k)
        h = (h ^ word) * _P2
        h ^= h >> np.uint64(32)
        h *= _P1
        h ^= h >> np.uint64(29)
        at += 8
    h *= _P3
    return h ^ (h >> np.uint64(32))


@njit(cache=True)
def array_head(data: Bytes, at: int) -> tuple[int, int]:
    """Length of the array whose head stands at ``at``, and where its first element begins."""
    kind = data[at]
    if 0x90 <= kind <= 0x9F:
        return kind & 0x0F, at + 1
    if kind == 0xDC:
        return _number(data, at + 1, 2), at + 3
    return _number(data, at + 1, 4), at + 5


@njit(cache=True)
def skip(data: Bytes, at: int) -> int:
    """Where the scalar at ``at`` ends; for an array or map, where its first element begins."""
    kind = data[at]
    if kind < 0xA0 or kind >= 0xE0:  # small ints, and the heads of small maps and arrays
        return at + 1
    if kind < 0xC0:
        return at + 1 + (kind & 0x1F)
    return at + 1 + _TAIL[kind - 0xC0] + _payload(data, at)


@njit(cache=True)
def _payload(data: Bytes, at: int) -> int:
    """Bytes of text or binary that follow the length of a string (d9..db), binary (c4..c6) or extension."""
    kind = data[at]
    if 0xC4 <= kind <= 0xC6:
        return _number(data, at + 1, 1 << (kind - 0xC4))
    if 0xD9 <= kind <= 0xDB:
        return _number(data, at + 1, 1 << (kind - 0xD9))
    if 0xC7 <= kind <= 0xC9:
        return 1 + _number(data, at + 1, 1 << (kind - 0xC7))
    return 0


@njit(cache=True)
def _skip_whole(data: Bytes, at: int) -> int:
    """Where the value at ``at`` ends, with all that is in it."""
    left = 1
    while left > 0:
        left += _elements(data, at) - 1
        at = skip(data, at)
    return at


@njit(cache=True)
def _elements(data: Bytes, at: int) -> int:
    """How many values stand inside the one at ``at``: 0 for a scalar."""
    kind = data[at]
    if 0x80 <= kind <= 0x8F:
        return 2 * (kind & 0x0F)
    if 0x90 <= kind <= 0x9F:
        return kind & 0x0F
    if 0xDC <= kind <= 0xDD:
        return _number(data, at + 1, 2 << (kind - 0xDC))
    if 0xDE <= kind <= 0xDF:
        return 2 * _number(data, at + 1, 2 << (kind - 0xDE))
    return 0


@njit(cache=True)
def _number(data: Bytes, at: int, width: int) -> int:
    value = np.int64(0)
    for k in range(width):
        value = (value << np.int64(8)) | np.int64(data[at + k])
    return int(value)


# Bytes after the kind byte, without the text that follows: kinds 0xC0 to 0xDF.
_TAIL = np.array(
    [0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17, 1, 2, 4, 2, 4, 2, 4],
    np.int64,
)
