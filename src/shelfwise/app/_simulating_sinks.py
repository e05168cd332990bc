"""Where simulated events go: a file, a shop in this process, a running server."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import msgspec
import numpy as np

from shelfwise.app._simulating_formats import FLAT, Names, Sent, flat_table, sent_events
from shelfwise.domain import MAX_BATCH, InvalidInput, StoreUnavailable
from shelfwise.simulation import Arrivals

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter

    from shelfwise.app.shop import Shop

_AGENT = "shelfwise-simulate"
_ROBOT = "ShelfwiseTestBot/1.0 (a crawler that says so)"
_PATIENCE_S = 60.0
_ENCODER = msgspec.json.Encoder()


@dataclass(slots=True)
class Stopwatch:
    """CPU seconds of the process, and those of them that are the simulator's own.

    The simulation runs in one thread; what that thread does inside ``engine`` blocks, and all that other threads do,
    is the engine's: its answers, what checks events, what keeps them. All else is the simulator's: visits, the mess,
    building and encoding of events, sums.
    """

    begun: tuple[float, float] = (0.0, 0.0)  # those of the process and of this thread by then
    engine_s: float = 0.0  # of this thread

    def start(self) -> None:
        """From now on."""
        self.begun, self.engine_s = (time.process_time(), time.thread_time()), 0.0

    def engine(self) -> EngineTime:
        """While a block runs that is not the simulator's own."""
        return EngineTime(self)

    def seconds(self) -> tuple[float, float]:
        """CPU seconds since the start, of the simulator and of the engine."""
        own_s = time.thread_time() - self.begun[1] - self.engine_s
        return own_s, time.process_time() - self.begun[0] - own_s


class EngineTime:
    """A block whose CPU is the engine's. A class, since a generator would cost more than what it measures."""

    __slots__ = ("_begun", "_watch")

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    def __enter__(self) -> None:
        self._begun = time.thread_time()

    def __exit__(self, *_: object) -> None:
        self._watch.engine_s += time.thread_time() - self._begun


class Sink(Protocol):
    """Takes events in the order of their arrival, and says at the end what became of them."""

    def take(self, made: Arrivals) -> None: ...

    def close(self) -> Counter[str]: ...


class ParquetSink:
    """A flat Parquet file, a row a line."""

    def __init__(self, path: Path, names: Names) -> None:
        self._path, self._names = path, names
        self._writer: ParquetWriter | None = None

    def take(self, made: Arrivals) -> None:
        """Write a row group."""
        if len(made):
            self._opened().write_table(flat_table(made, self._names))

    def close(self) -> Counter[str]:
        """Finish the file; it has a schema even if nothing happened."""
        self._opened().close()
        return Counter(file_bytes=self._path.stat().st_size)

    def _opened(self) -> ParquetWriter:
        from pyarrow.parquet import ParquetWriter

        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            dictionaries = [field.name for field in FLAT if str(field.type).startswith("dictionary")]
            self._writer = ParquetWriter(
                self._path, FLAT, compression="zstd", use_dictionary=dictionaries, write_statistics=False
            )
        return self._writer


class JsonlSink:
    """One event a line, as the HTTP door takes it."""

    def __init__(self, path: Path, names: Names) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("wb")
        self._path, self._names = path, names

    def take(self, made: Arrivals) -> None:
        """Write the events."""
        if len(made):
            self._file.write(_ENCODER.encode_lines(sent_events(made, self._names)))

    def close(self) -> Counter[str]:
        """Finish the file."""
        self._file.close()
        return Counter(file_bytes=self._path.stat().st_size)


