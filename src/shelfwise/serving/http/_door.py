"""What a worker holds: handles to stores, the pipeline in force, and the task that swaps in what changed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from shelfwise.domain import (
    Clock,
    Deadline,
    PersonState,
    Query,
    Seen,
    Settings,
    Shelf,
    ShelfwiseError,
    StoreUnavailable,
)
from shelfwise.reranking import ArrangeSettings, RuleBook, parse_rule
from shelfwise.serving._pipeline import Pipeline
from shelfwise.serving._record import Recorder
from shelfwise.serving._release import Release
from shelfwise.serving.http._keys import Keys
from shelfwise.serving.http._metrics import Meter
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

log = logging.getLogger("shelfwise.serving")

LOOK_S = 0.1  # how often the board is looked at: a PATCH of stock is in mapped memory at once, all else within this


class AsyncInbox(Protocol):
    """The keeper's door for an event loop."""

    async def submit_async(self, command: str, payload: Any) -> Receipt: ...


class PlacementLike(Protocol):
    """What a place on the pages shows when the query does not say."""

    @property
    def strategy(self) -> str: ...

    @property
    def seen(self) -> Seen: ...


class DoorSettings(Settings):
    """What the door must know of the shop's settings."""

    currency: str = "EUR"
    country: str | None = None
    deadline_ms: float = 150.0
    queue_limit: int = 512
    allowed_origins: tuple[str, ...] = ()
    loopback: bool = True


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
    clock: Clock
    settings: DoorSettings
    placements: Mapping[str, PlacementLike]
    metrics_folder: Path
    worker: int = 0
    arrange: ArrangeSettings = field(default_factory=ArrangeSettings)
    mounts: Mapping[str, Any] = field(default_factory=dict)  # path prefix -> handler of pages
    now_s: Callable[[], float] = time.monotonic
    pipeline: Pipeline | None = None
    keys: Keys = field(default_factory=lambda: Keys({}))
    recorder: Recorder = field(init=False)
    meter: Meter = field(init=False)
    in_flight: int = 0
    trouble: str = "starting"  # why there is no pipeline
    _seen: dict[str, int] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.inbox)
        self.meter = Meter(self.metrics_folder / f"worker-{self.worker}.meter")

    def start(self) -> None:
        """Load what is there, then keep in step."""
        self.refresh()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._keep_in_step()), loop.create_task(self.recorder.run())]

    async def stop(self) -> None:
        """Hand over the last answers."""
        for task in self._tasks:
            task.cancel()
        await self.recorder.flush()

    def deadline(self, arrived_s: float, asked_ms: float | None) -> Deadline:
        """The budget counts from arrival; a caller may ask for less, never for more."""
        budget_s = min(asked_ms or self.settings.deadline_ms, self.settings.deadline_ms) / 1000
        return Deadline(self.now_s, arrived_s + budget_s, budget_s)

    @property
    def shelf(self) -> Shelf:
        """The shelf that the pipeline stands on."""
        return self.pipeline.shelf if self.pipeline is not None else self.shelf_reader.shelf()

    def refresh(self) -> None:
        """Load what the board says has changed; the next request is answered with it."""
        changed = self._changed()
        if "keys" in changed:
            self.keys = Keys.read(self.control)
        if changed & {"release", "rules", "catalogue"}:
            self._swap(changed)

    def _changed(self) -> set[str]:
        now = {name: self.board.read(name) for name in ("release", "rules", "keys", "catalogue")}
        changed = {name for name, value in now.items() if self._seen.get(name) != value}
        self._seen = now
        return changed

    def _swap(self, changed: set[str]) -> None:
        """Build the next pipeline beside the one in force. A release that does not open leaves the old one."""
        shelf = self.shelf_reader.shelf()
        old = self.pipeline
        try:
            release = (
                old.release if old is not None and "release" not in changed else self._open_release(shelf)
            )
            book = old.book if old is not None and "rules" not in changed else self._compile_rules()
        except ShelfwiseError as trouble:
            self.trouble = str(trouble)
            log.error("release.refused", extra={"reason": str(trouble)})
            if old is None:
                return
            release, book = old.release, old.book
        pipeline = Pipeline(release, book, shelf, self.live.view)
        if old is None or release is not old.release:
            warm(pipeline, self.clock())
        self.pipeline = pipeline

    def _open_release(self, shelf: Shelf) -> Release:
        champion = self.releases.alias("champion")
        if champion is None:
            raise StoreUnavailable("there is no release yet; run: shelfwise train")
        return Release.open(self.releases.open(champion), shelf, release_id=champion)

    def _compile_rules(self) -> RuleBook:
        rules = []
        after = ""
        while page := self.control.documents("rules", after=after):
            rules += [parse_rule(body) for _, body, _ in page]
            after = page[-1][0]
        return RuleBook.compile(rules, self.clock(), settings=self.arrange)

    async def _keep_in_step(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await asyncio.to_thread(self.refresh)
                self.meter.set_recorded(self.recorder.recorded, self.recorder.dropped)
            except ShelfwiseError as trouble:
                log.warning("refresh.failed", extra={"reason": str(trouble)})


def warm(pipeline: Pipeline, now_us: int) -> None:
    """Load kernels and touch pages before the first shopper does."""
    far = Deadline(lambda: 0.0, at_s=60.0, budget_s=60.0)
    some = pipeline.release.packed[:1]
    for strategy in ("auto", *pipeline.release.sources):
        query = Query(size=10, asked_us=now_us, strategy=strategy, seeds=some)
        pipeline.recommend(query, PersonState(), far)
    pipeline.recommend(Query(size=10, asked_us=now_us, seeds=np.empty(0, np.int32)), PersonState(), far)
