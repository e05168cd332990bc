"""What do features cost? The three readers over the same synthetic events, and how the cost grows with them.

    python -m benchmarks.features --events 800000

Batch: point-in-time rows (one in three events' worth, at 8 instants) from Parquet, on DuckDB, and with ``--spark`` on
Spark too, whose CPU and memory are those of its Java as well, start and planning included. Stream: the same events
folded into states and counters. Request: 200 candidates for people of 100 and of 2,000 lines. Batch and stream run at
a quarter, at half and at all of the events, each in a process of its own, so that memory is theirs alone.

    python -m benchmarks.features --only parity --samples 10000

Asks all four readers the same of replayed real and simulated histories (``benchmarks/_parity.py``); fails where they
differ. Needs Spark.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shelfwise.domain import (
    DAY_US,
    LINE,
    MINUTE_US,
    PURCHASE,
    Candidates,
    Coded,
    Event,
    EventLine,
    Interactions,
    PersonState,
    Query,
    Shelf,
)

NOW = 20_000 * DAY_US
N_CANDIDATES = 200
KINDS = ("view_item", "add_to_cart", "purchase")
DEFAULT = (
    "items",
    "people",
    "sessions",
    "pairs",
    "context",
    "fits",
)  # families of a training that chooses none
SIGNALS = (
    "collaborative__score",
    "session__score",
    "similar__score",
    "complements__score",
    "trending__score",
)


def main() -> None:
    options = _options()
    if options.measure:
        print(json.dumps(MEASURES[options.measure](options)))
        return
    if options.only == "parity":
        sys.exit(_parity(options))
    results = []
    wanted = [options.only] if options.only else ["duckdb", *(["spark"] if options.spark else []), "stream"]
    for engine in wanted:
        before = None
        if engine == "request":
            continue
        for events in (options.events // 4, options.events // 2, options.events):
            row = _apart(engine, events, options)
            row["growth"] = round(row["cpu_s"] / before, 2) if before else None
            before = row["cpu_s"]
            results.append(row)
    if options.only in (None, "request"):
        results += _apart("request", options.events, options)["results"]
    report = {"versions": _versions(), "cores": os.cpu_count(), "results": results}
    print(json.dumps(report) if options.json else _table(report))


def _parity(options: argparse.Namespace) -> int:
    """What the four readers say of the same; 1 where they differ."""
    from benchmarks._parity import compare, told

    report = compare(options.samples, options.seed, memory_mb=options.memory_mb)
    print(json.dumps({"versions": _versions(), **report}) if options.json else told(report))
    return int(report["differences"] > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=400_000, help="synthetic event lines")
    parser.add_argument("--memory-mb", type=int, default=1_000, help="bound of the batch engine")
    parser.add_argument("--threads", type=int, default=2, help="threads of the batch engine")
    parser.add_argument(
        "--spark", action="store_true", help="run the same texts on Spark, local[threads], too"
    )
    parser.add_argument(
        "--only", choices=("duckdb", "spark", "stream", "request", "parity"), help="one question alone"
    )
    parser.add_argument(
        "--samples", type=int, default=10_000, help="(user, item, instant) that parity compares"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--measure", choices=tuple(MEASURES), help=argparse.SUPPRESS)
    return parser.parse_args()


def _apart(measure: str, events: int, options: argparse.Namespace) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.features", "--measure", measure, "--events", str(events)]
    command += [
        "--memory-mb",
        str(options.memory_mb),
        "--threads",
        str(options.threads),
        "--seed",
        str(options.seed),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def imagined(n_events: int, seed: int) -> list[Event]:
    """Two years of a shop: people and items by rank, baskets of purchases, days with their evenings."""
    rng = np.random.default_rng(seed)
    size = np.maximum(1, rng.geometric(0.15, n_events // 6 + 1))
    n = len(size)
    people, items = max(50, n_events // 150), max(100, n_events // 150)
    person = (people * rng.random(n) ** 2).astype(int)
    at_us = NOW - (rng.random(n) ** 1.3 * 730 * DAY_US).astype(np.int64)
    kind = rng.choice(3, n, p=(0.5, 0.1, 0.4))
    lines = (items * rng.random(int(size.sum())) ** 3).astype(int)
    each = np.split(lines, np.cumsum(size)[:-1])
    return [
        Event(
            event_id=f"e{number}", event=KINDS[kind[number]], occurred_us=int(at_us[number]), received_us=NOW,
            user_id=f"p{person[number]}",
            lines=tuple(EventLine(f"i{item}", 1 + item % 4, 100 + item) for item in own.tolist()),
        )
        for number, own in enumerate(each)
    ]  # fmt: skip


def measure_duckdb(options: argparse.Namespace) -> dict[str, Any]:
    from shelfwise.features import DuckDB, DuckDBSettings

    settings = DuckDBSettings(memory_mb=options.memory_mb, threads=options.threads)
    return {"engine": "duckdb", **_measure_batch(options, lambda: DuckDB(settings))}


def measure_spark(options: argparse.Namespace) -> dict[str, Any]:
    from shelfwise.features import Spark, SparkSettings

    settings = SparkSettings(
        master=f"local[{options.threads}]", memory_mb=options.memory_mb, partitions=4 * options.threads
    )
    return {"engine": "spark", **_measure_batch(options, lambda: Spark(settings))}


def _measure_batch(options: argparse.Namespace, open_engine: Callable[[], Any]) -> dict[str, Any]:
    """Point-in-time rows at 8 instants, from the start of the engine to the last column."""
    from shelfwise.features import event_lines, training_features

    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        file, table = (
            str(Path(folder) / "lines.parquet"),
            event_lines(imagined(options.events, options.seed), _row_of),
        )
        pq.write_table(table, file)
        n_rows, n_lines = options.events // 3, table.num_rows
        person = table["person"].take(pa.array(rng.integers(0, n_lines, n_rows // 40))).to_pylist()
        item = rng.integers(0, max(100, options.events // 150), n_rows // 40 * 40)
        asked = pa.table(
            {
                "person": person * 40,
                "item_row": pa.array(item, pa.int32()),
                "as_of_us": [NOW - 14 * DAY_US * (at % 8) for at in range(n_rows // 40)] * 40,
            }
        )
        del table
        held_mb, started, cpu_s = _peak_mb(), time.perf_counter(), _cpu_s()
        with open_engine() as engine:
            made = training_features(engine, [file], asked)
            wall_s, used_s, java_mb = time.perf_counter() - started, _cpu_s() - cpu_s, _children_peak_mb()
        return {
            "events": n_lines, "rows": asked.num_rows, "features": len(made), "wall_s": round(wall_s, 2),
            "cpu_s": round(used_s, 2), "peak_mb": round(_peak_mb() + java_mb), "peak_before_mb": round(held_mb),
        }  # fmt: skip


def _cpu_s() -> float:
    """Of this process and the Java it may have started."""
    import psutil

    own = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in (own, *own.children(recursive=True)))


def _children_peak_mb() -> float:
    """Most memory that Java held."""
    import psutil

    status = [
        Path(f"/proc/{one.pid}/status").read_text() for one in psutil.Process().children(recursive=True)
    ]
    peaks = [line.split()[1] for text in status for line in text.splitlines() if line.startswith("VmHWM")]
    return sum(map(int, peaks)) / 1_024


def measure_stream(options: argparse.Namespace) -> dict[str, Any]:
    from shelfwise.features import ITEM_ROLLING, ItemCounters, fold_people, history_lines

    events = imagined(options.events, options.seed)
    blobs: dict[str, bytes] = {}
    counters = ItemCounters(ITEM_ROLLING, NOW)
    for compiling in (1, 0):  # once for numba, then in earnest
        held_mb, started, cpu, lines_folded = _peak_mb(), time.perf_counter(), time.process_time(), 0
        for start in range(0, 500 if compiling else len(events), 500):
            batch = events[start : start + 500]
            people = list(dict.fromkeys(event.person_key for event in batch))
            place = {key: at for at, key in enumerate(people)}
            lines, owner = history_lines(batch, _row_of)
            person = np.array([place[event.person_key] for event in batch], np.int64)
            packed, effects = fold_people([blobs.get(key) for key in people], batch, person, lines, owner)
            blobs.update({key: blob for key, blob in zip(people, packed, strict=True) if blob is not None})
            counters.add_effects(effects)
            lines_folded += len(lines)
        counters.columns()
        if compiling:
            blobs, counters = {}, ItemCounters(ITEM_ROLLING, NOW)
    return {
        "engine": "stream", "events": lines_folded, "rows": len(blobs), "features": len(counters.columns()),
        "wall_s": round(time.perf_counter() - started, 2), "cpu_s": round(time.process_time() - cpu, 2),
        "peak_mb": round(_peak_mb()), "peak_before_mb": round(held_mb),
    }  # fmt: skip


def measure_request(options: argparse.Namespace) -> dict[str, Any]:
    from shelfwise.features import (
        ITEM_ROLLING,
        Assembler,
        ItemCounters,
        base_columns,
        feature_names,
        fit_release,
        live_of,
    )  # fmt: skip

    rng = np.random.default_rng(options.seed)
    n_items = max(1_000, options.events // 150)
    counters = ItemCounters(ITEM_ROLLING, NOW)
    everything = np.arange(n_items, dtype=np.int32)
    ones = np.ones(n_items, np.int64)
    counters.add(everything, ones * PURCHASE, NOW - ones * MINUTE_US, everything % 5 + 1, ones, ones)
    live, shelf = live_of(counters.columns(), n_items), _shelf(n_items)
    fit = fit_release(_history(rng, n_items), shelf, as_of_us=NOW, wanted=base_columns(feature_names()))
    signal = rng.random((N_CANDIDATES, len(SIGNALS))).astype(np.float32)
    item = rng.choice(n_items, N_CANDIDATES, replace=False).astype(np.int32)
    candidates = Candidates(
        item, np.zeros(N_CANDIDATES, np.uint16), signal, np.zeros(N_CANDIDATES, np.float32)
    )
    results = []
    for needs in (feature_names(SIGNALS)[:60], feature_names(SIGNALS, DEFAULT), feature_names()[:200],
                  feature_names(SIGNALS)):  # fmt: skip
        assembler = Assembler(needs, SIGNALS, fit.columns, fit.relations)
        query = Query(size=10, asked_us=NOW, seeds=item[:2])
        for n_lines in (0, 100, 2_000):
            person = _person(rng, n_lines, n_items)
            cpu_ms = _quickest(
                lambda a=assembler, q=query, p=person: a.assemble(q, p, live, shelf, candidates)
            )
            results.append(
                {"engine": "request", "events": n_lines, "rows": N_CANDIDATES, "features": len(needs),
                 "cpu_s": round(cpu_ms / 1_000, 6), "cpu_ms": round(cpu_ms, 3), "peak_mb": round(_peak_mb())}
            )  # fmt: skip
    return {"results": results}


def _shelf(n_items: int) -> Shelf:
    """Items in 30 categories of 40 brands."""
    row, ids = np.arange(n_items, dtype=np.int32), tuple(f"i{at}" for at in range(n_items))
    coded = {
        "category": Coded(row % 30, tuple((f"c{at}",) for at in range(30))),
        "brand": Coded(row % 40, tuple(f"b{at}" for at in range(40))),
    }
    zero = np.zeros(n_items, np.int64)
    return Shelf(
        1, ids, ids, ids, ids, coded, zero.astype(np.int16), zero + 1, {one: at for at, one in enumerate(ids)}
    )


def _history(rng: np.random.Generator, n_items: int) -> Interactions:
    """A year of 2,000 people who bought 100 items each, the first rows more often: many edges for the graph."""
    n_people, n = 2_000, 200_000
    ones = np.ones(n, np.int64)
    return Interactions(
        user=np.repeat(np.arange(n_people, dtype=np.int32), n // n_people),
        item=(n_items * rng.random(n) ** 3).astype(np.int32),
        at_us=NOW - rng.integers(MINUTE_US, 365 * DAY_US, n), event=(ones * PURCHASE).astype(np.uint8), order=ones,
        quantity=ones.astype(np.int32), price_minor=ones * 250, n_users=n_people, n_items=n_items,
    )  # fmt: skip


def _person(rng: np.random.Generator, n_lines: int, n_items: int) -> PersonState:
    """Baskets of ten, over a year."""
    lines = np.zeros(n_lines, LINE)
    lines["at_us"] = NOW - np.repeat(np.arange(1, n_lines // 10 + 1), 10) * (
        365 * DAY_US // max(n_lines // 10, 1)
    )
    lines["event_hash"] = lines["order_hash"] = lines["at_us"] // MINUTE_US
    lines["item"], lines["event"], lines["quantity"] = rng.integers(0, n_items, n_lines), 3, 1
    lines["line"], lines["price_minor"] = np.tile(np.arange(9, -1, -1), n_lines // 10), 250
    return PersonState(lines)


def _quickest(work: Callable[[], Any], *, rounds: int = 9, each: int = 100) -> float:
    """CPU milliseconds a call, the best of some rounds: the least disturbed one."""
    work()
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(each):
            work()
        best = min(best, (time.process_time() - started) / each)
    return best * 1_000


def _row_of(item_id: str) -> int:
    return int(item_id[1:])


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def _versions() -> dict[str, str]:
    import duckdb
    import numba

    return {
        "python": platform.python_version(), "duckdb": duckdb.__version__, "numba": numba.__version__,
        "numpy": np.__version__, "pyarrow": pa.__version__,
    }  # fmt: skip


def _table(report: dict[str, Any]) -> str:
    columns = ("engine", "events", "rows", "features", "wall_s", "cpu_s", "cpu_ms", "peak_mb", "growth")
    rows = [
        [str(row.get(column) if row.get(column) is not None else "") for column in columns]
        for row in report["results"]
    ]
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        for cells in (columns, *rows)
    ]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return "\n".join(
        [f"{versions}; {report['cores']} cores; growth is of CPU per doubling of events", *lines]
    )


MEASURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "duckdb": measure_duckdb,
    "spark": measure_spark,
    "stream": measure_stream,
    "request": measure_request,
}

if __name__ == "__main__":
    main()
