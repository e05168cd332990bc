"""Counters of one worker in a small mapped file, so that any worker can tell the sum of all."""

from __future__ import annotations

import fcntl
import mmap
import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path
from typing import TYPE_CHECKING

from shelfwise.domain import SOURCES
from shelfwise.serving._pipeline import LEVELS

if TYPE_CHECKING:
    from shelfwise.serving.http._door import Door

# Upper edges in seconds: dense around the promise of milliseconds, wide up to the deadline.
EDGES = (0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5,
         1.0, 5.0)  # fmt: skip
ROUTES = ("recommendations", "batch", "explanation", "events", "segment", "items", "users", "rules", "releases",
          "keys", "pages", "other")  # fmt: skip
CLASSES = ("2xx", "3xx", "4xx", "5xx")
VERDICTS = ("accepted", "duplicate", "rejected", "untracked")
STEPS = (*SOURCES, *LEVELS)


@dataclass(frozen=True, slots=True)
class Family:
    """One counter or histogram, with the few values its labels can take."""

    name: str
    told: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kind: str = "counter"

    @property
    def series(self) -> list[tuple[str, ...]]:
        """Every combination of label values, in order."""
        return list(product(*(values for _, values in self.labels)))

    @property
    def width(self) -> int:
        """Cells a series takes: a histogram has its buckets, the open one, and the sum in nanoseconds."""
        return len(EDGES) + 2 if self.kind == "histogram" else 1


FAMILIES = (
    Family("shelfwise_requests_total", "Responses by route and class of status",
           (("route", ROUTES), ("status", CLASSES))),
    Family("shelfwise_request_seconds", "Time from arrival to response", (("route", ROUTES),), "histogram"),
    Family("shelfwise_answers_total", "Recommendations by the level of the chain that answered; whole ones: full",
           (("level", ("full", *LEVELS)),)),
    Family("shelfwise_steps_failed_total", "Sources and levels that broke in a way nobody expected",
           (("step", STEPS),)),
    Family("shelfwise_sources_missing_total", "Answers that had to do without a source", (("source", SOURCES),)),
    Family("shelfwise_requests_refused_total", "Requests refused because too many waited"),
    Family("shelfwise_events_total", "Events by verdict", (("verdict", VERDICTS),)),
    Family("shelfwise_answers_recorded_total", "Answers handed to the log"),
    Family("shelfwise_answers_dropped_total", "Answers lost before the log"),
)  # fmt: skip
_PLACES = {}
_CELLS = 8  # the head: layout, process, gauges of this worker
for _family in FAMILIES:
    for _series in _family.series:
        _PLACES[_family.name, _series] = _CELLS
        _CELLS += _family.width
_LAYOUT = sum(hash_ * 31**place for place, hash_ in enumerate((len(_PLACES), _CELLS, len(EDGES)))) + 1
_PROCESS, _WAITING, _UNSENT, _READY = 1, 2, 3, 4


