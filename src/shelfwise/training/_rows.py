"""Training rows: slates as the server would have drawn them at past instants, and what was bought after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import Candidates, PersonState, Query
from shelfwise.training._judge import Exam
from shelfwise.training._snapshot import Snapshot


class Server(Protocol):
    """The pipeline over an unpublished release: what is trained on and judged is what is served."""

    def pool(self, query: Query, person: PersonState) -> tuple[Candidates, NDArray[np.float32]]:
        """Retrieve, permit, assemble: the candidates and their features ``(C, F)``."""
        ...

    def recommend(self, query: Query, person: PersonState) -> NDArray[np.int32]:
        """The whole path: item rows, best first."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Pools:
    """Candidates of many queries at one instant, one below the other."""

    features: NDArray[np.float32]  # (N, F)
    label: NDArray[np.float32]  # (N,) 1 bought in the window
    item: NDArray[np.int32]  # (N,)
    start: NDArray[np.int64]  # (B + 1,) rows of each query

    @property
    def query(self) -> NDArray[np.int32]:
        """Query of each row, ``(N,)``, rising."""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int32), np.diff(self.start))

    def learnable(self) -> Pools:
        """Only queries in which something was found that was bought: the others teach no order."""
        hit = np.add.reduceat(self.label, self.start[:-1]) > 0 if len(self.label) else np.zeros(0, np.bool_)
        rows = np.repeat(hit, np.diff(self.start))
        sizes = np.diff(self.start)[hit]
        return Pools(
            self.features[rows], self.label[rows], self.item[rows], np.concatenate([[0], np.cumsum(sizes)])
        )

    def sampled(self, negative_share: float, rng: np.random.Generator) -> Pools:
        """All that was bought, and a share of the rest."""
        kept = (self.label > 0) | (rng.random(len(self.label)) < negative_share)
        sizes = np.add.reduceat(kept, self.start[:-1], dtype=np.int64) if len(kept) else np.zeros(0, np.int64)
        return Pools(
            self.features[kept], self.label[kept], self.item[kept], np.concatenate([[0], np.cumsum(sizes)])
        )

    def recall(self, exam: Exam) -> float:
        """Share of what was bought that is among the candidates, mean over people."""
        found = np.add.reduceat(self.label, self.start[:-1])
        return float(np.mean(found / np.array([len(bought) for bought in exam.bought])))


def draw_pools(server: Server, snapshot: Snapshot, exam: Exam, *, size: int) -> Pools:
    """Ask the server for each examined person as they were at the exam's instant."""
    features, items, labels = [], [], []
    for person, bought in zip(exam.person, exam.bought, strict=True):
        query = query_at(snapshot, int(person), exam.as_of_us, size=size)
        candidates, rows = server.pool(query, snapshot.person(int(person), before_us=exam.as_of_us))
        features.append(rows)
        items.append(candidates.item)
        labels.append(np.isin(candidates.item, bought).astype(np.float32))
    sizes = [len(item) for item in items]
    return Pools(
        np.concatenate(features),
        np.concatenate(labels),
        np.concatenate(items),
        np.concatenate([[0], np.cumsum(sizes)]),
    )


def query_at(
    snapshot: Snapshot, person: int, as_of_us: int, *, size: int, seen: str = "keep", strategy: str = "auto"
) -> Query:
    """The plainest question: what for this person, on the home page, at this instant."""
    key = snapshot.key[person]
    known, anonymous = (key[2:], None) if key.startswith("u:") else (None, key[2:])
    return Query(
        size=size,
        asked_us=as_of_us,
        user_id=known,
        anonymous_id=anonymous,
        seen="exclude" if seen == "exclude" else "keep",
        strategy=strategy,
    )


def stack(pools: Sequence[Pools]) -> Pools:
    """Pools of several instants as one."""
    offsets = np.cumsum([0, *(len(pool.item) for pool in pools)])
    starts = [pool.start[:-1] + offset for pool, offset in zip(pools, offsets, strict=False)]
    return Pools(
        np.concatenate([pool.features for pool in pools]),
        np.concatenate([pool.label for pool in pools]),
        np.concatenate([pool.item for pool in pools]),
        np.concatenate([*starts, offsets[-1:]]).astype(np.int64),
    )
