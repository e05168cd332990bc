"""What comes in and goes out over HTTP, apart from events and items: the types that validate and that OpenAPI is
written from.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shelfwise.domain import MAX_ID_BYTES, MAX_SIZE, Degraded
from shelfwise.ingestion import ContextIn

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES)]
Ids = Annotated[list[Id], Meta(max_length=200)]
Strategy = Literal["auto", "collaborative", "similar", "session", "complements", "trending", "buy_again"]


class RecommendationQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One ask for recommendations. All but ``n`` may be left out."""

    user_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Id | None = None
    placement: Id = "home"
    strategy: Strategy | None = None
    items: Ids = []
    n: Annotated[int, Meta(ge=1, le=MAX_SIZE)] = 10
    exclude: Ids = []
    seen: Literal["keep", "exclude"] | None = None
    filter: Annotated[str, Meta(max_length=2_000)] | None = None
    context: ContextIn | None = None
    explain: bool = False
    consent: Literal["granted", "denied"] | None = None


class RecommendationBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Many asks; answers come in their order."""

    queries: Annotated[list[RecommendationQuery], Meta(min_length=1, max_length=200)]


class Reason(msgspec.Struct, frozen=True):
    """Why an item is shown."""

    code: str
    item_id: str | None
    text: str


class RecommendedItem(msgspec.Struct, frozen=True):
    """One position of a slate."""

    item_id: str
    position: int
    score: float | None
    sources: list[str]
    reasons: list[Reason]


class Recommendations(msgspec.Struct, frozen=True):
    """One answer. ``degraded`` says why it is less than it could be, null if it is not."""

    recommendation_id: str
    items: list[RecommendedItem]
    placement: str
    release: str
    variants: list[str]
    degraded: Degraded | None
    explanation: dict[str, Any] | None = None


class RecommendationsBatch(msgspec.Struct, frozen=True):
    """Answers in the order of the queries."""

    answers: list[Recommendations]


class Accepted(msgspec.Struct, frozen=True):
    """What became of a batch of events: durable when this is sent."""

    accepted: int
    duplicates: int
    rejected: list[dict[str, Any]]


class KeyIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A key to make."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[str], Meta(min_length=1, max_length=8)]


class AliasIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which release shall be the champion."""

    release: Id


class RulePreviewIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A rule to try, and the question to try it on."""

    rule: dict[str, Any]
    query: RecommendationQuery = RecommendationQuery()
