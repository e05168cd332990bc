"""Session-kNN in one kernel over flat arrays: sessions that share items with the query vote for their other items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import _files
from shelfwise.candidates._history import history_of, open_to
from shelfwise.candidates._kernels import Floats, Rows, best, reads
from shelfwise.candidates._protocol import Proposal
from shelfwise.candidates.session.settings import SessionSettings
from shelfwise.domain import SESSION_GAP_US, LiveItems, PersonState, Query

NAME = "session"


@dataclass(frozen=True, slots=True, eq=False)
class SessionIndex:
    """Flat inverted index of S sessions, oldest first, and I items. No person in it."""

    start: NDArray[np.int64]  # (S + 1,) where each session's items begin
    item: Rows  # distinct items of every session, newest first
    posting_start: NDArray[np.int64]  # (I + 1,) where each item's sessions begin
    posting: Rows  # sessions that hold the item, newest first, capped
    match: Floats  # (S,) what a match is multiplied by: age and size
    vote: Floats  # (S,) what its vote is multiplied by: size
    rarity: Floats  # (I,) what sharing the item counts
    gain: Floats  # (I,) what a vote for the item is multiplied by

    @property
    def n_items(self) -> int:
        """Items known."""
        return len(self.rarity)

    @property
    def n_sessions(self) -> int:
        """Sessions known."""
        return len(self.match)


class SessionSource:
    """A ``CandidateSource`` and ``Reasoner``: what came along in sessions like this one."""

    name = NAME
    signals = (f"{NAME}__score",)

    def __init__(self, index: SessionIndex, settings: SessionSettings) -> None:
        self.index, self.settings = index, settings
        self._by_event = settings.by_event()
        self._half_lives = np.array([settings.history_half_life_days])
        # Scratch that the kernel leaves as it found it: zeros. It holds the interpreter lock, so one is enough.
        self._likeness = np.zeros(index.n_sessions, np.float32)

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        """The items with most votes of like sessions."""
        items, weight = self._asked(query, person)
        if len(items) == 0:
            return Proposal.nothing(len(self.signals))
        table = self.votes(items, weight)[None, :]
        blocked = open_to(query, person, live, self.index.n_items)
        return Proposal(*best(table[0], blocked, limit), reads(table))

    def because(self, query: Query, person: PersonState, item: Rows) -> tuple[str, Rows]:
        """``seen_together``, and the item of the query that most sessions share with it."""
        items, weight = self._asked(query, person)
        index = self.index
        out = np.full(len(item), -1, np.int32)
        known = np.ascontiguousarray(item, np.int32)
        _anchors(
            items,
            weight,
            known,
            index.start,
            index.item,
            index.posting_start,
            index.posting,
            index.rarity,
            out,
        )
        return "seen_together", out

    def votes(self, items: Rows, weight: Floats) -> Floats:
        """Votes for every item, ``(I,)``, by a query of distinct known items, newest first, with their weights."""
        out = np.zeros(self.index.n_items, np.float32)
        i, s = self.index, self.settings
        vote(
            items, weight, i.start, i.item, i.posting_start, i.posting, i.match, i.vote, i.rarity, i.gain,
            s.neighbours, np.float32(s.match_decay), self._likeness, out,
        )  # fmt: skip
        return out

    def save(self, folder: Path) -> None:
        """Write it for ``load``."""
        arrays = {name: getattr(self.index, name) for name in _KINDS}
        _files.save(folder, arrays, {"settings": self.settings.model_dump()})

    def _asked(self, query: Query, person: PersonState) -> tuple[Rows, Floats]:
        """Seeds and the session under way, newest first, weighted by place; else the aged history."""
        current = current_session(person.lines, query.asked_us)
        if len(query.seeds) or len(current):
            clicks = np.concatenate([query.seeds, current]).astype(np.int32)
            return in_order(clicks, self.index.n_items, self.settings.last)
        items, weight = history_of(person).recent(
            query,
            half_lives=self._half_lives,
            by_event=self._by_event,
            n_items=self.index.n_items,
            limit=self.settings.last,
        )
        return items, weight[0]


def current_session(lines: NDArray[np.void], asked_us: int) -> Rows:
    """Items of the session under way, newest first; empty if the last line is more than 30 minutes old."""
    at_us = lines["at_us"]
    if len(lines) == 0 or asked_us - at_us[0] > SESSION_GAP_US:
        return _NO_ROWS
    paused = np.flatnonzero(at_us[:-1] - at_us[1:] > SESSION_GAP_US)
    end = int(paused[0]) + 1 if len(paused) else len(lines)
    return np.ascontiguousarray(lines["item"][:end])


def load(folder: Path) -> SessionSource:
    """Read what ``save`` wrote. Raises BadRelease for arrays that do not fit together."""
    settings = _files.settings(folder, _files.about(folder).get("settings"), SessionSettings)
    index = SessionIndex(**_files.load(folder, _KINDS))
    check(index, folder)
    return SessionSource(index, settings)


def check(index: SessionIndex, folder: Path) -> None:
    """Raise BadRelease unless the arrays fit together."""
    n_sessions, n_items = index.n_sessions, index.n_items
    _files.check_lists(index.start, index.item, n_rows=n_sessions, n_columns=n_items, folder=folder)
    _files.check_lists(
        index.posting_start, index.posting, n_rows=n_items, n_columns=n_sessions, folder=folder
    )
    _files.check_length(index.vote, n_sessions, folder / "vote.npy")
    _files.check_length(index.gain, n_items, folder / "gain.npy")


_NO_ROWS = np.empty(0, np.int32)
_KINDS: dict[str, tuple[Any, int]] = {
    "start": (np.int64, 1),
    "item": (np.int32, 1),
    "posting_start": (np.int64, 1),
    "posting": (np.int32, 1),
    "match": (np.float32, 1),
    "vote": (np.float32, 1),
    "rarity": (np.float32, 1),
    "gain": (np.float32, 1),
}


@nb.njit(cache=True)
def in_order(clicks: Rows, n_items: int, last: int) -> tuple[Rows, Floats]:
    """The first ``last`` distinct known items of clicks, newest first; the r-th of n weighs ``1 - r / (n + 1)``."""
    rows, n = np.empty(min(last, len(clicks)), np.int32), 0
    for item in clicks:
        if n == len(rows):
            break
        known = 0 <= item < n_items
        for held in rows[:n]:
            known &= held != item
        if known:
            rows[n] = item
            n += 1
    weight = np.empty(n, np.float32)
    for r in range(n):
        weight[r] = 1.0 - r / (n + 1.0)
    return rows[:n], weight


@nb.njit(cache=True)
def vote(
    query: Rows,
    weight: Floats,
    start: NDArray[np.int64],
    session_item: Rows,
    posting_start: NDArray[np.int64],
    posting: Rows,
    match: Floats,
    session_vote: Floats,
    rarity: Floats,
    gain: Floats,
    neighbours: int,
    match_decay: np.float32,
    likeness: Floats,
    out: Floats,
) -> None:
    """Add the votes of the sessions most like the query to ``out``.

    ``likeness`` is all zeros before and after. Zero marks a session not met yet, so a weight is above 0.
    """
    total = 0
    for item in query:
        total += posting_start[item + 1] - posting_start[item]
    met, n = np.empty(total, np.int32), 0
    for k in range(len(query)):
        share = max(weight[k] * rarity[query[k]], np.float32(1e-30))
        for p in range(posting_start[query[k]], posting_start[query[k] + 1]):
            session = posting[p]
            if likeness[session] == 0:
                met[n] = session
                n += 1
            likeness[session] += share
    closeness = np.empty(n, np.float32)
    for x in range(n):
        closeness[x] = likeness[met[x]] * match[met[x]]
        likeness[met[x]] = 0
    for x in _nearest(closeness, met, neighbours):
        session = met[x]
        low, high = start[session], start[session + 1]
        power = closeness[x] * session_vote[session]
        if match_decay > 0:
            back = _first_shared(query, session_item[low:high])
            power *= max(np.float32(0.05), np.float32(1) - match_decay * (back + 1))
        for p in range(low, high):
            out[session_item[p]] += power * gain[session_item[p]]


@nb.njit(cache=True)
def _nearest(closeness: Floats, met: Rows, neighbours: int) -> NDArray[np.int64]:
    """Places of the closest sessions; the newer session wins a tie at the edge."""
    n = len(closeness)
    if n <= neighbours:
        return np.arange(n)
    edge = np.partition(closeness, n - neighbours)[n - neighbours]
    kept, n_kept, n_edge = np.empty(n, np.int64), 0, 0
    for x in range(n):
        if closeness[x] > edge:
            kept[n_kept] = x
            n_kept += 1
    equal = np.empty(n - n_kept, np.int64)
    for x in range(n):
        if closeness[x] == edge:
            equal[n_edge] = x
            n_edge += 1
    newest = np.argsort(-met[equal[:n_edge]])
    for e in range(neighbours - n_kept):
        kept[n_kept + e] = equal[newest[e]]
    return kept[:neighbours]


@nb.njit(cache=True)
def _first_shared(query: Rows, session: Rows) -> int:
    """Place in the query of its newest item that the session holds."""
    for k in range(len(query)):
        for item in session:
            if item == query[k]:
                return k
    return 0


@nb.njit(cache=True)
def _anchors(
    query: Rows,
    weight: Floats,
    asked: Rows,
    start: NDArray[np.int64],
    session_item: Rows,
    posting_start: NDArray[np.int64],
    posting: Rows,
    rarity: Floats,
    out: Rows,
) -> None:
    """For each asked item the query's item whose sessions hold it most, weighted; -1 where none does."""
    place = np.full(len(rarity), -1, np.int32)
    for a in range(len(asked)):
        if 0 <= asked[a] < len(place):
            place[asked[a]] = a
    most = np.zeros(len(asked), np.float32)
    count = np.empty(len(asked), np.float32)
    for k in range(len(query)):
        count[:] = 0
        for p in range(posting_start[query[k]], posting_start[query[k] + 1]):
            for x in range(start[posting[p]], start[posting[p] + 1]):
                if place[session_item[x]] >= 0:
                    count[place[session_item[x]]] += weight[k] * rarity[query[k]]
        for a in range(len(asked)):
            if count[a] > most[a] and asked[a] != query[k]:
                most[a] = count[a]
                out[a] = query[k]
