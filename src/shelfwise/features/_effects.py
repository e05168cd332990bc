"""What new lines of a person change in the counters of items: one row a change, found from the history."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, LINE, PURCHASE, REFUND, VIEW, PersonState
from shelfwise.features._buckets import FIRST_REACH
from shelfwise.features._history import fresh_lines
from shelfwise.features._merging import Lines, older

EFFECT = np.dtype(
    [
        ("at_us", "<i8"),
        ("item", "<i4"),
        ("event", "<i4"),  # VIEW, CART, PURCHASE or REFUND
        ("lines", "<i4"),  # 1; 0 in a correction
        ("quantity", "<i4"),
        ("log_quantity", "<i4"),  # thousandths of the natural logarithm: whole numbers add up in any order
        ("log_price", "<i4"),  # the same of the price per unit, in minor units; 0 where free or unknown
        ("price_minor", "<i4"),  # per unit, at most 2**31 - 1; -1 where unknown
        ("actor", "<i4"),  # 1 if nothing else of this person, item and event is known of that UTC day
        (
            "first_buyer",
            "<i4",
        ),  # 1 if no purchase of the item stands among the FIRST_REACH lines before it; -1 taken back
    ]
)
"""One change of an item's counters. Rows add up: their sum does not depend on the order events arrive in."""


LARGEST_PRICE = 2**31 - 1


def line_effects(state: PersonState, lines: NDArray[np.void]) -> NDArray[np.void]:
    """Changes of item counters by these lines, given what was known of the person *before* them.

    Lines already held change nothing. A line that arrives late takes the mark of being first from the later one
    that had it; one that pushes two purchases of an item further apart than ``FIRST_REACH`` gives it to the later.
    Returns ``(E,)`` of dtype ``EFFECT``, the same sum in any order of arrival, as long as no line arrives after more
    than ``MAX_HISTORY - FIRST_REACH`` of its person's later ones.
    """
    fresh = fresh_lines(state, lines)
    return effects_of(state.lines, fresh)


def effects_of(held: NDArray[np.void], fresh: NDArray[np.void]) -> NDArray[np.void]:
    """``line_effects`` of lines already found to be fresh (newest first, each once, none held)."""
    effects = np.zeros(most_effects(len(held), len(fresh)), EFFECT)
    return effects[: note_effects(held, fresh, effects)]


def most_effects(held: int, fresh: int) -> int:
    """How many effects so many new lines of a person have at most, who has so many: three each, and pushed marks."""
    return 3 * fresh + (held if held + fresh > FIRST_REACH else 0)


@njit(cache=True)
def milli_log(value: int) -> int:
    """Thousandths of the natural logarithm, rounded; 0 for nothing and less."""
    return int(np.floor(1000.0 * np.log(float(value)) + 0.5)) if value > 0 else 0


@njit(cache=True)
def note_effects(held: Lines, fresh: Lines, effects: Any) -> int:
    """Insert fresh lines, oldest first, into the held ones and note in ``effects`` what each changes; how many."""
    near = _reach(held, fresh)
    union = np.empty(near + len(fresh), LINE)
    known = np.empty(len(union), np.bool_)
    held = held[:near]
    _lay_out(held, fresh, union, known)
    bought = np.empty(
        len(union), np.int32
    )  # the item of a known purchase, else -1: narrow, so quick to search
    for place in range(len(union)):
        bought[place] = union[place].item if known[place] and union[place].event == PURCHASE else -1
    count = _push_apart(union, known, bought, len(fresh), effects)
    for place in range(len(union) - 1, -1, -1):
        line = union[place]
        if known[place]:
            continue
        known[place] = True
        if line.item < 0 or line.event < VIEW or line.event > REFUND:
            continue
        one = effects[count]
        one.at_us, one.item, one.event, one.lines, one.quantity = (
            line.at_us,
            line.item,
            line.event,
            1,
            line.quantity,
        )
        one.log_quantity, one.log_price = milli_log(line.quantity), milli_log(line.price_minor)
        one.price_minor = min(line.price_minor, LARGEST_PRICE)
        count += 1
        before, after = _same_day(union, known, place)
        one.actor = before < 0
        if before < 0 <= after:
            count += _correct(effects[count], union[after])
            effects[count - 1].actor = -1
        if line.event == PURCHASE:
            before, after = _beside(bought, line.item, place)
            bought[place] = line.item
            one.first_buyer = before < 0
            if after >= 0 and (before < 0 or before - after > FIRST_REACH):
                count += _correct(effects[count], union[after])
                effects[count - 1].first_buyer = -1
    return count


