"""Compiled: the little machine that runs feature programs, and what it is fed with beside a person's lines."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import DAY_US
from shelfwise.features._expr import ADD, CONST, DEPTH, DIV, LN, LOAD, MAX, MUL, SINCE, STORE, SUB
from shelfwise.features._merging import STEPS
from shelfwise.features._person import code_of


@njit(cache=True)
def gather(
    columns: tuple[NDArray[np.int64], ...],
    which: NDArray[np.int64],
    instants: NDArray[np.bool_],
    item: NDArray[np.int32],
    rows: NDArray[np.float64],
) -> None:
    """Live counters of the candidates: row k of ``rows`` ``(len(which), C)`` from column ``which[k]``.

    An empty column tells nothing; a row beyond a column counts 0; an instant of 0 is none. The tuple always has
    all columns, so that there is one compiled form of this, whatever a ranker needs.
    """
    for k in range(len(which)):
        column = columns[which[k]]
        for c in range(len(item)):
            value = 0.0
            if 0 <= item[c] < len(column):
                value = float(column[item[c]])
            if len(column) == 0 or (instants[k] and value == 0.0):
                value = np.nan
            rows[k, c] = value


@njit(cache=True, error_model="numpy")
def run_program(
    code: NDArray[np.int64],
    constant: NDArray[np.float64],
    place: NDArray[np.int64],
    now_us: int,
    scalars: NDArray[np.float64],
    rows: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Run compiled expressions for each column of ``rows`` ``(R, C)``; expression k goes to ``out[:, place[k]]``.

    Operands below ``len(scalars)`` are scalars, the others rows. Nothing is NaN, and NaN in is NaN out.
    """
    width = rows.shape[1]
    stack = np.empty((DEPTH, width))
    top = -1
    for step in range(len(code)):
        kind, operand = code[step, 0], code[step, 1]
        if kind == LOAD:
            top += 1
            _load(operand, scalars, rows, stack[top])
        elif kind == CONST:
            top += 1
            for c in range(width):
                stack[top, c] = constant[step]
        elif kind == STORE:
            column = place[operand]
            for c in range(width):
                out[c, column] = stack[top, c]
            top -= 1
        elif kind in (LN, SINCE):
            _change(kind, stack[top], float(now_us))
        else:
            top -= 1
            _join(kind, stack[top], stack[top + 1])


@njit(cache=True)
def _load(
    operand: int, scalars: NDArray[np.float64], rows: NDArray[np.float64], value: NDArray[np.float64]
) -> None:
    if operand < len(scalars):
        for c in range(len(value)):
            value[c] = scalars[operand]
    else:
        for c in range(len(value)):
            value[c] = rows[operand - len(scalars), c]


@njit(cache=True, error_model="numpy")
def _change(kind: int, value: NDArray[np.float64], now_us: float) -> None:
    if kind == LN:
        for c in range(len(value)):
            value[c] = np.log(value[c]) if value[c] > 0 else np.nan
    else:
        for c in range(len(value)):
            value[c] = (now_us - value[c]) / DAY_US


@njit(cache=True, error_model="numpy")
def _join(kind: int, one: NDArray[np.float64], two: NDArray[np.float64]) -> None:
    if kind == ADD:
        for c in range(len(one)):
            one[c] += two[c]
    elif kind == SUB:
        for c in range(len(one)):
            one[c] -= two[c]
    elif kind == MUL:
        for c in range(len(one)):
            one[c] *= two[c]
    elif kind == DIV:
        for c in range(len(one)):
            one[c] = one[c] / two[c] if two[c] != 0 else np.nan
    elif kind == MAX:
        for c in range(len(one)):
            one[c] = one[c] if one[c] >= two[c] else two[c] if one[c] < two[c] else np.nan


@njit(cache=True)
def spread(values: NDArray[np.float32], place: NDArray[np.int64], out: NDArray[np.float32]) -> None:
    """The same value for every candidate: ``values`` ``(1, n)`` into columns ``place`` of ``out``."""
    for c in range(len(out)):
        for k in range(len(place)):
            out[c, place[k]] = values[0, k]


@njit(cache=True)
def tell_signals(
    signal: NDArray[np.float32], which: NDArray[np.int64], place: NDArray[np.int64], out: NDArray[np.float32]
) -> None:
    """Signals, by their highest, and their ranks: ``which`` column of ``signal`` into three columns of ``out``.

    ``place`` ``(n, 3)``: where its own value, its relative value and its rank go; -1 where not wanted.
    """
    size = len(signal)
    key = np.empty(size, np.int64)
    for k in range(len(which)):
        highest = np.float32(-np.inf)
        loud = 0
        for c in range(size):
            value = signal[c, which[k]]
            if not np.isnan(value):
                highest = max(highest, value)
                key[loud] = _sortable(value) << 20 | c
                loud += 1
        for c in range(size):
            value = signal[c, which[k]]
            if place[k, 0] >= 0:
                out[c, place[k, 0]] = value
            if place[k, 1] >= 0:
                out[c, place[k, 1]] = value / highest if highest > 0 else np.nan
            if place[k, 2] >= 0:
                out[c, place[k, 2]] = np.nan
        if place[k, 2] >= 0:
            _sort(key, loud)
            rank = 0
            for n in range(loud):
                c = key[loud - 1 - n] & 0xFFFFF
                if n > 0 and signal[c, which[k]] != signal[key[loud - n] & 0xFFFFF, which[k]]:
                    rank = n
                out[c, place[k, 2]] = rank


@njit(cache=True)
def _sort(key: NDArray[np.int64], size: int) -> None:
    """Put the first ``size`` keys in rising order."""
    for step in STEPS:
        for place in range(step, size):
            moving = key[place]
            at = place
            while at >= step and key[at - step] > moving:
                key[at] = key[at - step]
                at -= step
            key[at] = moving


@njit(cache=True)
def _sortable(value: np.float32) -> int:
    """A whole number that rises as the value does. Source: the usual trick on IEEE 754 bit patterns."""
    bits = int(np.float32(value).view(np.int32))
    return bits if bits >= 0 else -0x80000000 - bits


@njit(cache=True)
def tell_seeds(
    seeds: NDArray[np.int32],
    item: NDArray[np.int32],
    category: NDArray[np.int32],
    brand: NDArray[np.int32],
    price: NDArray[np.int64],
    rows: NDArray[np.float64],
) -> None:
    """What candidates share with the seeds, rows ``(3, C)``: share of category, share of brand, price in logarithms."""
    priced, log_price = 0, 0.0
    for seed in seeds:
        if 0 <= seed < len(price) and price[seed] > 0:
            priced += 1
            log_price += np.log(float(price[seed]))
    for c in range(len(item)):
        rows[0, c] = _shared(seeds, category, code_of(category, item[c]))
        rows[1, c] = _shared(seeds, brand, code_of(brand, item[c]))
        rows[2, c] = np.nan
        if priced and 0 <= item[c] < len(price) and price[item[c]] > 0:
            rows[2, c] = np.log(float(price[item[c]])) - log_price / priced


@njit(cache=True)
def _shared(seeds: NDArray[np.int32], codes: NDArray[np.int32], mine: int) -> float:
    same = 0
    for seed in seeds:
        same += code_of(codes, seed) == mine
    return same / len(seeds) if mine >= 0 and len(seeds) > 0 else np.nan
