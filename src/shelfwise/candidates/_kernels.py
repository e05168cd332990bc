"""Compiled steps that sources share at the request: the best of many, votes of neighbours, what an item hangs on.

Each runs on one thread and holds the interpreter lock. Rows are checked by their callers: a wrong one reads foreign memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import LiveItems, Query

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]


def best(score: Floats, blocked: NDArray[np.uint8], limit: int, *, above: float = 0.0) -> tuple[Rows, Floats]:
    """Rows and scores of the best ``limit`` that score over ``above`` and are not blocked; ties: lower row first."""
    return _best(score, blocked, limit, np.float32(above))


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
    return np.unique(rows[(rows >= 0) & (rows < n_items)]).astype(np.int32)


def votes(
    items: Rows, weight: Floats, start: NDArray[np.int64], neighbour: Rows, similarity: Floats
) -> Floats:
    """Sum of ``weight * similarity`` over the lists of ``items``, by row, ``(I,)``."""
    out = np.zeros(len(start) - 1, np.float32)
    _vote(items, weight, start, neighbour, similarity, out)
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
def _best(score: Floats, blocked: NDArray[np.uint8], limit: int, above: np.float32) -> tuple[Rows, Floats]:
    """A first guess of the lowest score that gets in, by a sample, spares the heap most of the rest."""
    floor = _likely_floor(score, blocked, limit, above)
    row, value = _heap(score, blocked, limit, floor)
    if len(row) < limit and floor > above:  # the sample misled
        row, value = _heap(score, blocked, limit, above)
    by_row = np.argsort(row)
    row, value = row[by_row], value[by_row]
    order = np.argsort(-value, kind="mergesort")
    return row[order], value[order]


@nb.njit(cache=True)
def _likely_floor(score: Floats, blocked: NDArray[np.uint8], limit: int, above: np.float32) -> np.float32:
    """A value that some twice ``limit`` scores exceed, by a sample of 256."""
    size = 256
    step = len(score) // size
    share = 2.0 * limit / max(len(score), 1)
    if step < 4 or share > 0.5:
        return above
    sample, n = np.empty(size, np.float32), 0
    for i in range(size):
        s = score[i * step]
        if blocked[i * step] == 0 and s > above:
            sample[n] = s
            n += 1
    place = int(share * size) + 4
    if place >= n:
        return above
    return np.sort(sample[:n])[n - 1 - place]


@nb.njit(cache=True)
def _heap(score: Floats, blocked: NDArray[np.uint8], limit: int, above: np.float32) -> tuple[Rows, Floats]:
    """The best so far as a heap, the worst of them on top. Blocks of eight without a high score are skipped."""
    value, row = np.empty(limit, np.float32), np.empty(limit, np.int32)
    n = 0
    floor = above
    whole = len(score) // 8 * 8 if limit > 0 else 0
    for begin in range(0, whole, 8):
        high = 0
        for i in range(begin, begin + 8):
            high += score[i] > floor
        if high == 0:
            continue
        for i in range(begin, begin + 8):
            if score[i] > floor and blocked[i] == 0:
                n = _push(value, row, n, score[i], i)
                floor = value[0] if n == limit else above
    for i in range(whole, len(score)):
        if limit > 0 and score[i] > floor and blocked[i] == 0:
            n = _push(value, row, n, score[i], i)
            floor = value[0] if n == limit else above
    return row[:n], value[:n]


@nb.njit(cache=True)
def _push(value: Floats, row: Rows, n: int, s: np.float32, i: int) -> int:
    """Put a score into the heap of n, in place of the worst where it is full; how many there are then.

    Rows come rising, so of equal scores the new one is the worse.
    """
    if n < len(value):
        j = n
        while j > 0 and value[(j - 1) >> 1] >= s:
            value[j], row[j] = value[(j - 1) >> 1], row[(j - 1) >> 1]
            j = (j - 1) >> 1
        value[j], row[j] = s, i
        return n + 1
    j = 0
    while 2 * j + 1 < n:
        child = 2 * j + 1
        other = child + 1
        if other < n and (
            value[other] < value[child] or (value[other] == value[child] and row[other] > row[child])
        ):
            child = other
        if value[child] >= s:
            break
        value[j], row[j] = value[child], row[child]
        j = child
    value[j], row[j] = s, i
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
def _vote(
    items: Rows, weight: Floats, start: NDArray[np.int64], neighbour: Rows, similarity: Floats, out: Floats
) -> None:
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
