"""What the door says of each row: accepted, rejected by a rule, or not to be tracked. And the dead letter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shelfwise.domain import Event, InvalidField
from shelfwise.ingestion._explain import NotJson
from shelfwise.stores import ItemChange

MAX_SHOWN = 120  # characters of a bad value that are repeated to the sender and kept as a dead letter


class Rejection(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row that was not taken: its place in the request from 0, the field, what it was, what was expected."""

    index: int
    field: str
    value: Any  # a JSON scalar, shortened
    rule: str
    unreadable: bool = False  # the request as a whole: no parser reads it

    @classmethod
    def of(cls, index: int, trouble: InvalidField) -> Rejection:
        """The rejection that an error of one field amounts to."""
        unreadable = isinstance(trouble, NotJson)
        return cls(index, trouble.field, shown(trouble.value), trouble.rule, unreadable)

    def __str__(self) -> str:
        return f"row {self.index}: {self.field} is {self.value!r}; expected {self.rule}"


class DeadLetter(msgspec.Struct, frozen=True):
    """A rejected row as it is kept: ``source`` is a file or a door, ``row`` counts from 1 (a header is row 0)."""

    source: str
    row: int
    field: str
    value: str
    rule: str

    def __str__(self) -> str:
        return f"{self.source}, row {self.row}: {self.field} is {self.value}; expected {self.rule}"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What became of the rows of one request of events.

    ``rows[i]`` is the place in the request of ``accepted[i]``. ``body`` is set, and everything else empty, if
    the request as a whole cannot be read.
    """

    accepted: list[Event] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    untracked: list[int] = field(
        default_factory=list
    )  # consent denied: neither stored nor kept as dead letter
    ignored: list[int] = field(default_factory=list)  # well-formed calls that say nothing of items (Segment)
    body: Rejection | None = None


@dataclass(frozen=True, slots=True)
class ItemVerdicts:
    """What became of the rows of one request of items; ``rows`` and ``body`` as in ``Verdicts``."""

    changes: list[ItemChange] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    body: Rejection | None = None


def dead_letters(rejected: Iterable[Rejection], *, source: str, first_row: int = 1) -> list[DeadLetter]:
    """The rows to keep of a batch whose row 0 is row ``first_row`` of the source."""
    return [
        DeadLetter(source, first_row + one.index, one.field, str(shown(one.value)), one.rule)
        for one in rejected
    ]


def shown(value: Any) -> Any:
    """A value fit to be sent back: JSON scalars as they are if short, everything else as shortened text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, float) and value - value == 0:  # finite
        return value
    return _printable(value if isinstance(value, str) else _text(value))


def _text(value: Any) -> str:
    """A short text of anything, however deep or large."""
    if isinstance(value, dict):
        return f"an object of {len(value)} fields"
    if isinstance(value, (list, tuple)):
        return f"an array of {len(value)} elements"
    if isinstance(value, int):
        return f"an integer of {value.bit_length()} bits"
    return repr(value)


def _printable(text: str) -> str:
    """Shortened, and without what UTF-8 cannot carry."""
    short = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... ({len(text)} characters)"
    return short.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
