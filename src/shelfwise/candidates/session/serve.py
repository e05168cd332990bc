"""Session-kNN in one kernel over flat arrays: sessions that share items with the query vote for their other items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import _files
from shelfwise.candidates._history import (
    WORDS,
    Remembered,
    at_us_of,
    history_of,
    item_of,
    open_to,
    words_of,
)
from shelfwise.candidates._kernels import Floats, Rows, best_of, reads
from shelfwise.candidates._protocol import Proposal
from shelfwise.candidates._select import keep_best, order_of, score_of
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
        self._asked: Remembered[tuple[Rows, Floats]] = Remembered()
        # Scratch that the kernels leave as they found it: zeros. They hold the interpreter lock, so one is enough.
        self._likeness = np.zeros(index.n_sessions, np.float32)
        self._holds = np.zeros(index.n_sessions, np.int32)

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        """The items with most votes of like sessions."""
        items, weight = self._asked.of(query, person, self._ask)
        if len(items) == 0:
            return Proposal.nothing(len(self.signals))
        i, s = self.index, self.settings
        table, item, score = _propose(
            items, weight, i.start, i.item, i.posting_start, i.posting, i.match, i.vote, i.rarity, i.gain,
            s.neighbours, np.float32(s.match_decay), self._likeness, open_to(query, person, live, i.n_items), limit,
        )  # fmt: skip
        return Proposal(item, score, reads(table), table)

    def because(self, query: Query, person: PersonState, item: Rows) -> tuple[str, Rows]:
        """``seen_together``, and the item of the query that most sessions share with it."""
        items, weight = self._asked.of(query, person, self._ask)
        index = self.index
        asked = np.ascontiguousarray(item, np.int32)
        return "seen_together", _anchors(
            items, weight, asked, index.posting_start, index.posting, index.rarity, self._holds
        )

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

    def _ask(self, query: Query, person: PersonState) -> tuple[Rows, Floats]:
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
    if len(lines) == 0 or asked_us - lines["at_us"][0] > SESSION_GAP_US:
        return _NO_ROWS
    return _under_way(words_of(lines), SESSION_GAP_US)


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
def _under_way(words: NDArray[np.int32], gap_us: int) -> Rows:
    n_lines, n = len(words) // WORDS, 1
    while n < n_lines and at_us_of(words, n - 1) - at_us_of(words, n) <= gap_us:
        n += 1
    items = np.empty(n, np.int32)
    for line in range(n):
        items[line] = item_of(words, line)
    return items


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
def _propose(
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
    blocked: NDArray[np.uint8],
    limit: int,
) -> tuple[Floats, Rows, Floats]:
    """Votes for every item, ``(1, I)``; and the best of them."""
    table = np.zeros((1, len(rarity)), np.float32)
    vote(
        query, weight, start, session_item, posting_start, posting, match, session_vote, rarity, gain,
        neighbours, match_decay, likeness, table[0],
    )  # fmt: skip
    item, score = best_of(table[0], blocked, limit, np.float32(0))
    return table, item, score


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
    """Write the votes of the sessions most like the query to ``out``, which is all zeros.

    ``likeness`` is all zeros before and after. Zero marks a session not met yet, so a weight is above 0.
    """
    total = 0
    for item in query:
        total += posting_start[item + 1] - posting_start[item]
    met, n = np.empty(total, np.int32), np.int64(0)
    for k in range(len(query)):
        share = max(weight[k] * rarity[query[k]], np.float32(1e-30))
        for p in range(posting_start[query[k]], posting_start[query[k] + 1]):
            session = posting[p]
            met[n] = session
            n += likeness[session] == 0
            likeness[session] += share
    order = np.empty(n, np.int32)
    for x in range(n):
        session = met[x]
        order[x] = order_of(likeness[session] * match[session])
        likeness[session] = 0
        met[x] = -session  # of equally close sessions the newer one is better
    for x in range(keep_best(order, met, n, neighbours)):
        session = -met[x]
        power = score_of(order[x]) * session_vote[session]
        if match_decay > 0:
            back = _first_shared(query, session_item, start[session], start[session + 1])
            power *= max(np.float32(0.05), np.float32(1) - match_decay * (back + 1))
        for p in range(start[session], start[session + 1]):
            out[session_item[p]] += power
    for i in range(len(out)):
        out[i] *= gain[i]


@nb.njit(cache=True)
def _first_shared(query: Rows, session_item: Rows, low: int, high: int) -> int:
    """Place in the query of its newest item that the session holds."""
    for k in range(len(query)):
        for p in range(low, high):
            if session_item[p] == query[k]:
                return k
    return 0


@nb.njit(cache=True)
def _anchors(
    query: Rows,
    weight: Floats,
    asked: Rows,
    posting_start: NDArray[np.int64],
    posting: Rows,
    rarity: Floats,
    holds: Rows,
) -> Rows:
    """For each asked item the query's item that shares most sessions with it, weighted; -1 where none does.

    ``holds`` is all zeros before and after; between, bit b of a session says that it holds the b-th of 31 asked.
    """
    out, most = np.full(len(asked), -1, np.int32), np.zeros(len(asked), np.float32)
    shared = np.empty(31, np.int32)
    for begin in range(0, len(asked), 31):
        some = asked[begin : begin + 31]
        _mark(some, posting_start, posting, holds)
        for k in range(len(query)):
            _count(query[k], len(some), posting_start, posting, holds, shared)
            for a in range(len(some)):
                tie = weight[k] * rarity[query[k]] * np.float32(shared[a])
                if tie > most[begin + a] and some[a] != query[k]:
                    most[begin + a], out[begin + a] = tie, query[k]
        for item in some:
            if 0 <= item < len(rarity):
                for p in range(posting_start[item], posting_start[item + 1]):
                    holds[posting[p]] = 0
    return out


@nb.njit(cache=True)
def _mark(asked: Rows, posting_start: NDArray[np.int64], posting: Rows, holds: Rows) -> None:
    for a in range(len(asked)):
        if 0 <= asked[a] < len(posting_start) - 1:
            for p in range(posting_start[asked[a]], posting_start[asked[a] + 1]):
                holds[posting[p]] |= 1 << a


@nb.njit(cache=True)
def _count(
    item: int,
    n_asked: int,
    posting_start: NDArray[np.int64],
    posting: Rows,
    holds: Rows,
    shared: Rows,
) -> None:
    """``shared[a]``: sessions of an item that hold the a-th asked one too."""
    for a in range(n_asked):
        shared[a] = 0
    for p in range(posting_start[item], posting_start[item + 1]):
        held = holds[posting[p]]
        if held != 0:
            for a in range(n_asked):
                shared[a] += (held >> a) & 1
