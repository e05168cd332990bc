"""The keeper: the one writer. Appends what it accepts in one durable commit a group, answers, then folds."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import msgspec

from shelfwise.domain import DAY_US, InvalidInput, ShelfwiseError, StoreUnavailable
from shelfwise.features import EventColumns, lines_of, read_columns
from shelfwise.stores import START, Position, Receipt
from shelfwise.streaming._admission import Admission, Admitted, Batch
from shelfwise.streaming._answers import old_pointers, pointers
from shelfwise.streaming._commands import Commands, apply_wishes
from shelfwise.streaming._counters import CountersFold
from shelfwise.streaming._digest import digests_of
from shelfwise.streaming._items import ItemsFold, decoded_items
from shelfwise.streaming._kernels import load_kernels
from shelfwise.streaming._lake import LakeSink
from shelfwise.streaming._people import PeopleFold
from shelfwise.streaming._rebuild import rebuild_from_lake
from shelfwise.streaming._round import Held, Outcome, Round
from shelfwise.streaming._seen import REMEMBER_US
from shelfwise.streaming._settings import KeeperSettings, KeeperStores

log = logging.getLogger("shelfwise.streaming")

EVENTS, ANSWERS = "events", "answers"  # names of positions in the state store
_CATCH_UP = 200  # batches of the log folded in one commit after a restart
_HELD = 64  # batches of answers that wait for one commit
_POINTERS_KEPT_US = 7 * DAY_US  # how long an answer can be explained
_SWEEP_S = 3600.0  # how often old things are let go
_RETRY_S = 0.5  # pause before a fold that failed is tried again


@dataclass(slots=True)
class Figures:
    """What the keeper tells of itself."""

    groups: int = 0
    events: int = 0
    duplicates: int = 0
    items: int = 0
    answers: int = 0
    folded_events: int = 0
    waiting_events: int = 0
    fold_s: float = 0.0
    commit_s: float = 0.0


class Keeper:
    """Everything that is written is written here, on one thread.

    ``commit`` takes a group of requests and returns their outcomes once what they brought is durable; ``fold``
    takes what was committed into states, counters and pointers; ``tick`` does what is due by the clock.
    """

    def __init__(self, stores: KeeperStores, settings: KeeperSettings | None = None) -> None:
        self._stores, self._settings = stores, settings or KeeperSettings()
        self.figures = Figures()
        self._pending: list[tuple[Position, EventColumns]] = []
        self._pending_answers: list[tuple[Position, Position, list[bytes]]] = []
        self._held, self._answers_end = Held(), stores.log.end("answers")
        self._retry_at = 0.0
        self._items = ItemsFold(
            stores.log,
            stores.catalogue,
            stores.live,
            stores.board,
            unknown_items=self._settings.unknown_items,
        )
        self._items.catch_up()
        self._lake = LakeSink(
            stores.log, stores.lake, self._items.row_of, lambda: self._folded, stores.clock, self._settings
        )
        self._commands = Commands(stores, self._lake)
        self._admission = Admission(stores.seen, self._commands.opted_out)
        self._people = PeopleFold(stores.state, counted_origins=self._settings.counted_origins)
        self._folded = START
        load_kernels()
        self._recover()
        self._next_show = self._next_sweep = time.monotonic()
        self.tick()
        self._lake.start()

    def commit(self, requests: Sequence[tuple[str, bytes]]) -> list[Outcome]:
        """One outcome a request, in order. Raises nothing: trouble is an outcome.

        Answers alone may wait ``answers_wait_s`` for others: the commit costs as much as taking in a hundred.
        """
        started = time.perf_counter()
        group = self._sorted_out(requests)
        if group.events or group.items or self._held.due_s <= time.monotonic():
            self._commit(group)
        self.figures.groups += 1
        self.figures.commit_s += time.perf_counter() - started
        return [outcome or StoreUnavailable("request was not worked on") for outcome in group.outcomes]

    def settle(self) -> None:
        """Commit the answers that still wait for others."""
        if self._held.payloads:
            self._commit(Round([]))

    def fold(self) -> None:
        """Take what was committed into the states. What fails waits, and is tried again by ``tick``."""
        if not self._pending and not self._pending_answers:
            return
        started = time.perf_counter()
        try:
            self._fold_pending()
        except ShelfwiseError as trouble:
            self._people.forget_links()
            self._retry_at = time.monotonic() + _RETRY_S
            log.warning("fold.behind", extra={"reason": str(trouble)})
        self.figures.fold_s += time.perf_counter() - started

    def tick(self) -> float:
        """Do what is due; seconds until something will be."""
        now = time.monotonic()
        if now >= self._held.due_s:
            self.settle()
            self.fold()
        if self._pending and now >= self._retry_at:
            self.fold()
        if now >= self._next_show:
            self._show()
            self._next_show = time.monotonic() + self._settings.counters_every_s
        if now >= self._next_sweep:
            self._sweep()
            self._next_sweep = now + _SWEEP_S
        return max(0.0, min(self._next_show, self._held.due_s) - time.monotonic())

    def close(self) -> None:
        """Fold all, bring the lake up to date, and leave the seen ids whole. Stores are closed by who opened them."""
        self.settle()
        self.fold()
        self._show()
        self._lake.close()
        self._stores.seen.close()

    def _sorted_out(self, requests: Sequence[tuple[str, bytes]]) -> Round:
        group = Round([None] * len(requests))
        admitted: dict[int, bytes] = {}
        for place, (command, payload) in enumerate(requests):
            match command:
                case "events":
                    admitted[place] = bytes(payload)
                case "items":
                    self._take_items(group, place, bytes(payload))
                case "answers":
                    group.outcomes[place] = self._hold(bytes(payload))
                case _:
                    group.outcomes[place] = self._run(command, bytes(payload))
        self._take_events(group, admitted)
        return group

    def _take_events(self, group: Round, payloads: dict[int, bytes]) -> None:
        if not payloads:
            return
        if self.figures.waiting_events > self._settings.behind_events:
            away = StoreUnavailable(f"{self.figures.waiting_events} events wait for the state store")
            group.outcomes = [away if at in payloads else old for at, old in enumerate(group.outcomes)]
            return
        group.admitted = self._admission.admit([*payloads.values()])
        for place, verdict in zip(payloads, group.admitted.verdicts, strict=True):
            if isinstance(verdict, Batch):
                group.events[place] = verdict
            else:
                group.outcomes[place] = verdict

    def _take_items(self, group: Round, place: int, payload: bytes) -> None:
        changes = decoded_items(payload)
        if isinstance(changes, InvalidInput):
            group.outcomes[place] = changes
        elif changes:
            group.items[place] = payload, changes
        else:
            group.outcomes[place] = Receipt(result=[])

    def _hold(self, payload: bytes) -> Future[Receipt]:
        is_much = len(self._held.payloads) >= _HELD
        wait_s = 0.0 if is_much else self._settings.answers_wait_s
        return self._held.add(payload, time.monotonic() + wait_s)

    def _commit(self, group: Round) -> None:
        held, self._held = self._held, Held()
        try:
            self._append(group, held.payloads)
            held.tell(None)
        except ShelfwiseError as trouble:
            for place in (*group.events, *group.items):
                group.outcomes[place] = trouble
            held.tell(trouble)

    def _append(self, group: Round, answers: list[bytes]) -> None:
        """Make the group durable, then remember its ids, answer it, and let its items take effect."""
        blobs, now_us = group.blobs(answers), self._stores.clock()
        ends = self._stores.log.append_all(blobs, at_us=now_us) if blobs else {}
        if "events" in ends:
            self._took_events(group.admitted, now_us, ends["events"])
        for place, batch in group.events.items():
            group.outcomes[place] = batch.receipt
            self.figures.duplicates += len(batch.receipt.duplicates)
        if "answers" in ends:
            self._pending_answers.append((self._answers_end, ends["answers"], answers))
            self._answers_end = ends["answers"]
            self.figures.answers += len(answers)
        if "items" in ends:
            self._took_items(group, ends["items"])

    def _took_events(self, admitted: Admitted | None, now_us: int, position: Position) -> None:
        assert admitted is not None
        self._stores.seen.remember(admitted.digests, at_us=now_us, position=position)
        self._pending.append((position, admitted.events))
        self.figures.events += len(admitted.events)
        self.figures.waiting_events += len(admitted.events)

    def _took_items(self, group: Round, position: Position) -> None:
        outcomes = self._items.apply([changes for _, changes in group.items.values()], position)
        for place, outcome in zip(group.items, outcomes, strict=True):
            if isinstance(outcome, InvalidInput):
                group.outcomes[place] = outcome
            else:
                known = sum(one is not None for one in outcome)
                self.figures.items += known
                group.outcomes[place] = Receipt(accepted=known, result=outcome)

    def _run(self, command: str, payload: bytes) -> Outcome:
        self.settle()
        try:
            match command:
                case "drain":
                    return self._drain()
                case "ping":
                    return Receipt(result=msgspec.to_builtins(self.figures))
                case "erase":
                    self._fold_pending()
            return self._commands.run(command, payload)
        except ShelfwiseError as trouble:
            return trouble

    def _drain(self) -> Future[Receipt]:
        self._fold_pending()
        self._show()
        return self._lake.do(lambda: Receipt(result={"lake_rows": self._lake.catch_up()}))

    def _fold_pending(self) -> None:
        """A commit for each group of events, then one of pointers to answers; nothing is pending afterwards."""
        while self._pending:
            position, events = self._pending[0]
            self._fold_events(events, position)
            del self._pending[0]
            self.figures.waiting_events -= len(events)
        if self._pending_answers:
            changes: dict[bytes, bytes | None] = {}
            for before, _, blobs in self._pending_answers:
                changes |= pointers(blobs, before)
            self._stores.state.commit(changes, {ANSWERS: self._pending_answers[-1][1]})
            self._pending_answers = []

    def _fold_events(self, events: EventColumns, position: Position) -> None:
        """States, journal and position in one commit."""
        rows = self._items.rows_of(events, self._stores.clock())
        folded = self._people.fold(events, lines_of(events, rows), events.owner)
        journal = self._counters.journal(folded.effects)
        self._stores.state.commit({**folded.changes, **journal}, {EVENTS: position})
        self._counters.add(folded.effects, journal)
        self.figures.folded_events += len(events)
        self._folded = position
        self._stores.board.bump("position")

    def _show(self) -> None:
        """Move the windows, show the counters, cut the journal."""
        try:
            if self._counters.show(self._stores.clock()):
                self._counters.save()
                self._stores.board.bump("live")
        except ShelfwiseError as trouble:
            log.warning("counters.behind", extra={"reason": str(trouble)})

    def _sweep(self) -> None:
        """Let go of what is old: pointers to answers here, batches of the log on the lake's thread."""
        gone = old_pointers(self._stores.state, self._stores.clock() - _POINTERS_KEPT_US, limit=50_000)
        if gone:
            self._stores.state.commit(dict.fromkeys(gone), {})
        self._lake.do(self._trim)

    def _trim(self) -> None:
        """Forget batches older than the log keeps, once the lake has them."""
        self._lake.catch_up()
        before_us = self._stores.clock() - self._settings.log_days * DAY_US
        for stream in ("events", "answers", "items"):
            self._stores.log.trim(stream, before_us=before_us)

    def _recover(self) -> None:
        """Bring everything to where the log ends."""
        self._remember_tail()
        if self._stores.state.needs_rebuild:
            self._rebuild()
        self._folded = self._stores.state.position(EVENTS)
        self._counters = CountersFold(self._stores.state, self._stores.live, self._stores.clock())
        self._catch_up_events()
        self._catch_up_answers()
        if self._stores.state.needs_rebuild:
            apply_wishes(self._stores, dict.fromkeys(self._commands.opted_out, True))
            self._stores.state.mark_built()

    def _rebuild(self) -> None:
        """From the lake as far as it goes, which is further back than the log."""
        self._stores.state.clear()
        self._counters = CountersFold(self._stores.state, self._stores.live, self._stores.clock())
        reached = self._lake.position("events")
        files = self._stores.lake.files("event_lines") if reached != START else []
        for folded in rebuild_from_lake(files, self._people):
            journal = self._counters.journal(folded.effects)
            self._stores.state.commit({**folded.changes, **journal}, {})
            self._counters.add(folded.effects, journal)
            self._counters.save()
        if files:
            self._stores.state.commit({}, {EVENTS: reached})

    def _remember_tail(self) -> None:
        """Ids of events that the log holds and the memory of ids does not, of the days that it remembers."""
        seen, forgotten_us = self._stores.seen, self._stores.clock() - REMEMBER_US
        while entries := self._stores.log.read("events", seen.position, limit=_CATCH_UP):
            young = [entry for entry in entries if entry.appended_us >= forgotten_us]
            seen.remember(
                digests_of(read_columns([entry.blob for entry in young]), seen.seed),
                at_us=entries[-1].appended_us,
                position=entries[-1].position,
            )

    def _catch_up_events(self) -> None:
        while entries := self._stores.log.read("events", self._folded, limit=_CATCH_UP):
            self._fold_events(read_columns([entry.blob for entry in entries]), entries[-1].position)

    def _catch_up_answers(self) -> None:
        before = self._stores.state.position(ANSWERS)
        while entries := self._stores.log.read("answers", before, limit=_CATCH_UP):
            after = entries[-1].position
            self._stores.state.commit(pointers([entry.blob for entry in entries], before), {ANSWERS: after})
            before = after
