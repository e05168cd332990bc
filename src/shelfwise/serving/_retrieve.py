"""The first stage: ask the sources in turn, and merge what they propose."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import CandidateSource, Proposal
from shelfwise.domain import SOURCES, Candidates
from shelfwise.serving._ask import Ask, Trouble, attempt

_NO_TABLES = (np.empty((0, 0), np.float32),) * len(
    SOURCES
)  # as many as a kernel takes: it compiles for one number
BITS = {name: 1 << bit for bit, name in enumerate(SOURCES)}  # of ``proposed``
SOURCES_UNTIL = 0.6  # share of the budget after which no further source is asked


class Found(msgspec.Struct, frozen=True, eq=False):
    """What the sources proposed for one question."""

    candidates: Candidates  # each item once, by turns: every source's first, then every source's second, ...
    proposals: Mapping[str, Proposal]
    missing: Mapping[str, str]  # source -> why it is not here


def retrieve(
    sources: Mapping[str, CandidateSource], ask: Ask, *, quotas: Mapping[str, int], pool_size: int
) -> Found:
    """Ask the sources in their order; leave out what is late, untrained or broken, and say so.

    Args:
        sources: Those to ask.
        ask: The question.
        quotas: Most items that a source may propose; ``pool_size`` where a source has none.
        pool_size: Most candidates in all.
    """
    proposals: dict[str, Proposal] = {}
    missing: dict[str, str] = {}
    now, until_s = ask.deadline.now, ask.deadline.instant(SOURCES_UNTIL)
    for name, source in sources.items():
        if now() > until_s:
            missing[name] = "no time left"
            continue
        limit = quotas.get(name, pool_size)
        proposal = attempt(ask, name, source.retrieve, ask.query, ask.person, ask.live, limit=limit)
        if isinstance(proposal, Trouble):
            missing[name] = proposal.reason
        else:
            proposals[name] = proposal
    return Found(merge(proposals, pool_size=pool_size), proposals, missing)


def merge(proposals: Mapping[str, Proposal], *, pool_size: int) -> Candidates:
    """Each item once, at most ``pool_size``, with a bit per source that proposed it; not judged yet."""
    if not proposals:
        return Candidates.none()
    items = [proposal.item for proposal in proposals.values()]
    lists = np.array([[len(item) for item in items], [BITS[name] for name in proposals]], np.int64)
    return unjudged(*_merge(np.concatenate(items), lists, pool_size))


def unjudged(item: NDArray[np.int32], proposed: NDArray[np.uint16]) -> Candidates:
    """Candidates of which nothing is known yet but who proposed them."""
    score = np.empty(len(item), np.float32)
    score.fill(np.nan)
    return Candidates(item, proposed, np.empty((len(item), 0), np.float32), score)


def hear(
    candidates: Candidates, proposals: Mapping[str, Proposal], sources: Mapping[str, CandidateSource]
) -> Candidates:
    """The same items with what each source says of each: a source may judge what another proposed. ``(C, G)``."""
    signal = np.empty((len(candidates), sum([len(s.signals) for s in sources.values()])), np.float32)
    tables: list[NDArray[np.float32]] = []
    places, at = [], 0
    for name, source in sources.items():
        width, proposal = len(source.signals), proposals.get(name)
        if proposal is not None and proposal.table is not None and len(tables) < len(_NO_TABLES):
            tables.append(proposal.table)
            places.append(at)
        else:
            signal[:, at : at + width] = np.nan if proposal is None else proposal.opinion(candidates.item)
        at += width
    _read(
        (*tables, *_NO_TABLES[len(tables) :]),
        np.array(places + [0] * (len(_NO_TABLES) - len(tables)), np.int64),
        np.ascontiguousarray(candidates.item),
        signal,
    )
    return Candidates(candidates.item, candidates.proposed, signal, candidates.score)


def places_of(item: NDArray[np.int32], among: NDArray[np.int32]) -> NDArray[np.int64]:
    """For each of ``item`` ``(K,)`` its place in ``among`` ``(C,)``, -1 where it is not there."""
    return _places(np.ascontiguousarray(item), np.ascontiguousarray(among))


@nb.njit(cache=True)
def _places(item: NDArray[np.int32], among: NDArray[np.int32]) -> NDArray[np.int64]:
    out = np.full(len(item), -1, np.int64)
    for k in range(len(item)):
        for c in range(len(among)):
            if among[c] == item[k]:
                out[k] = c
                break
    return out


@nb.njit(cache=True)
def _read(
    tables: tuple[NDArray[np.float32], ...],
    place: NDArray[np.int64],
    item: NDArray[np.int32],
    signal: NDArray[np.float32],
) -> None:
    """Write what each table ``(G, I)`` says of the items into the columns of ``signal`` from its place on."""
    for t in range(len(tables)):
        table, at = tables[t], place[t]
        n_signals, n_items = table.shape
        for c in range(len(item)):
            known = 0 <= item[c] < n_items
            for g in range(n_signals):
                signal[c, at + g] = table[g, item[c]] if known else np.nan


@nb.njit(cache=True)
def all_there(item: NDArray[np.int32], stock: NDArray[np.int64], hidden: NDArray[np.uint8]) -> bool:
    """Whether none of these rows is sold out, hidden or beyond the columns."""
    there = True
    for row in item:
        there = there and 0 <= row < len(stock) and stock[row] != 0 and hidden[row] == 0
    return there


@nb.njit(cache=True)
def _merge(
    rows: NDArray[np.int32], lists: NDArray[np.int64], limit: int
) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
    """``lists`` ``(2, S)``: how many of the rows each source gave, one after the other, and its bit.

    Open addressing over the few hundred rows of one request: nothing as long as the catalogue is touched. A row that
    is met again gets one more bit; a new one is added while there is room.
    """
    size, bit = lists
    mask, longest, begin = 15, 0, np.zeros(len(size), np.int64)
    while mask < 2 * len(rows):
        mask = 2 * mask + 1
    for source in range(len(size)):
        longest = max(longest, size[source])
        begin[source] = size[:source].sum()
    slot = np.full(mask + 1, -1, np.int32)
    item, proposed = np.empty(limit, np.int32), np.zeros(limit, np.uint16)
    n = 0
    for rank in range(longest):
        for source in range(len(size)):
            if rank >= size[source]:
                continue
            row = rows[begin[source] + rank]
            at = (row * 2654435769) & mask
            while slot[at] >= 0 and item[slot[at]] != row:
                at = (at + 1) & mask
            if slot[at] >= 0:
                proposed[slot[at]] |= bit[source]
            elif n < limit:
                slot[at], item[n], proposed[n] = n, row, bit[source]
                n += 1
    return item[:n], proposed[:n]
