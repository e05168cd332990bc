"""How many events a second are durable: acknowledged over HTTP after the keeper's commit, with everything folded.

Starts the shop's own server (a folder without a shop gets a new one), sends batches of random events (all ids new)
over kept-alive connections as fast as they are acknowledged, and states the p99 of the acknowledgement, the CPU of
every process, and how far the fold was behind at the end. ``--door socket`` measures the keeper alone, through its
socket.

    python -m benchmarks.ingest --shop my-shop --batch 100 --seconds 60 --prefill 5000000
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from benchmarks._load import Outcome, closed_loop, post

from shelfwise import Shop
from shelfwise.app._layout import Layout
from shelfwise.app._processes import process_seconds
from shelfwise.domain import Context, Event, EventLine, ShelfwiseError
from shelfwise.stores.adapters.unix_inbox import UnixInbox

HOST = "127.0.0.1"
EVENTS = ("view_item", "view_item", "view_item", "add_to_cart", "purchase")
ID = b"0123456789abcdef" * 2  # stands in a prepared request where an id goes
_PREFILL_BATCH = 5_000


def main() -> None:
    """Measure and print."""
    options = _options()
    require_shop(options.shop)
    if options.prefill:
        prefill(options)
    with _server(options) as server:
        report = measured(options, server)
    if options.json:
        print(json.dumps({"results": [report], "machine": _machine()}))
    else:
        for name, value in {**report, **_machine()}.items():
            print(f"{name:24} {value:,.3f}" if isinstance(value, float) else f"{name:24} {value}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=100, help="events in a request")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--items", type=int, default=5_000)
    parser.add_argument("--prefill", type=int, default=0, help="events to bring into the log before")
    parser.add_argument("--door", choices=("http", "socket"), default="http")
    parser.add_argument("--key", help="an API key with events:write, if the shop has keys")
    parser.add_argument("--port", type=int, default=18_082)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def require_shop(folder: Path) -> None:
    """Make a shop where nothing is; a folder of something else, or a shop with a clock of its own, is refused."""
    try:
        empty = not folder.exists() or not any(folder.iterdir())
        shop = Shop.create(folder, currency="GBP") if empty else Shop.open(folder)
    except (ShelfwiseError, OSError) as trouble:
        raise SystemExit(str(trouble)) from trouble
    if shop.settings.clock.start is not None:
        raise SystemExit(f"{folder} keeps a time of its own ([clock] start); expected a shop that lives now")


def prefill(options: argparse.Namespace) -> None:
    """Bring events in through the shop's own keeper, in large batches, while no server runs."""
    rng = np.random.default_rng(1)
    shop = Shop.open(options.shop)
    done = 0
    while done < options.prefill:
        count = min(_PREFILL_BATCH, options.prefill - done)
        shop.submit("events", random_events(rng, count, options))
        done += count
        print(f"\rprefilled {done:,}", end="", file=sys.stderr, flush=True)
    shop.close()
    print(file=sys.stderr)


