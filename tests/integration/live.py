"""A whole server as a shop runs it, ``shelfwise serve`` on a corner shop, and what tests of its promises share."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.app import corner_shop

from shelfwise import Shop

PATIENCE_S = 60.0  # of a test, on cores that others use too
HOME = {"user_id": "p1", "placement": "home", "n": 10}
FULL = os.environ.get("SHELFWISE_PROMISES") == "full"  # `make promises`: as long and as often as was promised

N = TypeVar("N", int, float)


def sized(short: N, full: N) -> N:
    """How long or how often: short in ``make test``, in full in ``make promises``."""
    return full if FULL else short


def shared(factory: pytest.TempPathFactory) -> Path:
    """Where all test processes of this run look for the trained corner shop."""
    base = factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@dataclass
class Reply:
    """Status, headers and body of a response, and the seconds it took."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    seconds: float = 0.0

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def items(self) -> list[str]:
        assert self.status == 200, self.raw
        return [item["item_id"] for item in self.body["items"]]


class Line:
    """A connection that is kept, and so always reaches the same worker; a new one once that is gone."""

    def __init__(self, host: str, key: str) -> None:
        self._connection = http.client.HTTPConnection(host, timeout=PATIENCE_S)
        self._key = key

    @property
    def worker(self) -> int:
        return int(self.ask("GET", "/readyz").body["worker"])

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        given = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        sent = {name: value for name, value in {**given, **headers}.items() if value}
        content = body if body is None or isinstance(body, bytes) else json.dumps(body)
        begun = time.perf_counter()
        self._connection.request(method, path, content, sent)
        response = self._connection.getresponse()
        return Reply(response.status, response.headers, response.read(), time.perf_counter() - begun)

    def recommend(self, **query: Any) -> Reply:
        return self.ask("POST", "/v1/recommendations", {**HOME, **query})

    def close(self) -> None:
        self._connection.close()


class Server:
    """``shelfwise serve`` on a folder, and keys to it."""

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 2,
        errors: Path | None = None,
        wait: bool = True,
        before: Callable[[Path], None] | None = None,
        **environment: str,
    ) -> None:
        self.folder = folder
        with Shop.open(folder) as shop:
            self.champion = str(shop.readers.releases.alias("champion"))
            self.admin = shop.add_key(f"owner {time.time_ns()}", scopes=["admin"])["secret"]
        self.command = [sys.executable, "-m", "shelfwise", "--shop", str(folder), "serve"]
        self._port = 0 if wait else free_port()
        self.command += ["--port", str(self._port), "--workers", str(workers)]
        self._errors, self._environment = errors, environment
        if before is not None:  # once the key is made
            before(folder)
        self.start()

    def start(self) -> None:
        """Until it says that it is ready, if that is to be waited for; the seconds that took stand in ``ready_s``."""
        begun = time.monotonic()
        with open(self._errors or os.devnull, "ab") as errors:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, text=True, start_new_session=True,
                stderr=errors if self._errors else None, env={**os.environ, **self._environment},
            )  # fmt: skip
        if self._port:
            self.host = f"127.0.0.1:{self._port}"
            return
        assert self.process.stdout is not None
        told = self.process.stdout.readline().split()
        assert told, f"it ended: {self.process.wait()}"
        self.ready_s = time.monotonic() - begun
        self.host = told[1].removeprefix("http://")

    def line(self) -> Line:
        return Line(self.host, self.admin)

    def processes(self) -> dict[str, int]:
        """Ids of the processes by name."""
        told: dict[str, int] = json.loads((self.folder / "live" / "processes.json").read_text())
        return told

    def stop(self) -> None:
        """As an operator would."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0

    def end(self) -> None:
        """Whatever state it is in."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def serving(folder: Path, **more: Any) -> Iterator[Server]:
    """A server for one test."""
    server = Server(folder, **more)
    try:
        yield server
    finally:
        server.end()


class Askers:
    """Threads that each ask one thing after another on a line of their own, until told to stop."""

    def __init__(self, work: Callable[[Line, int], None], lines: Sequence[Line]) -> None:
        self.troubles: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(work, line, number)) for number, line in enumerate(lines)
        ]

    def __enter__(self) -> Askers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.troubles:
            raise self.troubles[0]

    def _run(self, work: Callable[[Line, int], None], line: Line, number: int) -> None:
        try:
            while not self._stop.is_set():
                work(line, number)
        except BaseException as trouble:  # noqa: BLE001 - told when the test leaves them
            self.troubles.append(trouble)


def free_port() -> int:
    """One that nobody listens at now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def within(seconds: float, seen: Callable[[], bool]) -> float:
    """Wait until something is so; the seconds it took."""
    begun = time.monotonic()
    while not seen():
        assert time.monotonic() - begun < seconds, f"not so after {seconds} s"
        time.sleep(0.01)
    return time.monotonic() - begun


def percentile_ms(seconds: Sequence[float], percent: float) -> float:
    """A percentile in milliseconds; NaN of nothing."""
    ordered = sorted(seconds)
    return (
        ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1e3 if ordered else float("nan")
    )


def tell(promise: str, **figures: Any) -> None:
    """One line of what was seen."""
    print(
        f"\n{promise}: "
        + ", ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in figures.items())
    )


def purchase(user: str, *items: str, event_id: str, **more: Any) -> dict[str, Any]:
    """A purchase a minute ago."""
    from datetime import timedelta

    lines = [{"item_id": item, "quantity": 1, "price": 2.5, "currency": "EUR"} for item in items]
    at = (corner_shop.NOW - timedelta(minutes=1)).isoformat()
    return {
        "event": "purchase",
        "event_id": event_id,
        "occurred_at": at,
        "user_id": user,
        "items": lines,
        **more,
    }


def _short(value: Any) -> str:
    return (
        f"{value:,.1f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
