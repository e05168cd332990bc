"""States from the lake: what the log no longer holds is folded from the rows that were made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shelfwise.domain import LINE, Context, Event
from shelfwise.features import EventColumns, columns_of
from shelfwise.streaming._people import Folded, PeopleFold

_ROWS = 200_000  # of the lake in one commit

_OF_LINE = {
    "at_us": "occurred_us",
    "event_hash": "event_hash",
    "order_hash": "order_hash",
    "price_minor": "price_minor",
    "item": "item_row",
    "quantity": "quantity",
    "line": "line",
    "event": "event_code",
    "device": "device_code",
}
_OF_EVENT = (
    "event_id",
    "event",
    "occurred_us",
    "received_us",
    "user_id",
    "anonymous_id",
    "country",
    "origin",
    "bot",
)


def rebuild_from_lake(files: Sequence[str], people: PeopleFold) -> Iterator[Folded]:
    """What each portion of the lake changes, to be committed before the next is asked for."""
    columns = sorted({*_OF_LINE.values(), *_OF_EVENT})
    for file in files:
        for rows in pq.ParquetFile(file).iter_batches(_ROWS, columns=columns):
            yield people.fold(*_lines_of(pa.table(rows)))


def _lines_of(rows: pa.Table) -> tuple[EventColumns, NDArray[np.void], NDArray[np.int64]]:
    """The rows as lines, the events they are of, and which line is of which event."""
    lines = np.empty(len(rows), LINE)
    for field, column in _OF_LINE.items():
        lines[field] = rows[column].to_numpy()
    _, first, owner = np.unique(lines["event_hash"], return_index=True, return_inverse=True)
    return columns_of(_events(rows.take(pa.array(first)))), lines, owner


def _events(rows: pa.Table) -> list[Event]:
    """As much of each event as states are made of, besides its lines."""
    return [
        Event(
            event_id=event_id, event=event, occurred_us=occurred, received_us=received, user_id=user,
            anonymous_id=visitor, context=Context(country=country), origin=origin, bot=bot,
        )
        for event_id, event, occurred, received, user, visitor, country, origin, bot in zip(
            *(rows[name].to_pylist() for name in _OF_EVENT), strict=True
        )
    ]  # fmt: skip
