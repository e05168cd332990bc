"""What a worker holds: handles to stores, and what is in force: pipeline, keys, counters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field

from shelfwise.domain import Answer, Clock, Deadline, Seen, Settings, Shelf
from shelfwise.reranking import ArrangeSettings
from shelfwise.serving._pipeline import Pipeline
from shelfwise.serving._record import Recorder
from shelfwise.serving.http._keys import Keys
from shelfwise.serving.http._metrics import Meter
from shelfwise.serving.http._turns import Turns
from shelfwise.stores import (
    Board,
    Catalogue,
    ControlStore,
    LiveColumns,
    Receipt,
    ReleaseRegistry,
    ShelfReader,
    StateStore,
)


class AsyncInbox(Protocol):
    """The keeper's door for an event loop. Raises StoreUnavailable at once while the keeper is away."""

    async def submit(self, command: str, payload: Any) -> Receipt: ...


class Past(Protocol):
    """What the lake keeps of one person: rows of its tables, newest first, read as they are asked for."""

    def n_lines(self) -> int: ...

    def n_answers(self) -> int: ...

    def lines(self) -> Iterator[Mapping[str, Any]]: ...

    def answers(self) -> Iterator[Mapping[str, Any]]: ...


class PlacementLike(Protocol):
    """What a place on the pages shows when the query does not say."""

    @property
    def strategy(self) -> str: ...

    @property
    def seen(self) -> Seen: ...


class DoorSettings(Settings):
    """What the door must know of the shop's settings."""

    currency: str = "EUR"
    """ISO 4217 code for items and events that name none."""

    vector_size: int | None = None
    """Numbers of an item's vector, if the shop says; others are refused."""

    country: str | None = None
    """ISO 3166-1 code assumed for shoppers whose country is unknown."""

    deadline_ms: float = Field(150.0, gt=0, le=10_000)
    """A recommendation is answered inside this. Callers may ask for less, never for more."""

    queue_limit: int = Field(512, ge=1)
    """Requests that may wait for their turn in a worker; beyond it, 503. More waits longer, and degrades more."""

    allowed_origins: tuple[str, ...] = ()
    """Web origins whose pages may send events with the browser key."""

    loopback: bool = True
    """The server listens on this machine only: while there is no key, callers here need none."""


@dataclass(slots=True)
class Door:
    """All that handlers need. Handed in by ``app``; opens nothing itself."""

    inbox: AsyncInbox
    state: StateStore
    catalogue: Catalogue
    board: Board
    live: LiveColumns
    control: ControlStore
    releases: ReleaseRegistry
    shelf_reader: ShelfReader
    find_answer: Callable[[str], Answer | None]  # of the last days, by its id; any thread may call it
    past_of: Callable[[str, Sequence[str]], Past]  # of a user and the visitors who turned out to be them
    clock: Clock
    settings: DoorSettings
    placements: Mapping[str, PlacementLike]
    metrics_folder: Path
    worker: int = 0
    arrange: ArrangeSettings = field(default_factory=ArrangeSettings)
    mounts: Mapping[str, Any] = field(default_factory=dict)  # path prefix -> handler of pages
    gauges: Callable[[], Mapping[str, float]] = dict  # more figures for /metrics, of other processes say
    now_s: Callable[[], float] = time.monotonic
    pipeline: Pipeline | None = None
    keys: Keys = field(default_factory=lambda: Keys({}))
    recorder: Recorder = field(init=False)
    meter: Meter = field(init=False)
    turns: Turns = field(init=False)
    trouble: str = "starting"  # why there is no pipeline, or why it is not of the newest release

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.inbox)
        self.meter = Meter.claimed(self.metrics_folder)
        self.turns = Turns(self.settings.queue_limit)

    def deadline(self, arrived_s: float, asked_ms: float | None) -> Deadline:
        """The budget counts from arrival; a caller may ask for less, never for more."""
        budget_s = min(asked_ms or self.settings.deadline_ms, self.settings.deadline_ms) / 1000
        return Deadline(self.now_s, arrived_s + budget_s, budget_s)

    @property
    def shelf(self) -> Shelf:
        """The shelf that the pipeline stands on."""
        return self.pipeline.shelf if self.pipeline is not None else self.shelf_reader.shelf()
