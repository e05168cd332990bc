"""How a shopper looks at a list, clicks and chooses: the draw, and the exact chance of every outcome. Compiled.

A position is *examined* (each by its own chance, or from the top until they stop); an examined item is *clicked*
with the logistic of its appeal; among the clicked items one at most goes into the *cart*, by multinomial logit
against an outside option of weight 1. Both readers, ``drawn`` and ``exact``, are handed the same two columns:
``click`` (K,) and ``weight`` (K,), so what is stated is what happens.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.simulation._ground import Ground, Week
from shelfwise.simulation._people import Person, brand_gain, person_of
from shelfwise.simulation._random import REACTION, codes, fold, gumbel, stream, uniform

# Counters: of a list's key, beside its positions; of an item's key within it.
_OUTSIDE, _PAYS = codes((1_000, 1_001))
_CLICK, _SHOCK, _GO_ON = codes(range(3))
_NOT_YET = -1e6  # appeal of an item that is not on sale yet; what is added to it does not matter

_GREATEST_LOG_WEIGHT = 20.0  # beyond it the outside option is gone for good

# Trapezoids over the logarithm of s: the integrand is analytic within pi/2 of the axis, so the error falls as
# exp(-pi^2 / step), 2e-11 here. From where the largest weight feels nothing to where exp(-s) is nothing.
_STEP = 0.4
_NODE = np.exp(np.arange(-_GREATEST_LOG_WEIGHT - 28.0, 3.8, _STEP))


@nb.njit(cache=True)
def appeal(ground: Ground, week: Week, person: Person, item: int, at_us: int) -> float:
    """What a shopper makes of an item at a time, whatever they are about, log-odds. Falls as its price rises."""
    if ground.items[item].born_us > at_us:
        return 2.0 * _NOT_YET
    gain = week.pull[item] - person.elasticity * ground.items[item].log_price
    for t in range(len(person.taste)):
        gain += person.taste[t] * ground.items[item].taste[t]
    for staple in person.staples:
        if staple == item:
            gain += ground.rules[0].staple_gain
            break
    return gain + brand_gain(ground, person.number, ground.items[item].brand)


@nb.njit(cache=True)
def fit(ground: Ground, item: int, category: int, target: int, seeds: NDArray[np.int32]) -> float:
    """What an item gains from what the shopper is about: category and item looked for, items at hand (seeds)."""
    rules = ground.rules[0]
    gain = rules.match_gain if ground.items[item].category == category else 0.0
    if item == target:
        gain += rules.target_gain
    completes, replaces = False, False
    for seed in seeds:
        if seed == item:
            return gain + rules.repeat_gain
        for other in ground.items[seed].complements:
            completes |= other == item
        for other in ground.items[seed].substitutes:
            replaces |= other == item
    if completes:
        gain += rules.complement_gain
    if replaces:
        gain += rules.substitute_gain
    return gain


@nb.njit(cache=True)
def click_chance(rules: Any, gain: float) -> float:
    """Of an examined item."""
    if gain <= _NOT_YET:
        return 0.0
    return 1.0 / (1.0 + math.exp(-max(rules.click_logit + gain, -700.0)))


@nb.njit(cache=True)
def cart_weight(ground: Ground, person: Person, intent: int, item: int, gain: float) -> float:
    """Of a clicked item, the outside option having weight 1; 0 if it cannot be bought."""
    if ground.items[item].stock == 0 or gain <= _NOT_YET:
        return 0.0
    rules = ground.rules[0]
    base = rules.cart_logits[intent] + person.wholesale * rules.wholesale_cart_gain
    return math.exp(min(base + gain, _GREATEST_LOG_WEIGHT))


@nb.njit(cache=True)
def judged(
    ground: Ground,
    week: Week,
    person: Person,
    items: NDArray[np.int32],
    intent: int,
    category: int,
    target: int,
    seeds: NDArray[np.int32],
    at_us: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Click chance and cart weight of each item, ``(K,)``."""
    click, weight = np.empty(len(items)), np.empty(len(items))
    for k in range(len(items)):
        gain = appeal(ground, week, person, items[k], at_us) + fit(ground, items[k], category, target, seeds)
        click[k] = click_chance(ground.rules[0], gain)
        weight[k] = cart_weight(ground, person, intent, items[k], gain)
    return click, weight


