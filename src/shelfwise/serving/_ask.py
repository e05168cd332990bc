"""One question with all that it is answered from, and what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    Candidates,
    Deadline,
    Degraded,
    LiveItems,
    PersonState,
    Query,
    ShelfwiseError,
    Slate,
    StoreUnavailable,
)

log = logging.getLogger("shelfwise.serving")

T = TypeVar("T")
NO_FEATURES = np.empty((0, 0), np.float32)
NO_HURRY = Deadline(lambda: 0.0, at_s=60.0, budget_s=60.0)


class TooLate(StoreUnavailable):
    """The budget of this stage is used up; what is left belongs to the stages after it."""

    def __str__(self) -> str:
        return "no time left"


class Ask(msgspec.Struct, frozen=True, eq=False):
    """A question, who asks it, the live columns as of its start, and when it is due."""

    query: Query
    person: PersonState
    live: LiveItems
    deadline: Deadline
    failed: list[str] = msgspec.field(default_factory=list)  # steps that broke in a way nobody expected

    def in_time(self, share: float) -> None:
        """Raise TooLate once ``share`` of the budget is used up."""
        if self.deadline.passed(share):
            raise TooLate


class Pool(msgspec.Struct, frozen=True, eq=False):
    """Candidates that may be shown, and what the ranker is told of each."""

    candidates: Candidates
    features: NDArray[np.float32]  # (C, F)
    missing: Mapping[str, str]  # source -> why it is not here

    def scored(self, score: NDArray[np.float32]) -> Pool:
        """The same pool, judged."""
        return Pool(self.candidates.scored(score), self.features, self.missing)


class Outcome(msgspec.Struct, frozen=True, eq=False):
    """A slate and what must be known to send, log and explain it."""

    slate: Slate
    needs: tuple[str, ...] = ()
    features: NDArray[np.float32] = msgspec.field(
        default_factory=NO_FEATURES.copy
    )  # (K, F) of the shown; or none
    missing: Mapping[str, str] = msgspec.field(default_factory=dict)
    degraded: Degraded | None = None
    recommendation_id: str = ""
    failed: tuple[str, ...] = ()  # sources and levels that broke in a way nobody expected


class Trouble(msgspec.Struct, frozen=True):
    """Why a step gave nothing, in a few words that name no person and no item."""

    reason: str


def attempt(ask: Ask, name: str, step: Callable[..., T], *args: object, **more: object) -> T | Trouble:
    """What a step gives, or why it gave nothing. What nobody expected is logged with its trace and noted.

    A request is the outermost loop of its own work: a defect in one source, feature or rule must cost this
    answer some quality, and no shopper an answer.
    """
    try:
        return step(*args, **more)
    except ShelfwiseError as trouble:
        return Trouble(str(trouble))
    except Exception as trouble:
        log.exception("step.failed", extra={"step": name, "placement": ask.query.placement})
        ask.failed.append(name)
        return Trouble(f"{name} failed ({type(trouble).__name__})")
