"""What happens in a visit: needs, lists, looks, clicks, the cart, and whether it is paid for. Compiled.

The open loop walks through visits; the closed loop takes the same steps one by one, with slates between them. All
chance hangs on the visit's number, the need and the item: a visit to which nothing is recommended is the visit of
the open loop. What a visitor thinks of the items is settled as the visit begins.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from shelfwise.domain import EVENT_CODES, MAX_LINES
from shelfwise.simulation._choice import drawn, judged
from shelfwise.simulation._ground import MAX_POSITIONS, QUANTITY_LIMIT, Ground, Week
from shelfwise.simulation._people import FAVOURITES, Person, country_of, drawn_item, main_device, person_of
from shelfwise.simulation._random import SESSION, codes, exponential, fold, normal, place, stream, uniform
from shelfwise.simulation._traffic import DTYPES, INTENTS, LISTS

DAY_BITS, VISIT_BITS, EVENT_BITS = (
    16,
    6,
    14,
)  # of a visit's number below the shopper's; of an event's below the visit's
SHOPPER_LIMIT = 1 << (62 - DAY_BITS - VISIT_BITS - EVENT_BITS)  # 2^26
VISIT_LIMIT = (1 << VISIT_BITS) - 1  # visits of a shopper on a day
EVENT_LIMIT = (1 << EVENT_BITS) - 1  # events of a visit
SEEDS = 8  # items at hand that a choice looks at

LINES = np.dtype(list(DTYPES.items()), align=True)

NONE, HOME, PRODUCT, CART_PAGE, SEARCH_LIST, CATEGORY_LIST = codes(range(len(LISTS)))
BROWSE, MISSION, REPURCHASE, GIFT = codes(range(len(INTENTS)))

_EVENTS = "search view_item_list select_item view_item add_to_cart view_cart begin_checkout purchase".split()
_SEARCH, _LIST, _SELECT, _VIEW, _CART, _VIEW_CART, _BEGIN, _PURCHASE = codes(
    EVENT_CODES[name] for name in _EVENTS
)
_NO, _ONE = codes((-1, 1))  # none of an id or position; one unit

# Counters of a visit's key; needs and asks are folded from _NEED and _ASK on, the pace of events counts from _PACE on.
_INTENT, _DEVICE, _OTHER_DEVICE, _LOGIN, _CHECKOUT, _BEGINS, _BROWSES = codes(range(7))
_BASKET = np.int64(20)  # normal: 40, 41
_NEED, _ASK, _PACE = 1_000, 2_000, 10_000

# Counters of a need's key; its list is drawn from _LISTED on. Of an item's key: a normal.
_REGULAR, _WHICH, _COMPLEMENT, _WHICH_COMPLEMENT, _DIRECT, _FAVOURITE, _CATEGORY, _BY_SEARCH = codes(range(8))
_LISTED = 50
_QUANTITY = np.int64(4)

# Places in ``State.number``.
N_LINES, N_EVENTS, NOW, N_CART, N_SEEDS, LAST, VIEWED, KNOWN, TELLS = range(9)
ALL_EVENTS = -1  # TELLS is a set of bits by event code

_FAVOURITE_WEIGHTS = np.cumsum(1.0 / np.arange(1, FAVOURITES + 1))


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
    outcome: NDArray[
        np.int8
    ]  # (MAX_POSITIONS,) what became of each position of the last list: 0, 1 seen, 2 clicked
    lines: NDArray[np.void]  # (N,) LINES: what is sent


class Need(NamedTuple):
    """One thing that a visit looks for."""

    list: int  # where: place in LISTS
    category: int  # -1 anything
    target: int  # the very item; -1 any


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
    )


@register_jitable
def session_of(shopper: Any, day: Any, visit: Any) -> Any:
    """The number of a visit: of a shopper, on a day since 1970, the n-th of it. Columns as well as numbers."""
    return (shopper << (DAY_BITS + VISIT_BITS)) | (day << VISIT_BITS) | visit


def day_of_session(session: NDArray[np.int64]) -> NDArray[np.int64]:
    """Days since 1970 of visits."""
    return np.asarray(session >> VISIT_BITS & ((1 << DAY_BITS) - 1))


@nb.njit(cache=True)
def begin(ground: Ground, state: State, session: int, start_us: int, gift_odds: float) -> Plan:
    """Settles a visit and clears the state, but for the lines."""
    rules, number = ground.rules, session >> (DAY_BITS + VISIT_BITS)
    key = stream(ground.seed, SESSION, session)
    person = person_of(ground, number, start_us)
    intent = _intent(ground, person, uniform(key, _INTENT), gift_odds)
    device = main_device(ground, number)
    if uniform(key, _OTHER_DEVICE) < rules.second_device_share:
        device = (device + 1 + int(uniform(key, _DEVICE) * 2)) % 3
    n = state.number
    n[N_EVENTS], n[NOW], n[N_CART], n[N_SEEDS], n[LAST], n[VIEWED] = 0, start_us, 0, 0, -1, -1
    n[KNOWN] = 1 if uniform(key, _LOGIN) < rules.login_rate else 0
    pays = uniform(key, _CHECKOUT) < rules.checkout_rates[person.wholesale, intent]
    return Plan(
        session,
        start_us,
        device,
        country_of(ground, number),
        intent,
        _n_needs(ground, person, key, intent),
        pays,
        person,
    )


@nb.njit(cache=True)
def _key(ground: Ground, visit: Plan) -> np.uint64:
    """Worked out anew where it is needed: a 64 bit key would not survive the way through Python."""
    return stream(ground.seed, SESSION, visit.session)


@nb.njit(cache=True)
def _intent(ground: Ground, person: Person, chance: float, gift_odds: float) -> int:
    shares = ground.rules.intent_shares[person.wholesale]
    total = 0.0
    for n in range(4):
        total += shares[n] * (gift_odds if n == GIFT else 1.0)
    reached = 0.0
    for n in range(3):
        reached += shares[n] / total
        if chance < reached:
            return n
    return GIFT if shares[GIFT] > 0.0 else BROWSE


@nb.njit(cache=True)
def _n_needs(ground: Ground, person: Person, key: np.uint64, intent: int) -> int:
    rules = ground.rules
    if intent in (MISSION, REPURCHASE):
        log_needs = person.basket + rules.basket_sigma * normal(key, _BASKET)
        count = math.ceil(rules.basket_medians[person.wholesale] * math.exp(log_needs))
    elif rules.browse_lists <= 1.0:
        count = 1
    else:
        count = 1 + int(math.log(uniform(key, _BROWSES)) / math.log(1.0 - 1.0 / rules.browse_lists))
    return int(max(1, min(count, rules.max_needs)))


@nb.njit(cache=True)
def need_of(ground: Ground, week: Week, state: State, visit: Plan, n: int) -> Need:
    """What the visit looks for next: a regular item, a complement of the last one, or something of a category."""
    rules, key = ground.rules, fold(_key(ground, visit), _NEED + n)
    target = _NO
    if rules.staples > 0 and uniform(key, _REGULAR) < rules.staple_rates[visit.intent]:
        target = visit.person.staples[place(uniform(key, _WHICH), rules.staple_weights, 0, rules.staples)]
    elif state.number[LAST] >= 0 and uniform(key, _COMPLEMENT) < rules.complement_rate:
        others = ground.items[state.number[LAST]].complements
        target = others[int(uniform(key, _WHICH_COMPLEMENT) * len(others))]
        if target >= 0 and ground.items[target].born_us > visit.start_us:
            target = _NO
    if target >= 0:
        shown = NONE if uniform(key, _DIRECT) < rules.direct_share else SEARCH_LIST
        return Need(shown, ground.items[target].category, target)
    if visit.intent == BROWSE and n == 0:
        return Need(HOME, _NO, _NO)
    if visit.intent != GIFT and uniform(key, _FAVOURITE) < rules.focus:
        category = visit.person.favourites[place(uniform(key, _CATEGORY), _FAVOURITE_WEIGHTS, 0, FAVOURITES)]
    else:
        category = place(uniform(key, _CATEGORY), week.categories, 0, len(week.categories))
    return Need(
        SEARCH_LIST if uniform(key, _BY_SEARCH) < rules.search_share else CATEGORY_LIST, category, _NO
    )


@nb.njit(cache=True)
def meet(ground: Ground, week: Week, state: State, visit: Plan, n: int) -> bool:
    """Goes after a need in the shop's own pages; True if something went into the cart."""
    need, key = need_of(ground, week, state, visit, n), fold(_key(ground, visit), _NEED + n)
    if need.list == SEARCH_LIST:
        _tell(ground, state, visit, _SEARCH, need.list, need.category)
    size = _draw_list(ground, week, state, visit, key, need)
    items = state.listed[:size]
    return react(ground, week, state, visit, key, items, need, state.seeds[: state.number[N_SEEDS]], _NO) >= 0


