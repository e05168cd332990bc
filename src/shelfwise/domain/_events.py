"""What shoppers did, under the names of GA4 e-commerce."""

from __future__ import annotations

from typing import Literal, NewType

import msgspec

EventId = NewType("EventId", str)
UserId = NewType("UserId", str)
AnonymousId = NewType("AnonymousId", str)
ItemId = NewType("ItemId", str)
OrderId = NewType("OrderId", str)
RecommendationId = NewType("RecommendationId", str)
PersonKey = NewType("PersonKey", str)  # "u:" + user_id, or "a:" + anonymous_id

MAX_ID_BYTES = 255
MAX_LINES = 200  # items in one event (GA4's limit)
MAX_BATCH = 500  # events in one request

# Code of each event name, as columns and blobs carry it. Never renumber: stored states hold these.
EVENT_CODES: dict[str, int] = {
    "view_item": 1,
    "add_to_cart": 2,
    "purchase": 3,
    "refund": 4,
    "remove_from_cart": 5,
    "add_to_wishlist": 6,
    "select_item": 7,
    "view_item_list": 8,
    "search": 9,
    "view_cart": 10,
    "begin_checkout": 11,
    "add_payment_info": 12,
    "add_shipping_info": 13,
    "view_promotion": 14,
    "select_promotion": 15,
}
VIEW, CART, PURCHASE, REFUND = 1, 2, 3, 4

Origin = Literal["real", "simulated", "test"]
Consent = Literal["granted", "denied"]
SIMULATED_ID = "sim-"  # what ids of people who do not exist begin with, so that pages can say so


class EventLine(msgspec.Struct, frozen=True, array_like=True):
    """One item of an event. ``price_minor`` is per unit, in the smallest unit of ``currency``."""

    item_id: str
    quantity: int = 1
    price_minor: int | None = None
    currency: str | None = None
    index: int | None = None  # position in the list it was shown in, from 1


class Context(msgspec.Struct, frozen=True, array_like=True):
    """Where and on what. ``offset_minutes`` is the shopper's local time ahead of UTC."""

    device: str | None = None  # "mobile", "desktop", "tablet", ...
    country: str | None = None  # ISO 3166-1 alpha-2
    region: str | None = None
    referrer: str | None = None
    placement: str | None = None
    offset_minutes: int | None = None
    age: int | None = None  # years, if the shop knows; items with min_age need it


class Event(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One trusted event, as the log keeps it: what the sender said, checked, nothing derived.

    ``occurred_us`` is when the shopper acted, ``received_us`` when we heard. Features read the first.
    At least one of ``user_id`` and ``anonymous_id`` is given.
    """

    event_id: str
    event: str  # a key of EVENT_CODES
    occurred_us: int
    received_us: int
    user_id: str | None = None
    anonymous_id: str | None = None
    session_id: str | None = None
    lines: tuple[EventLine, ...] = ()
    order_id: str | None = None
    query: str | None = None  # text of a search
    context: Context = Context()
    recommendation_id: str | None = None
    origin: Origin = "real"
    bot: bool = False  # told by the user agent or by its rate; kept out of training and trending

    @property
    def person_key(self) -> PersonKey:
        """Whose event it is: the known user if named, else the anonymous visitor."""
        if self.user_id is not None:
            return PersonKey(f"u:{self.user_id}")
        return PersonKey(f"a:{self.anonymous_id}")
