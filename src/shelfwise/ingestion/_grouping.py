"""From checked lines to events: which lines are one event, and the objects of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shelfwise.domain import MAX_LINES, Context, Event, EventLine
from shelfwise.ingestion._events import content_id
from shelfwise.ingestion._flat_lines import LINES
from shelfwise.ingestion._verdicts import DeadLetter

SORT_MEMORY = "400MB"  # beyond it, lines of scattered orders are sorted on disk
_NOWHERE = Context()


class Lines:
    """Checked lines of a whole file, on disk, until each event's lines can be brought together.

    DuckDB sorts them within ``SORT_MEMORY`` and spills what is more: 4.2 M scattered lines in 31 s and 650 MB.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "lines.arrow"
        self._writer = pa.ipc.new_stream(
            str(self._path), LINES, options=pa.ipc.IpcWriteOptions(compression="lz4")
        )

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep the lines of a batch."""
        self._writer.write_batch(batch)

    def grouped(self, size: int) -> Iterator[pa.RecordBatch]:
        """The lines by event, events in the order of their first row, with columns ``first`` and ``event_us``.

        ``first`` is the first row of the event, ``event_us`` its earliest instant.
        """
        self._writer.close()
        key = "coalesce('e' || event_id, 'o' || event || chr(31) || order_id, 'r' || row)"
        query = (
            f"SELECT *, min(row) OVER same AS first, min(at_us) OVER same AS event_us FROM lines "  # noqa: S608
            f"WINDOW same AS (PARTITION BY {key}) ORDER BY first, row"
        )
        with pa.OSFile(str(self._path)) as file, duckdb.connect() as connection:
            connection.execute(f"SET memory_limit = '{SORT_MEMORY}'")
            connection.execute(f"SET temp_directory = '{self._folder}'")
            connection.register("lines", pa.ipc.open_stream(file))
            yield from connection.sql(query).to_arrow_reader(size)

    def close(self) -> None:
        """Let go of the file; again does nothing."""
        self._writer.close()


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Some events of a source, and what became of its other rows."""

    events: list[Event] = field(default_factory=list)
    rejected: list[DeadLetter] = field(default_factory=list)
    n_rows: int = 0  # rows of the source looked at, rejected ones included
    n_untracked: int = 0  # rows of shoppers without consent
    n_ignored: int = 0  # well-formed rows that say nothing of items (Segment)
    n_rounded: int = 0  # prices with surplus decimals, if rounding was asked for
    left_out: Mapping[str, int] = field(default_factory=dict)  # rows that a named cleaning rule left out


def ungrouped(lines: pa.RecordBatch) -> pa.RecordBatch:
    """Each line as an event of its own, in the shape that ``Lines.grouped`` gives."""
    return lines.append_column("first", lines["row"]).append_column("event_us", lines["at_us"])


