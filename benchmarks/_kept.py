"""Is what was acknowledged there once, and folded once? Log, states, counters and lake of a stopped shop are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb
import msgspec

from shelfwise.app._layout import Layout
from shelfwise.domain import Event
from shelfwise.features import unpack_state
from shelfwise.stores.adapters.delta_lake import DeltaLake
from shelfwise.stores.adapters.lmdb_state import LmdbState
from shelfwise.stores.adapters.mapped_live import MappedLive
from shelfwise.stores.adapters.sqlite_log import SqliteLog


@dataclass
class Stored:
    """Events of a run as the log holds them."""

    events: dict[str, Event] = field(default_factory=dict)
    twice: int = 0


def compared(layout: Layout, run: str, acknowledged: set[str], first_row: int) -> dict[str, int]:
    """Counts of what is not as it was acknowledged."""
    stored = logged(layout, run)
    wrong = {
        "states": _wrong_states(layout, stored.events.values()),
        "counters": _wrong_counters(layout, stored.events.values(), first_row),
        "lake": _wrong_rows(layout, run, stored.events.values()),
    }
    return {
        "acknowledged": len(acknowledged),
        "lost": len(acknowledged - stored.events.keys()),
        "twice": stored.twice,
        "wrong": sum(wrong.values()),
        **{f"wrong_{name}": count for name, count in wrong.items() if count},
    }


def logged(layout: Layout, run: str) -> Stored:
    """All events of a run."""
    log, stored, after = SqliteLog(layout.log, read_only=True), Stored(), ""
    while entries := log.read("events", after, limit=500):
        for entry in entries:
            for event in msgspec.msgpack.decode(entry.blob, type=list[Event]):
                if event.event_id.startswith(run):
                    stored.twice += event.event_id in stored.events
                    stored.events[event.event_id] = event
        after = entries[-1].position
    log.close()
    return stored


def _wrong_states(layout: Layout, events: Iterable[Event]) -> int:
    """People whose state does not hold the lines of their events."""
    state = LmdbState(layout.state, read_only=True)
    lines = Counter(event.user_id for event in events for _ in event.lines)
    held = {user: len(unpack_state(state.get(f"u:{user}".encode())).lines) for user in lines}
    state.close()
    return sum(held[user] != min(count, 2_000) for user, count in lines.items())


def _wrong_counters(layout: Layout, events: Iterable[Event], first_row: int) -> int:
    """By how much purchases of the run's items are counted wrongly: they have the rows from ``first_row`` on."""
    counted = MappedLive(layout.live / "items").view().counters["item__purchase__count__7d"][first_row:]
    return abs(int(counted.sum()) - sum(len(event.lines) for event in events if event.event == "purchase"))


def _wrong_rows(layout: Layout, run: str, events: Iterable[Event]) -> int:
    """Lines that are missing in the lake, or there twice."""
    rows, distinct = duckdb.sql(
        "SELECT count(*), count(DISTINCT (event_id, line)) FROM read_parquet(?) WHERE starts_with(event_id, ?)",
        params=[DeltaLake(layout.lake).files("event_lines"), run],
    ).fetchall()[0]
    return (rows - distinct) + abs(distinct - sum(len(event.lines) for event in events))
