"""The lake table ``event_lines``: one row an item of an event, keyed (event_id, line). What batch engines read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, Event
from shelfwise.features import _msgpack as wire
from shelfwise.features._encoded import ORIGINS, EventColumns, Fields, columns_of
from shelfwise.features._history import item_rows, lines_of

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


def event_lines(events: Sequence[Event] | EventColumns, row_of: Callable[[str], int]) -> pa.Table:
    """Rows of the lake table, in the order of the events and their lines."""
    said = columns_of(events)
    history = lines_of(said, item_rows(said, row_of))
    columns: dict[str, Any] = {
        name: _texts(said.blob, said.fields, at, said.owner) for name, at in _OF_EVENT.items()
    }
    columns |= {name: history[field].astype(_numpy(name)) for name, field in _OF_HISTORY.items()}
    columns["item_id"] = _texts(said.blob, said.items, wire.ITEM_ID, None, filled=True)
    columns["currency"] = _texts(said.blob, said.items, wire.CURRENCY, None)
    columns["position"] = _numbers(said.items, wire.INDEX, None)
    columns["offset_minutes"] = _numbers(said.fields, wire.OFFSET, said.owner)
    columns["received_us"] = said.number(wire.RECEIVED)[said.owner]
    columns["day"] = (history["at_us"] // DAY_US).astype(np.int32)
    columns["origin"] = pa.array(ORIGINS).take(pa.array(said.origin[said.owner]))
    columns["bot"] = said.number(wire.BOT)[said.owner] != 0
    columns["person"] = pc.coalesce(_joined("u:", columns["user_id"]), _joined("a:", columns["anonymous_id"]))
    return pa.table([_fitted(columns[field.name], field.type) for field in EVENT_LINES], schema=EVENT_LINES)


_OF_HISTORY = {
    "line": "line", "event_hash": "event_hash", "order_hash": "order_hash", "event_code": "event",
    "occurred_us": "at_us", "item_row": "item", "quantity": "quantity", "price_minor": "price_minor",
    "device_code": "device",
}  # fmt: skip

_OF_EVENT = {
    "event_id": wire.ID, "event": wire.NAME, "user_id": wire.USER, "anonymous_id": wire.VISITOR,
    "session_id": wire.SESSION, "order_id": wire.ORDER, "query": wire.QUERY, "device": wire.DEVICE,
    "country": wire.COUNTRY, "region": wire.REGION, "placement": wire.PLACEMENT, "referrer": wire.REFERRER,
    "recommendation_id": wire.RECOMMENDATION,
}  # fmt: skip


def _texts(
    blob: bytes, fields: Fields, field: int, owner: NDArray[np.int64] | None, *, filled: bool = False
) -> pa.Array:
    """A text of each row, or of each row's owner; null where there is none (or an empty one, if ``filled``).

    Texts stand in the bytes in the order of their rows. So the bytes are a column as they are, of texts and of what
    lies between, and every second of its values is taken.
    """
    size = fields.size[:, field]
    has = size > 0 if filled else fields.has(field)
    start = np.where(has, fields.value[:, field], 0)
    edges = np.maximum.accumulate(np.stack([start, start + np.where(has, size, 0)], axis=1).ravel())
    offsets = np.append(edges, edges[-1:]).astype(np.int32)
    whole = pa.StringArray.from_buffers(max(0, len(offsets) - 1), pa.py_buffer(offsets), pa.py_buffer(blob))
    index = np.arange(len(size)) if owner is None else owner
    return whole.take(pa.array(2 * index, mask=~has[index]))


def _numbers(fields: Fields, field: int, owner: NDArray[np.int64] | None) -> pa.Array:
    """A number of each row, or of each row's owner; null where there is none."""
    index = slice(None) if owner is None else owner
    return pa.array(fields.value[index, field], mask=~fields.has(field)[index])


def _joined(head: str, ids: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(head, ids, "")


def _fitted(values: Any, kind: pa.DataType) -> pa.Array:
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)


def _numpy(name: str) -> Any:
    return EVENT_LINES.field(name).type.to_pandas_dtype()