def whole_events(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same lines, cut so that no event is torn between two batches."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        first = batch["first"].to_numpy()
        changes = np.flatnonzero(first[1:] != first[:-1])
        if held and len(batch) and first[0] != held[-1]["first"][-1].as_py():
            yield from _joined(held)
            held = []
        if len(changes):
            cut = int(changes[-1]) + 1
            yield from _joined([*held, batch.slice(0, cut)])
            held = [batch.slice(cut)]
        else:
            held.append(batch)
    yield from _joined(held)


def events_of(lines: pa.RecordBatch, *, received_us: int, dataset: str, source: str) -> EventBatch:
    """The events of grouped lines.

    Event fields are those of the first row, the instant is the earliest. A row whose event or person differs from
    the first row's is refused. Over 200 lines become several events of one ``order_id``, with ids derived from the
    first's. Without ``event_id`` the id is the hash of data set, event, order and part; without an order, of the
    content.
    """
    agreeing, letters = _agreeing(lines, source)
    if not len(agreeing):
        return EventBatch([], letters)
    starts = _starts(agreeing)
    items = _line_objects(agreeing)
    heads = agreeing.take(pa.array(starts))
    columns = {name: _listed(heads[name]) for name in heads.schema.names}
    events: list[Event] = []
    for place, (start, end) in enumerate(zip(starts, [*starts[1:], len(items)], strict=True)):
        head = {name: values[place] for name, values in columns.items()}
        events.extend(
            _parts(head, [line for line in items[start:end] if line is not None], received_us, dataset)
        )
    return EventBatch(events, letters)


def part_id(event_id: str, part: int) -> str:
    """The id of a part of an event with over 200 lines; the first part keeps the id."""
    return event_id if part == 0 else document_id(event_id, str(part))


def document_id(*steps: str) -> str:
    """The id of an event that a document stands for: 128 bits of blake2b."""
    return blake2b("\x1f".join(steps).encode(), digest_size=16).hexdigest()


def _joined(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    if not sum(len(batch) for batch in batches):
        return []
    return pa.Table.from_batches(batches).combine_chunks().to_batches()


def _starts(lines: pa.RecordBatch) -> list[int]:
    first = lines["first"].to_numpy()
    if not len(first):
        return []
    return [0, *(np.flatnonzero(first[1:] != first[:-1]) + 1).tolist()]


def _agreeing(lines: pa.RecordBatch, source: str) -> tuple[pa.RecordBatch, list[DeadLetter]]:
    starts = np.array(_starts(lines), np.int64)
    if len(starts) == len(lines):
        return lines, []
    head = pa.array(np.repeat(starts, np.diff(np.append(starts, len(lines)))))
    letters: dict[int, DeadLetter] = {}
    for name in ("event", "user_id", "anonymous_id"):
        other = pc.fill_null(lines[name], "") if lines[name].null_count else lines[name]
        wrong = pc.not_equal(other, other.take(head)).to_numpy(zero_copy_only=False)
        for place in np.flatnonzero(wrong).tolist():
            row, first = lines["row"][place].as_py(), lines["first"][place].as_py()
            rule = f"the same {name} as row {first}, which is of the same event or order"
            letters.setdefault(place, DeadLetter(source, row, name, str(lines[name][place].as_py()), rule))
    if not letters:
        return lines, []
    keep: NDArray[np.bool_] = np.ones(len(lines), np.bool_)
    keep[list(letters)] = False
    return lines.filter(pa.array(keep)), [letters[place] for place in sorted(letters)]


def _line_objects(lines: pa.RecordBatch) -> list[EventLine | None]:
    names = ("item_id", "quantity", "price_minor", "currency", "index")
    rows = zip(*(_listed(lines[name]) for name in names), strict=True)
    return [None if row[0] is None else EventLine(*row) for row in rows]


def _listed(column: pa.Array) -> list[Any]:
    if column.null_count and not pa.types.is_string(column.type):
        return list(column.to_pylist())
    return list(column.to_numpy(zero_copy_only=False).tolist())


def _parts(head: dict[str, Any], lines: list[EventLine], received_us: int, dataset: str) -> Iterator[Event]:
    event_id = head["event_id"]
    if event_id is None and head["order_id"] is not None:
        event_id = document_id(dataset, head["event"], head["order_id"])
    for part, start in enumerate(range(0, max(len(lines), 1), MAX_LINES)):
        event = Event(
            event_id="" if event_id is None else part_id(event_id, part),
            event=head["event"],
            occurred_us=head["event_us"],
            received_us=received_us,
            user_id=head["user_id"],
            anonymous_id=head["anonymous_id"],
            session_id=head["session_id"],
            lines=tuple(lines[start : start + MAX_LINES]),
            order_id=head["order_id"],
            query=head["query"],
            context=_context(head),
            recommendation_id=head["recommendation_id"],
            origin=head["origin"],
        )
        yield event if event_id is not None else msgspec.structs.replace(event, event_id=content_id(event))


def _context(head: dict[str, Any]) -> Context:
    given = tuple(head[name] for name in ("device", "country", "region", "referrer", "placement"))
    return Context(*given) if any(given) else _NOWHERE