class Meter:
    """The counters of this worker. A write is a store of eight bytes; a reader may lag by one."""

    def __init__(self, path: Path) -> None:
        """Open the file at ``path`` and go on counting from what it holds. Raises BlockingIOError if it is taken."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until this process ends
        self._file.truncate(_CELLS * 8)
        self._cells = memoryview(mmap.mmap(self._file.fileno(), _CELLS * 8)).cast("q")
        if self._cells[0] != _LAYOUT:
            self._cells[:] = memoryview(bytes(_CELLS * 8)).cast("q")
        self._cells[0], self._cells[_PROCESS] = _LAYOUT, os.getpid()
        self._requests = {key: place for (name, key), place in _PLACES.items() if name == FAMILIES[0].name}
        self._seconds = {key[0]: place for (name, key), place in _PLACES.items() if name == FAMILIES[1].name}

    @classmethod
    def claimed(cls, folder: Path) -> Meter:
        """The first file that no living worker holds: a worker that died leaves its counts to the next."""
        for number in count():
            try:
                return cls(folder / f"worker-{number}.meter")
            except BlockingIOError:
                continue
        raise AssertionError

    def served(self, route: str, status: int, seconds: float) -> None:
        """Count a response."""
        cells = self._cells
        cells[self._requests[route, CLASSES[min(max(status // 100, 2), 5) - 2]]] += 1
        start = self._seconds[route]
        cells[start + bisect_left(EDGES, seconds)] += 1
        cells[start + len(EDGES) + 1] += int(seconds * 1e9)

    def answered(self, level: str | None, missing: Mapping[str, str], failed: Sequence[str]) -> None:
        """Count a recommendation by the level that answered, and what it had to do without."""
        self.add("shelfwise_answers_total", level or "full")
        for source in missing:
            self.add("shelfwise_sources_missing_total", source)
        for step in failed:
            self.add("shelfwise_steps_failed_total", step)

    def took_events(self, accepted: int, duplicate: int, rejected: int, untracked: int) -> None:
        """Count events of one batch."""
        for verdict, n in zip(VERDICTS, (accepted, duplicate, rejected, untracked), strict=True):
            self.add("shelfwise_events_total", verdict, n=n)

    def add(self, name: str, *labels: str, n: int = 1) -> None:
        """Add to a counter."""
        self._cells[_PLACES[name, labels]] += n

    def tell(self, door: Door) -> None:
        """Bring gauges, and what others count, up to date."""
        cells = self._cells
        cells[_WAITING], cells[_UNSENT] = len(door.turns), len(door.recorder)
        cells[_READY] = door.pipeline is not None
        recorded, dropped = door.recorder.taken()
        self.add("shelfwise_answers_recorded_total", n=recorded)
        self.add("shelfwise_answers_dropped_total", n=dropped)


def exposition(folder: Path, gauges: Mapping[str, float]) -> str:
    """All workers' counters as Prometheus text, with gauges of the shop."""
    total, living = [0] * _CELLS, []
    for path in sorted(folder.glob("worker-*.meter")):
        content = path.read_bytes()
        if len(content) == _CELLS * 8 and memoryview(content).cast("q")[0] == _LAYOUT:
            cells = memoryview(content).cast("q").tolist()
            total = [one + two for one, two in zip(total, cells, strict=True)]
            living += [cells] if _is_held(path) else []
    lines = [line for family in FAMILIES for line in _family_lines(family, total)]
    now = {
        "shelfwise_workers": len(living),
        "shelfwise_workers_ready": sum(cells[_READY] for cells in living),
        "shelfwise_requests_waiting": sum(cells[_WAITING] for cells in living),
        "shelfwise_answers_unsent": sum(cells[_UNSENT] for cells in living),
        **gauges,
    }
    family = ""
    for name, value in now.items():
        if name.partition("{")[0] != family:
            family = name.partition("{")[0]
            lines.append(f"# TYPE {family} gauge")
        lines.append(f"{name} {value:.10g}")
    return "\n".join(lines) + "\n"


def _is_held(path: Path) -> bool:
    """Whether a living worker counts in it."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _family_lines(family: Family, cells: Sequence[int]) -> Iterator[str]:
    yield f"# HELP {family.name} {family.told}."
    yield f"# TYPE {family.name} {family.kind}"
    names = [name for name, _ in family.labels]
    for series in family.series:
        labels = [f'{name}="{value}"' for name, value in zip(names, series, strict=True)]
        start = _PLACES[family.name, series]
        if family.kind == "histogram":
            yield from _histogram_lines(family.name, labels, cells[start : start + family.width])
        else:
            yield f"{family.name}{_braced(labels)} {cells[start]}"


def _histogram_lines(name: str, labels: list[str], cells: Sequence[int]) -> Iterator[str]:
    total = 0
    for edge, n in zip((*EDGES, "+Inf"), cells, strict=False):
        total += n
        bound = f'le="{edge}"'
        yield f"{name}_bucket{_braced([*labels, bound])} {total}"
    yield f"{name}_sum{_braced(labels)} {cells[-1] / 1e9:g}"
    yield f"{name}_count{_braced(labels)} {total}"


def _braced(labels: Sequence[str]) -> str:
    return f"{{{','.join(labels)}}}" if labels else ""
