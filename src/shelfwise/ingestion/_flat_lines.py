"""Rows of a flat event file as checked lines, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shelfwise.domain import EVENT_CODES, Origin
from shelfwise.ingestion._columns import (
    RowChecks,
    choices,
    countries,
    ids,
    instants,
    prices,
    texts,
    whole_numbers,
)
from shelfwise.ingestion._files import RawBatch, is_constant
from shelfwise.ingestion._rules import MAX_AHEAD_US
from shelfwise.ingestion._verdicts import DeadLetter
from shelfwise.ingestion._wire import MAX_QUANTITY, MAX_TEXT

FLAT_FIELDS = (
    "event", "occurred_at", "user_id", "anonymous_id", "item_id", "event_id", "order_id", "session_id", "quantity",
    "price", "currency", "index", "country", "device", "region", "referrer", "placement", "query",
    "recommendation_id", "origin", "consent",
)  # fmt: skip
_IDS = ("user_id", "anonymous_id", "item_id", "event_id", "order_id", "session_id", "recommendation_id", "device",
        "region", "placement")  # fmt: skip
LINES = pa.schema(
    [("row", pa.int64()), ("at_us", pa.int64()), ("event", pa.string())]
    + [(name, pa.string()) for name in _IDS]
    + [
        ("quantity", pa.int64()),
        ("price_minor", pa.int64()),
        ("currency", pa.string()),
        ("index", pa.int64()),
    ]
    + [(name, pa.string()) for name in ("country", "referrer", "query", "origin")]
)


@dataclass(frozen=True, slots=True)
class FlatSettings:
    """How a flat event file is read."""

    source: str  # for dead letters
    now_us: int
    currency: str | None = None
    origin: Origin = "real"
    naive_is_utc: bool = False
    round_prices: bool = False
    constants: Mapping[str, str] = field(default_factory=dict)  # field -> the value of every row


@dataclass(frozen=True, slots=True, eq=False)
class FlatBatch:
    """Checked lines of schema ``LINES``, and what became of the other rows."""

    lines: pa.RecordBatch
    rejected: list[DeadLetter]
    n_rows: int
    n_untracked: int = 0
    n_rounded: int = 0


def constants_of(mapping: Mapping[str, str]) -> dict[str, str]:
    """The fields that a mapping gives a constant, ``'purchase'=event``."""
    return {target: column[1:-1] for column, target in mapping.items() if is_constant(column)}


def check_lines(raw: RawBatch, names: Mapping[str, str], settings: FlatSettings) -> FlatBatch:
    """Check every row of a batch.

    Args:
        raw: The rows.
        names: Column of the source -> field.
        settings: What they are checked against.
    """
    columns = {target: raw.columns[column] for column, target in names.items() if column in raw.columns}
    size = len(raw.rows)
    columns |= {name: pa.repeat(pa.scalar(value), size) for name, value in settings.constants.items()}
    checks = RowChecks(settings.source, raw.rows)
    read = _Reader(columns, checks, size)
    known = tuple(EVENT_CODES)
    event = read("event", lambda v: choices(v, "event", checks, known, f"one of {', '.join(known)}"))
    checks.refuse(_null(event), "event", event, "an event; it is required")
    at_us = instants(
        columns.get("occurred_at", read.absent), "occurred_at", checks,
        latest_us=settings.now_us + MAX_AHEAD_US, naive_is_utc=settings.naive_is_utc,
    )  # fmt: skip
    named = {name: read(name, _ids_of(name, checks)) for name in _IDS}
    _refuse_incomplete(event, named, checks)
    quantity = read("quantity", lambda v: whole_numbers(v, "quantity", checks, low=1, high=MAX_QUANTITY))
    place = read("index", lambda v: whole_numbers(v, "index", checks, low=0, high=100_000))
    money = prices(
        columns.get("price", read.absent), columns.get("currency"), checks,
        default=settings.currency, round_prices=settings.round_prices,
    )  # fmt: skip
    country = read("country", lambda v: countries(v, checks))
    origin = read(
        "origin", lambda v: choices(v, "origin", checks, ("real", "simulated", "test"), "a known origin")
    )
    consent = read(
        "consent", lambda v: choices(v, "consent", checks, ("granted", "denied"), "granted or denied")
    )
    text = {name: read(name, _text_of(name, checks)) for name in ("referrer", "query")}
    denied = pc.fill_null(pc.equal(consent, "denied"), False).to_numpy(zero_copy_only=False) & ~checks.bad
    table = pa.RecordBatch.from_pydict(
        {
            "row": raw.rows, "at_us": at_us, "event": event, **named,
            "quantity": pc.fill_null(pc.cast(quantity, pa.int64()), 1), "price_minor": money.minor,
            "currency": money.currency, "index": pc.cast(place, pa.int64()), "country": country,
            "referrer": text["referrer"], "query": text["query"], "origin": pc.fill_null(origin, settings.origin),
        },
        schema=LINES,
    )  # fmt: skip
    kept = table.filter(pa.array(~checks.bad & ~denied))
    return FlatBatch(
        kept, raw.rejected + checks.letters, size + len(raw.rejected), int(denied.sum()), money.n_rounded
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    columns: Mapping[str, pa.Array]
    checks: RowChecks
    size: int

    @property
    def absent(self) -> pa.Array:
        return pa.nulls(self.size, pa.string())

    def __call__(self, name: str, read: Callable[[pa.Array], pa.Array]) -> pa.Array:
        return read(self.columns[name]) if name in self.columns else self.absent


def _refuse_incomplete(event: pa.Array, named: Mapping[str, pa.Array], checks: RowChecks) -> None:
    nobody = _null(named["user_id"]) & _null(named["anonymous_id"])
    checks.refuse(nobody, "user_id", named["user_id"], "user_id or anonymous_id, or both")
    bought = pc.fill_null(pc.equal(event, "purchase"), False).to_numpy(zero_copy_only=False)
    checks.refuse(bought & _null(named["item_id"]), "item_id", named["item_id"], "the item of a purchase")


def _ids_of(name: str, checks: RowChecks) -> Callable[[pa.Array], pa.Array]:
    return lambda values: ids(values, name, checks)


def _text_of(name: str, checks: RowChecks) -> Callable[[pa.Array], pa.Array]:
    def read(values: pa.Array) -> pa.Array:
        column = texts(values)
        long = pc.or_(pc.greater(pc.utf8_length(column), MAX_TEXT), pc.match_substring(column, "\0"))
        wrong = pc.fill_null(long, False).to_numpy(zero_copy_only=False)
        checks.refuse(wrong, name, column, f"text of at most {MAX_TEXT} characters without NUL")
        return column

    return read


def _null(column: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = pc.is_null(column).to_numpy(zero_copy_only=False)
    return mask
