"""JSON Lines whose rows are flat: one row a line of an event, as in a CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from shelfwise.domain import InvalidField
from shelfwise.ingestion._files import RawBatch, decode_line, read_json_lines
from shelfwise.ingestion._verdicts import DeadLetter, Rejection, dead_letters

_ROWS = 20_000
_NESTED = ("items", "context")


def is_flat(path: Path, fields: tuple[str, ...]) -> bool:
    """True if the first row that is an object has no nested field and no event's own shape."""
    for _, line in read_json_lines(path, path.name):
        try:
            row = decode_line(line)
        except InvalidField:
            continue
        if isinstance(row, dict):
            return not any(name in row for name in _NESTED) and (
                "item_id" in row or not set(row) <= set(fields)
            )
    return False


def flat_batches(path: Path, source: str) -> Iterator[RawBatch]:
    """The rows as columns of text, of every name that occurs in the batch."""
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    letters: list[DeadLetter] = []
    for number, line in read_json_lines(path, source):
        try:
            rows.append(_flat_row(decode_line(line)))
            numbers.append(number)
        except InvalidField as trouble:
            letters.extend(dead_letters([Rejection.of(0, trouble)], source=source, first_row=number))
        if len(rows) >= _ROWS:
            yield _columns(rows, numbers, letters)
            rows, numbers, letters = [], [], []
    yield _columns(rows, numbers, letters)


def _flat_row(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise InvalidField("", row, "one JSON object a line")
    for name, value in row.items():
        if isinstance(value, (dict, list)):
            raise InvalidField(name, value, "text, a number, true, false or null: rows of this file are flat")
    return row


def _columns(rows: list[dict[str, Any]], numbers: list[int], letters: list[DeadLetter]) -> RawBatch:
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: pa.array([_text(row.get(name)) for row in rows], pa.string()) for name in names}
    return RawBatch(columns, np.array(numbers, np.int64), letters)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
