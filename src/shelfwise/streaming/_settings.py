"""What the keeper is handed: stores, and how it works with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from shelfwise.domain import Clock, Settings
from shelfwise.stores import (
    Board,
    Catalogue,
    ControlStore,
    EventLog,
    Lake,
    LiveColumns,
    ReleaseRegistry,
    StateStore,
)
from shelfwise.streaming._seen import SeenIds


class KeeperSettings(Settings):
    """How the keeper folds what it accepts."""

    lake_every_s: float = Field(5.0, gt=0)
    """Seconds that accepted events wait for the lake. Shorter makes more and smaller files."""

    answers_wait_s: float = Field(0.2, ge=0, le=5)
    """Seconds that answers may wait for events or other answers, to share a commit with them."""

    answers_every_s: float = Field(30.0, gt=0)
    """Seconds that answers wait for the lake. Nothing decides by them within minutes, and each commit has its price."""

    lake_rows: int = Field(200_000, gt=0)
    """Rows of one lake commit. More need more memory, some 300 bytes each."""

    compact_every: int = Field(60, gt=1)
    """Lake commits between two compactions. More files make the lake slower to read."""

    log_days: int = Field(30, ge=8)
    """Days the log keeps; the lake is the long history. Must exceed the 7 days that event ids are remembered."""

    counted_origins: tuple[str, ...] = ("real",)
    """Origins whose events count in items' counters. A shop that lives on simulated visitors adds ``simulated``."""

    counters_every_s: float = Field(0.5, gt=0)
    """Seconds between two moves of the windowed counters."""

    unknown_items: int = Field(100_000, ge=0)
    """Items that may get a row because an event names them before the catalogue does; more are left out of states."""

    behind_events: int = Field(500_000, gt=0)
    """Accepted events that may wait for the fold while the state store is unavailable; beyond it, writes get 503."""


@dataclass(frozen=True, slots=True)
class KeeperStores:
    """Everything the one writer writes. ``backup`` copies all of it to a folder and names the files."""

    log: EventLog
    state: StateStore
    catalogue: Catalogue
    live: LiveColumns
    lake: Lake
    control: ControlStore
    releases: ReleaseRegistry
    board: Board
    seen: SeenIds
    clock: Clock
    backup: Callable[[Path], list[str]]
