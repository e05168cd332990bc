"""The closed loop: shoppers meet the engine's own slates and react; their events teach the next answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from shelfwise.app._simulating_engines import Engine, ShopClock
from shelfwise.app._simulating_plan import Plan
from shelfwise.app._simulating_sinks import Sink
from shelfwise.domain import SECOND_US
from shelfwise.simulation import Arrivals, Ask, Queue, Slate, Tally, Traffic, Visit

_Page = tuple[int, int, Visit, Iterator[Ask], Ask]  # shop time and number of the visit, then what goes on
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
    server_us: Callable[[], int] | None = (
        None  # a server's clock cannot be moved: its time is stamped instead
    )
    counts: Counter[str] = field(default_factory=Counter)
    _queue: Queue = field(init=False)
    _told: list[Traffic] = field(default_factory=list)  # not summed up yet
    _waiting: list[NDArray[np.void]] = field(default_factory=list)  # rows of lines, in shop time
    _n_waiting: int = 0
    _unsent_us: dict[int, int] = field(default_factory=dict)  # visit -> its oldest line that waits

    def __post_init__(self) -> None:
        self._queue = self.plan.queue()

    @property
    def is_full(self) -> bool:
        """As many lines were told as were asked for."""
        return self.plan.limit is not None and self.counts["lines_made"] >= self.plan.limit

    def run(self, visits: Iterable[Visit]) -> Iterator[int]:
        """Go through all visits; yields shop time now and then."""
        under_way: list[_Page] = []
        for visit in visits:
            yield from self._until(visit.at_us + self.plan.shift_us, under_way)
            self.counts["visits"] += 1
            self._next(visit, visit.asks(), under_way)
        yield from self._until(None, under_way)

    def finish(self) -> None:
        """Send what is left; the story's time is over."""
        last_us = max((int(lines["at_us"].max()) for lines in self._waiting), default=0)
        end_us = 0 if self.is_full else self.plan.end_us
        self.clock.now_us = max(self.clock.now_us, last_us, end_us)
        self._flush(None)
        self._sum_up()
        self._deliver(self._queue.rest())
        self.engine.close()

    def _until(self, at_us: int | None, under_way: list[_Page]) -> Iterator[int]:
        """All pages before an instant."""
        while under_way and (at_us is None or under_way[0][0] <= at_us):
            now_us, _, visit, asks, ask = heappop(under_way)
            self.clock.now_us = max(self.clock.now_us, now_us)
            self._page(visit, ask)
            self._next(visit, asks, under_way)
            yield self.clock.now_us

    def _next(self, visit: Visit, asks: Iterator[Ask], under_way: list[_Page]) -> None:
        ask = next(asks, None)
        self._keep(visit)
        if ask is not None:
            heappush(under_way, (ask.at_us + self.plan.shift_us, visit.session, visit, asks, ask))

    def _page(self, visit: Visit, ask: Ask) -> None:
        now_us = self.clock.now_us
        unsent_us = self._unsent_us.get(visit.session, now_us)
        if self._n_waiting >= _TOGETHER or unsent_us + _LAG_US <= now_us:
            self._flush(now_us)
        answer_id, rows = self.engine.answer(ask, visit)
        self.counts["answers"] += 1
        if len(rows):
            self.plan.names.answers.append(answer_id)
            visit.show(Slate(rows, ask.list, len(self.plan.names.answers) - 1))
            self._keep(visit)

    def _keep(self, visit: Visit) -> None:
        lines = visit.records()
        if len(lines):
            lines["at_us"] += self.plan.shift_us
            self.counts["lines_made"] += len(lines)
            self._unsent_us.setdefault(visit.session, int(lines["at_us"][0]))
            self._waiting.append(lines)
            self._n_waiting += len(lines)

    def _flush(self, now_us: int | None) -> None:
        """Send what has happened until now; what shoppers are about to do waits."""
        if not self._waiting:
            return
        lines = np.concatenate(self._waiting)
        lines = lines[np.argsort(lines["at_us"], kind="stable")]
        ready = len(lines) if now_us is None else int(np.searchsorted(lines["at_us"], now_us, "right"))
        rest = lines[ready:]
        self._waiting, self._n_waiting = ([rest], len(rest)) if len(rest) else ([], 0)
        newest_first = rest[::-1]
        self._unsent_us = dict(
            zip(newest_first["session"].tolist(), newest_first["at_us"].tolist(), strict=True)
        )
        if ready:
            self._send(Traffic.of_records(lines[:ready]))

    def _send(self, lines: Traffic) -> None:
        self._told.append(lines)
        if len(self._told) >= _SUMMED:
            self._sum_up()
        self._deliver(self._queue.take(lines))

    def _sum_up(self) -> None:
        self.tally.add(Traffic.joined(self._told))
        self._told = []

    def _deliver(self, made: Arrivals) -> None:
        if self.server_us is not None:
            at_us = made.traffic.at_us + (self.server_us() - self.clock.now_us)
            made = replace(made, traffic=replace(made.traffic, at_us=at_us))
        self.sink.take(made)
