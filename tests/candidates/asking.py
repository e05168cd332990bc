"""Short ways to ask a source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tests.world import NOW_US, live_items

from shelfwise.candidates import CandidateSource, Proposal
from shelfwise.domain import LiveItems, PersonState, Query


def query(*seeds: int, exclude: Sequence[int] = (), **named: Any) -> Query:
    rows = np.array(seeds, np.int32), np.array(exclude, np.int32)
    return Query(size=10, asked_us=named.pop("asked_us", NOW_US), seeds=rows[0], exclude=rows[1], **named)


def propose(
    source: CandidateSource,
    person: PersonState | None = None,
    *seeds: int,
    limit: int = 100,
    live: LiveItems | None = None,
    **named: Any,
) -> Proposal:
    who = PersonState() if person is None else person
    stock = live_items() if live is None else live
    return source.retrieve(query(*seeds, **named), who, stock, limit=limit)


def items(proposal: Proposal) -> list[int]:
    return proposal.item.tolist()
