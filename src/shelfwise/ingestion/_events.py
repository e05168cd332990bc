"""The door for events: from a raw request to trusted events, with a verdict for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from shelfwise.domain import MAX_BATCH, MAX_LINES, Context, Event, EventLine, InvalidField, Origin
from shelfwise.ingestion._bots import is_bot
from shelfwise.ingestion._explain import explain, find_unstorable, parse
from shelfwise.ingestion._rules import (
    EARLIEST_US,
    MAX_AHEAD_US,
    check_id,
    check_instant,
    check_text,
    country_of,
    instant_us,
    minor_of,
    offset_minutes,
)
from shelfwise.ingestion._verdicts import Rejection, Verdicts
from shelfwise.ingestion._wire import ContextIn, EventIn, EventsIn, LineIn

EVENT_FIELDS = {
    "": EventIn.__struct_fields__,
    "items": LineIn.__struct_fields__,
    "context": ContextIn.__struct_fields__,
}
_BATCH = msgspec.json.Decoder(EventsIn)
_SINGLE = msgspec.json.Decoder(EventIn)
_BODY = msgspec.msgpack.Encoder()
_NOWHERE = Context()


@dataclass(frozen=True, slots=True)
class EventDoor:
    """What a batch of events is checked against."""

    received_us: int
    currency: str | None = None  # the shop's: taken where a price names none
    origin: Origin = "real"  # taken where an event names none
    bot: bool = False
    careful: bool = True  # texts may hold NUL, surrogates or more bytes than characters: look at each

    @property
    def latest_us(self) -> int:
        """The latest instant that is believed."""
        return self.received_us + MAX_AHEAD_US


def accept_events(
    raw: bytes | Sequence[Mapping[str, Any]],
    *,
    now_us: int,
    currency: str | None = None,
    user_agent: str | None = None,
    origin: Origin = "real",
    limit: int = MAX_BATCH,
) -> Verdicts:
    """Check a request of events. Never raises on what was sent.

    Clean batches are decoded and checked in one go; if anything is wrong, each row is looked at alone, so that
    every bad row is named with its field, value and rule, and every good one is kept.

    Args:
        raw: The body: one event or ``{"events": [...]}`` in JSON; or a sequence of mappings of the same fields.
        now_us: The shop's clock; becomes ``received_us``, and instants more than 24 hours after it are refused.
        currency: The shop's currency, taken where a price names none. None: every price must name one.
        user_agent: Of the browser that sent it; events of known robots are accepted and marked ``bot``.
        origin: Taken where an event names none, e.g. "test" for the traffic of a test key.
        limit: Most events in one request.
    """
    door = EventDoor(now_us, currency, origin, is_bot(user_agent))
    if isinstance(raw, (bytes, bytearray, memoryview)):
        return _accept_bytes(bytes(raw), door, limit)
    return accept_rows(list(raw), door, limit=limit)


def accept_rows(rows: Sequence[Any], door: EventDoor, *, limit: int) -> Verdicts:
    """Verdicts on rows that are plain Python values, each looked at alone."""
    if len(rows) > limit:
        return Verdicts(body=Rejection(-1, "events", len(rows), f"at most {limit} events in one request"))
    return _judge(rows, trusted_row, door)


def trusted_row(row: Any, door: EventDoor) -> Event | None:
    """The event that a mapping stands for, or None if the shopper does not consent. Raises InvalidField."""
    unstorable = find_unstorable(row)
    if unstorable is not None:
        raise unstorable
    try:
        return trusted(msgspec.convert(row, EventIn), door)
    except msgspec.ValidationError as error:
        raise explain(row, error, EVENT_FIELDS) from None


def trusted(sent: EventIn, door: EventDoor) -> Event | None:
    """The trusted event, or None if the shopper does not consent. Raises InvalidField.

    4 us with decoding for an event of one line and 400 bytes: this is the hot path of the door for events.
    """
    if sent.consent == "denied":
        return None
    occurred_us = instant_us(sent.occurred_at)
    if not EARLIEST_US <= occurred_us <= door.received_us + MAX_AHEAD_US:
        check_instant("occurred_at", sent.occurred_at, occurred_us, door.latest_us)
    if sent.user_id is None and sent.anonymous_id is None:
        raise InvalidField("user_id", None, "user_id or anonymous_id, or both")
    if door.careful:
        _check_texts(sent)
    if sent.event in _OF_ITEMS and not sent.items:
        raise InvalidField("items", sent.items, f"1 to {MAX_LINES} items of a {sent.event}")
    event = Event(
        event_id=sent.event_id or "",
        event=sent.event,
        occurred_us=occurred_us,
        received_us=door.received_us,
        user_id=sent.user_id,
        anonymous_id=sent.anonymous_id,
        session_id=sent.session_id,
        lines=_lines(sent.items, door.currency) if sent.items else (),
        order_id=sent.order_id,
        query=sent.query,
        context=_NOWHERE if sent.context is None else _context(sent.context),
        recommendation_id=sent.recommendation_id,
        origin=sent.origin or door.origin,
        bot=door.bot,
    )
    return event if sent.event_id is not None else msgspec.structs.replace(event, event_id=content_id(event))


_OF_ITEMS = frozenset({"purchase", "view_item", "add_to_cart", "remove_from_cart", "add_to_wishlist"})


def event_body(event: Event) -> bytes:
    """What makes two sendings of one ``event_id`` the same: everything but when it came and by which robot."""
    return _BODY.encode(
        (
            event.event, event.occurred_us, event.user_id, event.anonymous_id, event.session_id, event.lines,
            event.order_id, event.query, event.context, event.recommendation_id, event.origin,
        )
    )  # fmt: skip


def content_id(event: Event) -> str:
    """The id of an event whose sender gave none: 128 bits of blake2b over its content.

    The same event sent again is then a duplicate; so are two events of one person that agree in every field.
    """
    return blake2b(event_body(event), digest_size=16).hexdigest()


def _accept_bytes(raw: bytes, door: EventDoor, limit: int) -> Verdicts:
    try:
        sent = _decode(raw)
    except (ValueError, RecursionError):  # msgspec's errors and UnicodeDecodeError are ValueErrors
        return _accept_parsed(raw, door, limit)
    if len(sent) > limit:
        return accept_rows(sent, door, limit=limit)  # says how many there were
    # JSON hides NUL and surrogates behind \u only, and ASCII has one byte a character: nothing to look for.
    plain = raw.isascii() and b"\\u" not in raw
    hot = EventDoor(door.received_us, door.currency, door.origin, door.bot, careful=not plain)
    return _judge(sent, trusted, hot)


def _decode(raw: bytes) -> list[EventIn]:
    return _BATCH.decode(raw).events if b'"events"' in raw else [_SINGLE.decode(raw)]


def _accept_parsed(raw: bytes, door: EventDoor, limit: int) -> Verdicts:
    try:
        return accept_rows(rows_of(parse(raw), "events"), door, limit=limit)
    except InvalidField as trouble:
        return Verdicts(body=Rejection.of(-1, trouble))


def rows_of(body: Any, name: str) -> list[Any]:
    """The rows of a parsed body: of ``{"events": [...]}``, or the one object itself. Raises InvalidField."""
    if isinstance(body, Mapping) and set(body) == {name}:
        rows = body[name]
        if isinstance(rows, list):
            return rows
        raise InvalidField(name, rows, "an array of objects")
    if isinstance(body, Mapping):
        return [body]
    raise InvalidField("body", body, f'one object, or {{"{name}": [...]}}')


def _judge(rows: Sequence[Any], trust: Callable[[Any, EventDoor], Event | None], door: EventDoor) -> Verdicts:
    verdicts = Verdicts()
    for index, row in enumerate(rows):
        try:
            event = trust(row, door)
        except InvalidField as trouble:
            verdicts.rejected.append(Rejection.of(index, trouble))
            continue
        if event is None:
            verdicts.untracked.append(index)
        else:
            verdicts.accepted.append(event)
            verdicts.rows.append(index)
    return verdicts


def _lines(sent: list[LineIn], default: str | None) -> tuple[EventLine, ...]:
    lines: list[EventLine] = []
    for line in sent:
        price, currency = line.price, line.currency
        if price is None:
            lines.append(EventLine(line.item_id, line.quantity, None, currency, line.index))
            continue
        try:
            minor = minor_of("price", price, currency, default)
        except InvalidField as trouble:
            raise _inside(trouble, f"items[{len(lines)}]") from None
        lines.append(EventLine(line.item_id, line.quantity, minor, currency or default, line.index))
    return tuple(lines)


def _context(sent: ContextIn) -> Context:
    try:
        country = country_of(sent.country) if sent.country is not None else None
    except InvalidField as trouble:
        raise _inside(trouble, "context") from None
    offset = offset_minutes(sent.local_time) if sent.local_time is not None else None
    return Context(sent.device, country, sent.region, sent.referrer, sent.placement, offset, sent.age)


def _inside(trouble: InvalidField, where: str) -> InvalidField:
    return InvalidField(f"{where}.{trouble.field}", trouble.value, trouble.rule)


def _check_texts(sent: EventIn) -> None:
    for name in ("event_id", "user_id", "anonymous_id", "session_id", "order_id", "recommendation_id"):
        value = getattr(sent, name)
        if value is not None:
            check_id(name, value)
    for place, line in enumerate(sent.items or ()):
        check_id(f"items[{place}].item_id", line.item_id)
    if sent.query is not None:
        check_text("query", sent.query)
    if sent.context is not None:
        _check_context(sent.context)


def _check_context(sent: ContextIn) -> None:
    for name in ("device", "region", "referrer", "placement"):
        value = getattr(sent, name)
        if value is not None:
            check_text(f"context.{name}", value)
