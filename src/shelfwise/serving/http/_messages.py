"""What comes in and goes out over HTTP, apart from events and items that come in: the types that validate and that
OpenAPI is written from.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from shelfwise.domain import MAX_ID_BYTES, MAX_SIZE, Degraded
from shelfwise.ingestion import ContextIn
from shelfwise.serving._reasons import Reason

MAX_QUERIES = 200
MAX_PAGE = 200

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES)]
Ids = Annotated[list[Id], Meta(max_length=200)]
Strategy = Literal["auto", "collaborative", "similar", "session", "complements", "trending", "buy_again"]


class RecommendationQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One ask for recommendations. All but ``n`` may be left out."""

    n: Annotated[int, Meta(ge=1, le=MAX_SIZE, description="Items wanted.")]
    user_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Id | None = None
    placement: Id = "home"
    strategy: Strategy | None = None
    items: Ids | None = None
    exclude: Ids | None = None
    seen: Literal["keep", "exclude"] | None = None
    filter: Annotated[str, Meta(max_length=2_000, description="Such as `price < 15`.")] | None = None
    context: ContextIn | None = None
    explain: bool = False
    consent: Literal["granted", "denied"] | None = None


class RecommendationBatch(msgspec.Struct, forbid_unknown_fields=True):
    """Many asks; answers come in their order."""

    queries: Annotated[list[RecommendationQuery], Meta(min_length=1, max_length=MAX_QUERIES)]


class RecommendedItem(msgspec.Struct, frozen=True, gc=False):
    """One position of a slate."""

    item_id: str
    position: int
    score: float | None
    sources: tuple[str, ...]
    reasons: tuple[Reason, ...]


class FeatureShare(msgspec.Struct, frozen=True):
    """What one feature added to a score: an exact Shapley value, in the score's unit."""

    name: str
    meaning: str
    value: float | None
    contribution: float


class ExplainedItem(msgspec.Struct, frozen=True):
    """One position, explained: what each source that proposed it said, and how its score adds up."""

    item_id: str
    title: str
    position: int
    score: float | None
    propensity: float
    sources: dict[str, float]
    features: list[FeatureShare]
    base: float | None


class LeftOut(msgspec.Struct, frozen=True):
    """An item that is not in an answer, and the first thing that kept it out, as of now."""

    item_id: str
    reason: str
    title: str = ""
    text: str = ""


class Explanation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why: the answer as it was logged, and what would be left out of it now."""

    recommendation_id: str
    answered_at: datetime
    placement: str
    strategy: str
    release: str
    rules: tuple[str, ...]
    missing: dict[str, str]
    degraded: Degraded | None
    items: list[ExplainedItem]
    left_out: list[LeftOut]
    why_not: LeftOut | None = None


class Recommendations(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. ``degraded`` says why it is less than it could be, null if it is not; ``explanation`` is there if
    the query asked for it.
    """

    recommendation_id: str
    items: list[RecommendedItem]
    placement: str
    release: str
    variants: list[str]
    degraded: Degraded | None
    explanation: Explanation | msgspec.UnsetType = msgspec.UNSET


class RecommendationsBatch(msgspec.Struct, frozen=True):
    """Answers in the order of the queries."""

    answers: list[Recommendations]


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A row that was not taken: its place from 0, the field, what it was, what was expected."""

    index: int
    field: str
    value: Any
    rule: str


class Accepted(msgspec.Struct, frozen=True):
    """What became of a batch of events: durable when this is sent. ``untracked`` did not consent: kept nowhere."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]
    untracked: int = 0


class ItemsAccepted(msgspec.Struct, frozen=True):
    """What became of a batch of items."""

    accepted: int
    rejected: list[Rejected]


class ItemOut(msgspec.Struct, frozen=True, kw_only=True):
    """An item as the door tells it: money as decimals, instants as text."""

    item_id: str
    title: str
    description: str
    category: tuple[str, ...]
    brand: str | None
    price: float | None
    list_price: float | None
    cost: float | None
    currency: str | None
    stock: int | None
    hidden: bool
    available_from: datetime | None
    available_until: datetime | None
    group_id: str | None
    sku: str | None
    attributes: dict[str, str]
    tags: tuple[str, ...]
    regions: tuple[str, ...]
    min_age: int | None
    image: str | None
    url: str | None