@nb.njit(cache=True)
def _draw_list(ground: Ground, week: Week, state: State, visit: Plan, key: np.uint64, need: Need) -> int:
    """Fills ``state.listed``: the very item first, then others by their weight, each once, none not on sale yet."""
    size, tries = 0, 0
    if need.target >= 0:
        state.listed[0] = need.target
        size = 1
    wanted = 1 if need.list == NONE else ground.rules.list_size
    while size < wanted and tries < 3 * wanted:
        category = need.category
        if category < 0:
            category = place(uniform(key, _LISTED + 2 * tries), week.categories, 0, len(week.categories))
        item = drawn_item(ground, category, uniform(key, _LISTED + 2 * tries + 1), week.running)
        tries += 1
        if ground.items[item].born_us <= visit.start_us and not _among(state.listed, size, item):
            state.listed[size] = item
            size += 1
    return size


@nb.njit(cache=True)
def _among(rows: NDArray[np.int32], size: int, row: int) -> bool:
    found = False
    for n in range(size):
        found |= rows[n] == row
    return found


@nb.njit(cache=True)
def react(
    ground: Ground,
    week: Week,
    state: State,
    visit: Plan,
    key: np.uint64,
    items: NDArray[np.int32],
    need: Need,
    seeds: NDArray[np.int32],
    answer: int,
) -> int:
    """The visitor meets a list; events are told; returns the position put into the cart, or -1."""
    person, rules = visit.person, ground.rules
    click, weight = judged(
        ground, week, person, items, visit.intent, need.category, need.target, seeds, visit.start_us
    )
    if need.list == NONE and len(click) > 0:
        click[0] = 1.0  # the item's own page: it is looked at already
    chosen = drawn(rules, key, items, need.list, click, weight, state.outcome)
    query = need.category if need.list == SEARCH_LIST else -1
    if need.list != NONE and len(items) > 0:
        _tell_list(ground, state, visit, items, need.list, query, answer)
    for k in range(len(items)):
        if state.outcome[k] == 2:
            index = k + 1 if need.list != NONE else -1
            if need.list != NONE:
                _tell_item(ground, state, visit, _SELECT, items[k], _ONE, index, need.list, query, answer)
            _tell_item(ground, state, visit, _VIEW, items[k], _ONE, index, need.list, query, answer)
            state.number[VIEWED] = items[k]
    if chosen >= 0:
        quantity = _quantity(ground, person, fold(key, items[chosen]))
        if not _put(state, items[chosen], quantity, answer):
            return -1
        index = chosen + 1 if need.list != NONE else -1
        _tell_item(ground, state, visit, _CART, items[chosen], quantity, index, need.list, query, answer)
    return chosen


