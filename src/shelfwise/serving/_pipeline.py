"""The request path: retrieve, permit, assemble, score, arrange; recording is the door's. Under a deadline.

Everything here is plain synchronous code over ``(query, person, release, live items, shelf)``: no store, no clock but
the deadline's, no dice but the rule book's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    NO_ROWS,
    NOBODY,
    Candidates,
    Deadline,
    Degraded,
    LiveItems,
    NotTrained,
    PersonState,
    Query,
    Shelf,
    ShelfwiseError,
    Slate,
)
from shelfwise.reranking import RuleBook
from shelfwise.serving._release import Release
from shelfwise.serving._retrieve import alone, hear, retrieve

log = logging.getLogger("shelfwise.serving")

NO_FEATURES = np.empty((0, 0), np.float32)
LATE = 0.7  # share of the budget after which nothing is scored any more: what is left belongs to the fallback
FILTERED_FACTOR = 5  # a request filter drops most of a pool: so many times more is retrieved for it


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A slate and what must be known to log and to explain it."""

    slate: Slate
    needs: tuple[str, ...] = ()
    features: NDArray[np.float32] = field(
        default_factory=NO_FEATURES.copy
    )  # (K, F) of the shown; empty: unscored
    missing: Mapping[str, str] = field(default_factory=dict)
    degraded: Degraded | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """One release, one rule book, one shelf: swapped as a whole between two requests."""

    release: Release
    book: RuleBook
    shelf: Shelf
    live: Callable[[], LiveItems]

    def recommend(self, query: Query, person: PersonState, deadline: Deadline) -> Outcome:
        """Answer in any case: what goes wrong is logged, and answered by the next level of the fallback chain."""
        live = self.live()
        if deadline.passed():
            return self.fall_back(query, person, live, deadline, reason="no time left")
        try:
            outcome = self._personal(query, person, live, deadline)
        except ShelfwiseError as trouble:
            return self.fall_back(query, person, live, deadline, reason=str(trouble))
        except (ArithmeticError, LookupError, TypeError, ValueError) as trouble:
            log.exception("pipeline.failed", extra={"placement": query.placement, "strategy": query.strategy})
            return self.fall_back(
                query, person, live, deadline, reason=f"{type(trouble).__name__} in the pipeline"
            )
        if outcome is None:
            return self.fall_back(query, person, live, deadline, reason="no time left")
        whole = len(outcome.slate) == query.size or query.strategy != "auto"
        return outcome if whole else self._fill(outcome, query, person, live)

    def pool(self, query: Query, person: PersonState) -> tuple[Candidates, NDArray[np.float32]]:
        """Retrieve, permit, assemble: what training learns from is what serving will see."""
        live = self.live()
        found, features, _ = self._pooled(query, person, live, _NO_HURRY)
        return found, features

    def _personal(
        self, query: Query, person: PersonState, live: LiveItems, deadline: Deadline
    ) -> Outcome | None:
        if query.strategy != "auto":
            return self._single(query, person, live)
        candidates, features, missing = self._pooled(query, person, live, deadline)
        if deadline.passed(LATE):
            return None
        if self.release.ranker is None:
            raise ShelfwiseError(f"release {self.release.release_id} has no ranker")
        ranked = candidates.scored(self.release.ranker.score(features))
        slate = self.book.arrange(query, ranked, live, self.shelf, size=query.size, person=person)
        shown = _rows_of(slate.item, candidates.item, features)
        return Outcome(slate, self.release.assembler.needs, shown, missing)

    def _pooled(
        self, query: Query, person: PersonState, live: LiveItems, deadline: Deadline
    ) -> tuple[Candidates, NDArray[np.float32], Mapping[str, str]]:
        release = self.release
        more = FILTERED_FACTOR if query.filter else 1
        found = retrieve(
            release.sources, query, person, live,
            quotas={name: more * quota for name, quota in release.quotas.items()} if more > 1 else release.quotas,
            pool_size=more * release.pool_size, deadline=deadline,
        )  # fmt: skip
        allowed = self.book.permit(query, person, live, self.shelf, found.candidates.item)
        permitted = found.candidates.take(np.flatnonzero(allowed)[: release.pool_size])
        heard = hear(permitted, found.proposals, release.sources)
        return heard, release.assembler.assemble(query, person, live, self.shelf, heard), found.missing

    def _single(self, query: Query, person: PersonState, live: LiveItems) -> Outcome:
        """One source, in its own order, under the same rules; perhaps fewer than wanted, never another's items."""
        slate = self._of_source(query.strategy, query, person, live)
        if slate is None:
            raise NotTrained(f"{query.strategy} has nothing to propose")
        return Outcome(slate)

    def _of_source(self, name: str, query: Query, person: PersonState, live: LiveItems) -> Slate | None:
        source = self.release.sources.get(name)
        if source is None:
            return None
        limit = max(self.release.pool_size, 2 * query.size) * (FILTERED_FACTOR if query.filter else 1)
        found = alone(source.retrieve(query, person, live, limit=limit), name)
        return self._arranged(found, query, person, live)

    def _arranged(
        self, found: Candidates, query: Query, person: PersonState, live: LiveItems
    ) -> Slate | None:
        allowed = self.book.permit(query, person, live, self.shelf, found.item)
        slate = self.book.arrange(
            query, found.take(np.flatnonzero(allowed)), live, self.shelf, size=query.size, person=person
        )
        return slate if len(slate) else None

    def fall_back(
        self, query: Query, person: PersonState, live: LiveItems, deadline: Deadline, *, reason: str
    ) -> Outcome:
        """The best answer of the rest of the chain. Hard rules hold at every level; the last one cannot fail."""
        for level, ask in _CHAIN:
            if level != "packed" and deadline.passed():
                continue
            try:
                slate = ask(self, query, person, live)
            except (ShelfwiseError, ArithmeticError, LookupError, TypeError, ValueError):
                log.exception("fallback.failed", extra={"level": level, "placement": query.placement})
                continue
            if slate is not None:
                return Outcome(slate, degraded=Degraded(level, reason))
        return Outcome(_no_slate(), degraded=Degraded("packed", reason))

    def _fill(self, outcome: Outcome, query: Query, person: PersonState, live: LiveItems) -> Outcome:
        """Fewer than wanted: best sellers that may be shown take the empty positions."""
        spare = self._of_packed(replace_size(query, self.release), person, live)
        if spare is None:
            return outcome
        fresh = np.flatnonzero(~np.isin(spare.item, outcome.slate.item))[: query.size - len(outcome.slate)]
        slate = _joined(outcome.slate, spare.take(fresh))
        features = outcome.features
        if len(features):
            empty = np.full((len(fresh), features.shape[1]), np.nan, np.float32)
            features = np.concatenate([features, empty])
        return replace(outcome, slate=slate, features=features)

    def _of_packed(self, query: Query, person: PersonState, live: LiveItems) -> Slate | None:
        rows = self.release.packed
        score = -np.arange(len(rows), dtype=np.float32)
        none = np.zeros(len(rows), np.uint16)
        return self._arranged(Candidates(rows, none, score[:, None], score), query, person, live)


