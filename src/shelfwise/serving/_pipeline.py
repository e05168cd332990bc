"""The request path: retrieve, permit, assemble, score, arrange, record. Under a deadline, and never without an answer.

Everything here is plain synchronous code over ``(query, person, release, live items, shelf)``: no store, no clock but
the deadline's, no dice but the rule book's and the ids'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from shelfwise.domain import (
    NO_ROWS,
    Answer,
    Candidates,
    Deadline,
    Degraded,
    LiveItems,
    Missing,
    NotTrained,
    PersonState,
    Query,
    Shelf,
    Slate,
)
from shelfwise.reranking import RuleBook
from shelfwise.serving._ask import NO_FEATURES, NO_HURRY, Ask, Outcome, Pool, attempt
from shelfwise.serving._record import answer_of, new_id
from shelfwise.serving._release import Release
from shelfwise.serving._retrieve import (
    BITS,
    SOURCES_UNTIL,
    Found,
    all_there,
    hear,
    places_of,
    retrieve,
    unjudged,
)

LATE = 0.75  # share of the budget after which nothing is scored any more: the rest belongs to the fallbacks
FILTERED_FACTOR = 5  # a request filter drops most of a pool: so many times more is retrieved for it
SPARE = 20  # candidates beyond the slate's size in a list without ranker: caps and groups drop some
CHUNKS = (256, 2_048)  # best sellers looked at before all of them are
LEVELS = ("personal", "session", "item_to_item", "segment_trending", "trending", "packed")
_LEVEL_UNTIL = {"session": 0.8, "item_to_item": 0.85, "segment_trending": 0.9, "trending": 0.95}
_POPULAR = BITS["trending"]


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """One release, one rule book, one shelf: swapped as a whole between two requests."""

    release: Release
    book: RuleBook
    shelf: Shelf
    live: Callable[[], LiveItems]
    best: NDArray[np.int32] = field(
        default_factory=NO_ROWS.copy
    )  # item rows by recent buyers, the most first: ``best_sellers``
    keep: Callable[[Answer], None] | None = None  # takes what is recorded; None records nothing

    def recommend(self, query: Query, person: PersonState, deadline: Deadline) -> Outcome:
        """Answer in any case: what goes wrong is logged, and answered by the next level of the fallback chain."""
        ask = Ask(query, person, self.live(), deadline)
        outcome = attempt(ask, "personal", self._personal, ask)
        return outcome if isinstance(outcome, Outcome) else self._fall_back(ask, outcome.reason)

    def pool(self, query: Query, person: PersonState) -> tuple[Candidates, NDArray[np.float32]]:
        """Retrieve, permit, assemble: what training learns from is what serving will see."""
        ask = Ask(query, person, self.live(), NO_HURRY)
        pool = self.assemble(ask, self.permit(ask, self.retrieve(ask)))
        return pool.candidates, np.ascontiguousarray(pool.features)  # many are laid below one another

    def features_of(self, query: Query, person: PersonState, item: NDArray[np.int32]) -> NDArray[np.float32]:
        """What the ranker would be told of these items, proposed or not: ``(C,) -> (C, F)``."""
        ask = Ask(query, person, self.live(), NO_HURRY)
        asked = unjudged(item, np.zeros(len(item), np.uint16))
        found = self.retrieve(ask)
        return self.assemble(ask, Found(asked, found.proposals, found.missing)).features

    def judged(self, query: Query, person: PersonState) -> Candidates:
        """All that the sources propose, judged before anybody asked whether it may be shown: for previews."""
        ask = Ask(query, person, self.live(), NO_HURRY)
        return self.score(ask, self.assemble(ask, self.retrieve(ask))).candidates

    def _personal(self, ask: Ask) -> Outcome:
        found = self.retrieve(ask)
        permitted = self.permit(ask, found)
        pool = self.assemble(ask, permitted)
        ranked = self.score(ask, pool)
        slate = self.arrange(ask, ranked.candidates)
        return self.record(ask, slate, ranked)

    def retrieve(self, ask: Ask) -> Found:
        """Ask all sources, or the one that the query names. Raises TooLate, NotTrained."""
        ask.in_time(SOURCES_UNTIL)
        release, strategy = self.release, ask.query.strategy
        if not release.sources:
            raise NotTrained("there is no release yet; run: shelfwise train")
        if strategy != "auto" and strategy not in release.sources:
            raise NotTrained(f"{strategy} is not in this release")
        more = FILTERED_FACTOR if ask.query.filter else 1
        size = more * max(release.pool_size, 2 * ask.query.size)
        if strategy != "auto":
            return retrieve({strategy: release.sources[strategy]}, ask, quotas={}, pool_size=size)
        quotas = {name: more * quota for name, quota in release.quotas.items()}
        return retrieve(release.sources, ask, quotas=quotas, pool_size=size)

    def permit(self, ask: Ask, found: Found) -> Found:
        """Drop what may not be shown. With all sources asked, best sellers take the places that stay empty."""
        kept, most = found.candidates, max(self.release.pool_size, ask.query.size)
        allowed = self._allowed(ask, kept.item)
        if len(kept) > most or np.count_nonzero(allowed) < len(kept):
            kept = kept.take(np.flatnonzero(allowed)[:most])
        if len(kept) < ask.query.size and ask.query.strategy == "auto":
            kept = _followed_by(kept, self._popular(ask, ask.query.size - len(kept), kept.item))
        return Found(kept, found.proposals, found.missing)

    def assemble(self, ask: Ask, found: Found) -> Pool:
        """What every source says of every candidate, and the features. Raises TooLate."""
        ask.in_time(LATE)
        heard = hear(found.candidates, found.proposals, self.release.sources)
        if ask.query.strategy != "auto":
            return Pool(heard, NO_FEATURES, found.missing)
        features = self.release.assembler.assemble(ask.query, ask.person, ask.live, self.shelf, heard)
        return Pool(heard, features, found.missing)

    def score(self, ask: Ask, pool: Pool) -> Pool:
        """Judge by the ranker; by the source's own score where one was asked alone. Raises TooLate, NotTrained."""
        ask.in_time(LATE)
        if ask.query.strategy != "auto":
            own = self.release.own_score[ask.query.strategy]
            return pool.scored(pool.candidates.signal[:, own].copy())
        if self.release.ranker is None:
            raise NotTrained(f"release {self.release.release_id} has no ranker")
        return pool.scored(self.release.ranker.score(pool.features))

    def arrange(self, ask: Ask, ranked: Candidates) -> Slate:
        """The slate: rules, groups, diversity; and once more nothing that just sold out. Raises NotTrained if empty."""
        query = ask.query
        slate = self.book.arrange(query, ranked, ask.live, self.shelf, size=query.size, person=ask.person)
        live = self.live()
        if all_there(slate.item, live.stock, live.hidden):
            return slate
        return slate.take((live.stock[slate.item] != 0) & (live.hidden[slate.item] == 0))

    def record(
        self, ask: Ask, slate: Slate, ranked: Pool | None = None, level: Degraded | None = None
    ) -> Outcome:
        """Name the answer and hand it on to be logged. Raises NotTrained for one that holds nothing."""
        if not len(slate) and level is None and not self._leaves_nothing(ask):
            raise NotTrained(f"{ask.query.strategy} has nothing to propose")
        missing: Missing = ranked.missing if ranked is not None else {}
        outcome = Outcome(
            slate=slate,
            needs=self.release.assembler.needs if ranked is not None and len(ranked.features) else (),
            features=_of_shown(slate, ranked),
            missing=missing,
            degraded=level or _lessened(ask, missing),
            recommendation_id=new_id(ask.query.asked_us),
            failed=tuple(ask.failed),
        )
        if self.keep is not None:
            self.keep(answer_of(ask.query, outcome, self.release, self.shelf))
        return outcome

    def _leaves_nothing(self, ask: Ask) -> bool:
        """Whether the caller's own filter or exclusions keep out all of the shop: then nothing is the whole answer."""
        query = ask.query
        if not (query.filter or len(query.exclude)) or len(self._popular(ask, 1, NO_ROWS)):
            return False
        freely = replace(ask, query=replace(query, filter=None, exclude=NO_ROWS))
        return len(self._popular(freely, 1, NO_ROWS)) > 0

    def _fall_back(self, ask: Ask, reason: str) -> Outcome:
        """The best answer of the rest of the chain. Hard rules hold at every level; the last one needs no time."""
        for level in LEVELS[1:]:
            if level in _LEVEL_UNTIL and ask.deadline.passed(_LEVEL_UNTIL[level]):
                continue
            slate = attempt(ask, level, self._level, level, ask)
            if isinstance(slate, Slate) and len(slate):
                return self.record(ask, slate, level=Degraded(level, reason))
        return self.record(ask, _no_slate(len(self.release.signal_names)), level=Degraded("packed", reason))

    def _level(self, level: str, ask: Ask) -> Slate | None:
        """What a level of the chain shows; None where it has nothing to go by."""
        if level == "session":
            return self._of_source("session", ask) if len(ask.person.lines) or len(ask.query.seeds) else None
        if level == "item_to_item":
            return self._of_source("similar", ask) if len(ask.person.lines) or len(ask.query.seeds) else None
        if level == "segment_trending":
            return self._of_source("trending", ask)
        rows = self.best if level == "trending" else self.release.packed
        return self._of_list(ask, rows) if len(rows) else None

    def _of_source(self, name: str, ask: Ask) -> Slate | None:
        """One source in its own order, under the rules."""
        source = self.release.sources.get(name)
        if source is None:
            return None
        proposal = source.retrieve(ask.query, ask.person, ask.live, limit=self.release.pool_size)
        item = proposal.item
        found = self._silent(item, np.full(len(item), BITS[name], np.uint16), np.asarray(proposal.score))
        found.signal[:, self.release.own_score[name]] = proposal.score
        return self.arrange(ask, found.take(self._allowed(ask, item)))

    def _of_list(self, ask: Ask, rows: NDArray[np.int32]) -> Slate:
        """The first of an ordered list that may be shown."""
        item = self._first_allowed(ask, rows, ask.query.size + SPARE, NO_ROWS)
        proposed = np.full(len(item), _POPULAR if rows is self.best else 0, np.uint16)
        return self.arrange(ask, self._silent(item, proposed, -np.arange(len(item), dtype=np.float32)))

    def _popular(self, ask: Ask, size: int, but: NDArray[np.int32]) -> Candidates:
        """What may be shown but ``but``: best sellers, then the packed list, then whatever there is, newest first."""
        item = NO_ROWS
        for rows in (self.best, self.release.packed, np.arange(len(ask.live) - 1, -1, -1, dtype=np.int32)):
            if len(item) < size:
                more = self._first_allowed(ask, rows, size - len(item), np.concatenate([but, item]))
                item = np.concatenate([item, more])
        return unjudged(item, np.full(len(item), _POPULAR, np.uint16))

    def _first_allowed(
        self, ask: Ask, rows: NDArray[np.int32], size: int, but: NDArray[np.int32]
    ) -> NDArray[np.int32]:
        """The first ``size`` of ``rows`` that may be shown: a few are looked at first, all only if need be."""
        found, begin = NO_ROWS, 0
        for end in (*CHUNKS, len(rows)):
            chunk = rows[begin:end]
            fresh = chunk[self._allowed(ask, chunk)]
            found = np.concatenate([found, fresh[places_of(fresh, but) < 0] if len(but) else fresh])
            if len(found) >= size:
                break
            begin = end
        return found[:size]

    def _allowed(self, ask: Ask, item: NDArray[np.int32]) -> NDArray[np.bool_]:
        return self.book.permit(ask.query, ask.person, ask.live, self.shelf, item)

    def _silent(
        self, item: NDArray[np.int32], proposed: NDArray[np.uint16], score: NDArray[np.float32]
    ) -> Candidates:
        """Candidates with a score, of which no source has said anything."""
        signal = np.full((len(item), len(self.release.signal_names)), np.nan, np.float32)
        return Candidates(item, proposed, signal, score.astype(np.float32))


