"""What a check found: one row a check, the same for columns, feeds and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

import pyarrow as pa

Severity = Literal["critical", "warning", "note"]
Check = Literal[
    "schema", "unique", "integrity", "freshness", "volume", "filled", "unit", "currency", "clock", "range", "nulls",
    "drift", "skew",
]  # fmt: skip

MEANING: dict[Check, str] = {
    "schema": "columns are those that were declared",
    "unique": "a key stands once",
    "integrity": "each line's item is that of the catalogue",
    "freshness": "events come as steadily as they used to",
    "volume": "as many lines as on this weekday before",
    "filled": "columns are filled as they used to be",
    "unit": "prices are of the size they used to be",
    "currency": "prices are in one currency",
    "clock": "instants have a zone and are not of the future",
    "range": "values keep their declared range",
    "nulls": "nothing is absent where something was declared",
    "drift": "values are spread as they were at the training",
    "skew": "answers were told what history tells",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one thing."""

    check: Check
    subject: str  # a feature, a column, an event
    severity: Severity  # what it means if it fails: stop, look, or know
    ok: bool
    value: float | None  # what was measured
    limit: float | None  # where it begins to fail
    told: str  # in words, with the numbers

    @property
    def stops(self) -> bool:
        """Whether no release may go live while it is so."""
        return not self.ok and self.severity == "critical"


FINDINGS = pa.schema(
    [
        pa.field("check", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("ok", pa.bool_(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("limit", pa.float64()),
        pa.field("told", pa.string(), nullable=False),
    ]
)
"""Columns of the table of findings."""


def findings_table(findings: Sequence[Finding]) -> pa.Table:
    """All findings, failed ones first, the gravest first."""
    ranked = sorted(findings, key=lambda one: (one.ok, _GRAVITY.index(one.severity)))
    return pa.Table.from_pylist([asdict(one) for one in ranked], schema=FINDINGS)


def objections(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Why no release may go live: a sentence for each critical check that fails; none if it may."""
    return tuple(f"{one.check} of {one.subject}: {one.told}" for one in findings if one.stops)


_GRAVITY: tuple[Severity, ...] = ("critical", "warning", "note")
assert [one.name for one in fields(Finding)] == FINDINGS.names
