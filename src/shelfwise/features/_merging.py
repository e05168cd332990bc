"""Compiled: histories as arrays of ``LINE``, newest first by (at_us, event_hash, line), sorted and merged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Lines = Any  # (L,) of dtype LINE; compiled code reads its fields as attributes

_INSERTION = 32  # lines up to which insertion beats numpy's merge sort: it allocates nothing


@njit(cache=True)
def older(a: Any, b: Any) -> bool:
    """True if line ``a`` stands after line ``b``."""
    if a.at_us != b.at_us:
        return a.at_us < b.at_us
    if a.event_hash != b.event_hash:
        return a.event_hash < b.event_hash
    return a.line < b.line


@njit(cache=True)
def newest_first(lines: Lines) -> NDArray[np.int64]:
    """The order that puts lines newest first."""
    size = len(lines)
    if size <= _INSERTION:
        order = np.arange(size)[::-1].copy()  # events list their lines upwards, so this is nearly it
    else:
        order = size - 1 - np.argsort(-lines.at_us[::-1], kind="mergesort")
    for place in range(1, size):
        moving = order[place]
        at = place
        while at > 0 and older(lines[order[at - 1]], lines[moving]):
            order[at] = order[at - 1]
            at -= 1
        order[at] = moving
    return order


@njit(cache=True)
def keep_fresh(held: Lines, given: Lines, fresh: Lines) -> int:
    """Write to ``fresh`` the given lines that are not held, newest first, each once; how many.

    A line is held if one of the same (event_hash, line) is, whatever else it says: what came first stays.
    """
    count = 0
    known_event = False
    order = newest_first(given)
    for place in range(len(order)):
        line = given[order[place]]
        if place == 0 or line.event_hash != given[order[place - 1]].event_hash:
            known_event = _has_event(held, line.event_hash)
        elif line.line == given[order[place - 1]].line:
            continue
        if not (known_event and _has_line(held, line.event_hash, line.line)):
            fresh[count] = line
            count += 1
    return count


@njit(cache=True)
def interleave(one: Lines, two: Lines, out: Lines) -> int:
    """Merge two histories into ``out``, a line in both once, until it is full; how many stand there."""
    i = j = count = 0
    while count < len(out) and (i < len(one) or j < len(two)):
        if j == len(two) or (i < len(one) and older(two[j], one[i])):
            out[count] = one[i]
            i += 1
        else:
            if i < len(one) and not older(one[i], two[j]):
                i += 1
            out[count] = two[j]
            j += 1
        count += 1
    return count


@njit(cache=True)
def _has_event(lines: Lines, event_hash: int) -> bool:
    found = False
    for at in range(len(lines)):  # no early exit: so it is compiled to wide instructions
        found |= lines[at].event_hash == event_hash
    return found


@njit(cache=True)
def _has_line(lines: Lines, event_hash: int, number: int) -> bool:
    found = False
    for at in range(len(lines)):
        found |= lines[at].event_hash == event_hash and lines[at].line == number
    return found
