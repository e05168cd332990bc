"""Stores that keep everything in memory: for tests only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from shelfwise.domain import InvalidField
from shelfwise.stores import START, Entry, Position, Stream


class MemoryLog:
    """``EventLog``: a list per stream."""

    def __init__(self) -> None:
        self._entries: dict[Stream, list[Entry]] = {"events": [], "answers": [], "items": []}
        self._count: dict[Stream, int] = {"events": 0, "answers": 0, "items": 0}

    def append(self, stream: Stream, blobs: Sequence[bytes], *, at_us: int) -> Position:
        for blob in blobs:
            self._count[stream] += 1
            self._entries[stream].append(Entry(self.end(stream), blob, at_us))
        return self.end(stream)

    def append_all(self, batches: Mapping[Stream, Sequence[bytes]], *, at_us: int) -> dict[Stream, Position]:
        return {stream: self.append(stream, blobs, at_us=at_us) for stream, blobs in batches.items() if blobs}

    def read(self, stream: Stream, after: Position, *, limit: int = 100) -> Sequence[Entry]:
        return [entry for entry in self._entries[stream] if entry.position > after][:limit]

    def end(self, stream: Stream) -> Position:
        return Position(f"{self._count[stream]:016d}") if self._count[stream] else START

    def trim(self, stream: Stream, *, before_us: int) -> int:
        entries = self._entries[stream]
        gone = 0
        while entries and entries[0].appended_us < before_us:
            del entries[0]
            gone += 1
        return gone

    def rewrite(self, stream: Stream, blobs: Mapping[Position, bytes]) -> None:
        self._entries[stream] = [
            Entry(entry.position, blobs.get(entry.position, entry.blob), entry.appended_us)
            for entry in self._entries[stream]
        ]

    def close(self) -> None:
        """Nothing to close."""


class MemoryState:
    """``StateStore``: two dicts."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._positions: dict[str, Position] = {}
        self.needs_rebuild = True

    def mark_built(self) -> None:
        self.needs_rebuild = False

    def get(self, key: bytes) -> bytes | None:
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        _check_keys(keys)
        return [self._values.get(key) for key in keys]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(pair for pair in self._values.items() if pair[0].startswith(prefix)))

    def commit(self, changes: Mapping[bytes, bytes | None], positions: Mapping[str, Position]) -> None:
        _check_keys(changes)
        self._values.update({key: value for key, value in changes.items() if value is not None})
        for key in [key for key, value in changes.items() if value is None]:
            self._values.pop(key, None)
        self._positions.update(positions)

    def position(self, name: str) -> Position:
        return self._positions.get(name, START)

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    def close(self) -> None:
        """Nothing to close."""


def _check_keys(keys: Sequence[bytes] | Mapping[bytes, bytes | None]) -> None:
    for key in keys:
        if not 1 <= len(key) <= 511:
            raise InvalidField("key", key, "1 to 511 bytes")
