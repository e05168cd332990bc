"""Checks of whole columns: each says for every row what it holds, and refuses rows with field, value and rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shelfwise.domain import MAX_ID_BYTES, InvalidField
from shelfwise.ingestion._rules import (
    COUNTRY_RULE,
    CURRENCY_RULE,
    EARLIEST_US,
    FUTURE_RULE,
    ID_RULE,
    INSTANT_RULE,
    MAX_MINOR,
    PAST_RULE,
    PRICE_RULE,
    instant_us,
    scale_of,
)
from shelfwise.ingestion._verdicts import DeadLetter, shown

NAIVE_HINT = "; say that instants without an offset are UTC, if they are (naive_is_utc, --naive-is-utc)"
_NEVER = np.iinfo(np.int64).min


@dataclass(slots=True, eq=False)
class RowChecks:
    """Which rows of a batch are refused, and why: the first reason of each row counts."""

    source: str
    rows: NDArray[np.int64]  # (N,) row numbers in the source
    letters: list[DeadLetter] = field(default_factory=list)
    bad: NDArray[np.bool_] = field(init=False)  # (N,)

    def __post_init__(self) -> None:
        self.bad = np.zeros(len(self.rows), np.bool_)

    def refuse(self, wrong: NDArray[np.bool_], name: str, values: Any, rule: str) -> None:
        """Refuse the rows marked in ``wrong``; ``values`` is the column, or None where it is absent."""
        for place in np.flatnonzero(wrong & ~self.bad):
            value = None if values is None else values[int(place)]
            value = value.as_py() if isinstance(value, pa.Scalar) else value
            self.letters.append(DeadLetter(self.source, int(self.rows[place]), name, str(shown(value)), rule))
        self.bad |= wrong


def texts(values: pa.Array) -> pa.Array:
    """A column as trimmed text; empty text is null. Whole numbers have no decimals, whatever held them."""
    if pa.types.is_dictionary(values.type):
        values = pc.cast(values.dictionary, pa.string()).take(
            values.indices
        )  # Polars' words are string views
    if pa.types.is_floating(values.type):
        whole = pc.all(pc.equal(values, pc.floor(values)), min_count=0).as_py()
        values = pc.cast(values, pa.int64()) if whole else values
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        raise InvalidField("column type", str(values.type), "text, numbers, dates or true and false")
    trimmed = pc.utf8_trim_whitespace(pc.cast(values, pa.string()))
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def ids(values: pa.Array, name: str, checks: RowChecks) -> pa.Array:
    """A column of ids: at most 255 bytes, no NUL."""
    column = texts(values)
    long = pc.greater(pc.binary_length(column), MAX_ID_BYTES)
    wrong = pc.or_(long, pc.match_substring(column, "\0"))
    checks.refuse(_mask(wrong), name, column, ID_RULE)
    return column


def instants(
    values: pa.Array, name: str, checks: RowChecks, *, latest_us: int, naive_is_utc: bool
) -> NDArray[np.int64]:
    """A column of instants as UTC microseconds; refused where absent, naive, before 2000 or in the future."""
    at_us, column = _instants(values, naive_is_utc=naive_is_utc)
    unread = at_us == _NEVER
    checks.refuse(unread, name, column, INSTANT_RULE + ("" if naive_is_utc else NAIVE_HINT))
    checks.refuse(~unread & (at_us > latest_us), name, column, FUTURE_RULE)
    checks.refuse(~unread & (at_us < EARLIEST_US), name, column, PAST_RULE)
    return at_us


def whole_numbers(values: pa.Array, name: str, checks: RowChecks, *, low: int, high: int) -> pa.Array:
    """A column of whole numbers within bounds; null where absent."""
    rule = f"a whole number from {low} to {high}"
    numbers, column, unread = _numbers(values)
    whole = np.floor(numbers) == numbers
    absent = _mask(pc.is_null(column))
    wrong = ~absent & (unread | ~whole | ~(numbers >= low) | ~(numbers <= high))
    checks.refuse(wrong, name, column, rule)
    return pa.array(np.where(wrong | absent, 0, numbers).astype(np.int64), mask=wrong | absent)


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Money of each row: ``minor`` null where absent; ``n_rounded`` amounts had surplus decimals."""

    minor: pa.Array
    currency: pa.Array
    n_rounded: int


