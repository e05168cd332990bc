"""The last verb: an answer gets its name and is handed to the keeper, off the request path."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from shelfwise.domain import SOURCES, Answer, Query, Shelf, ShelfwiseError, StoreUnavailable
from shelfwise.serving._ask import Outcome
from shelfwise.serving._release import Release

log = logging.getLogger("shelfwise.serving")

FLUSH_S = 0.04  # answers reach the keeper within 50 ms; that much may be lost with a killed worker
LIMIT = 20_000  # answers kept while the keeper is away: some seconds of full load; the oldest go first
BATCH = 500
UNDER_WAY = 16  # batches handed over and not yet durable
AWAY_S = 0.5  # between two tries while the keeper is away


class AnswerInbox(Protocol):
    """The part of the keeper's door that is needed here."""

    async def submit(self, command: str, payload: Any) -> Any: ...


class Recorder:
    """Buffers answers and hands them over in batches. Bounded; what is lost is counted."""

    def __init__(self, inbox: AnswerInbox, *, limit: int = LIMIT) -> None:
        self._inbox, self._limit = inbox, limit
        self._waiting: deque[Answer] = deque()
        self._under_way: set[asyncio.Task[bool]] = set()
        self._away = False
        self._recorded = self._dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def record(self, answer: Answer) -> None:
        """Take an answer; costs a microsecond."""
        self._waiting.append(answer)
        self._trim()

    def taken(self) -> tuple[int, int]:
        """How many were handed over and how many were lost since this was last asked."""
        taken = self._recorded, self._dropped
        self._recorded = self._dropped = 0
        return taken

    async def run(self) -> None:
        """Hand over for ever. The next batch does not wait until the one before it is durable."""
        while True:
            await asyncio.sleep(AWAY_S if self._away else FLUSH_S)
            while self._waiting and len(self._under_way) < (1 if self._away else UNDER_WAY):
                task = asyncio.create_task(self._hand_over(self._batch()))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def flush(self) -> None:
        """Hand over what waits, and return once all is durable. While the keeper is away it goes on waiting."""
        if self._under_way:
            await asyncio.wait(self._under_way)
        while self._waiting and await self._hand_over(self._batch()):
            pass

    def _batch(self) -> list[Answer]:
        return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    async def _hand_over(self, batch: list[Answer]) -> bool:
        """False if the keeper is away: then the batch waits again, in its place."""
        try:
            await self._inbox.submit("answers", batch)
        except StoreUnavailable as trouble:
            self._waiting = deque(sorted([*batch, *self._waiting], key=lambda answer: answer.answered_us))
            self._trim()
            self._tell(str(trouble))
            return False
        except ShelfwiseError as trouble:  # the keeper will not have them: trying again would not help
            self._dropped += len(batch)
            log.error("answers.refused", extra={"answers": len(batch), "reason": str(trouble)})
            return True
        self._recorded += len(batch)
        self._away = False
        return True

    def _trim(self) -> None:
        while len(self._waiting) > self._limit:
            self._waiting.popleft()
            self._dropped += 1

    def _tell(self, reason: str) -> None:
        """Say once that the keeper is away, not twice a second."""
        if not self._away:
            log.warning("answers.waiting", extra={"waiting": len(self._waiting), "reason": reason})
        self._away = True


def new_id(now_us: int) -> str:
    """27 characters that sort by time and that nobody guesses: 11 hex digits of milliseconds, 16 of chance."""
    return f"{now_us // 1000:011x}{os.urandom(8).hex()}"


def answer_of(query: Query, outcome: Outcome, release: Release, shelf: Shelf) -> Answer:
    """The answer as the log keeps it."""
    slate = outcome.slate
    said = _said(slate.proposed.tolist(), slate.signal.tolist(), release.signal_names)
    return Answer(
        recommendation_id=outcome.recommendation_id,
        answered_us=query.asked_us,
        user_id=query.user_id,
        anonymous_id=query.anonymous_id,
        session_id=query.session_id,
        placement=query.placement,
        strategy=query.strategy,
        release=release.release_id,
        items=tuple([shelf.item_id[row] for row in slate.item.tolist()]),
        scores=tuple(slate.score.tolist()),
        propensities=tuple(slate.propensity.tolist()),
        sources=said,
        features=_rows(outcome),
        seeds=tuple([shelf.item_id[row] for row in query.seeds.tolist() if row < len(shelf)]),
        rules=slate.rules,
        missing=dict(outcome.missing),
        degraded=outcome.degraded,
        context=query.context,
        seen=query.seen,
        filter=query.filter,
    )


_NAMES = [
    tuple(name for bit, name in enumerate(SOURCES) if bits >> bit & 1) for bits in range(1 << len(SOURCES))
]


def source_names(bits: int) -> tuple[str, ...]:
    """Names of the sources whose bits are set."""
    return _NAMES[bits]


def _said(
    proposed: list[int], signal: list[list[float]], signal_names: Sequence[str]
) -> tuple[dict[str, float], ...]:
    """Per position what each source that proposed it scored it; a best seller nobody scored says 0."""
    told_by = _own_scores(tuple(signal_names))
    return tuple(
        [
            {name: row[at] if row[at] == row[at] else 0.0 for name, at in told_by[bits]}
            for bits, row in zip(proposed, signal, strict=True)
        ]
    )


def _rows(outcome: Outcome) -> tuple[bytes, ...]:
    """Each shown position's features as little-endian float32."""
    features = outcome.features
    if not len(features):
        return ()
    width, body = features.shape[1] * 4, features.astype("<f4", copy=False).tobytes()
    return tuple([body[at : at + width] for at in range(0, len(body), width)])


@lru_cache(maxsize=8)  # one release or two at a time
def _own_scores(signal_names: tuple[str, ...]) -> list[list[tuple[str, int]]]:
    """By the bits of who proposed an item: those sources, each with the column of its own score."""
    place = {
        name.removesuffix("__score"): at for at, name in enumerate(signal_names) if name.endswith("__score")
    }
    return [[(name, place[name]) for name in names if name in place] for names in _NAMES]