def _of_session(pipeline: Pipeline, query: Query, person: PersonState, live: LiveItems) -> Slate | None:
    return pipeline._of_source("session", query, person, live) if len(person.lines) else None


def _of_seeds(pipeline: Pipeline, query: Query, person: PersonState, live: LiveItems) -> Slate | None:
    return pipeline._of_source("similar", query, person, live) if len(query.seeds) else None


def _of_segment(pipeline: Pipeline, query: Query, person: PersonState, live: LiveItems) -> Slate | None:
    known = query.context.country or person.country
    return pipeline._of_source("trending", query, person, live) if known else None


def _of_trending(pipeline: Pipeline, query: Query, person: PersonState, live: LiveItems) -> Slate | None:
    anybody = replace(query, user_id=None, anonymous_id=None, seeds=NO_ROWS)
    return pipeline._of_source("trending", anybody, replace(NOBODY, lines=person.lines[:0]), live)


_CHAIN: tuple[tuple[str, Callable[[Pipeline, Query, PersonState, LiveItems], Slate | None]], ...] = (
    ("session", _of_session),
    ("item_to_item", _of_seeds),
    ("segment_trending", _of_segment),
    ("trending", _of_trending),
    ("packed", Pipeline._of_packed),
)

_NO_HURRY = Deadline(lambda: 0.0, at_s=1.0, budget_s=1.0)


def replace_size(query: Query, release: Release) -> Query:
    """The same question for as many as may be needed to fill up."""
    return replace(query, size=min(len(release.packed), 2 * query.size))


def _rows_of(
    shown: NDArray[np.int32], item: NDArray[np.int32], features: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Feature rows of the shown items; NaN for one that only a rule brought in."""
    if len(item) == 0:
        return np.full((len(shown), features.shape[1]), np.nan, np.float32)
    same = shown[:, None] == item[None, :]  # (K, C)
    rows = features[same.argmax(axis=1)]
    rows[~same.any(axis=1)] = np.nan
    return rows


def _joined(one: Slate, two: Slate) -> Slate:
    """Two slates, one after the other; the second one's own signals are left out."""
    silent = np.full((len(two), one.signal.shape[1]), np.nan, np.float32)
    return Slate(
        item=np.concatenate([one.item, two.item]),
        score=np.concatenate([one.score, two.score]),
        propensity=np.concatenate([one.propensity, two.propensity]),
        proposed=np.concatenate([one.proposed, two.proposed]),
        signal=np.concatenate([one.signal, silent]),
        rules=(*one.rules, *(rule for rule in two.rules if rule not in one.rules)),
    )


def _no_slate() -> Slate:
    nothing = np.empty(0, np.float32)
    return Slate(NO_ROWS, nothing, nothing, np.empty(0, np.uint16), np.empty((0, 0), np.float32))
