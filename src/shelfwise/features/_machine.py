"""Compiled: all features of one query's candidates in one call, column after column.

Nothing here takes a slice of an array: each would count references, and that costs more than the work of a column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from shelfwise.domain import DAY_US
from shelfwise.features._expr import (
    ADD,
    CONST,
    DEPTH,
    DIV,
    LN,
    LOAD,
    MAX,
    MOD,
    MUL,
    REACHES,
    SINCE,
    STORE,
    SUB,
)
from shelfwise.features._merging import Lines
from shelfwise.features._person import code_of, read_person


@njit(cache=True)
def tell(
    lines: Lines,
    now_us: int,
    item: NDArray[np.int32],
    signal: NDArray[np.float32],
    seeds: NDArray[np.int32],
    context: NDArray[np.float64],
    address: NDArray[np.int64],
    size: NDArray[np.int64],
    instant: NDArray[np.bool_],
    packed: NDArray[np.float64],
    stamp: NDArray[np.int64],
    written: int,
    n_shop: int,
    category: NDArray[np.int32],
    brand: NDArray[np.int32],
    n_codes: int,
    user: NDArray[np.int64],
    pair: NDArray[np.int64],
    half_lives_us: NDArray[np.float64],
    n_person: int,
    n_pair: int,
    code: NDArray[np.int64],
    constant: NDArray[np.float64],
    place: NDArray[np.int64],
    code_for_all: NDArray[np.int64],
    constant_for_all: NDArray[np.float64],
    place_for_all: NDArray[np.int64],
    which: NDArray[np.int64],
    signal_place: NDArray[np.int64],
    fact_address: NDArray[np.int64],
    fact_size: NDArray[np.int64],
    fact_least: NDArray[np.int64],
    fact_dated: NDArray[np.bool_],
    table: NDArray[np.float32],
    likeness: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` ``(F, C)``.

    Scalars of the query are those of the person, sums of the shop, the context; rows of the candidates are those of the
    person and the item, live counters, what is shared with the seeds, facts of the catalogue, columns of ``table``
    ``(I, n)``, ``likeness`` ``(n, C)``: the programs count through both in that order.
    ``address`` and ``size`` are of the counters, then of the ``n_shop`` sums, then of the price.
    """
    n_counters = len(address) - n_shop - 1
    first_fact = n_pair + n_counters + 3
    first_column = first_fact + len(fact_address)
    first_like = first_column + table.shape[1]
    scalars = np.empty(n_person + n_shop + len(context))
    rows = np.empty((first_like + len(likeness), len(item)))
    read_person(
        lines,
        now_us,
        item,
        user,
        pair,
        half_lives_us,
        category,
        brand,
        n_codes,
        scalars[:n_person],
        rows[:n_pair],
    )
    _gather(address, size, instant, packed, stamp, written, item, n_pair, rows)
    _tell_seeds(seeds, item, category, brand, _column(address[-1], size[-1]), n_pair + n_counters, rows)
    _tell_facts(fact_address, fact_size, fact_least, fact_dated, now_us, item, first_fact, rows)
    _tell_table(table, item, first_column, rows)
    for k in range(len(likeness)):
        for c in range(len(item)):
            rows[first_like + k, c] = likeness[k, c]
    for k in range(n_shop):
        at = n_counters + k
        scalars[n_person + k] = _column(address[at], size[at])[0] if size[at] > 0 else np.nan
    for k in range(len(context)):
        scalars[n_person + n_shop + k] = context[k]
    run_program(code, constant, place, now_us, scalars, rows, out)
    _tell_all(code_for_all, constant_for_all, place_for_all, now_us, scalars, out)
    _tell_signals(signal, which, signal_place, out)


