"""A load generator that costs little: prepared requests over kept-alive connections, no HTTP library.

Open loop sends at Poisson instants whatever happens, and counts from the instant a request was due: a server that
stalls is charged for all that had to wait (no coordinated omission). Closed loop keeps every connection busy.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import uvloop

PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass
class Outcome:
    """What came back."""

    latency_s: list[float] = field(default_factory=list)
    status: dict[int, int] = field(default_factory=dict)
    degraded: int = 0
    seconds: float = 0.0
    lost: int = 0  # never answered
    refused_s: list[float] = field(default_factory=list)  # until a 503
    refused_without_hint: int = 0  # 503 that did not say when to come again

    @property
    def answers(self) -> int:
        """How many were answered with 2xx."""
        return sum(count for status, count in self.status.items() if 200 <= status < 300)

    def percentiles_ms(self) -> dict[str, float]:
        """Milliseconds at p50, p90, p99, p99.9."""
        values = np.array(self.latency_s or [np.nan]) * 1e3
        return {f"p{p:g}": float(np.percentile(values, p)) for p in PERCENTILES}

    def refused_ms(self) -> dict[str, float]:
        """Milliseconds until a 503, at p50 and p99."""
        values = np.array(self.refused_s or [np.nan]) * 1e3
        return {f"p{p}": float(np.percentile(values, p)) for p in (50, 99)}

    def row(self) -> dict[str, float]:
        """For tables."""
        n = max(len(self.latency_s), 1)
        return {
            "answers": self.answers,
            "answers_per_s": self.answers / self.seconds if self.seconds else 0.0,
            **self.percentiles_ms(),
            "degraded_share": self.degraded / n,
            "failed": len(self.latency_s) - self.answers + self.lost,
        }


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, outcome: Outcome, idle: Callable[[Connection], None]) -> None:
        self._outcome, self._idle = outcome, idle
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._due_s: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._idle(self)

    def ask(self, request: bytes, due_s: float) -> None:
        """Send a request that was due at an instant."""
        self._due_s = due_s
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._buffer.lower().find(b"content-length:", 0, head)
        size = int(self._buffer[at + 15 : self._buffer.find(b"\r\n", at)]) if at >= 0 else 0
        if len(self._buffer) < head + 4 + size:
            return
        body, self._buffer = self._buffer, b""
        self._note(int(body[9:12]), body)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._due_s is not None:
            self._outcome.lost += 1

    def close(self) -> None:
        self._due_s = None
        if self._transport is not None:
            self._transport.close()

    def _note(self, status: int, body: bytes) -> None:
        outcome, due_s = self._outcome, self._due_s
        if due_s is not None:
            outcome.latency_s.append(time.perf_counter() - due_s)
            outcome.status[status] = outcome.status.get(status, 0) + 1
            outcome.degraded += b'"degraded":{' in body
            if status == 503:
                outcome.refused_s.append(outcome.latency_s[-1])
                outcome.refused_without_hint += b"retry-after: " not in body.lower()
        self._due_s = None
        self._idle(self)


def closed_loop(
    host: str, port: int, requests: Sequence[bytes], *, connections: int, seconds: float
) -> Outcome:
    """Every connection asks again as soon as it is answered."""
    return uvloop.run(_closed(host, port, requests, connections, seconds))


def open_loop(
    host: str,
    port: int,
    requests: Sequence[bytes],
    *,
    rate: float,
    connections: int,
    seconds: float,
    seed: int = 0,
) -> Outcome:
    """Requests are due at Poisson instants, ``rate`` a second; one that finds no idle connection waits for it."""
    return uvloop.run(_open(host, port, requests, rate, connections, seconds, seed))


def get(host: str, address: str, *, headers: Sequence[str] = ()) -> bytes:
    """A prepared GET."""
    lines = [f"GET {address} HTTP/1.1", f"Host: {host}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(host: str, address: str, body: bytes, *, headers: Sequence[str] = ()) -> bytes:
    """A prepared POST of JSON."""
    lines = [
        f"POST {address} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join([*lines, *headers]) + "\r\n\r\n").encode() + body


async def _closed(
    host: str, port: int, requests: Sequence[bytes], connections: int, seconds: float
) -> Outcome:
    outcome, number = Outcome(), 0
    begun = time.perf_counter()
    until = begun + seconds

    def again(connection: Connection) -> None:
        nonlocal number
        now = time.perf_counter()
        if now < until:
            connection.ask(requests[number % len(requests)], now)
            number += 1

    opened = await _opened(host, port, outcome, again, connections)
    await asyncio.sleep(max(0.0, until - time.perf_counter()) + 0.2)
    outcome.seconds = seconds
    _close(opened)
    return outcome


async def _open(
    host: str, port: int, requests: Sequence[bytes], rate: float, connections: int, seconds: float, seed: int
) -> Outcome:
    outcome = Outcome()
    idle: deque[Connection] = deque()
    waiting: deque[tuple[bytes, float]] = deque()

    def free(connection: Connection) -> None:
        if waiting:
            connection.ask(*waiting.popleft())
        else:
            idle.append(connection)

    opened = await _opened(host, port, outcome, free, connections)
    begun = time.perf_counter() + 0.05
    gaps = np.random.default_rng(seed).exponential(1.0 / rate, int(rate * seconds * 1.2) + 10)
    due = begun + np.cumsum(gaps)
    for number, due_s in enumerate(due[due < begun + seconds].tolist()):
        left = due_s - time.perf_counter()
        if left > 0:
            await asyncio.sleep(left)
        request = requests[number % len(requests)]
        if idle:
            idle.popleft().ask(request, due_s)
        else:
            waiting.append((request, due_s))
    await asyncio.sleep(0.5)
    outcome.seconds = seconds
    outcome.lost += len(waiting)
    _close(opened)
    return outcome


async def _opened(
    host: str, port: int, outcome: Outcome, idle: Callable[[Connection], None], connections: int
) -> list[Connection]:
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: Connection(outcome, idle), host, port)
        for _ in range(connections)
    ]
    return [connection for _, connection in pairs]


def _close(opened: Sequence[Connection]) -> None:
    for connection in opened:
        connection.close()
