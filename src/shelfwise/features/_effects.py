"""What new lines of a person change in the counters of items: one row a change, found from the history."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import CART, DAY_US, LINE, MAX_HISTORY, PURCHASE, REFUND, VIEW, PersonState
from shelfwise.features._history import fresh_lines
from shelfwise.features._merging import Lines, older

EFFECT = np.dtype(
    [
        ("at_us", "<i8"),
        ("item", "<i4"),
        ("event", "<i4"),  # VIEW, CART, PURCHASE or REFUND
        ("lines", "<i4"),  # 1; 0 in a correction
        ("quantity", "<i4"),
        ("actor", "<i4"),  # 1 if nothing else of this person, item and event is known of that UTC day
        (
            "first_buyer",
            "<i4",
        ),  # 1 if no purchase of the item stands among the 2,000 lines before it; -1 taken back
    ]
)
"""One change of an item's counters. Rows add up: their sum does not depend on the order events arrive in."""


def line_effects(state: PersonState, lines: NDArray[np.void]) -> NDArray[np.void]:
    """Changes of item counters by these lines, given what was known of the person *before* them.

    Lines already held change nothing. A purchase that arrives late takes the first-buyer mark from the later
    one that had it. Returns ``(E,)`` of dtype ``EFFECT``, at most two rows a line.
    """
    fresh = fresh_lines(state, lines)
    return effects_of(state.lines, fresh)


def effects_of(held: NDArray[np.void], fresh: NDArray[np.void]) -> NDArray[np.void]:
    """``line_effects`` of lines already found to be fresh (newest first, each once, none held)."""
    effects = np.zeros(2 * len(fresh), EFFECT)
    union = np.empty(len(held) + len(fresh), LINE)
    return effects[: _effects(held, fresh, union, np.zeros(len(union), np.bool_), effects)]


@njit(cache=True)
def _effects(held: Lines, fresh: Lines, union: Lines, known: NDArray[np.bool_], effects: Any) -> int:
    """Insert fresh lines, oldest first, into the held ones and note what each changes."""
    _spread(held, fresh, union, known)
    count = 0
    for place in range(len(union) - 1, -1, -1):
        line = union[place]
        if known[place]:
            continue
        known[place] = True
        if line.item < 0 or line.event not in (VIEW, CART, PURCHASE, REFUND):
            continue
        effects[count].at_us, effects[count].item, effects[count].event = line.at_us, line.item, line.event
        effects[count].lines, effects[count].quantity = 1, line.quantity
        effects[count].actor = _alone_that_day(union, known, place)
        count += 1
        if line.event == PURCHASE:
            before, after = _buys_beside(union, known, place)
            effects[count - 1].first_buyer = before < 0
            if after >= 0 and (before < 0 or before - after > MAX_HISTORY):
                effects[count].at_us, effects[count].item = union[after].at_us, line.item
                effects[count].event, effects[count].first_buyer = PURCHASE, -1
                count += 1
    return count


@njit(cache=True)
def _spread(held: Lines, fresh: Lines, union: Lines, known: NDArray[np.bool_]) -> None:
    i = j = 0
    for place in range(len(union)):
        take_held = j == len(fresh) or (i < len(held) and older(fresh[j], held[i]))
        known[place] = take_held
        if take_held:
            union[place] = held[i]
            i += 1
        else:
            union[place] = fresh[j]
            j += 1


@njit(cache=True)
def _alone_that_day(lines: Lines, known: NDArray[np.bool_], place: int) -> bool:
    """No other known line of the same item, event and UTC day."""
    one = lines[place]
    day = one.at_us // DAY_US
    for at in range(place + 1, len(lines)):
        if lines[at].at_us // DAY_US != day:
            break
        if known[at] and lines[at].item == one.item and lines[at].event == one.event:
            return False
    for at in range(place - 1, -1, -1):
        if lines[at].at_us // DAY_US != day:
            break
        if known[at] and lines[at].item == one.item and lines[at].event == one.event:
            return False
    return True


@njit(cache=True)
def _buys_beside(lines: Lines, known: NDArray[np.bool_], place: int) -> tuple[int, int]:
    """Places of the nearest known purchases of the same item, older and newer, within MAX_HISTORY lines; or -1."""
    item = lines[place].item
    before = after = -1
    for at in range(place + 1, min(place + MAX_HISTORY + 1, len(lines))):
        if lines[at].item == item and lines[at].event == PURCHASE and known[at]:
            before = at
            break
    for at in range(place - 1, max(place - MAX_HISTORY - 1, -1), -1):
        if lines[at].item == item and lines[at].event == PURCHASE and known[at]:
            after = at
            break
    return before, after
