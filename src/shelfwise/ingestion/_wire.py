"""What comes over the wire: the shapes that the HTTP door decodes into and that OpenAPI is written from.

These types check shape and bounds while they are decoded; what needs more than one field, a clock or bytes is
checked in ``_events`` and ``_items``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shelfwise.domain import MAX_ID_BYTES, MAX_LINES

MAX_QUANTITY = 1_000_000
MAX_TEXT = (
    2_000  # characters of a title, an address or a search text; a description may have ten times as many
)
MAX_ATTRIBUTES = 100
MAX_VECTOR = 4_096

EventName = Literal[
    "view_item", "add_to_cart", "purchase", "refund", "remove_from_cart", "add_to_wishlist", "select_item",
    "view_item_list", "search", "view_cart", "begin_checkout", "add_payment_info", "add_shipping_info",
    "view_promotion", "select_promotion",
]  # fmt: skip
Id = Annotated[
    str, Meta(min_length=1, max_length=MAX_ID_BYTES, description=f"At most {MAX_ID_BYTES} bytes of UTF-8.")
]
Label = Annotated[str, Meta(min_length=1, max_length=MAX_ID_BYTES)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
LongText = Annotated[str, Meta(max_length=10 * MAX_TEXT)]
Money = Annotated[
    float, Meta(ge=0, description="Decimal in `currency`, with no more decimals than the currency has.")
]
# The patterns are told to OpenAPI and checked through a small cache: as a regex they cost 0.5 us an event.
Currency = Annotated[
    str,
    Meta(min_length=3, max_length=3, description="ISO 4217.", extra_json_schema={"pattern": "^[A-Z]{3}$"}),
]
Country = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=2,
        description="ISO 3166-1 alpha-2.",
        extra_json_schema={"pattern": "^[A-Za-z]{2}$"},
    ),
]
Age = Annotated[int, Meta(ge=0, le=150, description="Years.")]
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset.")]
Scalar = str | int | float | bool


class LineIn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One item of an event."""

    item_id: Id
    quantity: Annotated[int, Meta(ge=1, le=MAX_QUANTITY)] = 1
    price: Money | None = None
    currency: Currency | None = None
    index: Annotated[int, Meta(ge=0, le=100_000, description="Place in the list it was shown in.")] | None = (
        None
    )


class ContextIn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Where and on what the shopper was."""

    device: Label | None = None
    country: Country | None = None
    region: Label | None = None
    referrer: Text | None = None
    placement: Label | None = None
    local_time: Instant | None = None
    age: Age | None = None


class EventIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One event as a shop sends it, under the names of GA4 e-commerce."""

    event: EventName
    occurred_at: Instant
    event_id: Id | None = None
    user_id: Id | None = None
    anonymous_id: Id | None = None
    session_id: Id | None = None
    items: Annotated[list[LineIn], Meta(max_length=MAX_LINES)] | None = None
    order_id: Id | None = None
    query: Text | None = None
    context: ContextIn | None = None
    recommendation_id: Id | None = None
    consent: Literal["granted", "denied"] | None = None
    origin: Literal["real", "simulated", "test"] | None = None


class EventsIn(msgspec.Struct, forbid_unknown_fields=True):
    """A batch of events."""

    events: list[EventIn]


Category = list[Label] | Text
Attributes = Annotated[dict[Label, Scalar | None], Meta(max_length=MAX_ATTRIBUTES)]
Labels = Annotated[list[Label], Meta(max_length=MAX_ATTRIBUTES)]
Stock = Annotated[
    int, Meta(ge=0, le=10**12, description="Units that can be sold; null: not tracked, always eligible.")
]
Vector = Annotated[list[float], Meta(min_length=1, max_length=MAX_VECTOR)]


class ItemIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One item as a shop sends it. ``PUT`` replaces the whole item."""

    item_id: Id | None = None  # may be left out where the address names it
    title: Text | None = None
    description: LongText | None = None
    category: Category | None = None  # a path from the widest to the narrowest, or "A > B"
    brand: Label | None = None
    price: Money | None = None
    list_price: Money | None = None
    cost: Money | None = None
    currency: Currency | None = None
    stock: Stock | None = None
    hidden: bool | None = None
    available_from: Instant | None = None
    available_until: Instant | None = None
    group_id: Id | None = None
    sku: Id | None = None
    attributes: Attributes | None = None
    tags: Labels | None = None
    regions: Annotated[list[Country], Meta(max_length=300)] | None = None
    min_age: Age | None = None
    image: Text | None = None
    url: Text | None = None
    vector: Vector | None = None


class ItemsIn(msgspec.Struct, forbid_unknown_fields=True):
    """A batch of items."""

    items: list[ItemIn]


class ItemPatchIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Fields of an item to set. A field left out stays; null clears it."""

    title: Text | UnsetType | None = UNSET
    description: LongText | UnsetType | None = UNSET
    category: Category | UnsetType | None = UNSET
    brand: Label | UnsetType | None = UNSET
    price: Money | UnsetType | None = UNSET
    list_price: Money | UnsetType | None = UNSET
    cost: Money | UnsetType | None = UNSET
    currency: Currency | UnsetType | None = UNSET
    stock: Stock | UnsetType | None = UNSET
    hidden: bool | UnsetType | None = UNSET
    available_from: Instant | UnsetType | None = UNSET
    available_until: Instant | UnsetType | None = UNSET
    group_id: Id | UnsetType | None = UNSET
    sku: Id | UnsetType | None = UNSET
    attributes: Attributes | UnsetType | None = UNSET
    tags: Labels | UnsetType | None = UNSET
    regions: Annotated[list[Country], Meta(max_length=300)] | UnsetType | None = UNSET
    min_age: Age | UnsetType | None = UNSET
    image: Text | UnsetType | None = UNSET
    url: Text | UnsetType | None = UNSET
    vector: Vector | UnsetType | None = UNSET
