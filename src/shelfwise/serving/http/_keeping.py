"""Keeps a worker in step: what the board says has changed is loaded beside what is in force, and swapped in whole."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    DAY_US,
    HOUR_US,
    LINE,
    NO_ROWS,
    NOBODY,
    PURCHASE,
    VIEW,
    InvalidInput,
    PersonState,
    Query,
    Shelf,
    ShelfwiseError,
)
from shelfwise.reranking import Rule, RuleBook, parse_rule
from shelfwise.serving._ask import NO_HURRY
from shelfwise.serving._pipeline import Pipeline, best_sellers
from shelfwise.serving._release import Release
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._keys import Keys
from shelfwise.serving.http._recommend import told
from shelfwise.stores import LiveColumns, ReleaseRegistry

log = logging.getLogger("shelfwise.serving")

LOOK_S = 0.1  # how often the board is looked at: stock and price are in mapped memory at once, all else within this
BEST_S = 10.0  # how often best sellers are counted anew
AGAIN_S = 5.0  # until what could not be loaded is tried again
WATCHED = ("release", "rules", "keys", "catalogue")


class Keeping:
    """What a worker has taken in so far, and the task that takes in the rest."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._seen: dict[str, int] = {}
        self._best_at_s = self._again_at_s = 0.0

    async def run(self) -> None:
        """Keep in step for ever; loading happens on another thread."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self.is_due():
                await asyncio.to_thread(self.catch_up)
            self._door.meter.tell(self._door)

    def is_due(self) -> bool:
        """Whether something changed since it was last taken in. Costs a microsecond."""
        now_s = self._door.now_s()
        if now_s >= self._best_at_s:
            return True
        return now_s >= self._again_at_s and bool(self._changed())

    def catch_up(self) -> None:
        """Take in what changed. What cannot be loaded leaves the old in force and is tried again later."""
        door, now_s = self._door, self._door.now_s()
        changed = self._changed() if now_s >= self._again_at_s else {}
        try:
            if "keys" in changed:
                door.keys = Keys.read(door.control)
            if changed.keys() & {"release", "rules", "catalogue"} or door.pipeline is None:
                self._swap(set(changed))
            self._seen.update(changed)
        except ShelfwiseError as trouble:
            self._again_at_s = now_s + AGAIN_S
            door.trouble = str(trouble)
            log.error("worker.behind", extra={"changed": sorted(changed), "reason": str(trouble)})
        if now_s >= self._best_at_s and door.pipeline is not None:
            self._best_at_s = now_s + BEST_S
            door.pipeline = replace(door.pipeline, best=best_sellers(door.live.view()))

    def _changed(self) -> dict[str, int]:
        now = {name: self._door.board.read(name) for name in WATCHED}
        return {name: value for name, value in now.items() if self._seen.get(name) != value}

    def _swap(self, changed: set[str]) -> None:
        """Build the next pipeline beside the one in force, warm it, and put it in its place.

        A release that does not open leaves the old one in force; the shelf and the rules change all the same.
        """
        door, old = self._door, self._door.pipeline
        shelf = door.shelf_reader.shelf() if old is None or "catalogue" in changed else old.shelf
        book = self._book(old if "rules" not in changed else None, shelf)
        release, trouble = self._release(shelf, old)
        view = door.live.view
        best = old.best if old is not None else best_sellers(view())
        pipeline = Pipeline(release, book, shelf, view, best, keep=door.recorder.record)
        if old is None or release is not old.release:
            warm(pipeline, door.clock())
        door.pipeline = pipeline
        if trouble is not None:
            raise trouble
        door.trouble = ""

    def _release(self, shelf: Shelf, old: Pipeline | None) -> tuple[Release, ShelfwiseError | None]:
        """The champion; else what is in force, with the reason."""
        in_force = old.release if old is not None else Release.none()
        try:
            champion = self._door.releases.alias("champion")
            if champion is None or champion == in_force.release_id:
                return in_force, None
            folder = self._door.releases.open(champion)
            return Release.open(folder, shelf, release_id=champion), None
        except ShelfwiseError as trouble:
            return in_force, trouble

    def _book(self, old: Pipeline | None, shelf: Shelf) -> RuleBook:
        """A book remembers what it decided for one shelf, so another shelf gets a book of its own."""
        if old is not None and shelf is old.shelf:
            return old.book
        rules = old.book.rules if old is not None else self._rules()
        return RuleBook.compile(rules, self._door.clock(), settings=self._door.arrange)

    def _rules(self) -> list[Rule]:
        """All rules that make sense; one that does not (of another version, say) is told and left out."""
        rules, after = [], ""
        while page := self._door.control.documents("rules", after=after):
            for rule_id, body, _ in page:
                try:
                    rules.append(parse_rule(body))
                except InvalidInput as trouble:
                    log.error("rule.refused", extra={"rule_id": rule_id, "reason": str(trouble)})
            after = page[-1][0]
        return rules


def rehearse(releases: ReleaseRegistry, shelf: Shelf, live: LiveColumns, now_us: int) -> None:
    """Answer with the champion, if there is one, and forget it: what that loads stays loaded. Raises BadRelease."""
    champion = releases.alias("champion")
    if champion is None:
        return
    release = Release.open(releases.open(champion), shelf, release_id=champion)
    warm(Pipeline(release, RuleBook.compile(), shelf, live.view, best_sellers(live.view())), now_us)


def warm(pipeline: Pipeline, now_us: int) -> None:
    """Load kernels, touch pages and fill tables before the first shopper does. Without rules: filters are made ready
    for one shelf at a time, and requests on another thread may still stand on the old one.
    """
    pipeline = replace(pipeline, keep=None, book=RuleBook.compile(settings=pipeline.book.settings))
    some = pipeline.release.packed[:5]
    for strategy in ("auto", *pipeline.release.sources):
        for seeds, person in ((NO_ROWS, NOBODY), (some[:1], _somebody(some, now_us))):
            query = Query(size=10, asked_us=now_us, strategy=strategy, seeds=seeds)
            outcome = pipeline.recommend(query, person, NO_HURRY)
            told(query, person, outcome, pipeline)


def _somebody(rows: NDArray[np.int32], now_us: int) -> PersonState:
    """Who looked at these items an hour ago, and bought them yesterday."""
    lines = np.zeros(2 * len(rows), LINE)
    lines["item"] = np.concatenate([rows, rows])
    lines["event"] = np.repeat(np.array([VIEW, PURCHASE], np.uint8), len(rows))
    lines["at_us"] = now_us - np.where(lines["event"] == VIEW, HOUR_US, DAY_US)
    lines["event_hash"] = lines["order_hash"] = np.arange(len(lines))
    lines["quantity"] = 1
    return PersonState(lines)
