"""Compiled: histories as arrays of ``LINE``, newest first by (at_us, event_hash, line), sorted and merged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Lines = Any  # (L,) of dtype LINE; compiled code reads its fields as attributes

# Steps of Shell's sort. Source: Ciura, "Best Increments for the Average Case of Shellsort", 2001. It is used because
# numba compiles it in a tenth of the time of numpy's sorts, and every new machine compiles.
STEPS = (3905, 1750, 701, 301, 132, 57, 23, 10, 4, 1)


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
    order = np.empty(size, np.int64)
    for place in range(size):
        order[place] = size - 1 - place  # events list their lines upwards, so this is nearly it
    for step in STEPS:
        for place in range(step, size):
            moving = order[place]
            at = place
            while at >= step and older(lines[order[at - step]], lines[moving]):
                order[at] = order[at - step]
                at -= step
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
