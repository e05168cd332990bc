"""What the embedded stores do by themselves: ``python -m benchmarks._stores [--seconds 5] [--json]``.

The log is measured with a reader in another process beside it, and beside a bare ``write`` and ``fdatasync``
of the same bytes on the same disk, which is what bounds it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np

from shelfwise.stores import START, Position
from shelfwise.stores.adapters.lmdb_state import LmdbState
from shelfwise.stores.adapters.sqlite_log import SqliteLog

EVENT_BYTES = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of a table")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        results = measured(Path(name), options.seconds)
    if options.json:
        print(json.dumps({"results": results, "cores": os.cpu_count()}))
        return
    for result in results:
        print("  ".join(f"{key}={value}" for key, value in result.items()))


def measured(folder: Path, seconds: float) -> list[dict[str, Any]]:
    return [
        *(bare(folder / f"bare-{n}", n, seconds) for n in (1, 100)),
        *(appends(folder / f"log-{n}.sqlite", n, seconds) for n in (1, 100)),
        commits(folder / "state", seconds),
    ]


def appends(path: Path, n_events: int, seconds: float) -> dict[str, Any]:
    """One batch a commit, with a reader in another process."""
    log, blob, stop = SqliteLog(path), os.urandom(EVENT_BYTES * n_events), multiprocessing.Event()
    reader = multiprocessing.Process(target=_read, args=(path, stop))
    reader.start()
    time.sleep(1)
    took, cpu = _timed(lambda: log.append("events", [blob], at_us=0), seconds)
    stop.set()
    reader.join()
    log.close()
    return {"what": "sqlite log", "batch": n_events, **_rates(took, n_events), "cpu_us": _us(cpu, took)}


def bare(path: Path, n_events: int, seconds: float) -> dict[str, Any]:
    """The disk alone: append and fdatasync."""
    blob = os.urandom(EVENT_BYTES * n_events)
    with path.open("wb", buffering=0) as file:

        def append() -> None:
            file.write(blob)
            os.fdatasync(file)

        took, cpu = _timed(append, seconds)
    return {
        "what": "write + fdatasync",
        "batch": n_events,
        **_rates(took, n_events),
        "cpu_us": _us(cpu, took),
    }


def commits(folder: Path, seconds: float) -> dict[str, Any]:
    """100 states of 1 KB, of 100,000, in one commit."""
    state, rng = LmdbState(folder), np.random.default_rng(1)
    keys = [b"u:%d" % n for n in range(100_000)]
    for start in range(0, len(keys), 1_000):
        state.commit(dict.fromkeys(keys[start : start + 1_000], bytes(1_000)), {})

    def commit() -> None:
        changed = rng.integers(0, len(keys), 100).tolist()
        state.commit({keys[n]: bytes(1_000) for n in changed}, {"state": Position("1")})

    took, cpu = _timed(commit, seconds)
    reads, _ = _timed(lambda: state.get_many((keys[5], keys[77])), 1.0)
    state.close()
    rates = _rates(took, 100)
    return {
        "what": "lmdb state",
        "batch": 100,
        **rates,
        "cpu_us": _us(cpu, took),
        "get_us": _us(reads.sum(), reads),
    }


def _read(path: Path, stop: Event) -> None:
    log, after = SqliteLog(path, read_only=True), START
    while not stop.is_set():
        entries = log.read("events", after)
        after = entries[-1].position if entries else after
        time.sleep(0 if entries else 0.002)


def _timed(act: Any, seconds: float) -> tuple[np.ndarray[Any, Any], float]:
    """Seconds of each call, and CPU seconds of them all in this process."""
    took, cpu, due = [], time.process_time(), time.perf_counter() + seconds
    while (start := time.perf_counter()) < due:
        act()
        took.append(time.perf_counter() - start)
    return np.array(took), time.process_time() - cpu


def _rates(took: np.ndarray[Any, Any], n_events: int) -> dict[str, Any]:
    p50, p99, p999 = np.quantile(took, [0.5, 0.99, 0.999]) * 1e3
    return {
        "commits_s": round(len(took) / took.sum()),
        "events_s": round(n_events * len(took) / took.sum()),
        "p50_ms": round(p50, 2),
        "p99_ms": round(p99, 2),
        "p999_ms": round(p999, 2),
    }


def _us(seconds: float, took: np.ndarray[Any, Any]) -> float:
    return round(seconds / len(took) * 1e6, 1)


if __name__ == "__main__":
    main()