@nb.njit(cache=True)
def drawn(
    rules: Any,
    key: np.uint64,
    items: NDArray[np.int32],
    shown: int,
    click: NDArray[np.float64],
    weight: NDArray[np.float64],
    outcome: NDArray[np.int8],
) -> int:
    """One reaction to a list: ``outcome`` becomes 0 not looked at, 1 examined, 2 clicked; the position chosen, or -1.

    Chance hangs on the key and the item, not on the position: moved elsewhere, an item keeps its luck, and two lists
    are compared on the same luck.
    """
    best, chosen = gumbel(key, _OUTSIDE), -1
    going = True
    for k in range(len(items)):
        outcome[k] = 0
        if not _looks(rules, key, k, shown, going):
            going = False
            continue
        own = fold(key, items[k])
        clicked = uniform(own, _CLICK) < click[k]
        outcome[k] = 2 if clicked else 1
        if clicked and weight[k] > 0.0:
            utility = math.log(weight[k]) + gumbel(own, _SHOCK)
            if utility > best:
                best, chosen = utility, k
        if rules.cascade:
            go_on = rules.continue_clicked if clicked else rules.continue_unclicked
            going = uniform(own, _GO_ON) < go_on
    return chosen


@nb.njit(cache=True)
def _looks(rules: Any, key: np.uint64, k: int, shown: int, going: bool) -> bool:
    if rules.cascade:
        return going and (k > 0 or uniform(key, k) < rules.notice_rates[shown])
    return uniform(key, k) < rules.notice_rates[shown] * rules.examined[k]


