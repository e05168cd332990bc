"""Hashing and open addressing for the memory of ids, as numba kernels over flat arrays."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

NEW, DUPLICATE, CONFLICT = 0, 1, 2


@njit(cache=True, inline="always")
def _rotl(value: np.uint64, bits: int) -> np.uint64:
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@njit(cache=True)
def _word(data: NDArray[np.uint8], start: int, count: int) -> np.uint64:
    """``count`` (<= 8) bytes from ``start`` as a little-endian number."""
    word = np.uint64(0)
    for place in range(count):
        word |= np.uint64(data[start + place]) << np.uint64(8 * place)
    return word


@njit(cache=True)
def _rounds(v0: np.uint64, v1: np.uint64, v2: np.uint64, v3: np.uint64, count: int):  # type: ignore[no-untyped-def]
    for _ in range(count):
        v0 += v1
        v1 = _rotl(v1, 13) ^ v0
        v0 = _rotl(v0, 32)
        v2 += v3
        v3 = _rotl(v3, 16) ^ v2
        v0 += v3
        v3 = _rotl(v3, 21) ^ v0
        v2 += v1
        v1 = _rotl(v1, 17) ^ v2
        v2 = _rotl(v2, 32)
    return v0, v1, v2, v3


@njit(cache=True)
def siphash128(
    data: NDArray[np.uint8],
    ends: NDArray[np.int64],
    key: NDArray[np.uint64],
    out: NDArray[np.uint64],
) -> None:
    """SipHash-2-4 with 128 bits of each text, into ``out`` ``(N, 2)``.

    Keyed, so that nobody outside can make two ids collide, and 40 times faster than blake2b from Python.

    Args:
        data: All texts, one after the other.
        ends: Where each ends, ``(N,)``.
        key: Two secret words, ``(2,)``.
        out: Written, ``(N, 2)``.

    Source:
        Aumasson and Bernstein, "SipHash: a fast short-input PRF", Indocrypt 2012.
    """
    start = 0
    for row in range(len(ends)):
        end = ends[row]
        v0 = key[0] ^ np.uint64(0x736F6D6570736575)
        v1 = key[1] ^ np.uint64(0x646F72616E646F6D) ^ np.uint64(0xEE)
        v2 = key[0] ^ np.uint64(0x6C7967656E657261)
        v3 = key[1] ^ np.uint64(0x7465646279746573)
        length = end - start
        at = start
        for _ in range(length // 8):
            word = _word(data, at, 8)
            v3 ^= word
            v0, v1, v2, v3 = _rounds(v0, v1, v2, v3, 2)
            v0 ^= word
            at += 8
        word = _word(data, at, end - at) | (np.uint64(length & 0xFF) << np.uint64(56))
        v3 ^= word
        v0, v1, v2, v3 = _rounds(v0, v1, v2, v3, 2)
        v0 ^= word
        v2 ^= np.uint64(0xEE)
        v0, v1, v2, v3 = _rounds(v0, v1, v2, v3, 4)
        out[row, 0] = v0 ^ v1 ^ v2 ^ v3
        v1 ^= np.uint64(0xDD)
        v0, v1, v2, v3 = _rounds(v0, v1, v2, v3, 4)
        out[row, 1] = v0 ^ v1 ^ v2 ^ v3
        start = end


@njit(cache=True)
def look_up(
    slots: NDArray[np.uint64], ids: NDArray[np.uint64], bodies: NDArray[np.uint64], verdict: NDArray[np.int8]
) -> None:
    """Mark what a table knows. Rows whose verdict is not NEW are left alone.

    Args:
        slots: The table, ``(2**p, 3)``: two words of id, one of body; an id whose first word is 0 is an empty slot.
        ids: ``(N, 2)``.
        bodies: ``(N,)``.
        verdict: NEW, DUPLICATE or CONFLICT, ``(N,)``, updated.
    """
    mask = np.uint64(len(slots) - 1)
    first = np.empty(len(ids), np.uint64)
    for row in range(len(ids)):  # loads that wait for nothing: the memory answers them side by side
        first[row] = slots[ids[row, 0] & mask, 0]
    for row in range(len(ids)):
        if verdict[row] != NEW or first[row] == 0:
            continue
        slot = _find(slots, ids[row, 0], ids[row, 1], mask)
        if slots[slot, 0] != 0:
            verdict[row] = DUPLICATE if slots[slot, 2] == bodies[row] else CONFLICT


@njit(cache=True)
def insert(
    slots: NDArray[np.uint64], ids: NDArray[np.uint64], bodies: NDArray[np.uint64], verdict: NDArray[np.int8]
) -> int:
    """Put in the rows whose verdict is NEW; an id that is in by now gets its verdict instead. How many went in."""
    mask = np.uint64(len(slots) - 1)
    added = 0
    for row in range(len(ids)):
        if verdict[row] != NEW:
            continue
        slot = _find(slots, ids[row, 0], ids[row, 1], mask)
        if slots[slot, 0] != 0:
            verdict[row] = DUPLICATE if slots[slot, 2] == bodies[row] else CONFLICT
            continue
        slots[slot, 2] = bodies[row]
        slots[slot, 1] = ids[row, 1]
        slots[slot, 0] = ids[row, 0]
        added += 1
    return added


@njit(cache=True)
def _find(slots: NDArray[np.uint64], first: np.uint64, second: np.uint64, mask: np.uint64) -> np.uint64:
    """The slot of an id, or the empty one where it belongs. Linear probing; the table is never full."""
    slot = first & mask
    while slots[slot, 0] != 0 and (slots[slot, 0] != first or slots[slot, 1] != second):
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True)
def settle(
    slots: NDArray[np.uint64], ids: NDArray[np.uint64], bodies: NDArray[np.uint64], verdict: NDArray[np.int8]
) -> None:
    """Give the rows whose verdict is CONFLICT the body that is said now, where the table holds their id."""
    mask = np.uint64(len(slots) - 1)
    for row in range(len(ids)):
        if verdict[row] != CONFLICT:
            continue
        slot = _find(slots, ids[row, 0], ids[row, 1], mask)
        if slots[slot, 0] != 0:
            slots[slot, 2] = bodies[row]
            verdict[row] = DUPLICATE
