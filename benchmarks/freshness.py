"""How long until an event shows? From the client's send of a view to the first answer in which it has an effect.

A person nobody has seen gets what is popular. She looks at one item; from then on every worker is asked again and
again, and the answer has changed once an item in it comes from a source that needs a past (a session, a likeness). All
the while other shoppers ask at Poisson arrivals: at half of what the server was seen to bear just before, or at
``--rate``. Stated are the first changed answer of whichever worker it is, and the last worker's.

    python -m benchmarks.freshness --shop demo-shop --workers 2 --probes 200
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import selectors
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._load import closed_loop, open_loop
from benchmarks.serving import HOST, Server, machine, requests_of, server

from shelfwise import Shop
from shelfwise.domain import Clock, ShelfwiseError, from_us

PERCENTILES = (50.0, 95.0, 99.0)
PROMISED_MS = 50.0  # at p95
UNTIL = ("acknowledged", "first worker", "every worker")


def main() -> None:
    """Measure and print."""
    options = _options()
    clock = _clock(options.shop)
    requests = requests_of(options)
    with server(options) as running:
        most = closed_loop(HOST, options.port, requests, connections=options.connections, seconds=5.0)
        rate = options.rate or most.answers / most.seconds / 2
        with background(options, requests, rate):
            before, began = running.cpu_s(), time.perf_counter()
            rows = Probing(options, clock).run()
            cores = _cores(running, before, time.perf_counter() - began)
    report = {
        "shop": str(options.shop), "workers": options.workers, "probes": len(rows), "background_per_s": rate,
        "most_per_s": most.answers / most.seconds, "cores": cores, "machine": machine(),
        "results": [_row(name, column) for name, column in zip(UNTIL, rows.T, strict=True)],
    }  # fmt: skip
    _show(report, as_json=options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", type=Path, required=True, help="a trained shop")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument(
        "--rate", type=float, help="requests a second meanwhile; half of the most if not given"
    )
    parser.add_argument("--probes", type=int, default=200, help="events whose effect is waited for")
    parser.add_argument("--people", type=int, default=2_000, help="known customers who ask meanwhile")
    parser.add_argument("--placement", default="home")
    parser.add_argument("--n", type=int, default=10, help="items in an answer")
    parser.add_argument("--port", type=int, default=18_084)
    parser.add_argument("--cores", help="cores for the server, such as 0 or 0,1 (taskset); all if not given")
    parser.add_argument("--key", help="an API key with events:write and recs:read, if the shop has keys")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _clock(folder: Path) -> Clock:
    """The shop's time: events happen in it."""
    try:
        return Shop.open(folder).clock
    except ShelfwiseError as trouble:
        raise SystemExit(str(trouble)) from trouble


@contextmanager
def background(options: argparse.Namespace, requests: Sequence[bytes], rate: float) -> Iterator[None]:
    """Other shoppers, from a process of their own so that they do not hold the clock up."""
    process = multiprocessing.Process(target=_others, args=(options.port, list(requests), rate), daemon=True)
    process.start()
    time.sleep(1.0)
    yield
    if not process.is_alive():
        raise SystemExit("the background load ended before the probes did")
    process.terminate()
    process.join()


def _others(port: int, requests: Sequence[bytes], rate: float) -> None:
    open_loop(HOST, port, requests, rate=rate, connections=64, seconds=3_600.0)


class Line:
    """A connection that is kept, and so always reaches the same worker."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.link = http.client.HTTPConnection(HOST, options.port, timeout=30.0)
        self._head = {"content-type": "application/json"}
        if options.key:
            self._head["authorization"] = f"Bearer {options.key}"
        self.worker = self.ask("GET", "/readyz")["worker"]

    def send(self, method: str, path: str, body: Any = None) -> None:
        """Ask without waiting for the answer."""
        self.link.request(method, path, None if body is None else json.dumps(body), self._head)

    def answer(self) -> dict[str, Any]:
        """The answer to what was asked."""
        response = self.link.getresponse()
        raw = response.read()
        if response.status >= 300:
            raise SystemExit(f"the server answered {response.status}: {raw.decode()}")
        found: dict[str, Any] = json.loads(raw)
        return found

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask and wait."""
        self.send(method, path, body)
        return self.answer()


