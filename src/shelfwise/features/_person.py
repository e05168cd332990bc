"""Compiled: one pass over a person's lines for all candidates of a query."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import CART, DAY_US, PURCHASE, SESSION_GAP_US, VIEW
from shelfwise.features._merging import Lines

# Scalars of a person, in the order the kernel writes them; totals of decays and the counts asked for follow.
USER_BASES = (
    "user__first_us", "user__last_us", "user__purchase__first_us", "user__purchase__last_us",
    "user__purchase__priced__all", "user__purchase__spend__all", "user__purchase__log_price__all",
    "user__purchase__log_quantity__all", "user__purchase__items__all", "user__purchase__repeated_items__all",
    "session__all__events", "session__view_item__count", "session__add_to_cart__count", "session__first_us",
)  # fmt: skip
# Rows per candidate; decays and the counts asked for follow.
PAIR_BASES = (
    "user_item__purchase__days__all", "user_item__purchase__quantity__all", "user_item__purchase__first_us",
    "user_item__purchase__last_us", "user_item__purchase__last_quantity", "user_item__purchase__orders_since",
    "user_item__view_item__place", "user_item__view_item__last_us", "user_item__add_to_cart__last_us",
    "user_item__view_item__session", "user_item__add_to_cart__session",
    "user_category__view_item__count__all", "user_category__purchase__count__all",
    "user_brand__view_item__count__all", "user_brand__purchase__count__all",
)  # fmt: skip
_FIRST, _LAST, _BUY_FIRST, _BUY_LAST, _PRICED, _SPEND, _LN_PRICE, _LN_PIECES, _ITEMS, _REPEATED = range(10)
_S_EVENTS, _S_VIEWS, _S_CARTS, _S_FIRST = range(10, 14)
N_USER = len(USER_BASES)
_DAYS, _PIECES, _P_FIRST, _P_LAST, _P_LASTQ, _P_SINCE, _PLACE, _VIEWED, _CARTED, _IN_VIEWS, _IN_CARTS = range(
    11
)
_KIN = 11  # four rows: category viewed, category bought, brand viewed, brand bought
N_PAIR = len(PAIR_BASES)
_BEGINNING = -(2**63)
_N_ORDERS, _N_VIEWS, _N_KINDS, _GROUP, _ORDER_US, _WEIGHED_US, _TALLIES = range(7)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # golden ratio in 64 bits: spreads dense row numbers over a table


@njit(cache=True)
def _room(size: int) -> int:
    """A power of two, at least twice the size."""
    room = 16
    while room < 2 * size:
        room *= 2
    return room


@njit(cache=True)
def _slot(keys: NDArray[np.int64], used: NDArray[np.int32], key: int) -> int:
    """Where a key stands in an open table, or where it would; ``used`` is -1 in a free place."""
    mask = np.uint64(len(keys) - 1)
    at = ((np.uint64(key) * _MULTIPLIER) >> np.uint64(32)) & mask
    while used[at] >= 0 and keys[at] != key:
        at = (at + np.uint64(1)) & mask
    return int(at)


@njit(cache=True)
def _table(size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    room = _room(size)
    used = np.empty(room, np.int32)
    for at in range(room):
        used[at] = -1
    return np.empty(room, np.int64), used


@njit(cache=True)
def code_of(codes: NDArray[np.int32], item: int) -> int:
    """The code of an item row; -1 for none, and for rows beyond."""
    return codes[item] if 0 <= item < len(codes) else -1


@njit(cache=True)
def read_person(  # noqa: PLR0912, PLR0915 - one pass: the branches are the kinds of events
    lines: Lines,
    now_us: int,
    item: NDArray[np.int32],
    user_specs: NDArray[np.int64],
    pair_specs: NDArray[np.int64],
    half_lives: NDArray[np.float64],
    category: NDArray[np.int32],
    brand: NDArray[np.int32],
    n_codes: int,
    person: NDArray[np.float64],
    pair: NDArray[np.float64],
) -> None:
    """Fill the base numbers of a person and of each candidate from the lines strictly before now.

    ``user_specs`` and ``pair_specs`` are rows (event, width_us or 0 for all, grain, 1 to count orders or 0 lines),
    ``half_lives`` in microseconds. ``person`` is ``USER_BASES``, totals of decays, counts; ``pair`` ``(P, C)`` is
    ``PAIR_BASES``, decays, counts. Both are overwritten. One pass, oldest line first; items and orders are found by
    hash, so the time grows with L + C, not L x C.
    """
    start = 0
    while start < len(lines) and lines[start].at_us >= now_us:
        start += 1
    n_lines, n_decays = len(lines) - start, len(half_lives)
    _clear(person, pair)
    user_from, pair_from = _starts(user_specs, now_us), _starts(pair_specs, now_us)
    cand_keys, cand_at = _table(len(item))
    twin = _index(item, cand_keys, cand_at)
    item_keys, item_at = _table(n_lines)
    item_days, item_day = np.zeros(n_lines, np.int64), np.empty(n_lines, np.int64)  # days, and the newest
    order_keys, order_at = _table(n_lines)
    order_group, upto = np.empty(n_lines, np.int64), np.zeros(n_lines + 1, np.int64)
    newest_group = np.zeros(len(item), np.int64)  # of the orders with it, counted from 1; 0: none
    kin = np.zeros((n_codes, 4), np.int32)
    weight = np.empty(n_decays)
    tally = np.zeros(_TALLIES, np.int64)
    tally[_ORDER_US] = tally[_WEIGHED_US] = -1
    for place in range(len(lines) - 1, start - 1, -1):
        line = lines[place]
        c = cand_at[_slot(cand_keys, cand_at, line.item)] if line.item >= 0 else -1
        for k in range(len(user_specs)):
            if user_specs[k, 0] == line.event and user_specs[k, 3] == 0 and line.at_us >= user_from[k]:
                person[N_USER + n_decays + k] += 1
        if line.event == VIEW:
            tally[_N_VIEWS] += 1
            _count_kin(kin, category, brand, line.item, 0)
            if c >= 0:
                pair[_VIEWED, c], pair[_PLACE, c] = line.at_us, tally[_N_VIEWS]
        elif line.event == CART and c >= 0:
            pair[_CARTED, c] = line.at_us
        elif line.event == PURCHASE:
            _count_kin(kin, category, brand, line.item, 1)
            _add_money(person, line)
            order = _slot(order_keys, order_at, line.order_hash)
            if order_at[order] < 0:
                order_keys[order], order_at[order] = line.order_hash, tally[_N_ORDERS]
                _begin_order(line, tally, order_group, upto)
                for k in range(len(user_specs)):
                    if user_specs[k, 3] == 1 and line.at_us >= user_from[k]:
                        person[N_USER + n_decays + k] += 1
            if line.item >= 0:
                kind = _slot(item_keys, item_at, line.item)
                if item_at[kind] < 0:
                    item_keys[kind], item_at[kind] = line.item, tally[_N_KINDS]
                    tally[_N_KINDS] += 1
                new_day = _count_day(line.at_us, item_at[kind], item_days, item_day, person)
                if new_day:
                    _weigh(now_us, line.at_us, half_lives, tally, weight, person)
                if c >= 0:
                    newest_group[c] = max(newest_group[c], order_group[order_at[order]])
                    _add_bought(pair, c, line, new_day, weight)
        if c >= 0:
            for k in range(len(pair_specs)):
                if pair_specs[k, 0] == line.event and line.at_us >= pair_from[k]:
                    pair[N_PAIR + n_decays + k, c] += 1
    if n_lines > 0:
        person[_FIRST], person[_LAST] = lines[len(lines) - 1].at_us, lines[start].at_us
    person[_ITEMS] = tally[_N_KINDS]
    _read_session(lines, start, now_us, cand_keys, cand_at, person, pair)
    for c in range(len(item)):
        if newest_group[c] > 0:
            pair[_P_SINCE, c] = tally[_N_ORDERS] - upto[newest_group[c]]
        pair[_PLACE, c] = tally[_N_VIEWS] - pair[_PLACE, c]
        if twin[c] != c:
            for row in range(len(pair)):
                pair[row, c] = pair[row, twin[c]]
        _tell_kin(pair, c, kin, code_of(category, item[c]), code_of(brand, item[c]))


@njit(cache=True)
def _starts(specs: NDArray[np.int64], now_us: int) -> NDArray[np.int64]:
    """Where each window starts: the rule of ``domain.window_before``."""
    starts = np.empty(len(specs), np.int64)
    for k in range(len(specs)):
        width, grain = specs[k, 1], specs[k, 2]
        starts[k] = (now_us - width) // grain * grain if width > 0 else _BEGINNING
    return starts


@njit(cache=True)
def _index(item: NDArray[np.int32], keys: NDArray[np.int64], at: NDArray[np.int32]) -> NDArray[np.int64]:
    """Enter the candidates; for each the first one of the same item: itself, unless it is given twice."""
    twin = np.empty(len(item), np.int64)
    for c in range(len(item)):
        slot = _slot(keys, at, item[c])
        if at[slot] < 0:
            keys[slot], at[slot] = item[c], c
        twin[c] = at[slot]
    return twin


@njit(cache=True)
def _begin_order(
    line: Any, tally: NDArray[np.int64], order_group: NDArray[np.int64], upto: NDArray[np.int64]
) -> None:
    """Orders that begin at one instant form a group, from 1; ``upto`` counts the orders up to and with it."""
    if line.at_us != tally[_ORDER_US]:
        tally[_GROUP] += 1
        tally[_ORDER_US] = line.at_us
    order_group[tally[_N_ORDERS]] = tally[_GROUP]
    tally[_N_ORDERS] += 1
    upto[tally[_GROUP]] = tally[_N_ORDERS]


@njit(cache=True)
def _count_day(
    at_us: int, kind: int, days: NDArray[np.int64], newest: NDArray[np.int64], person: NDArray[np.float64]
) -> bool:
    """True if the item was not bought yet on this day; ``days`` counts them, ``newest`` is the last one."""
    day = at_us // DAY_US
    if days[kind] > 0 and newest[kind] == day:
        return False
    days[kind] += 1
    newest[kind] = day
    person[_REPEATED] += days[kind] == 2
    return True


@njit(cache=True)
def _weigh(
    now_us: int,
    at_us: int,
    half_lives: NDArray[np.float64],
    tally: NDArray[np.int64],
    weight: NDArray[np.float64],
    person: NDArray[np.float64],
) -> None:
    """What an instant is worth now, added to the person's totals; kept, for the lines of an order share theirs."""
    for k in range(len(half_lives)):
        if at_us != tally[_WEIGHED_US]:
            weight[k] = np.exp2(-(now_us - at_us) / half_lives[k])
        person[N_USER + k] += weight[k]
    tally[_WEIGHED_US] = at_us


