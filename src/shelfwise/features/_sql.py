"""Words of the SQL that DuckDB and Spark read alike, and the bounds of windows in it. Nothing is translated.

Rules the text keeps to, each because engines were seen to differ: time is BIGINT microseconds in UTC; money is BIGINT
minor units and sums are cast back to BIGINT; every ORDER BY inside a window ends in a unique key; a division is by a
NULLIF or by a constant; no timestamp arithmetic, no as-of join keyword, no arrays, no IGNORE NULLS.
"""

# ruff: noqa: S608 - texts are made of names and numbers in this package; nothing a caller says enters them

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shelfwise.domain import DAY_US, EVENT_CODES, grain_us
from shelfwise.features._features import ITEM_COUNTS, PAIR_COUNTS, USER_COUNTS

LINE_DAYS = 2  # whole days before today that are read line by line: windows of up to a day need finer bounds


@dataclass(frozen=True, slots=True)
class View:
    """A named table made by one SQL text from tables named before it."""

    name: str
    needs: tuple[str, ...]
    query: str


def when(condition: str, value: str = "1", other: str = "0") -> str:
    """``value`` where the condition holds."""
    return f"CASE WHEN {condition} THEN {value} ELSE {other} END"


def total(expression: str) -> str:
    """A whole sum, 0 over nothing."""
    return f"CAST(COALESCE(SUM({expression}), 0) AS BIGINT)"


def listed(columns: Iterable[str]) -> str:
    """Columns one below the other."""
    return ",\n  ".join(columns)


def floored(instant: str, width_us: int) -> str:
    """The start of the bucket an instant lies in, for windows of this width."""
    return f"{instant} - ({instant}) % {grain_us(width_us)}"


def milli_log(column: str) -> str:
    """Thousandths of the natural logarithm, rounded; 0 for nothing and less."""
    rounded = f"FLOOR(LN(CAST({column} AS DOUBLE)) * 1000 + CAST(0.5 AS DOUBLE))"
    return when(f"{column} > 0", f"CAST({rounded} AS BIGINT)")


def half_lives_since(instant: str, half_life: int) -> str:
    """How many half-lives, of so many days each, lie between an instant and the question."""
    return f"CAST(as_of_us - {instant} AS DOUBLE) / CAST({half_life * DAY_US} AS DOUBLE)"


def code(event: str) -> int:
    """Code of an event name."""
    return EVENT_CODES[event]


def windows() -> list[tuple[int, int]]:
    """(width, lag) of every window that some declared count has."""
    widths = [*(one.width_us for one in USER_COUNTS), *(one.width_us for one in PAIR_COUNTS)]
    personal = [(width_us, 0) for width_us in widths if width_us is not None]
    return sorted({*((one.width_us, one.lag_us) for one in ITEM_COUNTS), *personal})


def bounds_of(width_us: int, lag_us: int) -> tuple[str, str]:
    """Columns of ``instants`` that hold where a window starts and ends."""
    return f"from_{width_us}_{lag_us}", f"until_{width_us}_{lag_us}"


def instants() -> View:
    """Each instant asked for, with the bounds of all windows before it."""
    columns = ["as_of_us", f"as_of_us - as_of_us % {DAY_US} - {LINE_DAYS * DAY_US} AS lines_from_us"]
    for width_us, lag_us in windows():
        start, end = bounds_of(width_us, lag_us)
        columns.append(f"{floored(f'(as_of_us - {lag_us + width_us})', width_us)} AS {start}")
        columns.append(f"{floored(f'(as_of_us - {lag_us})', width_us) if lag_us else 'as_of_us'} AS {end}")
    query = f"SELECT {listed(columns)}\nFROM (SELECT DISTINCT as_of_us FROM asked) moments"
    return View("instants", ("asked",), query)