class Probing:
    """One event after another, and how long each took to show at each worker."""

    def __init__(self, options: argparse.Namespace, clock: Clock) -> None:
        self._clock = clock
        self._n, self._probes, self._placement = options.n, options.probes, options.placement
        self._lines = list(_a_line_to_each(options).values())
        self._teller = Line(options)
        popular = self._lines[0].ask("POST", "/v1/recommendations", {"strategy": "trending", "n": 100})
        self._items = [item["item_id"] for item in popular["items"]]

    def run(self) -> np.ndarray:
        """(probes, 3) milliseconds: until acknowledged, until the first worker shows it, until every one does."""
        rng = np.random.default_rng(0)
        rows = []
        while len(rows) < self._probes:
            rows.append(self._probe(self._items[rng.integers(len(self._items))]))
            print(f"\r{len(rows)} of {self._probes}", end="", file=sys.stderr, flush=True)
            time.sleep(rng.uniform(0.02, 0.12))
        print(file=sys.stderr)
        return np.array(rows)

    def _probe(self, item: str) -> tuple[float, float, float]:
        person = f"probe-{uuid.uuid4().hex}"
        query = {"anonymous_id": person, "n": self._n, "placement": self._placement}
        plain = set[str]().union(
            *(_sources(one.ask("POST", "/v1/recommendations", query)) for one in self._lines)
        )
        event = {"event": "view_item", "event_id": uuid.uuid4().hex, "anonymous_id": person,
                 "occurred_at": from_us(self._clock()).isoformat(), "items": [{"item_id": item}]}  # fmt: skip
        sent = time.perf_counter()
        self._teller.send("POST", "/v1/events", event)
        shown = self._shown(query, plain)
        told = shown.pop(self._teller)
        return (told - sent) * 1e3, (min(shown.values()) - sent) * 1e3, (max(shown.values()) - sent) * 1e3

    def _shown(self, query: dict[str, Any], plain: set[str]) -> dict[Line, float]:
        """When each line had what it waits for: an acknowledgement, or an answer with an effect."""
        found: dict[Line, float] = {}
        with selectors.DefaultSelector() as waiting:
            for line in (self._teller, *self._lines):
                if line is not self._teller:
                    line.send("POST", "/v1/recommendations", query)
                waiting.register(line.link.sock, selectors.EVENT_READ, line)
            while waiting.get_map():
                for key, _ in waiting.select(30.0) or _in_vain():
                    line, answer = key.data, key.data.answer()
                    if line is self._teller or not _sources(answer) <= plain:
                        found[line] = time.perf_counter()
                        waiting.unregister(line.link.sock)
                    else:
                        line.send("POST", "/v1/recommendations", query)
        return found


def _in_vain() -> Any:
    raise SystemExit("an event had no effect within 30 s")


def _sources(answer: dict[str, Any]) -> set[str]:
    """Where the items of an answer come from."""
    return {source for item in answer["items"] for source in item["sources"]}


def _a_line_to_each(options: argparse.Namespace) -> dict[int, Line]:
    found: dict[int, Line] = {}
    until = time.monotonic() + 30.0
    while len(found) < options.workers:
        line = Line(options)
        found.setdefault(line.worker, line)
        if time.monotonic() > until:
            raise SystemExit(f"workers {sorted(found)} answer; expected {options.workers} of them")
    return found


def _cores(running: Server, before: dict[str, float], seconds: float) -> dict[str, float]:
    return {name: (spent - before.get(name, 0.0)) / seconds for name, spent in running.cpu_s().items()}


def _row(name: str, values: np.ndarray) -> dict[str, Any]:
    return {"until": name, **{f"p{p:g}": float(np.percentile(values, p)) for p in PERCENTILES},
            "max": float(values.max())}  # fmt: skip


def _show(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report, indent=1))
        return
    print({key: value for key, value in report.items() if key != "results"})
    for row in report["results"]:
        figures = "  ".join(f"{name} {row[name]:7.2f}" for name in ("p50", "p95", "p99", "max"))
        print(f"{row['until']:<14} {figures} ms")
    p95 = report["results"][1]["p95"]
    print(f"{'kept' if p95 <= PROMISED_MS else 'missed'}: p95 {p95:.1f} ms; promised {PROMISED_MS:g} ms")


if __name__ == "__main__":
    main()