@njit(cache=True)
def _clear(person: NDArray[np.float64], pair: NDArray[np.float64]) -> None:
    for k in range(len(person)):
        person[k] = 0.0
    for empty in (_FIRST, _LAST, _BUY_FIRST, _BUY_LAST, _S_FIRST):
        person[empty] = np.nan
    for row in range(len(pair)):
        absent = row in (_P_FIRST, _P_LAST, _P_LASTQ, _P_SINCE, _PLACE, _VIEWED, _CARTED)
        for c in range(pair.shape[1]):
            pair[row, c] = np.nan if absent else 0.0


@njit(cache=True)
def _add_money(person: NDArray[np.float64], line: Any) -> None:
    if np.isnan(person[_BUY_FIRST]):
        person[_BUY_FIRST] = line.at_us
    person[_BUY_LAST] = line.at_us
    if line.price_minor > 0:
        person[_PRICED] += 1
        person[_SPEND] += line.price_minor * np.int64(line.quantity)
        person[_LN_PRICE] += np.log(float(line.price_minor))
    if line.quantity > 0:
        person[_LN_PIECES] += np.log(float(line.quantity))


@njit(cache=True)
def _add_bought(
    pair: NDArray[np.float64], c: int, line: Any, new_day: bool, weight: NDArray[np.float64]
) -> None:
    if np.isnan(pair[_P_FIRST, c]):
        pair[_P_FIRST, c] = line.at_us
    pair[_P_LAST, c] = line.at_us
    pair[_PIECES, c] += line.quantity
    if new_day:
        pair[_DAYS, c] += 1
        pair[_P_LASTQ, c] = line.quantity
        for k in range(len(weight)):
            pair[N_PAIR + k, c] += weight[k]
    else:
        pair[_P_LASTQ, c] += line.quantity


