"""Events from files and frames: CSV, TSV, JSON Lines, Parquet, Segment calls, Arrow streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from shelfwise.domain import Event, InvalidField, Origin
from shelfwise.ingestion._events import EventDoor, trusted, trusted_row
from shelfwise.ingestion._files import (
    RawBatch,
    Unreadable,
    decode_line,
    format_of,
    header_of,
    name_of,
    read_columns,
    read_json_lines,
    renamed,
    unused,
)
from shelfwise.ingestion._flat_json import flat_batches, is_flat
from shelfwise.ingestion._flat_lines import FLAT_FIELDS, FlatBatch, FlatSettings, check_lines, constants_of
from shelfwise.ingestion._grouping import EventBatch, Lines, events_of, ungrouped, whole_events
from shelfwise.ingestion._segment import translate
from shelfwise.ingestion._verdicts import DeadLetter, Rejection, dead_letters
from shelfwise.ingestion._wire import EventIn
from shelfwise.ingestion.online_retail import clean, is_online_retail, retail_events

EVENT_FORMATS = ("csv", "tsv", "jsonl", "parquet", "segment", "online-retail-ii")
BATCH_EVENTS = 5_000  # single-line events; some 10 MB as objects
_GROUPED_ROWS = 20_000
_LINE = msgspec.json.Decoder(EventIn)


def read_events(
    source: Any,
    *,
    now_us: int,
    format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    currency: str | None = None,
    origin: Origin = "real",
    dataset: str = "import",
    naive_is_utc: bool = False,
    round_prices: bool = False,
    name: str | None = None,
) -> Iterator[EventBatch]:
    """Read a file or frame of events, some thousands at a time, in bounded memory.

    Flat sources (CSV, TSV, Parquet, frames, JSON Lines without ``items``) have one row a line: rows of one
    ``event_id``, else of one (``event``, ``order_id``), are one event, wherever they stand. JSON Lines may also
    hold events as the HTTP door takes them.

    Args:
        source: A path, or anything with ``__arrow_c_stream__`` (pandas, Polars, Arrow).
        now_us: The shop's clock.
        format: One of ``EVENT_FORMATS``; told from the file's ending if None.
        mapping: Column of the source -> field; ``'purchase'`` in quotes gives every row that value.
        currency: The shop's, where a price names none.
        origin: Where a row names none.
        dataset: Goes into the ids of events whose sender gave none: the same orders read again from another file
            of the same data set are duplicates.
        naive_is_utc: Take instants without an offset as UTC instead of refusing them.
        round_prices: Round and count prices with surplus decimals instead of refusing them.
        name: What dead letters call the source; the file's name if None.

    Raises:
        Unreadable: The file is no such file, is torn, or lacks a needed column.
        InvalidField: The format or the mapping is wrong.
    """
    kind = format_of(source, format, EVENT_FORMATS)
    label = name_of(source, name)
    settings = FlatSettings(
        source=label, now_us=now_us, currency=currency, origin=origin, naive_is_utc=naive_is_utc,
        round_prices=round_prices, constants=constants_of(mapping or {}),
    )  # fmt: skip
    door = EventDoor(now_us, currency, origin)
    if kind == "online-retail-ii" or (
        format is None and kind in ("csv", "parquet") and _is_retail(source, kind)
    ):
        yield from _online_retail(Path(source), now_us)
    elif kind == "segment":
        yield from _segment_calls(Path(source), label, door)
    elif kind == "jsonl" and not is_flat(Path(source), FLAT_FIELDS):
        yield from _json_events(Path(source), label, door)
    else:
        yield from _flat(source, kind, settings, mapping or {}, dataset)


def unused_event_columns(
    source: Any, *, format: str | None = None, mapping: Mapping[str, str] | None = None
) -> list[str]:
    """A sentence for each column of a flat source that no field takes. Raises as ``read_events`` does."""
    kind = format_of(source, format, EVENT_FORMATS)
    names = header_of(source, kind)
    if is_online_retail(names):
        return []
    return unused(names, mapping or {}, FLAT_FIELDS, name_of(source)) if names else []


def _is_retail(source: Any, kind: str) -> bool:
    return is_online_retail(header_of(source, kind))


def _online_retail(path: Path, now_us: int) -> Iterator[EventBatch]:
    """The public layout, cleaned as a shop would; the first batch counts what the rules left out."""
    cleaned = clean([path])
    yield EventBatch(n_rows=cleaned.n_lines, n_rounded=cleaned.rounded, left_out=cleaned.left_out)
    for events in retail_events(cleaned, received_us=now_us):
        yield EventBatch(events)


def _flat(
    source: Any, kind: str, settings: FlatSettings, mapping: Mapping[str, str], dataset: str
) -> Iterator[EventBatch]:
    names, batches = _opened(source, kind, settings, mapping)
    _check_columns({*names.values(), *settings.constants}, settings.source, header_of(source, kind))
    checked = (check_lines(raw, names, settings) for raw in batches)
    if {"event_id", "order_id"} & set(names.values()):
        yield from _in_groups(checked, settings, dataset)
        return
    for batch in checked:
        made = _made(ungrouped(batch.lines), settings, dataset)
        yield replace(_counted(batch), events=made.events)


def _opened(
    source: Any, kind: str, settings: FlatSettings, mapping: Mapping[str, str]
) -> tuple[dict[str, str], Iterator[RawBatch]]:
    if kind == "jsonl":
        return renamed([*FLAT_FIELDS, *mapping], mapping, FLAT_FIELDS), flat_batches(
            Path(source), settings.source
        )
    names = renamed(header_of(source, kind), mapping, FLAT_FIELDS)
    return names, read_columns(source, kind, settings.source)


def _check_columns(fields: set[str], source: str, columns: Sequence[str]) -> None:
    missing = [name for name in ("event", "occurred_at") if name not in fields]
    if not {"user_id", "anonymous_id"} & fields:
        missing.append("user_id or anonymous_id")
    if missing:
        raise Unreadable(
            f"{source} has the columns {', '.join(columns) or 'of other names'}; expected also {', '.join(missing)}. "
            f"Map columns of other names, e.g. --map InvoiceDate=occurred_at --map \"'purchase'=event\""
        )


def _in_groups(checked: Iterator[FlatBatch], settings: FlatSettings, dataset: str) -> Iterator[EventBatch]:
    with TemporaryDirectory(prefix="shelfwise-import-") as folder:
        kept = Lines(Path(folder))
        try:
            for batch in checked:
                kept.add(batch.lines)
                yield _counted(batch)
            for lines in whole_events(kept.grouped(_GROUPED_ROWS)):
                yield _made(lines, settings, dataset)
        finally:
            kept.close()


def _made(lines: Any, settings: FlatSettings, dataset: str) -> EventBatch:
    return events_of(lines, received_us=settings.now_us, dataset=dataset, source=settings.source)


def _counted(batch: FlatBatch) -> EventBatch:
    return EventBatch(
        rejected=batch.rejected, n_rows=batch.n_rows, n_untracked=batch.n_untracked, n_rounded=batch.n_rounded
    )


def _json_events(path: Path, source: str, door: EventDoor) -> Iterator[EventBatch]:
    """Events as the HTTP door takes them, one a line."""
    batch = EventBatch()
    n_rows = n_untracked = 0
    for row, line in read_json_lines(path, source):
        n_rows += 1
        try:
            event = _json_event(line, door)
        except InvalidField as trouble:
            batch.rejected.extend(dead_letters([Rejection.of(0, trouble)], source=source, first_row=row))
            continue
        if event is None:
            n_untracked += 1
        else:
            batch.events.append(event)
        if len(batch.events) >= BATCH_EVENTS:
            yield replace(batch, n_rows=n_rows, n_untracked=n_untracked)
            batch, n_rows, n_untracked = EventBatch(), 0, 0
    yield replace(batch, n_rows=n_rows, n_untracked=n_untracked)


def _json_event(line: bytes, door: EventDoor) -> Event | None:
    try:
        return trusted(_LINE.decode(line), door)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return trusted_row(decode_line(line), door)


def _segment_calls(path: Path, source: str, door: EventDoor) -> Iterator[EventBatch]:
    """Segment calls as they were received, one or one batch a line."""
    for row, line in read_json_lines(path, source):
        try:
            verdicts = translate(decode_line(line), door)
        except InvalidField as trouble:
            letters = dead_letters([Rejection.of(0, trouble)], source=source, first_row=row)
            yield EventBatch(rejected=letters, n_rows=1)
            continue
        letters = [DeadLetter(source, row, one.field, str(one.value), one.rule) for one in verdicts.rejected]
        yield EventBatch(verdicts.accepted, letters, 1, len(verdicts.untracked), len(verdicts.ignored))