@njit(cache=True)
def _correct(effect: Any, line: Any) -> int:
    """Begin a correction at a held line; a row it is."""
    effect.at_us, effect.item, effect.event, effect.price_minor = line.at_us, line.item, line.event, -1
    return 1


@njit(cache=True)
def _push_apart(
    union: Lines, known: NDArray[np.bool_], bought: NDArray[np.int32], n_fresh: int, effects: Any
) -> int:
    """Give the mark of being first to held purchases that the fresh lines push out of reach of the one before."""
    oldest = len(union) - 1
    while oldest >= 0 and known[oldest]:
        oldest -= 1
    count = 0
    for place in range(oldest):  # those after the oldest fresh line
        if bought[place] < 0:
            continue
        far = (
            place + FIRST_REACH + 1
        )  # out of reach now; of those before it only so many were not, as are fresh
        for before in range(far, min(far + n_fresh, len(union))):
            if bought[before] == bought[place]:
                if _was_next(known, bought, place, before):
                    count += _correct(effects[count], union[place])
                    effects[count - 1].first_buyer = 1
                break
    return count


@njit(cache=True)
def _was_next(known: NDArray[np.bool_], bought: NDArray[np.int32], place: int, before: int) -> bool:
    """Whether held purchases of an item followed one another within reach, before the fresh lines came."""
    distance = 1
    for at in range(place + 1, before):
        distance += known[at]
        if bought[at] == bought[place]:
            return False
    return distance <= FIRST_REACH


@njit(cache=True)
def _reach(held: Lines, fresh: Lines) -> int:
    """How many held lines can matter: all for a purchase, else those back to the start of the oldest fresh day.

    All, too, where a late line may push two purchases apart.
    """
    if len(fresh) == 0:
        return 0
    if len(held) + len(fresh) > FIRST_REACH and len(held) > 0 and older(fresh[len(fresh) - 1], held[0]):
        return len(held)
    for at in range(len(fresh)):
        if fresh[at].event == PURCHASE:
            return len(held)
    start = fresh[len(fresh) - 1].at_us // DAY_US * DAY_US
    near = 0
    while near < len(held) and held[near].at_us >= start:
        near += 1
    return near


@njit(cache=True)
def _lay_out(held: Lines, fresh: Lines, union: Lines, known: NDArray[np.bool_]) -> None:
    i = j = 0
    for place in range(len(union)):
        known[place] = j == len(fresh) or (i < len(held) and older(fresh[j], held[i]))
        if known[place]:
            union[place] = held[i]
            i += 1
        else:
            union[place] = fresh[j]
            j += 1


@njit(cache=True)
def _same_day(lines: Lines, known: NDArray[np.bool_], place: int) -> tuple[int, int]:
    """Places of the nearest known lines of the same item, event and UTC day, older and newer; -1 where none."""
    one = lines[place]
    start = one.at_us // DAY_US * DAY_US
    found = (-1, -1)
    for step in (1, -1):
        at = place + step
        while 0 <= at < len(lines) and start <= lines[at].at_us < start + DAY_US:
            if lines[at].item == one.item and lines[at].event == one.event and known[at]:
                found = (at, -1) if step == 1 else (found[0], at)
                break
            at += step
    return found


@njit(cache=True)
def _beside(bought: NDArray[np.int32], item: int, place: int) -> tuple[int, int]:
    """Places of the nearest purchases of the item, older and newer, within FIRST_REACH lines; -1 where none."""
    before = after = -1
    stop = min(place + FIRST_REACH + 1, len(bought))
    at = place + 1
    while at < stop and before < 0:
        block = min(at + 64, stop)
        found = False
        for one in range(at, block):  # no early exit inside a block: so it is compiled to wide instructions
            found |= bought[one] == item
        if found:
            before = at
            while bought[before] != item:
                before += 1
        at = block
    at = place - 1
    while at >= max(place - FIRST_REACH, 0) and after < 0:
        if bought[at] == item:
            after = at
        at -= 1
    return before, after