class ShopSink:
    """The shop's own door in this process: checked as over HTTP, acknowledged once durable."""

    def __init__(self, shop: Shop, names: Names, watch: Stopwatch) -> None:
        self._shop, self._names, self._watch = shop, names, watch
        self._counts: Counter[str] = Counter(accepted=0, duplicates=0, rejected=0)

    def take(self, made: Arrivals) -> None:
        """Hand the events over, those of honest robots apart."""
        for agent, events in _by_agent(made, self._names):
            for start in range(0, len(events), MAX_BATCH):
                self._counts.update(self._submit(events[start : start + MAX_BATCH], agent))

    def close(self) -> Counter[str]:
        """What became of the events."""
        return self._counts

    def _submit(self, events: list[Sent], agent: str) -> dict[str, int]:
        body = _ENCODER.encode({"events": events})
        with self._watch.engine():
            return self._accepted(body, agent)

    def _accepted(self, body: bytes, agent: str) -> dict[str, int]:
        from shelfwise.ingestion import accept_events, dead_letters

        shop = self._shop
        verdicts = accept_events(
            body, now_us=shop.clock(), currency=shop.settings.shop.currency, user_agent=agent
        )
        if verdicts.rejected:
            letters = dead_letters(verdicts.rejected, source="simulate", first_row=1)
            shop.submit("dead_letters", [msgspec.to_builtins(letter) for letter in letters])
        if not verdicts.accepted:
            return {"rejected": len(verdicts.rejected)}
        receipt = shop.submit("events", verdicts.accepted)
        return {
            "accepted": receipt.accepted,
            "duplicates": len(receipt.duplicates),
            "rejected": len(verdicts.rejected) + len(receipt.conflicts),
        }


class Line:
    """A connection to a server that is kept. Raises StoreUnavailable while nobody answers."""

    def __init__(self, url: str, key: str | None) -> None:
        where = urlsplit(url)
        if where.scheme not in ("http", "https") or where.hostname is None:
            raise InvalidInput(f"the address is {url!r}; expected one such as http://127.0.0.1:8080")
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(where.hostname, where.port, timeout=_PATIENCE_S)
        self._url, self._base = url, where.path.rstrip("/")
        self._headers = {"content-type": "application/json", "user-agent": _AGENT}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key}"

    def post(self, path: str, body: bytes, *, agent: str = _AGENT) -> Any:
        """The answer's document. Raises StoreUnavailable, InvalidInput."""
        try:
            self._connection.request("POST", self._base + path, body, {**self._headers, "user-agent": agent})
            response = self._connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException) as trouble:
            self._connection.close()
            raise StoreUnavailable(f"{self._url} does not answer: {trouble}") from None
        if response.status >= 500:
            raise StoreUnavailable(f"{self._url}{path} answered {response.status}: {_detail(raw)}")
        if response.status >= 400:
            raise InvalidInput(f"{self._url}{path} answered {response.status}: {_detail(raw)}")
        return msgspec.json.decode(raw)

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


class HttpSink:
    """``POST /v1/events`` of a running server, up to 500 events a request."""

    def __init__(self, line: Line, names: Names) -> None:
        self._line, self._names = line, names
        self._counts: Counter[str] = Counter(accepted=0, duplicates=0, rejected=0, requests=0)

    def take(self, made: Arrivals) -> None:
        """Send the events, those of honest robots under their own name."""
        for agent, events in _by_agent(made, self._names):
            for start in range(0, len(events), MAX_BATCH):
                body = _ENCODER.encode({"events": events[start : start + MAX_BATCH]})
                told = self._line.post("/v1/events", body, agent=agent)
                self._counts.update(
                    accepted=told["accepted"],
                    duplicates=told["duplicates"],
                    rejected=len(told["rejected"]),
                    requests=1,
                )

    def close(self) -> Counter[str]:
        """What became of the events."""
        self._line.close()
        return self._counts


def _by_agent(made: Arrivals, names: Names) -> list[tuple[str, list[Sent]]]:
    """The events by the user agent that sends them."""
    if not made.honest.any():
        return [(_AGENT, sent_events(made, names))] if len(made) else []
    parts = []
    for agent, honest in ((_AGENT, False), (_ROBOT, True)):
        rows = np.flatnonzero(made.honest == honest)
        if len(rows):
            parts.append((agent, sent_events(made.take(rows), names)))
    return parts


def _detail(raw: bytes) -> str:
    try:
        told = json.loads(raw)
    except ValueError:
        return raw[:200].decode(errors="replace")
    return str(told.get("detail") or told.get("title") if isinstance(told, dict) else told)
