"""Training rows: slates as the server would have drawn them at past instants, and what was bought after."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import Candidates, Context, PersonState, Query
from shelfwise.training._judge import Exam, K
from shelfwise.training._snapshot import Snapshot

log = logging.getLogger("shelfwise.training")


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

    def after(self, row: int) -> Pools:
        """Without the first rows, whole queries; nothing is copied."""
        start = self.start[self.start >= row] - row
        return Pools(self.features[row:], self.label[row:], self.item[row:], start)


def telling(pools: Pools, names: Sequence[str], *, always: Collection[str]) -> tuple[Pools, tuple[str, ...]]:
    """Rows with the columns that tell anything, and their names: one without variance is no feature of a release.

    Nothing can be learned from a number that was the same in all rows, NaN being a number like others: a later value
    would be judged by chance. Names of ``always`` stay.
    """
    if not len(pools.item):
        return pools, tuple(names)
    told = [name in always or _varies(column) for name, column in zip(names, pools.features.T, strict=True)]
    constant = [name for name, tells in zip(names, told, strict=True) if not tells]
    if not constant:
        return pools, tuple(names)
    log.info("features.constant", extra={"features": constant})
    kept = replace(pools, features=pools.features[:, told])
    return kept, tuple(name for name, tells in zip(names, told, strict=True) if tells)


def _varies(column: NDArray[np.float32]) -> bool:
    first = column[:1]
    return not np.all((column == first) | (np.isnan(column) & np.isnan(first)))


def draw_pools(
    server: Server,
    snapshot: Snapshot,
    exam: Exam,
    *,
    negative_share: float,
    rng: np.random.Generator,
    country: str | None = None,
) -> Pools:
    """Ask the server for each examined person as they were at the exam's instant.

    Kept are all candidates that were bought and a share of the others; queries in which nothing was found that was
    bought are left out: they teach no order.
    """
    features, items, labels = [], [], []
    for person, bought in zip(exam.person, exam.bought, strict=True):
        query = query_at(snapshot, int(person), exam.as_of_us, size=K, country=country)
        candidates, rows = server.pool(query, snapshot.person(int(person), before_us=exam.as_of_us))
        label = np.isin(candidates.item, bought)
        if label.any():
            kept = label | (rng.random(len(label)) < negative_share)
            features.append(rows[kept])
            items.append(candidates.item[kept])
            labels.append(label[kept].astype(np.float32))
    return _below_one_another(features, labels, items)


def _below_one_another(
    features: list[NDArray[np.float32]], labels: list[NDArray[np.float32]], items: list[NDArray[np.int32]]
) -> Pools:
    if not features:
        none = np.empty(0, np.float32)
        return Pools(np.empty((0, 0), np.float32), none, np.empty(0, np.int32), np.zeros(1, np.int64))
    start = np.concatenate([[0], np.cumsum([len(item) for item in items])])
    return Pools(np.concatenate(features), np.concatenate(labels), np.concatenate(items), start)


def query_at(
    snapshot: Snapshot,
    person: int,
    as_of_us: int,
    *,
    size: int,
    seen: str = "keep",
    strategy: str = "auto",
    country: str | None = None,
) -> Query:
    """The plainest question: what for this person, on the home page, at this instant.

    ``country`` is what the shop assumes of a question that tells none, as the door does.
    """
    key = snapshot.key[person]
    known, anonymous = (key[2:], None) if key.startswith("u:") else (None, key[2:])
    return Query(
        size=size,
        asked_us=as_of_us,
        user_id=known,
        anonymous_id=anonymous,
        seen="exclude" if seen == "exclude" else "keep",
        strategy=strategy,
        context=Context(country=country),
    )


def stack(pools: Sequence[Pools]) -> Pools:
    """Pools of several instants as one."""
    pools = [pool for pool in pools if len(pool.item)] or pools[:1]
    offsets = np.cumsum([0, *(len(pool.item) for pool in pools)])
    starts = [pool.start[:-1] + offset for pool, offset in zip(pools, offsets, strict=False)]
    return Pools(
        np.concatenate([pool.features for pool in pools]),
        np.concatenate([pool.label for pool in pools]),
        np.concatenate([pool.item for pool in pools]),
        np.concatenate([*starts, offsets[-1:]]).astype(np.int64),
    )