def best_sellers(live: LiveItems, *, every: bool = False) -> NDArray[np.int32]:
    """Item rows that anybody bought or looked at, by buyers of the last 7, then 30, then 365 days, then by viewers.

    The newest row goes first on ties. Empty in a shop that has counted nothing. With ``every`` the rest follows,
    newest first.
    """
    n_items = len(live)
    keys = [live.counters[name][:n_items] for name in _BY if name in live.counters]
    counts = np.stack(keys) if keys else np.zeros((1, n_items), np.int64)
    wanted = np.flatnonzero(counts.any(axis=0) | every).astype(np.int32)
    order = np.lexsort(np.concatenate([-wanted[None], -counts[::-1, wanted]]))
    return wanted[order]


_BY = (
    "item__purchase__actors__7d",
    "item__purchase__actors__30d",
    "item__purchase__actors__365d",
    "item__view_item__actors__30d",
)


def _followed_by(one: Candidates, two: Candidates) -> Candidates:
    """Both, one after the other; nothing is known of either but who proposed it."""
    return unjudged(np.concatenate([one.item, two.item]), np.concatenate([one.proposed, two.proposed]))


def _of_shown(slate: Slate, ranked: Pool | None) -> NDArray[np.float32]:
    """Feature rows of the shown positions ``(K, F)``; NaN for an item that was no candidate: a rule brought it."""
    if ranked is None or not len(ranked.features):
        return NO_FEATURES
    places = places_of(slate.item, ranked.candidates.item)
    features = ranked.features[places]
    if -1 in places.tolist():  # rare, and cheaper to ask of ten numbers than to mark rows every time
        features[places < 0] = np.nan
    return features


def _lessened(ask: Ask, missing: Missing) -> Degraded | None:
    """Marked if a source broke or came too late; one that has nothing to say for want of a fit is no loss."""
    lost = [name for name, why in missing.items() if name in ask.failed or why == "no time left"]
    return Degraded("personal", f"without {', '.join(lost)}: {missing[lost[0]]}") if lost else None


def _no_slate(n_signals: int) -> Slate:
    nothing = np.empty(0, np.float32)
    return Slate(NO_ROWS, nothing, nothing, np.empty(0, np.uint16), np.empty((0, n_signals), np.float32))
