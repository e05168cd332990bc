"""What happens in a visit: needs, lists, looks, clicks, the cart, and whether it is paid for. Compiled.

The open loop walks through visits; the closed loop takes the same steps one by one, with slates between them. All
chance hangs on the visit's number, the need and the item: a visit to which nothing is recommended is the visit of
the open loop. What a visitor thinks of the items is settled as the visit begins.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import MAX_LINES
from shelfwise.simulation._choice import drawn, judged
from shelfwise.simulation._ground import QUANTITY_LIMIT, Ground, Week
from shelfwise.simulation._people import FAVOURITES, Person, country_of, drawn_item, main_device, person_of
from shelfwise.simulation._random import SESSION, codes, fold, normal, place, stream, uniform
from shelfwise.simulation._telling import (
    BEGIN,
    CART,
    DAY_BITS,
    KNOWN,
    LAST,
    N_CART,
    N_EVENTS,
    N_SEEDS,
    NO,
    NOW,
    ONE,
    PURCHASE,
    SEARCH,
    SEEDS,
    SELECT,
    SOUGHT,
    TARGET,
    VIEW,
    VIEW_CART,
    VIEWED,
    VISIT_BITS,
    Plan,
    State,
    tell,
    tell_cart,
    tell_item,
    tell_list,
    visit_key,
)
from shelfwise.simulation._traffic import INTENTS, LISTS

NONE, HOME, PRODUCT, CART_PAGE, SEARCH_LIST, CATEGORY_LIST = codes(range(len(LISTS)))
BROWSE, MISSION, REPURCHASE, GIFT = codes(range(len(INTENTS)))

# Counters of a visit's key; needs and asks are folded from _NEED and _ASK on.
_INTENT, _DEVICE, _OTHER_DEVICE, _LOGIN, _CHECKOUT, _BEGINS, _BROWSES = codes(range(7))
_BASKET = np.int64(20)  # normal: 40, 41
_NEED, _ASK = 1_000, 2_000

# Counters of a need's key; its list is drawn from _LISTED on. Of an item's key: a normal.
_REGULAR, _WHICH, _COMPLEMENT, _WHICH_COMPLEMENT, _DIRECT, _FAVOURITE, _CATEGORY, _BY_SEARCH = codes(range(8))
_LISTED = 50
_QUANTITY = np.int64(4)

_FAVOURITE_WEIGHTS = np.cumsum(1.0 / np.arange(1, FAVOURITES + 1))


class Need(NamedTuple):
    """One thing that a visit looks for."""

    list: int  # where: place in LISTS
    category: int  # -1 anything
    target: int  # the very item; -1 any


@nb.njit(cache=True)
def begin(ground: Ground, state: State, session: int, start_us: int, gift_odds: float) -> Plan:
    """Settles a visit and clears the state, but for the lines."""
    rules, number = ground.rules[0], session >> (DAY_BITS + VISIT_BITS)
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
def _intent(ground: Ground, person: Person, chance: float, gift_odds: float) -> int:
    shares = ground.rules[0].intent_shares[person.wholesale]
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
    rules = ground.rules[0]
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
    rules, key = ground.rules[0], fold(visit_key(ground, visit), _NEED + n)
    target = NO
    if rules.staples > 0 and uniform(key, _REGULAR) < rules.staple_rates[visit.intent]:
        target = visit.person.staples[place(uniform(key, _WHICH), rules.staple_weights, 0, rules.staples)]
    elif state.number[LAST] >= 0 and uniform(key, _COMPLEMENT) < rules.complement_rate:
        others = ground.items[state.number[LAST]].complements
        target = others[int(uniform(key, _WHICH_COMPLEMENT) * len(others))]
        if target >= 0 and ground.items[target].born_us > visit.start_us:
            target = NO
    if target >= 0:
        shown = NONE if uniform(key, _DIRECT) < rules.direct_share else SEARCH_LIST
        return Need(shown, ground.items[target].category, target)
    if visit.intent == BROWSE and n == 0:
        return Need(HOME, NO, NO)
    if visit.intent != GIFT and uniform(key, _FAVOURITE) < rules.focus:
        category = visit.person.favourites[place(uniform(key, _CATEGORY), _FAVOURITE_WEIGHTS, 0, FAVOURITES)]
    else:
        category = place(uniform(key, _CATEGORY), week.categories, 0, len(week.categories))
    return Need(SEARCH_LIST if uniform(key, _BY_SEARCH) < rules.search_share else CATEGORY_LIST, category, NO)


@nb.njit(cache=True)
def meet(ground: Ground, week: Week, state: State, visit: Plan, n: int) -> bool:
    """Goes after a need in the shop's own pages; True if something went into the cart."""
    need, key = need_of(ground, week, state, visit, n), fold(visit_key(ground, visit), _NEED + n)
    if need.list == SEARCH_LIST:
        tell(ground, state, visit, SEARCH, need.list, need.category)
    size = _draw_list(ground, week, state, visit, key, need)
    items = state.listed[:size]
    return react(ground, week, state, visit, key, items, need, state.seeds[: state.number[N_SEEDS]], NO) >= 0


