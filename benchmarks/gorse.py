"""What does an answer cost beside Gorse's? Both serve the same purchases; the same generator asks both in turn.

    python -m benchmarks.gorse --binary gorse-in-one --shop COPY --seconds 10 --rounds 3

Gorse looks a list up that its worker made before; Shelfwise retrieves, ranks and arranges at the request and logs the
answer. Gorse gets the shop's users, items and purchases through its REST API (SQLite stores, as in its playground, or
those named), is started anew so that it fits on all of them, and is asked once its worker has made the lists of all
the people asked for and its CPU is at rest. That takes minutes: ``--folder`` keeps what it was given. Shelfwise runs
one worker. While one is asked the other rests, and rounds alternate: a ratio is of two runs half a minute apart.
Gorse is built by ``go build ./cmd/gorse-in-one`` in its repository.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import psutil
from benchmarks._load import Outcome, closed_loop, get, open_loop
from benchmarks.serving import HOST, Server, _measured, _wait, machine, requests_of, server

BATCH = 2_000
CONFIG = """
[database]
cache_store = "{cache}"
data_store = "{data}"
[master]
port = {rpc}
http_port = {port}
host = "127.0.0.1"
http_host = "127.0.0.1"
n_jobs = 2
[recommend]
cache_size = 100
cache_expire = "240h"
[recommend.data_source]
positive_feedback_types = ["purchase"]
[recommend.user_neighbors]
enable_index = false
[recommend.item_neighbors]
enable_index = false
[recommend.collaborative]
enable_index = false
model_fit_period = "6000m"
model_search_period = "6000m"
model_search_epoch = 2
model_search_trials = 1
[recommend.offline]
check_recommend_period = "600m"
refresh_recommend_period = "2400h"
enable_collaborative_recommend = true
enable_item_based_recommend = true
"""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        gorse, rows = Gorse(options, options.folder or Path(folder)), []
        users = gorse.learn()
        with gorse.running() as theirs, server(options) as ours:
            gorse.wait_for_lists(theirs, users)
            for number in range(options.rounds):
                rows += [{"round": number, **row} for row in _round(options, ours, theirs, users)]
    report = {"shop": str(options.shop), "people": len(users), "machine": machine(), "results": rows}
    print(json.dumps(report, indent=1) if options.json else _table(report))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, help="gorse-in-one")
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rate", type=float, default=250.0, help="arrivals a second in the open loop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--people", type=int, default=1_000, help="known customers asked for in turn")
    parser.add_argument("--folder", type=Path, help="of Gorse's data, made if it is not there, and kept")
    parser.add_argument("--data", help="Gorse's data store, if not SQLite")
    parser.add_argument("--cache", help="Gorse's cache store, if not SQLite")
    parser.add_argument("--port", type=int, default=18_085)
    parser.add_argument("--gorse-port", type=int, default=18_095, help="and the one after it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    asked = {"workers": 1, "n": 10, "placement": "home", "key": None, "cores": None}
    return argparse.Namespace(**vars(options), **asked)


def _round(
    options: argparse.Namespace, ours: Server, theirs: Server, users: list[str]
) -> Iterator[dict[str, Any]]:
    """Both, one after the other: as fast as the connections allow, then at Poisson arrivals."""
    yield from _asked("shelfwise", options, ours, options.port, requests_of(options))
    addresses = [f"/api/recommend/{quote(user, safe='')}?n={options.n}" for user in users]
    yield from _asked("gorse", options, theirs, options.gorse_port, [get(HOST, one) for one in addresses])


def _asked(
    who: str, options: argparse.Namespace, running: Server, port: int, requests: list[bytes]
) -> Iterator[dict[str, Any]]:
    def closed(seconds: float) -> Outcome:
        return closed_loop(HOST, port, requests, connections=options.connections, seconds=seconds)

    def opened() -> Outcome:
        return open_loop(HOST, port, requests, rate=options.rate, connections=64, seconds=options.seconds)

    closed(3.0)
    yield _measured(f"{who}, closed loop", running, lambda: closed(options.seconds))
    yield _measured(f"{who}, open loop", running, opened)


class Gorse:
    """One Gorse over the purchases of a shop."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options, self._folder = options, folder
        self._api = f"http://{HOST}:{options.gorse_port}/api"
        stores = {
            "data": options.data or f"sqlite://{folder}/data.db",
            "cache": options.cache or f"sqlite://{folder}/cache.db",
        }
        text = CONFIG.format(port=options.gorse_port, rpc=options.gorse_port + 1, **stores)
        folder.mkdir(exist_ok=True)
        (folder / "config.toml").write_text(text)

    def learn(self) -> list[str]:
        """Hand it everything, once; the people to ask for."""
        users, items, purchases = _history(self._options.shop)
        learned = self._folder / "learned"
        if not learned.exists():
            with self.running():
                self._post("users", [{"UserId": user} for user in users])
                self._post("items", items)
                self._post("feedback", purchases)
            learned.touch()
        return users[:: max(len(users) // self._options.people, 1)][: self._options.people]

    @contextmanager
    def running(self) -> Iterator[Server]:
        with (self._folder / "gorse.log").open("ab") as log:
            process = subprocess.Popen(
                [self._options.binary, "-c", self._folder / "config.toml", "--recommend-jobs", "2"],
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        try:
            _wait(f"{self._api}/health/live")
            yield Server(psutil.Process(process.pid))
        finally:
            process.terminate()
            process.wait(timeout=60)

    def wait_for_lists(self, server: Server, users: list[str], limit_s: float = 1_800.0) -> None:
        """Until everybody has a list, and then until it is at rest: less than 5 % of a core for 5 s."""
        until, left, used = time.monotonic() + limit_s, list(users), 0.0
        while time.monotonic() < until:
            time.sleep(5.0)
            left = [user for user in left if not self._list(user)]
            before, used = used, sum(server.cpu_s().values())
            if not left and used - before < 0.25:
                return
        raise SystemExit(f"gorse after {limit_s:.0f} s: {len(left)} people without a list, {self._log_end()}")

    def _list(self, user: str) -> list[Any]:
        return httpx.get(f"{self._api}/intermediate/recommend/{quote(user, safe='')}").json() or []

    def _post(self, what: str, rows: list[dict[str, Any]]) -> None:
        for at in range(0, len(rows), BATCH):
            httpx.post(f"{self._api}/{what}", json=rows[at : at + BATCH], timeout=120).raise_for_status()

    def _log_end(self) -> str:
        return (self._folder / "gorse.log").read_text()[-500:]


def _history(shop: Path) -> tuple[list[str], list[dict[str, Any]], list[dict[str, Any]]]:
    """Users, items and purchases as Gorse's API takes them; time moved so that the last purchase is now."""
    from shelfwise.app._layout import Layout
    from shelfwise.domain import PURCHASE
    from shelfwise.features import unpack_state
    from shelfwise.stores.adapters.lmdb_state import LmdbState
    from shelfwise.stores.adapters.sqlite_catalogue import SqliteCatalogue

    catalogue = SqliteCatalogue(Layout(shop).catalogue, read_only=True)
    ids = {stored.row: stored.item.item_id for stored in catalogue.since(-1)}
    catalogue.close()
    state = LmdbState(Layout(shop).state, read_only=True)
    bought = {key[2:].decode(): unpack_state(blob).of(PURCHASE) for key, blob in state.scan(b"u:")}
    bought = {user: lines[np.isin(lines["item"], list(ids))].copy() for user, lines in bought.items()}
    state.close()
    later_s = time.time() - max(int(lines["at_us"].max()) for lines in bought.values() if len(lines)) / 1e6
    items = [{"ItemId": item, "Timestamp": _text(time.time() - 86_400)} for item in ids.values()]
    purchases = {
        (user, ids[int(line["item"])]): _text(int(line["at_us"]) / 1e6 + later_s)
        for user, lines in bought.items()
        for line in lines
    }
    rows = [
        {"FeedbackType": "purchase", "UserId": user, "ItemId": item, "Timestamp": at}
        for (user, item), at in purchases.items()
    ]
    return [user for user, lines in bought.items() if len(lines)], items, rows


def _text(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _table(report: dict[str, Any]) -> str:
    rows = report["results"]
    lines = [str({key: value for key, value in report.items() if key != "results"})]
    lines += [
        f"{row['round']}  {row['run']:<24} {row['answers_per_s']:8.0f}/s  p50 {row['p50']:6.2f}"
        f"  p99 {row['p99']:6.2f} ms  failed {row['failed']:.0f}"
        f"  = {row['answers_per_core_second']:.0f} per core-second"
        for row in rows
    ]
    ours, theirs = (
        [row["answers_per_core_second"] for row in rows if row["run"] == f"{who}, closed loop"]
        for who in ("shelfwise", "gorse")
    )
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    lines.append("answers per core-second, Shelfwise / Gorse: " + ", ".join(f"{r:.2f}" for r in ratios))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