class ItemPage(msgspec.Struct, frozen=True):
    """Items by id. ``next`` is the cursor of the page after; null at the end."""

    items: list[ItemOut]
    next: str | None


class DocumentPage(msgspec.Struct, frozen=True):
    """Documents by id, each with its etag. ``next`` is the cursor of the page after; null at the end."""

    items: list[dict[str, Any]]
    next: str | None


class KeyIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A key to make."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[str], Meta(min_length=1, max_length=8)]


class KeyMade(msgspec.Struct, frozen=True):
    """A key. Its secret is in this answer and nowhere else."""

    key_id: str
    secret: str
    name: str
    scopes: list[str]


class KeyOut(msgspec.Struct, frozen=True):
    """A key without its secret."""

    key_id: str
    name: str
    scopes: list[str]


class KeyPage(msgspec.Struct, frozen=True):
    """Keys by id."""

    items: list[KeyOut]
    next: str | None


class AliasIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Which release shall be the champion."""

    release: Id


class ChampionOut(msgspec.Struct, frozen=True):
    """The release that answers now."""

    champion: str | None


class ConsentIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Whether a person may be tracked and personalised."""

    consent: Literal["granted", "denied"]


class RulePreviewIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A rule to try, and the question to try it on."""

    rule: dict[str, Any]
    query: RecommendationQuery = msgspec.field(default_factory=lambda: RecommendationQuery(n=10))


class Moved(msgspec.Struct, frozen=True):
    """An item that stands elsewhere; positions from 1."""

    item_id: str
    before: int
    after: int


class RulePreview(msgspec.Struct, frozen=True, rename={"after": "with", "before": "without"}):
    """The same judged candidates arranged without and with the rule, and the difference."""

    before: Recommendations
    after: Recommendations
    gone: list[str]
    new: list[str]
    moved: list[Moved]


class PersonLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a person did with one item."""

    event: str
    occurred_at: datetime
    item_id: str | None
    quantity: int
    price: float | None
    currency: str | None


class PersonOut(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a person; ``lines`` newest first, of the ``n_lines`` that are remembered for answers."""

    user_id: str
    anonymous_ids: list[str]
    country: str | None
    opted_out: bool
    first_seen_at: datetime | None
    n_lines: int
    lines: list[PersonLine]


class ExportedLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an event, as it was sent."""

    event: str
    event_id: str
    occurred_at: datetime
    item_id: str | None
    quantity: int
    price: float | None
    currency: str | None
    position: int | None
    order_id: str | None
    session_id: str | None
    query: str | None
    device: str | None
    country: str | None
    region: str | None
    placement: str | None
    referrer: str | None
    recommendation_id: str | None
    user_id: str | None
    anonymous_id: str | None
    origin: str


class ExportedItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item that they were recommended, with the scores that put it there."""

    item_id: str
    position: int
    score: float | None
    sources: dict[str, float]


class ExportedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that was given to them."""

    recommendation_id: str
    answered_at: datetime
    user_id: str | None
    anonymous_id: str | None
    session_id: str | None
    placement: str
    strategy: str
    seen: str
    filter: str | None
    device: str | None
    country: str | None
    release: str
    seeds: list[str]
    rules: list[str]
    items: list[ExportedItem]


class PersonExport(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of a person: every line of every event, every logged answer, newest first."""

    user_id: str
    anonymous_ids: list[str]
    n_lines: int
    lines: list[ExportedLine]
    n_answers: int
    answers: list[ExportedAnswer]
    country: str | None = None
    opted_out: bool = False
    first_seen_at: datetime | None = None


class Health(msgspec.Struct, frozen=True):
    """The process runs and its loop turns."""

    status: str


class Readiness(msgspec.Struct, frozen=True):
    """Whether answers can be given, by which release, and what is wrong if something is."""

    status: Literal["ready", "not ready"]
    release: str | None
    worker: int
    trouble: str | None = None
