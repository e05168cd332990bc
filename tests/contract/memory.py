"""Stores that keep everything in memory: for tests only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