@nb.njit(cache=True)
def offered(
    ground: Ground,
    week: Week,
    state: State,
    visit: Plan,
    ask: int,
    items: NDArray[np.int32],
    need: Need,
    seeds: NDArray[np.int32],
    answer: int,
) -> int:
    """The visitor meets the slate of an answer; as ``react``."""
    return react(
        ground, week, state, visit, fold(_key(ground, visit), _ASK + ask), items, need, seeds, answer
    )


@nb.njit(cache=True)
def _quantity(ground: Ground, person: Person, own: np.uint64) -> int:
    rules = ground.rules
    units = rules.quantity_medians[person.wholesale] * math.exp(rules.quantity_sigma * normal(own, _QUANTITY))
    return int(max(1, min(math.ceil(units), QUANTITY_LIMIT)))


@nb.njit(cache=True)
def _put(state: State, item: int, quantity: int, answer: int) -> bool:
    """Into the cart, and to the front of what is at hand; False if the cart is full."""
    n = state.number
    row = 0
    while row < n[N_CART] and state.cart_item[row] != item:
        row += 1
    if row == len(state.cart_item):
        return False
    if row == n[N_CART]:
        n[N_CART] += 1
        state.cart_item[row], state.cart_quantity[row], state.cart_answer[row] = item, 0, answer
    state.cart_quantity[row] += quantity
    for place_ in range(SEEDS - 1, 0, -1):
        state.seeds[place_] = state.seeds[place_ - 1]
    state.seeds[0] = item
    n[N_SEEDS] = min(n[N_SEEDS] + 1, SEEDS)
    n[LAST] = item
    return True


