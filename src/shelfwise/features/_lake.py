"""The lake table ``event_lines``: one row an item of an event, keyed (event_id, line). What batch engines read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from shelfwise.domain import DAY_US, Event, EventLine
from shelfwise.features._history import history_lines

# Signed integers and text only: what DuckDB, Spark and Delta all read alike. -1 stands for "no item" and
# "price unknown", as in a person's history, so that both readers compute with the same numbers.
EVENT_LINES: pa.Schema = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("line", pa.int16(), nullable=False),  # position in the event, from 0
        pa.field("event_hash", pa.int64(), nullable=False),
        pa.field("order_hash", pa.int64(), nullable=False),  # of order_id, or of event_id where there is none
        pa.field("event", pa.string(), nullable=False),
        pa.field("event_code", pa.int16(), nullable=False),  # EVENT_CODES
        pa.field("occurred_us", pa.int64(), nullable=False),
        pa.field("received_us", pa.int64(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),  # UTC, of occurred_us
        pa.field("person", pa.string(), nullable=False),  # "u:" + user_id, or "a:" + anonymous_id
        pa.field("user_id", pa.string()),
        pa.field("anonymous_id", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("item_id", pa.string()),
        pa.field("item_row", pa.int32(), nullable=False),  # -1 for an event without item
        pa.field("quantity", pa.int32(), nullable=False),
        pa.field("price_minor", pa.int64(), nullable=False),  # per unit; -1 where unknown
        pa.field("currency", pa.string()),
        pa.field("position", pa.int32()),  # in the list it was shown in, from 1
        pa.field("order_id", pa.string()),
        pa.field("query", pa.string()),
        pa.field("device", pa.string()),
        pa.field("device_code", pa.int16(), nullable=False),  # DEVICE_CODES, 0 unknown
        pa.field("country", pa.string()),
        pa.field("region", pa.string()),
        pa.field("placement", pa.string()),
        pa.field("referrer", pa.string()),
        pa.field("offset_minutes", pa.int32()),
        pa.field("recommendation_id", pa.string()),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("bot", pa.bool_(), nullable=False),
    ]
)


def event_lines(events: Sequence[Event], row_of: Callable[[str], int]) -> pa.Table:
    """Rows of the lake table, in the order of the events and their lines."""
    history, owner = history_lines(events, row_of)
    index = pa.array(owner)
    columns: dict[str, Any] = {name: _spread(read(events), index, name) for name, read in _OF_EVENT.items()}
    columns |= {name: read(events) for name, read in _OF_LINE.items()}
    columns |= {name: history[field].astype(_numpy(name)) for name, field in _OF_HISTORY.items()}
    columns["day"] = (history["at_us"] // DAY_US).astype(np.int32)
    return pa.table([pa.array(columns[field.name], field.type) for field in EVENT_LINES], schema=EVENT_LINES)


_OF_HISTORY = {
    "line": "line", "event_hash": "event_hash", "order_hash": "order_hash", "event_code": "event",
    "occurred_us": "at_us", "item_row": "item", "quantity": "quantity", "price_minor": "price_minor",
    "device_code": "device",
}  # fmt: skip

_OF_EVENT: dict[str, Callable[[Sequence[Event]], list[Any]]] = {
    "event_id": lambda events: [event.event_id for event in events],
    "event": lambda events: [event.event for event in events],
    "received_us": lambda events: [event.received_us for event in events],
    "person": lambda events: [event.person_key for event in events],
    "user_id": lambda events: [event.user_id for event in events],
    "anonymous_id": lambda events: [event.anonymous_id for event in events],
    "session_id": lambda events: [event.session_id for event in events],
    "order_id": lambda events: [event.order_id for event in events],
    "query": lambda events: [event.query for event in events],
    "device": lambda events: [event.context.device for event in events],
    "country": lambda events: [event.context.country for event in events],
    "region": lambda events: [event.context.region for event in events],
    "placement": lambda events: [event.context.placement for event in events],
    "referrer": lambda events: [event.context.referrer for event in events],
    "offset_minutes": lambda events: [event.context.offset_minutes for event in events],
    "recommendation_id": lambda events: [event.recommendation_id for event in events],
    "origin": lambda events: [event.origin for event in events],
    "bot": lambda events: [event.bot for event in events],
}

_NO_ITEM = (EventLine("", 0),)

_OF_LINE: dict[str, Callable[[Sequence[Event]], list[Any]]] = {
    "item_id": lambda events: [line.item_id or None for event in events for line in event.lines or _NO_ITEM],
    "currency": lambda events: [line.currency for event in events for line in event.lines or _NO_ITEM],
    "position": lambda events: [line.index for event in events for line in event.lines or _NO_ITEM],
}


def _spread(values: list[Any], index: pa.Array, name: str) -> pa.Array:
    return pa.array(values, EVENT_LINES.field(name).type).take(index)


def _numpy(name: str) -> Any:
    return EVENT_LINES.field(name).type.to_pandas_dtype()
