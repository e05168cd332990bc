"""Choosing a slate, one position after the other: greedy, under caps, by relevance and novelty. Compiled."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import CART, PURCHASE
from shelfwise.reranking._alike import Codes, code_of, draw_near

BEST, EPSILON, PLACKETT_LUCE = 0, 1, 2


@nb.njit(cache=True)
def first_fault(
    item: NDArray[np.int32],
    stock: NDArray[np.int64],
    hidden: NDArray[np.uint8],
    from_us: NDArray[np.int64],
    until_us: NDArray[np.int64],
    min_age: NDArray[np.int16],
    region: NDArray[np.int32],
    sold: NDArray[np.bool_],
    now_us: int,
    age: int,
) -> tuple[NDArray[np.uint8], int]:
    """``(C,)`` the number of the first hard fact that an item offends, in the order of ``FAULTS``; 0: none.

    Also how many items are unknown.

    Columns are by item row and may differ in length: a row that any of them lacks is unknown. ``region`` ``(I,)``
    codes into ``sold``, whose last place stands for code -1; empty where nothing is restricted.
    """
    known = min(len(stock), len(hidden), len(from_us), len(until_us), len(min_age))
    fault = np.zeros(len(item), np.uint8)
    n_unknown = 0
    for c in range(len(item)):
        row = item[c]
        if row < 0 or row >= known:
            fault[c] = 1
        elif stock[row] == 0:  # -1: not tracked
            fault[c] = 2
        elif hidden[row] != 0:
            fault[c] = 3
        elif from_us[row] > now_us:
            fault[c] = 4
        elif 0 < until_us[row] <= now_us:  # 0 or below: no end given
            fault[c] = 5
        elif len(region) > 0 and not sold[region[row]]:
            fault[c] = 6
        elif min_age[row] > age:
            fault[c] = 7
        n_unknown += fault[c] == 1
    return fault, n_unknown


@nb.njit(cache=True)
def still_in_cart(lines: Any, after_us: float, removed: int) -> NDArray[np.int32]:
    """Items of a history, newest line first, put into the cart after an instant and not touched since. ``(<= L,)``

    To touch is to put in once more, to take out (event ``removed``), to buy.
    """
    n_lines = 0
    while n_lines < len(lines) and lines[n_lines].at_us > after_us:
        n_lines += 1
    held = np.empty(n_lines, np.int32)
    n_held = 0
    for at in range(n_lines):
        if lines[at].event == CART and lines[at].item >= 0:
            touched = False
            for newer in range(at):
                event = lines[newer].event
                if lines[newer].item == lines[at].item and (event in (CART, PURCHASE, removed)):
                    touched = True
                    break
            if not touched:
                held[n_held] = lines[at].item
                n_held += 1
    return held[:n_held]


@nb.njit(cache=True)
def best_of(
    score: NDArray[np.float32],
    item: Codes,
    size: int,
    collapse: bool,
    relevance_weight: float,
    n_pool: int,
    group: Codes,
    category: Codes,
    path: Codes,
    brand: Codes,
    words: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """Places of up to ``size`` candidates, at most one of a group if they ``collapse``, by relevance and novelty.

    The same as ``choose`` after sorting, where neither rules nor dice are asked; of the pool only those are compared
    that were chosen. What has no score, NaN, goes last; ties keep their order. The other columns are ``draw_near``'s.
    """
    order = _falling(score)
    n_pool = min(n_pool, len(order)) if relevance_weight < 1.0 else 0  # none: in order of score
    pool, relevance = item[order[:n_pool]], relevance_of(score[order[:n_pool]])
    picked, n_picked, below = np.empty(min(size, len(order)), np.int64), 0, n_pool
    taken, closest = np.zeros(len(order), np.bool_), np.zeros(n_pool, np.float32)
    while n_picked < len(picked):
        pick, most = -1, 0.0
        for p in range(n_pool):
            worth = relevance_weight * relevance[p] - (1.0 - relevance_weight) * closest[p]
            if not taken[p] and (pick < 0 or worth > most):
                pick, most = p, worth
        while pick < 0 and below < len(order):
            pick = -1 if taken[below] else below
            below += 1
        if pick < 0:
            break
        row = item[order[pick]]
        taken[pick] = True
        picked[n_picked] = order[pick]
        n_picked += 1
        if collapse and code_of(group, row) >= 0:
            for p in range(len(order)):
                taken[p] |= code_of(group, item[order[p]]) == group[row]
        draw_near(row, pool, closest, group, category, path, brand, words)
    return picked[:n_picked]


@nb.njit(cache=True)
def _falling(score: NDArray[np.float32]) -> NDArray[np.int64]:
    """Places in order of score, NaN last; ties keep their order. Each goes where as many are better."""
    key, order = np.empty(len(score), np.int64), np.empty(len(score), np.int64)
    for c in range(len(score)):
        bits = np.int64(np.float32(score[c] + np.float32(0)).view(np.int32))  # 0 added: there is one zero
        falling = np.int64(0x7FFFFFFF) if np.isnan(score[c]) else -(bits ^ ((bits >> 31) & 0x7FFFFFFF))
        key[c] = (falling << 32) + c
    for c in range(len(score)):
        place, own = np.int64(0), key[c]
        for other in key:
            place += other < own
        order[place] = c
    return order


@nb.njit(cache=True)
def mark_among(item: NDArray[np.int32], others: NDArray[np.int32]) -> NDArray[np.bool_]:
    """``(C,)`` True where a number of ``item`` is also in ``others``. Negative numbers never are."""
    top = -1
    for number in item:
        top = max(top, number)
    seen = np.zeros(top + 1, np.bool_)
    for number in others:
        if 0 <= number <= top:
            seen[number] = True
    found = np.empty(len(item), np.bool_)
    for c in range(len(item)):
        found[c] = item[c] >= 0 and seen[item[c]]
    return found


@nb.njit(cache=True)
def relevance_of(score: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores ``(P,)`` stretched to [0, 1]; unscored 0. All 1 where they are equal."""
    low, high = np.inf, -np.inf
    for value in score:
        if np.isfinite(value):
            low, high = min(low, np.float64(value)), max(high, np.float64(value))
    relevance = np.zeros(len(score), np.float64)
    for p in range(len(score)):
        if np.isfinite(score[p]):
            relevance[p] = (score[p] - low) / (high - low) if high > low else 1.0
    return relevance


