"""What sources have in common that gather ready lists: the neighbours of the seeds, else of the history, add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import _files
from shelfwise.candidates._history import Remembered, history_of, open_to
from shelfwise.candidates._kernels import Floats, Rows, add_votes, anchors, best_of, known_once, reads
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
        self._asked: Remembered[tuple[Rows, Floats]] = Remembered()

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        """The items nearest to the seeds; without seeds, to what the person touched lately."""
        rows, weight = self._asked.of(query, person, self._ask)
        if len(rows) == 0:
            return Proposal.nothing(len(self.signals))
        near, blocked = self.near, open_to(query, person, live, len(self.near))
        table, item, score = _nearest(rows, weight, near.start, near.item, near.similarity, blocked, limit)
        return Proposal(item, score, reads(table), table)

    def because(self, query: Query, person: PersonState, item: Rows) -> tuple[str, Rows]:
        """The reason's code, and per item the asked one whose vote for it weighs most."""
        rows, weight = self._asked.of(query, person, self._ask)
        near = self.near
        return self.reason, anchors(rows, weight, near.start, near.item, near.similarity, item)

    def save(self, folder: Path) -> None:
        """Write it for ``load``."""
        _files.save(folder, self.near.arrays(), {"settings": self.settings.model_dump(), **self._about()})

    def _about(self) -> dict[str, Any]:
        return {}

    def _ask(self, query: Query, person: PersonState) -> tuple[Rows, Floats]:
        """Known seeds, each once, alike; without any, the aged history."""
        if len(query.seeds):
            rows = known_once(query.seeds, len(self.near))
            if len(rows):
                return rows, np.ones(len(rows), np.float32)
        rows, weight = history_of(person).recent(
            query,
            half_lives=self._half_lives,
            by_event=self._by_event,
            n_items=len(self.near),
            limit=self.settings.history,
        )
        return rows, weight[0]


def load_lists(folder: Path) -> tuple[Neighbours, dict[str, Any]]:
    """The lists of a folder, and what was written about them. Raises BadRelease."""
    arrays = _files.load(folder, _files.NEIGHBOURS)
    near = _files.neighbours(arrays, n_items=len(arrays["start"]) - 1, folder=folder)
    return near, _files.about(folder)


@nb.njit(cache=True)
def _nearest(
    rows: Rows,
    weight: Floats,
    start: NDArray[np.int64],
    neighbour: Rows,
    similarity: Floats,
    blocked: NDArray[np.uint8],
    limit: int,
) -> tuple[Floats, Rows, Floats]:
    """Means of similarities for every item, ``(1, I)``, weighted by what is asked; and the best of them."""
    whole = np.float32(1e-30)  # not 0
    for w in weight:
        whole += w
    share = np.empty(len(weight), np.float32)
    for k in range(len(weight)):
        share[k] = weight[k] / whole
    table = np.zeros((1, len(start) - 1), np.float32)
    add_votes(rows, share, start, neighbour, similarity, table[0])
    item, score = best_of(table[0], blocked, limit, np.float32(0))
    return table, item, score