@nb.njit(cache=True)
def check_out(ground: Ground, state: State, visit: Plan) -> None:
    """Pays for the cart, or leaves it."""
    if state.number[N_CART] == 0:
        return
    if not visit.pays and uniform(_key(ground, visit), _BEGINS) >= ground.rules.begin_rate:
        return
    _tell_cart(ground, state, visit, _VIEW_CART, _NO)
    state.number[KNOWN] = 1
    _tell_cart(ground, state, visit, _BEGIN, _NO)
    if visit.pays:
        _tell_cart(ground, state, visit, _PURCHASE, visit.session)


@nb.njit(cache=True)
def _next_event(ground: Ground, state: State, visit: Plan, pace_us: float) -> int:
    """The event's number; time goes on."""
    n = state.number
    index = min(n[N_EVENTS], EVENT_LIMIT)
    if index > 0:
        n[NOW] += 1 + int(pace_us * exponential(_key(ground, visit), _PACE + index))
    n[N_EVENTS] = index + 1
    return (visit.session << EVENT_BITS) | index


@nb.njit(cache=True)
def _told(state: State, event: int) -> bool:
    return (state.number[TELLS] >> event) & 1 == 1


@nb.njit(cache=True)
def _tell(ground: Ground, state: State, visit: Plan, event: int, shown: int, query: int) -> None:
    """An event without items."""
    event_no = _next_event(ground, state, visit, 0.0)
    if _told(state, event):
        _write(state, visit, event, event_no, 0, _NO, 0, _NO, _NO, shown, query, _NO, _NO)


@nb.njit(cache=True)
def _tell_item(
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
    event_no = _next_event(ground, state, visit, ground.rules.pace_us)
    if _told(state, event):
        price = ground.items[item].price_minor
        _write(state, visit, event, event_no, 0, item, quantity, price, index, shown, query, _NO, answer)


@nb.njit(cache=True)
def _tell_list(
    ground: Ground, state: State, visit: Plan, items: NDArray[np.int32], shown: int, query: int, answer: int
) -> None:
    event_no = _next_event(ground, state, visit, ground.rules.pace_us)
    if _told(state, _LIST):
        for k in range(len(items)):
            price = ground.items[items[k]].price_minor
            _write(state, visit, _LIST, event_no, k, items[k], _ONE, price, k + 1, shown, query, _NO, answer)


@nb.njit(cache=True)
def _tell_cart(ground: Ground, state: State, visit: Plan, event: int, order: int) -> None:
    """An event of all that lies in the cart."""
    event_no = _next_event(ground, state, visit, ground.rules.pace_us)
    if not _told(state, event):
        return
    for row in range(state.number[N_CART]):
        item, units, answer = state.cart_item[row], state.cart_quantity[row], state.cart_answer[row]
        price = ground.items[item].price_minor
        _write(state, visit, event, event_no, row, item, units, price, _NO, NONE, _NO, order, answer)


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
    row = state.lines[state.number[N_LINES]]
    state.number[N_LINES] += 1
    row.event, row.event_no, row.line, row.at_us = event, event_no, line, state.number[NOW]
    row.shopper, row.device, row.known = visit.person.number, visit.device, state.number[KNOWN] == 1
    row.session, row.item, row.quantity, row.price_minor = visit.session, item, quantity, price_minor
    row.order, row.index, row.list, row.query = order, index, shown, query
    row.country, row.recommendation = visit.country, answer


@nb.njit(cache=True)
def walk(
    ground: Ground,
    week: Week,
    state: State,
    sessions: NDArray[np.int64],
    starts: NDArray[np.int64],
    gift_odds: NDArray[np.float64],
    first: int,
    room: int,
) -> int:
    """Open loop: whole visits, from ``first`` on, while ``room`` lines are left for one; the next visit."""
    state.number[N_LINES] = 0
    for v in range(first, len(sessions)):
        if len(state.lines) - state.number[N_LINES] < room:
            return v
        visit = begin(ground, state, sessions[v], starts[v], gift_odds[v])
        for n in range(visit.needs):
            meet(ground, week, state, visit, n)
        check_out(ground, state, visit)
    return len(sessions)


def room_for(list_size: int, needs: int) -> int:
    """Most lines of a visit: each need a search, a list, all clicked, one into the cart; then the cart three times."""
    return needs * (2 + 3 * list_size) + 3 * MAX_LINES