@nb.njit(cache=True)
def spread_of(score: NDArray[np.float32]) -> float:
    """Standard deviation of the finite scores; 1 where there is none."""
    count, mean, squares = 0, 0.0, 0.0
    for value in score:
        if np.isfinite(value):
            count += 1
            step = value - mean
            mean += step / count
            squares += step * (value - mean)
    return np.sqrt(squares / count) if squares > 0.0 else 1.0


@nb.njit(cache=True)
def occupy(codes: NDArray[np.int32], used: NDArray[np.int32], taken: NDArray[np.bool_], row: int) -> None:
    """Count a chosen candidate under every cap, and never choose it again.

    ``codes`` ``(M, C)``: under cap m, candidates of one code share a count; -1 is not counted.
    ``used`` ``(M, C)``: how many of candidate c's code are chosen under cap m. ``taken`` ``(C,)``.
    """
    taken[row] = True
    for m in range(codes.shape[0]):
        code = codes[m, row]
        if code >= 0:
            for c in range(codes.shape[1]):
                if codes[m, c] == code:
                    used[m, c] += 1


@nb.njit(cache=True)
def _free(
    limits: NDArray[np.int32],
    codes: NDArray[np.int32],
    used: NDArray[np.int32],
    taken: NDArray[np.bool_],
    c: int,
) -> bool:
    free = not taken[c]
    for m in range(codes.shape[0]):
        free = free and (codes[m, c] < 0 or used[m, c] < limits[m])
    return free