@njit(cache=True)
def _count_kin(
    kin: NDArray[np.int32], category: NDArray[np.int32], brand: NDArray[np.int32], row: int, what: int
) -> None:
    code = code_of(category, row)
    if code >= 0:
        kin[code, what] += 1
    code = code_of(brand, row)
    if code >= 0:
        kin[code, 2 + what] += 1


@njit(cache=True)
def _tell_kin(pair: NDArray[np.float64], c: int, kin: NDArray[np.int32], category: int, brand: int) -> None:
    for what in range(2):
        pair[_KIN + what, c] = kin[category, what] if category >= 0 else np.nan
        pair[_KIN + 2 + what, c] = kin[brand, 2 + what] if brand >= 0 else np.nan


@njit(cache=True)
def _read_session(
    lines: Lines,
    start: int,
    now_us: int,
    cand_keys: NDArray[np.int64],
    cand_at: NDArray[np.int32],
    person: NDArray[np.float64],
    pair: NDArray[np.float64],
) -> None:
    """Back from now over gaps of at most 30 minutes, and at most a day."""
    after_us, event_hash = now_us, np.int64(0)
    for place in range(start, len(lines)):
        line = lines[place]
        if after_us - line.at_us > SESSION_GAP_US or line.at_us < now_us - DAY_US:
            break
        after_us = line.at_us
        person[_S_FIRST] = after_us
        if place == start or line.event_hash != event_hash:
            person[_S_EVENTS] += 1
        event_hash = line.event_hash
        c = -1
        if line.item >= 0:
            c = cand_at[_slot(cand_keys, cand_at, line.item)]
        if line.event == VIEW:
            person[_S_VIEWS] += 1
            if c >= 0:
                pair[_IN_VIEWS, c] += 1
        elif line.event == CART:
            person[_S_CARTS] += 1
            if c >= 0:
                pair[_IN_CARTS, c] += 1
