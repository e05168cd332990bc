"""The last verb: what was answered is handed to the keeper, off the request path."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from shelfwise.domain import SOURCES, Answer, Query, Shelf, StoreUnavailable
from shelfwise.serving._pipeline import Outcome

log = logging.getLogger("shelfwise.serving")

FLUSH_S = 0.02  # answers reach the keeper within 50 ms; that much may be lost with a killed worker
LIMIT = 20_000  # answers kept while the keeper is away: some seconds of full load; the oldest go first
BATCH = 500


class AnswerInbox(Protocol):
    """The part of the keeper's door that is needed here."""

    async def submit_async(self, command: str, payload: Any) -> Any: ...


class Recorder:
    """Buffers answers and hands them over in batches."""

    def __init__(self, inbox: AnswerInbox) -> None:
        self._inbox = inbox
        self._waiting: deque[Answer] = deque(maxlen=LIMIT)
        self.recorded = 0
        self.dropped = 0

    def record(self, answer: Answer) -> None:
        """Take an answer; costs a microsecond."""
        if len(self._waiting) == LIMIT:
            self.dropped += 1
        self._waiting.append(answer)

    async def run(self) -> None:
        """Hand over for ever."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Hand over what waits. While the keeper is away it goes on waiting."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await self._inbox.submit_async("answers", batch)
                self.recorded += len(batch)
            except StoreUnavailable as trouble:
                self._waiting.extendleft(reversed(batch[: LIMIT - len(self._waiting)]))
                log.warning("answers.waiting", extra={"waiting": len(self._waiting), "reason": str(trouble)})
                return


def new_id(now_us: int) -> str:
    """Sorts by time, and cannot be guessed: 11 hex digits of milliseconds, 13 of chance."""
    return f"{now_us // 1000:011x}{secrets.randbits(52):013x}"


def answer_of(
    recommendation_id: str,
    query: Query,
    outcome: Outcome,
    release_id: str,
    signal_names: Sequence[str],
    shelf: Shelf,
) -> Answer:
    """The answer as the log keeps it."""
    slate = outcome.slate
    return Answer(
        recommendation_id=recommendation_id,
        answered_us=query.asked_us,
        user_id=query.user_id,
        anonymous_id=query.anonymous_id,
        session_id=query.session_id,
        placement=query.placement,
        strategy=query.strategy,
        release=release_id,
        items=tuple(shelf.item_id[row] for row in slate.item.tolist()),
        scores=tuple(slate.score.tolist()),
        propensities=tuple(slate.propensity.tolist()),
        sources=tuple(_said(bits, said, signal_names) for bits, said in zip(
            slate.proposed.tolist(), slate.signal.tolist(), strict=True
        )),
        features=tuple(row.tobytes() for row in np.ascontiguousarray(outcome.features, np.float32)),
        seeds=tuple(shelf.item_id[row] for row in query.seeds.tolist() if row < len(shelf)),
        rules=slate.rules,
        missing=dict(outcome.missing),
        degraded=outcome.degraded,
        context=query.context,
        seen=query.seen,
        filter=query.filter,
    )  # fmt: skip


_NAMES = [
    tuple(name for bit, name in enumerate(SOURCES) if bits >> bit & 1) for bits in range(1 << len(SOURCES))
]


def source_names(bits: int) -> tuple[str, ...]:
    """Names of the sources whose bits are set."""
    return _NAMES[bits]


def _said(bits: int, said: Sequence[float], signal_names: Sequence[str]) -> dict[str, float]:
    """What each source that proposed it scored it. With one source alone its score is the only signal."""
    names = _NAMES[bits]
    if len(said) != len(signal_names):
        return dict.fromkeys(names[:1], said[0]) if said else {}
    place = _places(tuple(signal_names))
    return {name: said[place[name]] for name in names if name in place}


@lru_cache(maxsize=8)  # one release or two at a time
def _places(signal_names: tuple[str, ...]) -> dict[str, int]:
    return {
        name.removesuffix("__score"): at for at, name in enumerate(signal_names) if name.endswith("__score")
    }