@nb.njit(cache=True)
def enter(ground: Ground, week: Week, state: State, session: int, start_us: int, gift_odds: float) -> Plan:
    """As ``begin``, in the closed loop: what is looked for first stands in the state, for the home page's slate."""
    visit = begin(ground, state, session, start_us, gift_odds)
    _aim(state, need_of(ground, week, state, visit, 0))
    return visit


@nb.njit(cache=True)
def seek(ground: Ground, week: Week, state: State, visit: Plan, n: int) -> bool:
    """As ``meet``, in the closed loop: what is looked for now stands in the state: this need, or once met the next."""
    need = need_of(ground, week, state, visit, n)
    state.number[VIEWED] = -1
    carted = meet(ground, week, state, visit, n)
    if carted and n + 1 < visit.needs:
        need = need_of(ground, week, state, visit, n + 1)
    _aim(state, need)
    return carted


@nb.njit(cache=True)
def _aim(state: State, need: Need) -> None:
    state.number[SOUGHT], state.number[TARGET] = need.category, need.target


@nb.njit(cache=True)
def _draw_list(ground: Ground, week: Week, state: State, visit: Plan, key: np.uint64, need: Need) -> int:
    """Fills ``state.listed``: the very item first, then others by their weight, each once, none not on sale yet."""
    size, tries = 0, 0
    if need.target >= 0:
        state.listed[0] = need.target
        size = 1
    wanted = 1 if need.list == NONE else ground.rules[0].list_size
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
    person, rules = visit.person, ground.rules[0]
    click, weight = judged(
        ground, week, person, items, visit.intent, need.category, need.target, seeds, visit.start_us
    )
    if need.list == NONE and len(click) > 0:
        click[0] = 1.0  # the item's own page: it is looked at already
    chosen = drawn(rules, key, items, need.list, click, weight, state.outcome)
    query = need.category if need.list == SEARCH_LIST else -1
    if need.list != NONE and len(items) > 0:
        tell_list(ground, state, visit, items, need.list, query, answer)
    for k in range(len(items)):
        if state.outcome[k] == 2:
            index = k + 1 if need.list != NONE else -1
            if need.list != NONE:
                tell_item(ground, state, visit, SELECT, items[k], ONE, index, need.list, query, answer)
            tell_item(ground, state, visit, VIEW, items[k], ONE, index, need.list, query, answer)
            state.number[VIEWED] = items[k]
    if chosen >= 0:
        quantity = _quantity(ground, person, fold(key, items[chosen]))
        if not _put(state, items[chosen], quantity, answer):
            return -1
        index = chosen + 1 if need.list != NONE else -1
        tell_item(ground, state, visit, CART, items[chosen], quantity, index, need.list, query, answer)
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
        ground, week, state, visit, fold(visit_key(ground, visit), _ASK + ask), items, need, seeds, answer
    )


@nb.njit(cache=True)
def _quantity(ground: Ground, person: Person, own: np.uint64) -> int:
    rules = ground.rules[0]
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
    if not visit.pays and uniform(visit_key(ground, visit), _BEGINS) >= ground.rules[0].begin_rate:
        return
    tell_cart(ground, state, visit, VIEW_CART, NO)
    state.number[KNOWN] = 1
    tell_cart(ground, state, visit, BEGIN, NO)
    if visit.pays:
        tell_cart(ground, state, visit, PURCHASE, visit.session)


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
    state.used[0] = 0
    for v in range(first, len(sessions)):
        if len(state.lines) - state.used[0] < room:
            return v
        visit = begin(ground, state, sessions[v], starts[v], gift_odds[v])
        for n in range(visit.needs):
            meet(ground, week, state, visit, n)
        check_out(ground, state, visit)
    return len(sessions)


def room_for(list_size: int, needs: int) -> int:
    """Most lines of a visit: each need a search, a list, all clicked, one into the cart; then the cart three times."""
    return needs * (2 + 3 * list_size) + 3 * MAX_LINES
