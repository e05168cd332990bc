"""The lake's share of the log: a thread of its own, because a lake commit takes as long as a thousand others.

It reads the log like any consumer. The version of a lake commit is the log's position after the last batch in it,
so rows and position are one transaction: after a kill at any moment it goes on where the lake stands.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from shelfwise.domain import DAY_US, Clock, ShelfwiseError
from shelfwise.features import event_lines, read_columns
from shelfwise.stores import START, EventLog, Lake, Position, Stream
from shelfwise.streaming._answers import answer_rows, decode_answers
from shelfwise.streaming._positions import number_of, position_at
from shelfwise.streaming._seen import REMEMBER_US
from shelfwise.streaming._settings import KeeperSettings

log = logging.getLogger("shelfwise.streaming")
T = TypeVar("T")

SINK = "keeper"
TABLES: dict[Stream, str] = {"events": "event_lines", "answers": "answers"}
_ENTRIES: dict[Stream, int] = {"events": 256, "answers": 64}  # batches read from the log at once: some 15 MB
_FEW_FILES_S = 1.0  # least pause between two commits, so that a flood makes large files


@dataclass(slots=True)
class _Pending:
    """Rows read and not yet written, and the position they reach."""

    tables: list[pa.Table]
    rows: int
    position: Position


class LakeSink:
    """Brings event lines and answers to the lake; runs jobs that need the lake to itself."""

    def __init__(
        self,
        event_log: EventLog,
        lake: Lake,
        row_of: Callable[[str], int],
        folded: Callable[[], Position],
        clock: Clock,
        settings: KeeperSettings,
    ) -> None:
        self._log, self._lake, self._row_of = event_log, lake, row_of
        self._folded, self._clock, self._settings = folded, clock, settings
        self._jobs: queue.Queue[tuple[Callable[[], Any], Future[Any]] | None] = queue.Queue()
        self._commits = 0
        self._reached: dict[Stream, Position] = {}  # what the lake said, or was told; forgotten after trouble
        self._answers_due = time.monotonic() + settings.answers_every_s
        self._thread = threading.Thread(target=self._run, name="lake", daemon=True)

    def start(self) -> None:
        """Begin to follow the log."""
        self._thread.start()

    def close(self) -> None:
        """Take in what the log holds, then stop."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def do(self, job: Callable[[], T]) -> Future[T]:
        """Run a job on the lake's thread, between two commits."""
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return future

    def catch_up(self) -> int:
        """Write all that was folded; how many rows. On the lake's thread, or before it is started."""
        return sum(self._catch_up(stream) for stream in TABLES)

    def position(self, stream: Stream) -> Position:
        """Up to where the lake holds this stream."""
        reached = self._reached.get(stream)  # read once: the writing thread may forget it at any time
        if reached is None:
            reached = self._reached[stream] = position_at(self._lake.version(TABLES[stream], SINK))
        return reached

    def _run(self) -> None:
        due = time.monotonic() + self._settings.lake_every_s
        while True:
            try:
                job = self._jobs.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                self._quietly(self._follow)
                due = time.monotonic() + max(_FEW_FILES_S, self._settings.lake_every_s)
                continue
            if job is None:
                self._quietly(self.catch_up)
                return
            _complete(*job)

    def _follow(self) -> None:
        """Events now, answers when they are due."""
        self._catch_up("events")
        if time.monotonic() >= self._answers_due:
            self._catch_up("answers")
            self._answers_due = time.monotonic() + self._settings.answers_every_s

    def _quietly(self, work: Callable[[], Any]) -> None:
        """A lake that is full or away is tried again; the log keeps the rows meanwhile."""
        try:
            work()
        except (ShelfwiseError, OSError, pa.ArrowException) as trouble:
            log.warning("lake.behind", extra={"reason": str(trouble)})

    def _catch_up(self, stream: Stream) -> int:
        written = 0
        for pending in self._chunks(stream, self.position(stream)):
            self._write(stream, pending)
            written += pending.rows
        return written

    def _chunks(self, stream: Stream, after: Position) -> Iterator[_Pending]:
        """Tables of about ``lake_rows`` rows, up to what the states have taken in."""
        pending = _Pending([], 0, after)
        last = number_of(self._folded()) if stream == "events" else None
        while entries := self._log.read(stream, pending.position, limit=_ENTRIES[stream]):
            kept = [entry for entry in entries if last is None or number_of(entry.position) <= last]
            if not kept:
                break
            table = self._table(stream, [entry.blob for entry in kept])
            pending = _Pending([*pending.tables, table], pending.rows + len(table), kept[-1].position)
            if pending.rows >= self._settings.lake_rows:
                yield pending
                pending = _Pending([], 0, pending.position)
        if pending.tables:
            yield pending

    def _table(self, stream: Stream, blobs: list[bytes]) -> pa.Table:
        if stream == "answers":
            return answer_rows([answer for blob in blobs for answer in decode_answers(blob)])
        return event_lines(read_columns(blobs), self._row_of)

    def _write(self, stream: Stream, pending: _Pending) -> None:
        rows, version = pa.concat_tables(pending.tables), number_of(pending.position)
        self._reached.pop(stream, None)
        if stream == "events" and self._may_repeat(rows):
            self._lake.merge(TABLES[stream], rows, key=("event_id", "line"), sink=SINK, version=version)
        else:
            self._lake.append(TABLES[stream], rows, sink=SINK, version=version)
        self._reached[stream] = pending.position
        self._commits += 1
        if self._commits % self._settings.compact_every == 0:
            for table in TABLES.values():
                self._lake.compact(table)

    def _may_repeat(self, rows: pa.Table) -> bool:
        """Whether some of these events may have come before the ids that are remembered.

        An event is sent when it occurred or later. So what occurred within the time that ids are remembered is
        new if the keeper took it; older events may be in the lake already, unless the shop itself is younger.
        """
        oldest_us = pc.min(rows["occurred_us"]).as_py()
        if oldest_us is None or oldest_us >= self._clock() - REMEMBER_US + DAY_US:
            return False
        first = self._log.read("events", START, limit=1)
        young = bool(first) and first[0].appended_us >= self._clock() - REMEMBER_US + DAY_US
        return not (young and number_of(first[0].position) == 1)


def _complete(job: Callable[[], Any], future: Future[Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(job())
        except BaseException as trouble:  # noqa: BLE001 - it is raised where the job was asked for
            future.set_exception(trouble)
