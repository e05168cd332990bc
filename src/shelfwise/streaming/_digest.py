"""Compiled: what an encoded event is known by, hashed from the bytes that it lies in."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.features import EventColumns

Bytes = NDArray[np.uint8]

_ID_START, _ID_END, _OCCURRED_END, _RECEIVED_END, _END = range(1, 6)  # columns of ``EventColumns.cuts``

DIGEST = np.dtype([("high", "<u8"), ("low", "<u8"), ("body", "<u4")])
"""128 bits of the event_id, and 32 bits of the rest without ``received_us``."""

# Odd 64-bit constants of wyhash (public domain, Wang Yi); any with mixed bits will do.
_P0, _P1 = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
_P2, _P3 = np.uint64(0x8EBC6AF09C88C6E3), np.uint64(0x589965CC75374CC3)


def digests_of(events: EventColumns, seed: int) -> NDArray[np.void]:
    """One row of dtype ``DIGEST`` an event, in order.

    ``received_us`` is left out of the body: who sends an event again sends the same event. ``seed`` is a secret of
    the shop, so that nobody can make ids that collide.
    """
    digests = np.empty(len(events), DIGEST)
    _digest(np.frombuffer(events.blob, np.uint8), events.cuts, np.uint64(seed), digests)
    return digests


def encoded_batch(events: EventColumns) -> bytes:
    """These events as a batch of the log."""
    cuts = events.cuts
    parts = [
        events.blob[start:end] for start, end in zip(cuts[:, 0].tolist(), cuts[:, -1].tolist(), strict=True)
    ]
    return b"".join((_head(len(parts)), *parts))


def _head(count: int) -> bytes:
    """The msgpack head of an array."""
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")


@njit(cache=True, nogil=True)
def _digest(data: Bytes, cuts: NDArray[np.int64], seed: np.uint64, digests: NDArray[np.void]) -> None:
    for row in range(len(digests)):
        id_start, id_end, occurred_end = cuts[row, _ID_START], cuts[row, _ID_END], cuts[row, _OCCURRED_END]
        digests[row].high = hash_bytes(data, id_start, id_end, seed ^ _P0)
        digests[row].low = hash_bytes(data, id_start, id_end, seed ^ _P3)
        body = hash_bytes(data, id_end, occurred_end, seed)
        body = hash_bytes(data, cuts[row, _RECEIVED_END], cuts[row, _END], body)
        digests[row].body = body >> np.uint64(32)


@njit(cache=True, nogil=True)
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
