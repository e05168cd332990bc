"""The closed loop: shoppers meet the engine's own slates and react; their events teach the next answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from shelfwise.app._simulating_engines import Engine, ServerTime, ShopClock
from shelfwise.app._simulating_plan import Plan
from shelfwise.app._simulating_sinks import Sink
from shelfwise.domain import SECOND_US
from shelfwise.simulation import (
    Act,
    Arrivals,
    Ask,
    Outbox,
    Queue,
    Slate,
    Tally,
    Traffic,
    Visit,
    World,
    stacked,
)

_Page = tuple[int, int, Visit, Iterator[Ask], Ask]  # when and of which visit, then what goes on
_LAG_US = 2 * SECOND_US  # events of a page reach the shop within this, in shop time
_TOGETHER = 200  # lines that wait at most, so that one message carries many
_SUMMED = 200  # messages between two sums


@dataclass(slots=True)
class Loop:
    """Visits that overlap in time, one page after another in the order of time."""

    engine: Engine
    sink: Sink
    plan: Plan
    clock: ShopClock
    tally: Tally  # sums up every line, before the mess
    server_time: ServerTime | None = None  # of a server, whose clock is not the story's
    counts: Counter[str] = field(default_factory=Counter)
    _queue: Queue = field(init=False)
    _outbox: Outbox = field(default_factory=Outbox)  # lines that wait, in the world's time
    _told: list[NDArray[np.void]] = field(default_factory=list)  # not summed up yet
    _unsent_us: dict[int, int] = field(default_factory=dict)  # visit -> its oldest line that waits

    def __post_init__(self) -> None:
        self._queue = self.plan.queue()

    @property
    def befell(self) -> Counter[str]:
        """What became of events on their way to the shop."""
        return self._queue.befell

    @property
    def is_full(self) -> bool:
        """As many lines were told as were asked for."""
        return self.plan.limit is not None and self.counts["lines_made"] >= self.plan.limit

    def run(self, world: World, act: Act) -> Iterator[int]:
        """Go through the visits of an act; yields shop time now and then."""
        under_way: list[_Page] = []
        people = range(self.plan.shoppers)
        for visit in world.visits(act.start_us, act.end_us, shoppers=people, outbox=self._outbox):
            yield from self._until(visit.at_us, under_way)
            self.counts["visits"] += 1
            self._next(visit, visit.asks(), under_way)
        yield from self._until(None, under_way)

    def finish(self) -> None:
        """Send what is left; the story's time is over."""
        last_us = self._outbox.last_us + self.plan.shift_us
        end_us = 0 if self.is_full else self.plan.end_us
        if self.server_time is not None:
            self.server_time.goes_on(last_us)
        self.clock.now_us = max(self.clock.now_us, last_us, end_us)
        self._flush(None)
        self._sum_up()
        self._deliver(self._queue.rest())
        self.engine.close()

    def _until(self, at_us: int | None, under_way: list[_Page]) -> Iterator[int]:
        """All pages before an instant of the world's time."""
        while under_way and (at_us is None or under_way[0][0] <= at_us):
            page_us, _, visit, asks, ask = heappop(under_way)
            self.clock.now_us = max(self.clock.now_us, page_us + self.plan.shift_us)
            self._page(visit, ask)
            self._next(visit, asks, under_way)
            yield self.clock.now_us

    def _next(self, visit: Visit, asks: Iterator[Ask], under_way: list[_Page]) -> None:
        before = len(self._outbox)
        ask = next(asks, None)
        self._mark(visit, before)
        if ask is not None:
            heappush(under_way, (ask.at_us, visit.session, visit, asks, ask))

    def _page(self, visit: Visit, ask: Ask) -> None:
        if self.server_time is not None:
            self.server_time.goes_on(self.clock.now_us)
        now_us = self.clock.now_us - self.plan.shift_us
        unsent_us = self._unsent_us.get(visit.session, now_us)
        if len(self._outbox) >= _TOGETHER or unsent_us + _LAG_US <= now_us:
            self._flush(now_us)
        answer_id, rows = self.engine.answer(ask, visit)
        if self.server_time is not None:
            self.server_time.answered(self.clock.now_us, answer_id)
        self.counts["answers"] += 1
        if len(rows):
            before = len(self._outbox)
            self.plan.names.answers.append(answer_id)
            visit.show(Slate(rows, ask.list, len(self.plan.names.answers) - 1))
            self._mark(visit, before)

    def _mark(self, visit: Visit, before: int) -> None:
        """Keep in mind since when lines of the visit wait."""
        added = len(self._outbox) - before
        if added:
            self.counts["lines_made"] += added
            self._unsent_us.setdefault(visit.session, int(self._outbox.lines["at_us"][before]))

    def _flush(self, until_us: int | None) -> None:
        """Send what has happened until now; what shoppers are about to do waits."""
        ready = self._outbox.drain(until_us)
        rest = self._outbox.lines[: len(self._outbox)][::-1]  # newest first: of a visit, the oldest stays
        self._unsent_us = dict(zip(rest["session"].tolist(), rest["at_us"].tolist(), strict=True))
        if len(ready):
            ready["at_us"] += self.plan.shift_us
            self._send(ready)

    def _send(self, lines: NDArray[np.void]) -> None:
        self._told.append(lines)
        if len(self._told) >= _SUMMED:
            self._sum_up()
        self._deliver(self._queue.take(lines))

    def _sum_up(self) -> None:
        if self._told:
            self.tally.add(Traffic.of_records(stacked(self._told)))
        self._told = []

    def _deliver(self, made: Arrivals) -> None:
        self.sink.take(made if self.server_time is None else self.server_time.stamped(made))
