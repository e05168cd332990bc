"""Compiled steps that sources share at the request: the best of many, votes of neighbours, what an item hangs on.

Each runs on one thread and holds the interpreter lock. Rows are checked by their callers: a wrong one reads foreign memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._select import edge_of, keep_best, order_of, score_of, sort_best
from shelfwise.domain import LiveItems, Query

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]


def best(score: Floats, blocked: NDArray[np.uint8], limit: int, *, above: float = 0.0) -> tuple[Rows, Floats]:
    """Rows and scores of the best ``limit`` that score over ``above`` and are not blocked; ties: lower row first."""
    return best_of(score, blocked, limit, np.float32(above))


def without(query: Query, bought: Rows, live: LiveItems, n_items: int) -> NDArray[np.uint8]:
    """``(n_items,)`` 1 for rows that a source need not propose now.

    Those are the seeds, what the query excludes, what nobody may see or buy at the moment, and ``bought``.
    Eligibility judges all again: here it only saves places for others.
    """
    return _without(n_items, live.hidden, live.stock, query.seeds, query.exclude, bought)


def leaves_out_bought(query: Query) -> bool:
    """In ``auto``, what was bought before is the business of ``buy_again``; else as the query says."""
    return query.seen == "exclude" or query.strategy == "auto"


def reads(table: Floats) -> Callable[[Rows], Floats]:
    """The opinion ``(C,) -> (C, G)`` that reads a dense ``(G, I)`` table by item row; NaN beyond its end."""
    return lambda rows: _rows_of(table, np.ascontiguousarray(rows, np.int32))


def known_once(rows: Rows, n_items: int) -> Rows:
    """The distinct ones of ``rows`` that the fit knows, rising."""
    return np.array(sorted({row for row in rows.tolist() if 0 <= row < n_items}), np.int32)


def votes(
    items: Rows, weight: Floats, start: NDArray[np.int64], neighbour: Rows, similarity: Floats
) -> Floats:
    """Sum of ``weight * similarity`` over the lists of ``items``, by row, ``(I,)``."""
    out = np.zeros(len(start) - 1, np.float32)
    add_votes(items, weight, start, neighbour, similarity, out)
    return out


def anchors(
    items: Rows, weight: Floats, start: NDArray[np.int64], neighbour: Rows, similarity: Floats, asked: Rows
) -> Rows:
    """For each asked row the one of ``items`` whose vote for it weighs most; -1 where none votes. ``(K,)``"""
    out = np.full(len(asked), -1, np.int32)
    _anchor(items, weight, start, neighbour, similarity, np.ascontiguousarray(asked, np.int32), out)
    return out


_NO_ROWS = np.empty(0, np.int32)


@nb.njit(cache=True)
def best_of(score: Floats, blocked: NDArray[np.uint8], limit: int, above: np.float32) -> tuple[Rows, Floats]:
    """``best`` for kernels. A guess of the lowest score that gets in, by a sample, spares most of the rest."""
    row, order = np.empty(len(score), np.int32), np.empty(len(score), np.int32)
    floor = _likely_floor(score, blocked, order, limit, above)
    n = _over(score, blocked, floor, row)
    if n < limit and floor > above:  # the sample misled
        n = _over(score, blocked, above, row)
    for k in range(n):
        order[k] = order_of(score[row[k]])
    n_best = keep_best(order, row, n, limit)
    sort_best(order, row, n_best)
    value = np.empty(n_best, np.float32)
    for k in range(n_best):
        value[k] = score_of(order[k])
    return row[:n_best].copy(), value


@nb.njit(cache=True)
def _likely_floor(
    score: Floats, blocked: NDArray[np.uint8], order: Rows, limit: int, above: np.float32
) -> np.float32:
    """A value that some twice ``limit`` scores reach, by a sample of 256. ``order`` is scratch."""
    size = 256
    step = len(score) // size
    share = 2.0 * limit / max(len(score), 1)
    if step < 4 or share > 0.5:
        return above
    n = np.int64(0)
    for i in range(0, size * step, step):
        order[n] = order_of(score[i])
        n += (blocked[i] == 0) & (score[i] > above)
    place = int(share * size) + 5
    return max(score_of(edge_of(order, n, place)), above) if place <= n else above


@nb.njit(cache=True)
def _over(score: Floats, blocked: NDArray[np.uint8], floor: np.float32, row: Rows) -> int:
    """Write the free rows that score over the floor, rising; how many. Without branches: nobody can guess them."""
    n_over = 0
    for i in range(len(score)):
        row[n_over] = i
        n_over += score[i] > floor
    n = 0
    for x in range(n_over):
        at = row[x]
        row[n] = at
        n += blocked[at] == 0
    return n


@nb.njit(cache=True)
def place_of(rows: Rows, n: int, row: int) -> int:
    """Where among the first n a row stands; n if nowhere."""
    for k in range(n):
        if rows[k] == row:
            return k
    return n


@nb.njit(cache=True)
def _without(
    n_items: int,
    hidden: NDArray[np.uint8],
    stock: NDArray[np.int64],
    seeds: Rows,
    exclude: Rows,
    bought: Rows,
) -> NDArray[np.uint8]:
    out = np.zeros(n_items, np.uint8)
    for i in range(min(n_items, len(hidden))):
        out[i] = (hidden[i] != 0) | (stock[i] == 0)
    for rows in (seeds, exclude, bought):
        for row in rows:
            if 0 <= row < n_items:
                out[row] = 1
    return out


@nb.njit(cache=True)
def _rows_of(table: Floats, rows: Rows) -> Floats:
    n_signals, n_items = table.shape
    out = np.empty((len(rows), n_signals), np.float32)
    for i in range(len(rows)):
        known = 0 <= rows[i] < n_items
        for g in range(n_signals):
            out[i, g] = table[g, rows[i]] if known else np.nan
    return out


@nb.njit(cache=True)
def add_votes(
    items: Rows, weight: Floats, start: NDArray[np.int64], neighbour: Rows, similarity: Floats, out: Floats
) -> None:
    """Add ``votes`` to ``out``, for kernels."""
    for k in range(len(items)):
        for p in range(start[items[k]], start[items[k] + 1]):
            out[neighbour[p]] += weight[k] * similarity[p]


@nb.njit(cache=True)
def _anchor(
    items: Rows,
    weight: Floats,
    start: NDArray[np.int64],
    neighbour: Rows,
    similarity: Floats,
    asked: Rows,
    out: Rows,
) -> None:
    place = np.full(len(start) - 1, -1, np.int32)
    most = np.zeros(len(asked), np.float32)
    for a in range(len(asked)):
        if 0 <= asked[a] < len(place):
            place[asked[a]] = a
    for k in range(len(items)):
        for p in range(start[items[k]], start[items[k] + 1]):
            a = place[neighbour[p]]
            if a >= 0 and weight[k] * similarity[p] > most[a]:
                most[a] = weight[k] * similarity[p]
                out[a] = items[k]