@nb.njit(cache=True)
def exact(
    rules: Any, shown: int, click: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``(4, K)`` chances that a position is examined, clicked, put into the cart; the last row is left at 0.

    The choice among a random set S of clicked items is ``E[w_i / (1 + sum over S of w)]``. With 1/x as the integral
    of exp(-sx) over s > 0 this becomes a single integral of products over positions, so that the 2^K sets need not
    be gone through: exact up to 1e-9.
    """
    K = len(click)
    out = np.zeros((4, K))
    _looked_at(rules, shown, click, out)
    before, after = np.empty(K + 1), np.empty(K + 1)
    factor = np.empty(K)
    for node in range(len(_NODE)):
        s = _NODE[node]
        for k in range(K):
            factor[k] = math.exp(-s * weight[k])
        if rules.cascade:
            _chain(rules, shown, click, factor, before, after)
        else:
            _product(rules, shown, click, factor, before, after)
        scale = _STEP * s * math.exp(-s)
        for k in range(K):
            out[2, k] += scale * weight[k] * factor[k] * before[k] * click[k] * after[k + 1]
    return out


@nb.njit(cache=True)
def _looked_at(rules: Any, shown: int, click: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Fills the first two rows: examined, clicked."""
    notice = rules.notice_rates[shown]
    going = notice
    for k in range(len(click)):
        out[0, k] = going if rules.cascade else notice * rules.examined[k]
        out[1, k] = out[0, k] * click[k]
        going *= click[k] * rules.continue_clicked + (1.0 - click[k]) * rules.continue_unclicked


@nb.njit(cache=True)
def _product(
    rules: Any,
    shown: int,
    click: NDArray[np.float64],
    factor: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
) -> None:
    """Positions on their own. ``before[k]``: mean of exp(-s sum of w) over those above k, with k examined."""
    notice, K = rules.notice_rates[shown], len(click)
    after[K] = 1.0
    for k in range(K - 1, -1, -1):
        after[k] = after[k + 1] * (1.0 - notice * rules.examined[k] * click[k] * (1.0 - factor[k]))
    above = 1.0
    for k in range(K):
        look = notice * rules.examined[k]
        before[k] = above * look
        above *= 1.0 - look * click[k] * (1.0 - factor[k])


@nb.njit(cache=True)
def _chain(
    rules: Any,
    shown: int,
    click: NDArray[np.float64],
    factor: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
) -> None:
    """From the top until they stop; ``after[k + 1]`` is the mean below k, once k was clicked."""
    K = len(click)
    stay, leave = rules.continue_unclicked, rules.continue_clicked
    after[K] = 1.0
    below = 1.0  # mean from k on, given that k is examined
    for k in range(K - 1, -1, -1):
        on_click = 1.0 - leave + leave * below if k < K - 1 else 1.0
        on_skip = 1.0 - stay + stay * below if k < K - 1 else 1.0
        after[k + 1] = on_click
        below = click[k] * factor[k] * on_click + (1.0 - click[k]) * on_skip
    before[0] = rules.notice_rates[shown]
    for k in range(K - 1):
        before[k + 1] = before[k] * (click[k] * factor[k] * leave + (1.0 - click[k]) * stay)


@nb.njit(cache=True)
def responded(
    ground: Ground,
    week: Week,
    number: int,
    at_us: int,
    intent: int,
    category: int,
    target: int,
    seeds: NDArray[np.int32],
    items: NDArray[np.int32],
    shown: int,
    draw: int,
) -> tuple[NDArray[np.int8], int, bool]:
    """A shopper's reaction to one list by itself: outcome by position, position chosen or -1, whether they pay."""
    rules, person = ground.rules[0], person_of(ground, number, at_us)
    key = fold(stream(ground.seed, REACTION, number), draw)
    click, weight = judged(ground, week, person, items, intent, category, target, seeds, at_us)
    outcome = np.zeros(len(items), np.int8)
    chosen = drawn(rules, key, items, shown, click, weight, outcome)
    return outcome, chosen, uniform(key, _PAYS) < rules.checkout_rates[person.wholesale, intent]


@nb.njit(cache=True)
def tallied(
    ground: Ground,
    week: Week,
    number: int,
    at_us: int,
    intent: int,
    category: int,
    target: int,
    seeds: NDArray[np.int32],
    items: NDArray[np.int32],
    shown: int,
    draws: int,
) -> NDArray[np.int64]:
    """``(4, K)`` how often a position was examined, clicked, carted, bought: ``responded``, so many times."""
    rules, person = ground.rules[0], person_of(ground, number, at_us)
    own = stream(ground.seed, REACTION, number)
    click, weight = judged(ground, week, person, items, intent, category, target, seeds, at_us)
    outcome, count = np.zeros(len(items), np.int8), np.zeros((4, len(items)), np.int64)
    for draw in range(draws):
        key = fold(own, draw)
        chosen = drawn(rules, key, items, shown, click, weight, outcome)
        for k in range(len(items)):
            count[0, k] += outcome[k] >= 1
            count[1, k] += outcome[k] == 2
        if chosen >= 0:
            count[2, chosen] += 1
            count[3, chosen] += uniform(key, _PAYS) < rules.checkout_rates[person.wholesale, intent]
    return count


@nb.njit(cache=True)
def chances(
    ground: Ground,
    week: Week,
    number: int,
    at_us: int,
    intent: int,
    category: int,
    target: int,
    seeds: NDArray[np.int32],
    items: NDArray[np.int32],
    shown: int,
) -> NDArray[np.float64]:
    """``(4, K)`` exact chances that a position is examined, clicked, carted, bought."""
    rules, person = ground.rules[0], person_of(ground, number, at_us)
    click, weight = judged(ground, week, person, items, intent, category, target, seeds, at_us)
    out = exact(rules, shown, click, weight)
    for k in range(len(items)):
        out[3, k] = out[2, k] * rules.checkout_rates[person.wholesale, intent]
    return out


@nb.njit(cache=True)
def gains(
    ground: Ground,
    week: Week,
    number: int,
    at_us: int,
    intent: int,
    category: int,
    target: int,
    seeds: NDArray[np.int32],
    items: NDArray[np.int32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(N,)`` click chance of items once examined, and the chance that one is bought if it alone is clicked."""
    rules, person = ground.rules[0], person_of(ground, number, at_us)
    click, weight = judged(ground, week, person, items, intent, category, target, seeds, at_us)
    for k in range(len(items)):
        weight[k] *= rules.checkout_rates[person.wholesale, intent] / (1.0 + weight[k])
    return click, weight