@intrinsic
def _pointer(_: Any, address: Any) -> Any:
    """A number as the address that it is."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


@njit(cache=True)
def _column(address: int, size: int) -> NDArray[np.int64]:
    """The live column that lies there. Columns are handed over as addresses: a tuple of them costs 5 us a call."""
    return carray(_pointer(address), (size,), np.int64)


@njit(cache=True)
def _gather(
    address: NDArray[np.int64],
    size: NDArray[np.int64],
    instant: NDArray[np.bool_],
    packed: NDArray[np.float64],
    stamp: NDArray[np.int64],
    written: int,
    item: NDArray[np.int32],
    first: int,
    rows: NDArray[np.float64],
) -> None:
    """Live counters of the candidates: rows of ``rows`` from ``first`` on.

    Those of an item lie far apart in memory, so they are laid side by side when it is first met after a writing:
    ``packed`` ``(I, n)``; ``stamp`` ``(I,)`` tells after which. A number of writings below 0 is never believed.
    """
    for c in range(len(item)):
        known = 0 <= item[c] < len(stamp)
        if known and (written < 0 or stamp[item[c]] != written):
            _pack(address, size, instant, item[c], packed)
            stamp[item[c]] = written
        for k in range(len(instant)):
            rows[first + k, c] = packed[item[c], k] if known else _absent(size[k], instant[k])


@njit(cache=True)
def _pack(
    address: NDArray[np.int64],
    size: NDArray[np.int64],
    instant: NDArray[np.bool_],
    item: int,
    packed: NDArray[np.float64],
) -> None:
    """Live counters of one item side by side. An instant of 0 is none."""
    for k in range(len(instant)):
        value = _absent(size[k], instant[k])
        if item < size[k]:
            count = _column(address[k], size[k])[item]
            value = float(count) if count != 0 or not instant[k] else np.nan
        packed[item, k] = value


@njit(cache=True)
def _absent(size: int, instant: bool) -> float:
    """What a column says of a row beyond it: an empty one tells nothing, others 0, but no instant."""
    return np.nan if size == 0 or instant else 0.0


@njit(cache=True)
def _tell_facts(
    address: NDArray[np.int64],
    size: NDArray[np.int64],
    least: NDArray[np.int64],
    dated: NDArray[np.bool_],
    now_us: int,
    item: NDArray[np.int32],
    first: int,
    rows: NDArray[np.float64],
) -> None:
    """What the catalogue says of the candidates, rows of ``rows`` from ``first`` on.

    A value below ``least`` is none, and so is an instant (``dated``) that is yet to come.
    """
    for k in range(len(address)):
        column = _column(address[k], size[k])
        for c in range(len(item)):
            known = 0 <= item[c] < size[k] and column[item[c]] >= least[k]
            known = known and (not dated[k] or column[item[c]] < now_us)
            rows[first + k, c] = column[item[c]] if known else np.nan


@njit(cache=True)
def _tell_table(
    table: NDArray[np.float32], item: NDArray[np.int32], first: int, rows: NDArray[np.float64]
) -> None:
    """Columns ``(I, n)`` of the release and the shelf, rows of ``rows`` from ``first`` on; NaN for items beyond."""
    for c in range(len(item)):
        known = 0 <= item[c] < len(table)
        for k in range(table.shape[1]):
            rows[first + k, c] = table[item[c], k] if known else np.nan


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
    """Run compiled expressions for each column of ``rows`` ``(R, C)``; expression k goes to ``out[place[k]]``.

    Operands below ``len(scalars)`` are scalars, the others rows. Nothing is NaN, and NaN in is NaN out.
    """
    width = rows.shape[1]
    stack = np.empty((DEPTH, width))
    top = -1
    for step in range(len(code)):
        kind, operand = code[step, 0], code[step, 1]
        if kind == CONST or (kind == LOAD and operand < len(scalars)):
            top += 1
            value = constant[step] if kind == CONST else scalars[operand]
            for c in range(width):
                stack[top, c] = value
        elif kind == LOAD:
            top += 1
            row = operand - len(scalars)
            for c in range(width):
                stack[top, c] = rows[row, c]
        elif kind == STORE:
            column = place[operand]
            for c in range(width):
                out[column, c] = stack[top, c]
            top -= 1
        elif kind in (LN, SINCE):
            _change(kind, stack, top, float(now_us))
        else:
            top -= 1
            _join(kind, stack, top)


@njit(cache=True, error_model="numpy")
def _change(kind: int, stack: NDArray[np.float64], top: int, now_us: float) -> None:
    if kind == LN:
        for c in range(stack.shape[1]):
            stack[top, c] = np.log(stack[top, c]) if stack[top, c] > 0 else np.nan
    else:
        for c in range(stack.shape[1]):
            stack[top, c] = (now_us - stack[top, c]) / DAY_US


@njit(cache=True, error_model="numpy")
def _join(kind: int, stack: NDArray[np.float64], top: int) -> None:
    """The two topmost values become one."""
    width = stack.shape[1]
    if kind == ADD:
        for c in range(width):
            stack[top, c] += stack[top + 1, c]
    elif kind == SUB:
        for c in range(width):
            stack[top, c] -= stack[top + 1, c]
    elif kind == MUL:
        for c in range(width):
            stack[top, c] *= stack[top + 1, c]
    elif kind == DIV:
        for c in range(width):
            ratio = stack[top, c] / stack[top + 1, c]
            stack[top, c] = ratio if stack[top + 1, c] != 0 else np.nan
    else:
        _weigh(kind, stack, top)


@njit(cache=True, error_model="numpy")
def _weigh(kind: int, stack: NDArray[np.float64], top: int) -> None:
    """The larger of two, whether one reaches the other, or what is left of one by the other."""
    width = stack.shape[1]
    if kind == MAX:
        for c in range(width):
            one, two = stack[top, c], stack[top + 1, c]
            larger = two if one < two else np.nan
            stack[top, c] = one if one >= two else larger
    elif kind == REACHES:
        for c in range(width):
            one, two = stack[top, c], stack[top + 1, c]
            below = 0.0 if one < two else np.nan
            stack[top, c] = 1.0 if one >= two else below
    elif kind == MOD:
        for c in range(width):
            one, two = stack[top, c], stack[top + 1, c]
            stack[top, c] = one - two * np.floor(one / two) if two != 0 else np.nan


@njit(cache=True)
def _tell_all(
    code: NDArray[np.int64],
    constant: NDArray[np.float64],
    place: NDArray[np.int64],
    now_us: int,
    scalars: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """What is the same for every candidate: computed once."""
    told = np.empty((len(out), 1), np.float32)
    run_program(code, constant, place, now_us, scalars, np.empty((0, 1)), told)
    for k in range(len(place)):
        value = told[place[k], 0]
        for c in range(out.shape[1]):
            out[place[k], c] = value


@njit(cache=True)
def _tell_signals(
    signal: NDArray[np.float32], which: NDArray[np.int64], place: NDArray[np.int64], out: NDArray[np.float32]
) -> None:
    """Signals, by their highest, and their ranks: ``which`` column of ``signal`` into three columns of ``out``.

    ``place`` ``(n, 3)``: where its own value, its relative value and its rank go; -1 where not wanted.
    """
    size = len(signal)
    value = np.empty(size, np.float32)
    for k in range(len(which)):
        own, relative, rank = place[k, 0], place[k, 1], place[k, 2]
        highest = np.float32(-np.inf)
        for c in range(size):
            value[c] = signal[c, which[k]]
            if value[c] > highest:  # noqa: PLR1730 - NaN is not
                highest = value[c]
        if own >= 0:
            for c in range(size):
                out[own, c] = value[c]
        if relative >= 0:
            for c in range(size):
                out[relative, c] = value[c] / highest if highest > 0 else np.nan
        if rank >= 0:
            for c in range(size):
                out[rank, c] = np.nan if np.isnan(value[c]) else _higher(value, value[c])


@njit(cache=True, fastmath={"reassoc"})
def _higher(value: NDArray[np.float32], mine: float) -> float:
    """How many are higher. To compare all with all, eight at a time, is less work than to sort some hundreds."""
    count = np.float32(0.0)
    for c in range(len(value)):
        count += np.float32(1.0) if value[c] > mine else np.float32(0.0)
    return float(count)


@njit(cache=True)
def _tell_seeds(
    seeds: NDArray[np.int32],
    item: NDArray[np.int32],
    category: NDArray[np.int32],
    brand: NDArray[np.int32],
    price: NDArray[np.int64],
    first: int,
    rows: NDArray[np.float64],
) -> None:
    """What candidates share with the seeds, three rows from ``first`` on: category, brand, difference of log price."""
    if len(seeds) == 0:
        for row in range(first, first + 3):
            for c in range(len(item)):
                rows[row, c] = np.nan
        return
    priced, log_price = 0, 0.0
    for seed in seeds:
        if 0 <= seed < len(price) and price[seed] > 0:
            priced += 1
            log_price += np.log(float(price[seed]))
    for c in range(len(item)):
        rows[first, c] = _shared(seeds, category, code_of(category, item[c]))
        rows[first + 1, c] = _shared(seeds, brand, code_of(brand, item[c]))
        rows[first + 2, c] = np.nan
        if priced and 0 <= item[c] < len(price) and price[item[c]] > 0:
            rows[first + 2, c] = np.log(float(price[item[c]])) - log_price / priced


@njit(cache=True)
def _shared(seeds: NDArray[np.int32], codes: NDArray[np.int32], mine: int) -> float:
    same = 0
    for seed in seeds:
        same += code_of(codes, seed) == mine
    return same / len(seeds) if mine >= 0 else np.nan
