"""Segment's e-commerce specification, version 2: its calls as our events.

Source: Segment, "Ecommerce Spec (V2)" and "Common Fields" (clock-skew correction).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from shelfwise.domain import MAX_BATCH, Event, InvalidField, Origin, from_us
from shelfwise.ingestion._bots import is_bot
from shelfwise.ingestion._events import EventDoor, trusted_row
from shelfwise.ingestion._explain import find_unstorable, parse
from shelfwise.ingestion._rules import INSTANT_RULE
from shelfwise.ingestion._verdicts import Rejection, Verdicts

SEGMENT_EVENTS = {
    "Products Searched": "search",
    "Product List Viewed": "view_item_list",
    "Product List Filtered": "view_item_list",
    "Promotion Viewed": "view_promotion",
    "Promotion Clicked": "select_promotion",
    "Product Clicked": "select_item",
    "Product Viewed": "view_item",
    "Product Added": "add_to_cart",
    "Product Removed": "remove_from_cart",
    "Cart Viewed": "view_cart",
    "Checkout Started": "begin_checkout",
    "Payment Info Entered": "add_payment_info",
    "Order Completed": "purchase",
    "Order Refunded": "refund",
    "Order Cancelled": "refund",
    "Product Added to Wishlist": "add_to_wishlist",
    "Wishlist Product Added to Cart": "add_to_cart",
}
# Known, and taken without effect. "Order Updated" repeats an order that "Order Completed" has told already.
SEGMENT_IGNORED = (
    "Order Updated", "Checkout Step Viewed", "Checkout Step Completed", "Coupon Entered", "Coupon Applied",
    "Coupon Denied", "Coupon Removed", "Product Removed from Wishlist", "Product Shared", "Cart Shared",
    "Product Reviewed",
)  # fmt: skip
_CALLS = ("track", "page", "screen", "identify", "group", "alias")
_NAMES = {name.lower(): name for name in (*SEGMENT_EVENTS, *SEGMENT_IGNORED)}
# Our names in a rejection -> the sender's.
_THEIRS = {
    "event_id": "messageId", "user_id": "userId", "anonymous_id": "anonymousId", "occurred_at": "timestamp",
    "order_id": "properties.order_id", "query": "properties.query", "session_id": "context.sessionId",
    "recommendation_id": "properties.recommendation_id",
}  # fmt: skip


def accept_segment(
    raw: bytes | Mapping[str, Any],
    *,
    now_us: int,
    currency: str | None = None,
    user_agent: str | None = None,
    origin: Origin = "real",
    limit: int = MAX_BATCH,
) -> Verdicts:
    """Check a Segment call, single or ``{"batch": [...]}``. Never raises on what was sent.

    ``messageId`` is the event's id. Calls that say nothing of items (page, identify, other events) are listed in
    ``ignored``. Instants are corrected for the sender's clock: the time between ``originalTimestamp`` and
    ``sentAt`` is taken off the time of receipt. Other arguments as for ``accept_events``.
    """
    door = EventDoor(now_us, currency, origin, is_bot(user_agent))
    try:
        body = parse(bytes(raw)) if isinstance(raw, (bytes, bytearray, memoryview)) else raw
        return translate(body, door, limit=limit)
    except InvalidField as trouble:
        return Verdicts(body=Rejection.of(-1, trouble))


def translate(body: Any, door: EventDoor, *, limit: int = MAX_BATCH) -> Verdicts:
    """Verdicts on the calls of a parsed body. Raises InvalidField if it is neither a call nor a batch."""
    calls = _calls(body)
    if len(calls) > limit:
        return Verdicts(body=Rejection(-1, "batch", len(calls), f"at most {limit} calls in one request"))
    verdicts = Verdicts()
    for index, call in enumerate(calls):
        try:
            row = _row(call, door)
            event = _trusted(row, call, door) if row is not None else None
        except InvalidField as trouble:
            verdicts.rejected.append(Rejection.of(index, trouble))
            continue
        if row is None:
            verdicts.ignored.append(index)
        elif event is None:
            verdicts.untracked.append(index)
        else:
            verdicts.accepted.append(event)
            verdicts.rows.append(index)
    return verdicts


def occurred_us(call: Mapping[str, Any], now_us: int) -> int:
    """When it happened by our clock: received − (sent − original), Segment's correction of the sender's clock.

    ``timestamp`` of a call that Segment has already handled (it has ``receivedAt`` and no
    ``originalTimestamp``) is corrected and taken as it is. Raises InvalidField.
    """
    received = _instant(call, "receivedAt")
    sent = _instant(call, "sentAt")
    stamp = _instant(call, "timestamp")
    original = _instant(call, "originalTimestamp")
    if original is None and received is None:
        original = stamp
    if original is not None and sent is not None:
        arrival = received if received is not None else now_us
        return arrival - max(0, sent - original)
    told = stamp if stamp is not None else original
    return told if told is not None else received if received is not None else now_us


def _calls(body: Any) -> list[Any]:
    if not isinstance(body, Mapping):
        raise InvalidField("body", body, 'one Segment call, or {"batch": [...]}')
    if "batch" not in body:
        return [body]
    batch = body["batch"]
    if not isinstance(batch, list):
        raise InvalidField("batch", batch, "an array of calls")
    shared = {name: body[name] for name in ("sentAt", "context", "receivedAt") if name in body}
    return [{**shared, **call} if isinstance(call, Mapping) else call for call in batch]


def _row(call: Any, door: EventDoor) -> dict[str, Any] | None:
    """The call as an event of the wire; None if it says nothing of items. Raises InvalidField."""
    if not isinstance(call, Mapping):
        raise InvalidField("", call, "an object")
    unstorable = find_unstorable(call)
    if unstorable is not None:
        raise unstorable
    name = _event_name(call)
    if name is None:
        return None
    properties = _mapping(call, "properties")
    occurred = from_us(_believable(occurred_us(call, door.received_us)))
    return {
        "event": name,
        "event_id": _text(call.get("messageId")),
        "occurred_at": occurred,
        "user_id": _text(call.get("userId")),
        "anonymous_id": _text(call.get("anonymousId")),
        "session_id": _text(_mapping(call, "context").get("sessionId")),
        "items": _items(name, properties),
        "order_id": _text(properties.get("order_id")),
        "query": _text(properties.get("query")) if name == "search" else None,
        "context": _context(_mapping(call, "context"), properties, occurred),
        "recommendation_id": _text(properties.get("recommendation_id")),
        "consent": "denied" if _refuses(_mapping(call, "context")) else None,
    }


def _trusted(row: dict[str, Any], call: Mapping[str, Any], door: EventDoor) -> Event | None:
    agent = _mapping(call, "context").get("userAgent")
    own = replace(door, bot=door.bot or (isinstance(agent, str) and is_bot(agent)))
    try:
        return trusted_row(row, own)
    except InvalidField as trouble:
        theirs = trouble.field.replace("items", "properties.products", 1)
        raise InvalidField(_THEIRS.get(trouble.field, theirs), trouble.value, trouble.rule) from None


def _event_name(call: Mapping[str, Any]) -> str | None:
    kind = call.get("type", "track")
    if kind not in _CALLS:
        raise InvalidField("type", kind, f"one of {', '.join(_CALLS)}")
    if kind != "track":
        return None
    name = call.get("event")
    if not isinstance(name, str) or not name:
        raise InvalidField("event", name, "the name of a track call")
    return SEGMENT_EVENTS.get(_NAMES.get(name.strip().lower(), ""))  # a shop's own events say nothing to us


def _items(name: str, properties: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    products = properties.get("products")
    currency = _text(properties.get("currency"))
    if products is None:
        single = name not in (
            "search",
            "view_cart",
            "begin_checkout",
            "purchase",
            "view_promotion",
            "select_promotion",
        )
        found = [properties] if single and ("product_id" in properties or "sku" in properties) else []
    elif isinstance(products, list):
        found = products
    else:
        raise InvalidField("properties.products", products, "an array of products")
    return [_item(place, product, currency) for place, product in enumerate(found)]


def _item(place: int, product: Any, currency: str | None) -> dict[str, Any]:
    if not isinstance(product, Mapping):
        raise InvalidField(f"properties.products[{place}]", product, "an object")
    quantity = _number(product.get("quantity"))
    item = {
        "item_id": _text(product.get("product_id") or product.get("sku")),
        "price": _number(product.get("price")),
        "currency": _text(product.get("currency")) or currency,
        "index": _whole(_number(product.get("position"))),
    }
    return item if quantity is None else {**item, "quantity": _whole(quantity)}


def _context(context: Mapping[str, Any], properties: Mapping[str, Any], occurred: datetime) -> dict[str, Any]:
    country = _mapping(context, "location").get("country")
    zone = context.get("timezone")
    referrer = _mapping(context, "page").get("referrer")
    return {
        "device": _label(_mapping(context, "device").get("type")),
        "country": country if isinstance(country, str) and len(country) == 2 and country.isalpha() else None,
        "referrer": referrer[:2_000] if isinstance(referrer, str) else None,
        "placement": _label(properties.get("list_id")),
        "local_time": _local(occurred, zone) if isinstance(zone, str) else None,
    }


def _refuses(context: Mapping[str, Any]) -> bool:
    """True if the consent manager says no to every category."""
    preferences = _mapping(_mapping(context, "consent"), "categoryPreferences")
    return bool(preferences) and not any(preferences.values())


def _local(occurred: datetime, zone: str) -> datetime | None:
    known = _zone(zone)
    return None if known is None else occurred.astimezone(known)


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None


def _instant(call: Mapping[str, Any], name: str) -> int | None:
    value = call.get(name)
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidField(name, value, INSTANT_RULE) from None
    if instant.tzinfo is None:
        raise InvalidField(name, value, INSTANT_RULE)
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _believable(at_us: int) -> int:
    """Within what a ``datetime`` can hold; the door refuses what is out of bounds."""
    return min(max(at_us, 0), 250_000_000_000_000_000)


def _mapping(outer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = outer.get(name)
    return inner if isinstance(inner, Mapping) else {}


def _text(value: Any) -> Any:
    """Numbers are ids too; anything else is left to the door's check."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() < 1_000 else value
    return None if value == "" else value


def _label(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


def _number(value: Any) -> Any:
    """Segment's libraries send prices and quantities as numbers or as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
