"""The first stage: ask the sources, merge what they propose, keep what each of them thinks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import CandidateSource, Proposal
from shelfwise.domain import (
    SOURCES,
    Candidates,
    Deadline,
    LiveItems,
    NotTrained,
    PersonState,
    Query,
)

BITS = {name: np.uint16(1 << bit) for bit, name in enumerate(SOURCES)}


@dataclass(frozen=True, slots=True, eq=False)
class Retrieval:
    """What the sources proposed for one query."""

    candidates: Candidates  # each item once, in turns: every source's first, then every source's second, ...
    proposals: Mapping[str, Proposal]
    missing: Mapping[str, str]  # source name -> why it is not here


def retrieve(
    sources: Mapping[str, CandidateSource],
    query: Query,
    person: PersonState,
    live: LiveItems,
    *,
    quotas: Mapping[str, int],
    pool_size: int,
    deadline: Deadline,
) -> Retrieval:
    """Ask the sources in their order; leave out what is late or untrained, and say so."""
    proposals: dict[str, Proposal] = {}
    missing: dict[str, str] = {}
    for name, source in sources.items():
        if deadline.passed(0.4):
            missing[name] = "no time left"
            continue
        try:
            proposals[name] = source.retrieve(query, person, live, limit=quotas.get(name, pool_size))
        except NotTrained as trouble:
            missing[name] = str(trouble)
    return Retrieval(merge(proposals, pool_size=pool_size), proposals, missing)


def merge(proposals: Mapping[str, Proposal], *, pool_size: int) -> Candidates:
    """Each item once, at most ``pool_size``, with a bit per source that proposed it; not judged yet."""
    given = {name: proposal.item for name, proposal in proposals.items() if len(proposal.item)}
    if not given:
        return Candidates.none()
    table = np.full((len(given), max(map(len, given.values()))), -1, np.int32)
    for row, items in enumerate(given.values()):
        table[row, : len(items)] = items
    bits = np.array([BITS[name] for name in given], np.uint16)
    item, proposed = _merge(table, bits, min(pool_size, table.size))
    return Candidates(
        item, proposed, np.empty((len(item), 0), np.float32), np.full(len(item), np.nan, np.float32)
    )


def hear(
    candidates: Candidates, proposals: Mapping[str, Proposal], sources: Mapping[str, CandidateSource]
) -> Candidates:
    """The same items with what each source says of each: a source may judge what another proposed."""
    width = sum(len(source.signals) for source in sources.values())
    signal = np.full((len(candidates), width), np.nan, np.float32)
    at = 0
    for name, source in sources.items():
        n = len(source.signals)
        if name in proposals:
            signal[:, at : at + n] = proposals[name].opinion(candidates.item)
        at += n
    return Candidates(candidates.item, candidates.proposed, signal, candidates.score)


def alone(proposal: Proposal, name: str) -> Candidates:
    """What one source proposes, judged by itself."""
    item = proposal.item
    signal = np.ascontiguousarray(proposal.score, np.float32)
    return Candidates(item, np.full(len(item), BITS[name], np.uint16), signal[:, None], signal)


@nb.njit(cache=True, nogil=True)
def _merge(
    table: NDArray[np.int32], bits: NDArray[np.uint16], limit: int
) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
    """Open-addressing over the few hundred rows of one request: nothing as long as the catalogue is touched."""
    capacity = 16
    while capacity < 2 * table.size:
        capacity *= 2
    slot = np.full(capacity, -1, np.int32)
    item = np.empty(limit, np.int32)
    proposed = np.zeros(limit, np.uint16)
    n = 0
    for rank in range(table.shape[1]):
        for source in range(table.shape[0]):
            row = table[source, rank]
            if row < 0:
                continue
            at = (np.uint32(row) * np.uint32(2654435769)) & np.uint32(capacity - 1)
            while slot[at] >= 0 and item[slot[at]] != row:
                at = (at + np.uint32(1)) & np.uint32(capacity - 1)
            if slot[at] >= 0:
                proposed[slot[at]] |= bits[source]
            elif n < limit:
                slot[at], item[n], proposed[n] = n, row, bits[source]
                n += 1
    return item[:n], proposed[:n]