@nb.njit(cache=True)
def _draw(
    objective: NDArray[np.float64], free: NDArray[np.int64], n_free: int, best: int, kind: int, heat: float,
    epsilon: float, dice: NDArray[np.float64],
) -> tuple[int, float]:  # fmt: skip
    """One of the free candidates, and the chance it had, given the positions above.

    ``dice`` are two uniform numbers. Epsilon: with chance epsilon any free one, evenly. Plackett-Luce: with chance
    proportional to exp(objective / heat).
    """
    if kind == EPSILON:
        pick = best
        if dice[0] < epsilon:
            pick = free[min(n_free - 1, int(dice[1] * n_free))]
        return pick, epsilon / n_free + (1.0 - epsilon if pick == best else 0.0)
    total = 0.0
    for j in range(n_free):
        total += np.exp((objective[free[j]] - objective[best]) / heat)
    edge, pick = 0.0, best
    for j in range(n_free):
        edge += np.exp((objective[free[j]] - objective[best]) / heat) / total
        if dice[0] < edge:
            pick = free[j]
            break
    return pick, np.exp((objective[pick] - objective[best]) / heat) / total


@nb.njit(cache=True)
def choose(
    relevance: NDArray[np.float64],
    codes: NDArray[np.int32],
    limits: NDArray[np.int32],
    used: NDArray[np.int32],
    taken: NDArray[np.bool_],
    similarity: NDArray[np.float32],
    weight: float,
    size: int,
    kind: int,
    heat: float,
    epsilon: float,
    dice: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Up to ``size`` candidates and the propensity of each.

    Maximal marginal relevance: each position takes the candidate of the pool with the largest

        weight * relevance(c) - (1 - weight) * max over chosen s of similarity(c, s)

    among those that no cap holds back; ties go to the one that stands higher. Once the pool is spent, the rest
    follows in order.

    Args:
        relevance: ``(P,)`` of the pool, best first, in [0, 1]. Candidates P.. (of C) stand below the pool.
        codes, limits, used, taken: caps, see ``occupy``; ``limits`` ``(M,)``. ``used`` and ``taken`` are changed.
        similarity: ``(P, P)`` in [0, 1], or ``(0, 0)`` where weight is 1.
        dice: ``(size, 2)`` uniform numbers, or ``(0, 2)`` where ``kind`` is BEST.

    Source: Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998. Plackett-Luce: Plackett,
    "The Analysis of Permutations", Applied Statistics 1975.
    """
    n_pool, n_all = len(relevance), len(taken)
    picked = np.empty(size, np.int64)
    propensity = np.ones(size, np.float64)
    closest = np.zeros(n_pool, np.float64)  # largest similarity to what is chosen
    objective = np.empty(n_pool, np.float64)
    free = np.empty(n_pool, np.int64)
    n_picked, below = 0, n_pool
    while n_picked < size:
        best, n_free = -1, 0
        for c in range(n_pool):
            if _free(limits, codes, used, taken, c):
                objective[c] = weight * relevance[c] - (1.0 - weight) * closest[c]
                free[n_free] = c
                n_free += 1
                if best < 0 or objective[c] > objective[best]:
                    best = c
                if weight == 1.0 and kind == BEST:
                    break  # the pool is in order of relevance
        pick = best
        if best >= 0 and kind != BEST:
            pick, propensity[n_picked] = _draw(
                objective, free, n_free, best, kind, heat, epsilon, dice[n_picked]
            )
        while pick < 0 and below < n_all:
            if _free(limits, codes, used, taken, below):
                pick = below
            below += 1
        if pick < 0:
            break
        occupy(codes, used, taken, pick)
        if weight < 1.0 and pick < n_pool:
            for c in range(n_pool):
                closest[c] = max(closest[c], similarity[c, pick])
        picked[n_picked] = pick
        n_picked += 1
    return picked[:n_picked], propensity[:n_picked]
