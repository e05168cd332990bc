"""What is known during a visit, and how its events become lines. Compiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from shelfwise.domain import EVENT_CODES, MAX_LINES
from shelfwise.simulation._ground import MAX_POSITIONS, Ground
from shelfwise.simulation._people import Person
from shelfwise.simulation._random import SESSION, codes, exponential, stream
from shelfwise.simulation._traffic import LINES

# Bits of the numbers: a visit's stand below the shopper's, an event's below the visit's.
DAY_BITS, VISIT_BITS, EVENT_BITS = 16, 6, 14
SHOPPER_LIMIT = 1 << (62 - DAY_BITS - VISIT_BITS - EVENT_BITS)  # 2^26
VISIT_LIMIT = (1 << VISIT_BITS) - 1  # visits of a shopper on a day
EVENT_LIMIT = (1 << EVENT_BITS) - 1  # events of a visit
SEEDS = 8  # items at hand that a choice looks at

_EVENTS = "search view_item_list select_item view_item add_to_cart view_cart begin_checkout purchase".split()
SEARCH, LIST, SELECT, VIEW, CART, VIEW_CART, BEGIN, PURCHASE = codes(EVENT_CODES[name] for name in _EVENTS)
NO, ONE = codes((-1, 1))  # none of an id or position; one unit
_NO_LIST = np.int64(0)

_PACE = 10_000  # counters of a visit's key from which the pace of its events is drawn

# Places in ``State.number``.
N_EVENTS, NOW, N_CART, N_SEEDS, LAST, VIEWED, KNOWN, TELLS, SOUGHT, TARGET = range(10)
ALL_EVENTS = -1  # TELLS is a set of bits by event code


class Plan(NamedTuple):
    """What is settled as a visit begins."""

    session: int
    start_us: int
    device: int
    country: int
    intent: int
    needs: int
    pays: bool  # a filled cart is paid for
    person: Person


class State(NamedTuple):
    """What changes during a visit; arrays that its steps write to."""

    number: NDArray[np.int64]  # counts and instants, by the places above
    cart_item: NDArray[np.int32]  # (MAX_LINES,)
    cart_quantity: NDArray[np.int32]  # (MAX_LINES,)
    cart_answer: NDArray[np.int64]  # (MAX_LINES,) the answer that showed the item; -1
    seeds: NDArray[np.int32]  # (SEEDS,) items at hand, newest first
    listed: NDArray[np.int32]  # (MAX_POSITIONS,) scratch: the list that is drawn up
    outcome: NDArray[np.int8]  # (MAX_POSITIONS,) of each position of the last list: 0, 1 examined, 2 clicked
    lines: NDArray[np.void]  # (N,) LINES: what is sent
    used: NDArray[np.int64]  # (1,) how many of them are written


def new_state(n_lines: int, tells: int = ALL_EVENTS) -> State:
    """Nothing happened yet; room for so many lines."""
    number = np.zeros(16, np.int64)
    number[TELLS] = tells
    return State(
        number,
        np.zeros(MAX_LINES, np.int32),
        np.zeros(MAX_LINES, np.int32),
        np.full(MAX_LINES, -1, np.int64),
        np.zeros(SEEDS, np.int32),
        np.zeros(MAX_POSITIONS, np.int32),
        np.zeros(MAX_POSITIONS, np.int8),
        np.empty(n_lines, LINES),
        np.zeros(1, np.int64),
    )


@register_jitable
def session_of(shopper: Any, day: Any, visit: Any) -> Any:
    """The number of a visit: of a shopper, on a day since 1970, the n-th of it. Columns as well as numbers."""
    return (shopper << (DAY_BITS + VISIT_BITS)) | (day << VISIT_BITS) | visit


def day_of_session(session: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days since 1970 of visits."""
    return np.asarray(session >> VISIT_BITS & ((1 << DAY_BITS) - 1))


@nb.njit(cache=True)
def visit_key(ground: Ground, visit: Plan) -> np.uint64:
    """Worked out anew where it is needed: a 64 bit key would not survive the way through Python."""
    return stream(ground.seed, SESSION, visit.session)


@nb.njit(cache=True)
def _next_event(ground: Ground, state: State, visit: Plan, pace_us: float) -> int:
    """The event's number; time goes on."""
    n = state.number
    index = min(n[N_EVENTS], EVENT_LIMIT)
    if index > 0:
        n[NOW] += 1 + int(pace_us * exponential(visit_key(ground, visit), _PACE + index))
    n[N_EVENTS] = index + 1
    return (visit.session << EVENT_BITS) | index


@nb.njit(cache=True)
def _told(state: State, event: int) -> bool:
    return (state.number[TELLS] >> event) & 1 == 1


@nb.njit(cache=True)
def tell(ground: Ground, state: State, visit: Plan, event: int, shown: int, query: int) -> None:
    """An event without items."""
    event_no = _next_event(ground, state, visit, 0.0)
    if _told(state, event):
        _write(state, visit, event, event_no, 0, NO, 0, NO, NO, shown, query, NO, NO)


@nb.njit(cache=True)
def tell_item(
    ground: Ground,
    state: State,
    visit: Plan,
    event: int,
    item: int,
    quantity: int,
    index: int,
    shown: int,
    query: int,
    answer: int,
) -> None:
    """An event of one item."""
    event_no = _next_event(ground, state, visit, ground.rules[0].pace_us)
    if _told(state, event):
        price = ground.items[item].price_minor
        _write(state, visit, event, event_no, 0, item, quantity, price, index, shown, query, NO, answer)


@nb.njit(cache=True)
def tell_list(
    ground: Ground, state: State, visit: Plan, items: NDArray[np.int32], shown: int, query: int, answer: int
) -> None:
    event_no = _next_event(ground, state, visit, ground.rules[0].pace_us)
    if _told(state, LIST):
        for k in range(len(items)):
            price = ground.items[items[k]].price_minor
            _write(state, visit, LIST, event_no, k, items[k], ONE, price, k + 1, shown, query, NO, answer)


@nb.njit(cache=True)
def tell_cart(ground: Ground, state: State, visit: Plan, event: int, order: int) -> None:
    """An event of all that lies in the cart."""
    event_no = _next_event(ground, state, visit, ground.rules[0].pace_us)
    if not _told(state, event):
        return
    for row in range(state.number[N_CART]):
        item, units, answer = state.cart_item[row], state.cart_quantity[row], state.cart_answer[row]
        price = ground.items[item].price_minor
        _write(state, visit, event, event_no, row, item, units, price, NO, _NO_LIST, NO, order, answer)


@nb.njit(cache=True)
def _write(
    state: State,
    visit: Plan,
    event: int,
    event_no: int,
    line: int,
    item: int,
    quantity: int,
    price_minor: int,
    index: int,
    shown: int,
    query: int,
    order: int,
    answer: int,
) -> None:
    """A line to the end of the lines."""
    row = state.lines[state.used[0]]
    state.used[0] += 1
    row.event, row.event_no, row.line, row.at_us = event, event_no, line, state.number[NOW]
    row.shopper, row.device, row.known = visit.person.number, visit.device, state.number[KNOWN] == 1
    row.session, row.item, row.quantity, row.price_minor = visit.session, item, quantity, price_minor
    row.order, row.index, row.list, row.query = order, index, shown, query
    row.country, row.recommendation = visit.country, answer