def measured(options: argparse.Namespace, server: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Send for a while; figures of the run."""
    layout = Layout(options.shop)
    inbox = UnixInbox(layout.socket)
    before, cpu = inbox.submit("ping", {}).result, process_seconds(layout)
    outcome, generator = _over_http(options) if options.door == "http" else _over_socket(options, layout)
    began = time.perf_counter()
    after, spent = inbox.submit("ping", {}).result, process_seconds(layout)
    asked_s = time.perf_counter() - began
    inbox.submit("drain", {})
    drained_s = time.perf_counter() - began
    inbox.close()
    assert server.poll() is None
    accepted = after["events"] - before["events"]
    row = outcome.row()
    return {
        "door": options.door,
        "batch": options.batch,
        "events_per_s": accepted / outcome.seconds,
        "ack_p50_ms": row["p50"],
        "ack_p99_ms": row["p99"],
        "failed_requests": row["failed"],
        "lag_s": asked_s + after["waiting_events"] / max(accepted / outcome.seconds, 1.0),
        "lake_drained_s": drained_s,
        **{f"cpu_{name}": (spent[name] - cpu.get(name, 0.0)) / outcome.seconds for name in spent},
        "cpu_generator": generator,
    }


def _over_http(options: argparse.Namespace) -> tuple[Outcome, float]:
    """What came back, and the generator's own share of a core."""
    rng = np.random.default_rng(os.getpid())
    templates = [http_template(rng, options) for _ in range(64)]
    requests = Endless([template.split(ID) for template in templates])
    began = time.process_time()
    outcome = closed_loop(
        HOST, options.port, requests, connections=options.connections, seconds=options.seconds
    )
    return outcome, (time.process_time() - began) / options.seconds


class Endless(list[bytes]):
    """Requests without end: each time one is taken, its events have new ids."""

    def __init__(self, templates: list[list[bytes]]) -> None:
        super().__init__([b""] * len(templates))
        self._templates = templates

    def __getitem__(self, at: Any) -> Any:
        parts = self._templates[at]
        ids = os.urandom(16 * (len(parts) - 1)).hex().encode()
        whole = [b""] * (2 * len(parts) - 1)
        whole[::2] = parts
        whole[1::2] = [ids[start : start + 32] for start in range(0, len(ids), 32)]
        return b"".join(whole)


def http_template(rng: np.random.Generator, options: argparse.Namespace) -> bytes:
    """A request of about 400 bytes an event, with ``ID`` where each event's id goes."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    events = [
        {
            "event": EVENTS[rng.integers(len(EVENTS))],
            "event_id": ID.decode(),
            "occurred_at": now,
            "user_id": f"user-{rng.integers(options.people)}",
            "anonymous_id": None,
            "session_id": rng.bytes(16).hex(),
            "items": [
                {"item_id": f"item-{rng.integers(options.items)}", "quantity": 1, "price": 2.55,
                 "currency": "GBP", "index": 1}
            ],
            "context": {"device": "mobile", "country": "GB", "region": "London", "placement": "home",
                        "referrer": "https://search.example/results"},
        }
        for _ in range(options.batch)
    ]  # fmt: skip
    headers = [f"Authorization: Bearer {options.key}"] if options.key else []
    return post(HOST, "/v1/events", json.dumps({"events": events}).encode(), headers=headers)


def _over_socket(options: argparse.Namespace, layout: Layout) -> tuple[Outcome, float]:
    """One client that waits for each acknowledgement: batches are made before the clock starts."""
    rng, outcome = np.random.default_rng(os.getpid()), Outcome()
    made = [random_events(rng, options.batch, options) for _ in range(200)]
    inbox = UnixInbox(layout.socket)
    cpu, started = time.process_time(), time.perf_counter()
    number = 0
    while (now := time.perf_counter()) - started < options.seconds:
        batch = made[number % len(made)]
        salt = f"{number}-"
        inbox.submit("events", [msgspec.structs.replace(one, event_id=salt + one.event_id) for one in batch])
        outcome.latency_s.append(time.perf_counter() - now)
        outcome.status[202] = outcome.status.get(202, 0) + 1
        number += 1
    outcome.seconds = time.perf_counter() - started
    inbox.close()
    return outcome, (time.process_time() - cpu) / outcome.seconds


def random_events(rng: np.random.Generator, count: int, options: argparse.Namespace) -> list[Event]:
    """Events of one line each, all different."""
    now_us = time.time_ns() // 1_000
    people, items = rng.integers(options.people, size=count), rng.integers(options.items, size=count)
    kinds = rng.integers(len(EVENTS), size=count)
    return [
        Event(
            event_id=os.urandom(16).hex(), event=EVENTS[kind], occurred_us=now_us, received_us=now_us,
            user_id=f"user-{person}", session_id="s", lines=(EventLine(f"item-{item}", 1, 255, "GBP", 1),),
            context=Context("mobile", "GB", "London", "https://search.example/results", "home"),
        )
        for kind, person, item in zip(kinds.tolist(), people.tolist(), items.tolist(), strict=True)
    ]  # fmt: skip


@contextmanager
def _server(options: argparse.Namespace) -> Iterator[subprocess.Popen[bytes]]:
    """The shop's server; with ``--door socket`` its keeper is all that matters."""
    if options.door == "socket":
        command = [sys.executable, "-m", "shelfwise.app._keeper_main", str(options.shop)]
    else:
        command = [sys.executable, "-m", "shelfwise", "--shop", str(options.shop), "serve"]
        command += ["--port", str(options.port), "--workers", str(options.workers)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(options, process)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait(options: argparse.Namespace, process: subprocess.Popen[bytes], limit_s: float = 180.0) -> None:
    """Until worker and keeper answer. A machine that has never served compiles kernels first."""
    until, has_keeper = time.monotonic() + limit_s, Layout(options.shop).socket.exists
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with code {process.returncode}; its own words are above")
        if options.door == "socket":
            if has_keeper():
                return
        else:
            try:
                if httpx.get(f"http://{HOST}:{options.port}/readyz").status_code == 200 and has_keeper():
                    return
            except httpx.TransportError:
                pass
        time.sleep(0.1)
    raise SystemExit(f"the server does not answer after {limit_s:.0f} s")


def _machine() -> dict[str, Any]:
    names = ("lmdb", "msgspec", "numba", "uvloop")
    return {"cores": os.cpu_count(), "python": platform.python_version()} | {n: version(n) for n in names}


if __name__ == "__main__":
    main()