def prices(
    values: pa.Array, currency: pa.Array | None, checks: RowChecks, *, default: str | None, round_prices: bool
) -> Prices:
    """Decimal amounts of each row's currency, else of the shop's, in smallest units.

    Surplus decimals are refused, or rounded and counted if ``round_prices``.
    """
    numbers, column, unread = _numbers(values)
    given = ~_mask(pc.is_null(column))
    codes = texts(currency) if currency is not None else pa.nulls(len(column), pa.string())
    codes = pc.fill_null(codes, default) if default is not None else codes
    checks.refuse(
        given & _mask(pc.is_null(codes)), "currency", codes, f"the currency of price: {CURRENCY_RULE}"
    )
    scale = _scales(codes, checks)
    checks.refuse(
        given & (unread | ~((numbers >= 0) & (numbers <= MAX_MINOR / scale))), "price", column, PRICE_RULE
    )
    usable = given & ~checks.bad
    amount = np.where(usable, numbers, 0.0)
    minor = np.rint(amount * scale).astype(np.int64)
    surplus = usable & (minor / scale != amount)
    if not round_prices:
        checks.refuse(
            surplus,
            "price",
            column,
            "no more decimals than the currency has; or ask to round (round_prices, --round-prices)",
        )
    return Prices(pa.array(minor, mask=~usable), codes, int(surplus.sum()) if round_prices else 0)


def choices(values: pa.Array, name: str, checks: RowChecks, known: tuple[str, ...], rule: str) -> pa.Array:
    """A column of words out of a small set."""
    column = texts(values)
    wrong = pc.and_(pc.is_valid(column), pc.invert(pc.is_in(column, pa.array(known))))
    checks.refuse(_mask(wrong), name, column, rule)
    return column


def countries(values: pa.Array, checks: RowChecks) -> pa.Array:
    """ISO 3166-1 alpha-2, in capitals."""
    column = pc.utf8_upper(texts(values))
    checks.refuse(
        _mask(pc.invert(pc.match_substring_regex(column, "^[A-Z]{2}$"))), "country", column, COUNTRY_RULE
    )
    return column


def _mask(values: Any) -> NDArray[np.bool_]:
    """Null is False."""
    found: NDArray[np.bool_] = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return found


def _scales(codes: pa.Array, checks: RowChecks) -> NDArray[np.int64]:
    scale = np.full(len(codes), 100, np.int64)
    for code in pc.drop_null(pc.unique(codes)).to_pylist():
        here = _mask(pc.equal(codes, code))
        try:
            scale[here] = scale_of(code)
        except InvalidField as trouble:
            checks.refuse(here, "currency", codes, trouble.rule)
    return scale


def _numbers(values: pa.Array) -> tuple[NDArray[np.float64], pa.Array, NDArray[np.bool_]]:
    """Numbers (NaN where absent or unread), the column, and which rows cannot be read. Exact below 2**53."""
    column = (
        values if pa.types.is_floating(values.type) or pa.types.is_integer(values.type) else texts(values)
    )
    try:
        numbers = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
        return numbers, column, np.zeros(len(column), np.bool_)
    except pa.ArrowInvalid:
        slow = np.array([_number(text) for text in column.to_pylist()], np.float64)
        return slow, column, np.isnan(slow) & ~_mask(pc.is_null(column))


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None and "_" not in text else np.nan
    except ValueError:
        return np.nan


def _instants(values: pa.Array, *, naive_is_utc: bool) -> tuple[NDArray[np.int64], pa.Array]:
    if pa.types.is_temporal(values.type) and not pa.types.is_time(values.type):
        aware = pa.types.is_timestamp(values.type) and values.type.tz is not None
        if aware or naive_is_utc:
            return _micros(pc.cast(values, pa.timestamp("us", "UTC" if aware else None), safe=False)), values
        return np.full(len(values), _NEVER, np.int64), values
    column = texts(values)
    for zone in ("UTC", None) if naive_is_utc else ("UTC",):
        try:
            return _micros(pc.cast(column, pa.timestamp("us", zone))), column
        except pa.ArrowInvalid:
            continue
    slow = [_instant(text, naive_is_utc=naive_is_utc) for text in column.to_pylist()]
    return np.array(slow, np.int64), column


def _micros(stamps: pa.Array) -> NDArray[np.int64]:
    micros: NDArray[np.int64] = pc.fill_null(pc.cast(stamps, pa.int64()), _NEVER).to_numpy(
        zero_copy_only=False
    )
    return micros


def _instant(text: str | None, *, naive_is_utc: bool) -> int:
    try:
        instant = datetime.fromisoformat(text or "")
    except ValueError:
        return _NEVER
    if instant.tzinfo is None:
        return instant_us(instant.replace(tzinfo=UTC)) if naive_is_utc else _NEVER
    return instant_us(instant)
