"""Counters of one worker in a small mapped file, so that any worker can tell the sum of all."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Upper edges in seconds: dense around the promise of milliseconds, wide up to the deadline.
EDGES = (
    0.0005,
    0.001,
    0.002,
    0.003,
    0.005,
    0.0075,
    0.01,
    0.02,
    0.03,
    0.045,
    0.075,
    0.1,
    0.15,
    0.25,
    0.5,
    1.0,
    5.0,
)
ROUTES = (
    "recommendations",
    "batch",
    "events",
    "segment",
    "items",
    "explanation",
    "people",
    "control",
    "pages",
    "other",
)
CLASSES = ("2xx", "3xx", "4xx", "5xx")
LEVELS = ("none", "session", "item_to_item", "segment_trending", "trending", "packed")

_HIST = len(EDGES) + 2  # buckets, the open one, and the sum in nanoseconds
_NAMES: tuple[tuple[str, int], ...] = (
    ("requests", len(ROUTES) * len(CLASSES)),
    ("seconds", len(ROUTES) * _HIST),
    ("answers", len(LEVELS)),
    ("recorded", 1),
    ("dropped", 1),
    ("events", 3),  # accepted, duplicate, rejected
)
_STARTS = dict(
    zip((name for name, _ in _NAMES), np.cumsum([0, *(n for _, n in _NAMES)]).tolist(), strict=False)
)
_CELLS = sum(n for _, n in _NAMES)
_EDGES = np.array(EDGES)


class Meter:
    """The counters of this worker. A write is a store of eight bytes; a reader may lag by one."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(_CELLS * 8)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _CELLS * 8)
        self._cells = np.frombuffer(self._memory, np.int64)

    def served(self, route: str, status: int, seconds: float) -> None:
        """Count a response."""
        at = ROUTES.index(route)
        self._cells[_STARTS["requests"] + at * len(CLASSES) + min(max(status // 100, 2), 5) - 2] += 1
        start = _STARTS["seconds"] + at * _HIST
        self._cells[start + int(np.searchsorted(_EDGES, seconds))] += 1
        self._cells[start + _HIST - 1] += int(seconds * 1e9)

    def answered(self, level: str | None) -> None:
        """Count a recommendation by the level that answered."""
        self._cells[_STARTS["answers"] + LEVELS.index(level or "none")] += 1

    def took_events(self, accepted: int, duplicates: int, rejected: int) -> None:
        """Count events of one batch."""
        start = _STARTS["events"]
        self._cells[start : start + 3] += (accepted, duplicates, rejected)

    def set_recorded(self, recorded: int, dropped: int) -> None:
        """Answers handed to the keeper, and lost."""
        self._cells[_STARTS["recorded"]], self._cells[_STARTS["dropped"]] = recorded, dropped


def exposition(folder: Path, gauges: Mapping[str, float]) -> str:
    """All workers' counters as Prometheus text, with gauges of the shop."""
    cells = np.zeros(_CELLS, np.int64)
    for path in sorted(folder.glob("worker-*.meter")):
        content = path.read_bytes()
        if len(content) == _CELLS * 8:
            cells += np.frombuffer(content, np.int64)
    lines = [*_requests(cells), *_seconds(cells)]
    lines += _counter(
        "shelfwise_answers_total", "Recommendations by level", "level", LEVELS, _part(cells, "answers")
    )
    lines += _counter(
        "shelfwise_events_total",
        "Events by verdict",
        "verdict",
        ("accepted", "duplicate", "rejected"),
        _part(cells, "events"),
    )
    lines += _counter(
        "shelfwise_answers_recorded_total", "Answers handed to the log", "", ("",), _part(cells, "recorded")
    )
    lines += _counter(
        "shelfwise_answers_dropped_total", "Answers lost before the log", "", ("",), _part(cells, "dropped")
    )
    for name, value in gauges.items():
        lines += [f"# TYPE {name} gauge", f"{name} {value:g}"]
    return "\n".join(lines) + "\n"


def _part(cells: NDArray[np.int64], name: str) -> list[int]:
    start = _STARTS[name]
    return cells[start : start + dict(_NAMES)[name]].tolist()


def _requests(cells: NDArray[np.int64]) -> Iterable[str]:
    yield "# HELP shelfwise_requests_total Responses by route and class of status."
    yield "# TYPE shelfwise_requests_total counter"
    values = _part(cells, "requests")
    for at, route in enumerate(ROUTES):
        for of, name in enumerate(CLASSES):
            yield f'shelfwise_requests_total{{route="{route}",status="{name}"}} {values[at * len(CLASSES) + of]}'


def _seconds(cells: NDArray[np.int64]) -> Iterable[str]:
    yield "# HELP shelfwise_request_seconds Time from arrival to response."
    yield "# TYPE shelfwise_request_seconds histogram"
    values = _part(cells, "seconds")
    for at, route in enumerate(ROUTES):
        own = values[at * _HIST : (at + 1) * _HIST]
        total = 0
        for edge, count in zip((*EDGES, "+Inf"), own, strict=False):
            total += count
            yield f'shelfwise_request_seconds_bucket{{route="{route}",le="{edge}"}} {total}'
        yield f'shelfwise_request_seconds_sum{{route="{route}"}} {own[-1] / 1e9:g}'
        yield f'shelfwise_request_seconds_count{{route="{route}"}} {total}'


def _counter(name: str, told: str, label: str, values: Sequence[str], counts: Sequence[int]) -> list[str]:
    lines = [f"# HELP {name} {told}.", f"# TYPE {name} counter"]
    for value, count in zip(values, counts, strict=True):
        lines.append(f'{name}{{{label}="{value}"}} {count}' if label else f"{name} {count}")
    return lines
