"""The entrance of the room: what every source of candidates does, and what it leaves to others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import NO_ROWS, LiveItems, PersonState, Query


class Proposal(msgspec.Struct, frozen=True, eq=False):
    """What one source proposes for one query, and what it thinks of any other item."""

    item: NDArray[np.int32]  # (<= limit,) item rows, each once, best first
    score: NDArray[np.float32]  # same length, falling
    opinion: Callable[[NDArray[np.int32]], NDArray[np.float32]]
    """``(C,)`` item rows -> ``(C, len(signals))``: this source's columns for any items; NaN where it has none."""
    table: NDArray[np.float32] | None = None
    """``(len(signals), I)`` by item row: what ``opinion`` reads, where it reads a table; NaN holds beyond its end."""

    @classmethod
    def nothing(cls, n_signals: int) -> Proposal:
        """No items, and no opinion of any."""
        return cls(
            NO_ROWS, np.empty(0, np.float32), lambda rows: np.full((len(rows), n_signals), np.nan, np.float32)
        )


class CandidateSource(Protocol):
    """Proposes items. Finds them; does not judge them for good, checks no rule, reads no store."""

    name: str  # one of SOURCES
    signals: tuple[
        str, ...
    ]  # names of the columns of ``opinion``; the first is its own score, ``<name>__score``

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        """Propose up to ``limit`` items. Raises NotTrained if it cannot say anything for want of a fit.

        A source that knows nothing of this person or these seeds proposes nothing: empty arrays.
        """
        ...


class Reasoner(Protocol):
    """Says why a source proposed an item, in a code and an anchor that a sentence is made of."""

    def because(
        self, query: Query, person: PersonState, item: NDArray[np.int32]
    ) -> tuple[str, NDArray[np.int32]]:
        """Reason code (``bought_together``, ...) and, per item, the row it hangs on (-1: none). ``(K,) -> (K,)``"""
        ...


class FittedSource(CandidateSource, Protocol):
    """A source as a fit returns it and a release keeps it."""

    def save(self, folder: Path) -> None:
        """Write it for ``load_source``: arrays and JSON, no pickle."""
        ...
