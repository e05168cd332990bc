"""What sources have in common that gather ready lists: the neighbours of the seeds, else of the history, add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from shelfwise.candidates import _files
from shelfwise.candidates._history import history_of, open_to
from shelfwise.candidates._kernels import Floats, Rows, anchors, best, known_once, reads, votes
from shelfwise.candidates._neighbours import Neighbours
from shelfwise.candidates._protocol import Proposal
from shelfwise.candidates._settings import ListSettings
from shelfwise.domain import LiveItems, PersonState, Query


class ListSource:
    """A ``CandidateSource`` and ``Reasoner`` over neighbour lists."""

    name: ClassVar[str]
    signals: ClassVar[tuple[str, ...]]
    reason: ClassVar[str]  # code that ``because`` gives

    def __init__(self, near: Neighbours, settings: ListSettings) -> None:
        self.near, self.settings = near, settings
        self._half_lives = np.array([settings.history_half_life_days])
        self._by_event = settings.by_event()

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        """The items nearest to the seeds; without seeds, to what the person touched lately."""
        rows, weight = self._asked(query, person)
        if len(rows) == 0:
            return Proposal.nothing(len(self.signals))
        table = self.votes(rows, weight)[None, :]
        blocked = open_to(query, person, live, len(self.near))
        return Proposal(*best(table[0], blocked, limit), reads(table))

    def because(self, query: Query, person: PersonState, item: Rows) -> tuple[str, Rows]:
        """The reason's code, and per item the asked one whose vote for it weighs most."""
        rows, weight = self._asked(query, person)
        near = self.near
        return self.reason, anchors(rows, weight, near.start, near.item, near.similarity, item)

    def votes(self, rows: Rows, weight: Floats) -> Floats:
        """Weighted sums of similarities for every item, ``(I,)``."""
        return votes(rows, weight, self.near.start, self.near.item, self.near.similarity)

    def save(self, folder: Path) -> None:
        """Write it for ``load``."""
        _files.save(folder, self.near.arrays(), {"settings": self.settings.model_dump(), **self._about()})

    def _about(self) -> dict[str, Any]:
        return {}

    def _asked(self, query: Query, person: PersonState) -> tuple[Rows, Floats]:
        """Known seeds, each once, alike; without any, the aged history. Weights add up to 1."""
        if len(query.seeds):
            rows = known_once(query.seeds, len(self.near))
            if len(rows):
                return rows, np.full(len(rows), 1.0 / len(rows), np.float32)
        rows, weight = history_of(person).recent(
            query,
            half_lives=self._half_lives,
            by_event=self._by_event,
            n_items=len(self.near),
            limit=self.settings.history,
        )
        return rows, weight[0] / max(weight[0].sum(), _TINY)


def load_lists(folder: Path) -> tuple[Neighbours, dict[str, Any]]:
    """The lists of a folder, and what was written about them. Raises BadRelease."""
    arrays = _files.load(folder, _files.NEIGHBOURS)
    near = _files.neighbours(arrays, n_items=len(arrays["start"]) - 1, folder=folder)
    return near, _files.about(folder)


_TINY = np.float32(1e-30)
