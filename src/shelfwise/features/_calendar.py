"""The calendar of a shopper's country: one row of numbers a local day, the same for every reader.

A table of (country, day) is joined by batch engines and looked up at the request, so nobody computes a holiday twice.
Public holidays are those of the ``holidays`` package; a country it does not know has none that we could tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

CALENDAR = (
    "context__month", "context__month_day", "context__year_week", "context__year_day", "context__year_sin",
    "context__year_cos",
    "context__weekend", "context__payday__to", "context__payday__since", "context__holiday",
    "context__holiday__to", "context__holiday__since",
)  # fmt: skip
"""What a day is asked for, in the order of ``calendar_row``."""

UNKNOWN = ""  # the country of who did not say
YEAR_DAYS = 365.25
_EPOCH = date(1970, 1, 1)
_REACH = (
    100  # days to and from a holiday that are looked through; every country known has more than four a year
)
_SATURDAY_SUNDAY = frozenset({5, 6})


@lru_cache(maxsize=4096)
def calendar_row(country: str, day: int) -> NDArray[np.float64]:
    """Numbers of one local day, ``(len(CALENDAR),)``: NaN where the country's holidays are not known. Read only.

    Args:
        country: ISO 3166-1 alpha-2 code, or ``UNKNOWN``.
        day: Days since 1970-01-01 where the shopper is.
    """
    today = _EPOCH + timedelta(days=day)
    year_day = today.timetuple().tm_yday - 1
    angle = 2 * math.pi * year_day / YEAR_DAYS
    row = np.array(
        [
            today.month, today.day, today.isocalendar().week, year_day, math.sin(angle), math.cos(angle),
            today.weekday() in _weekend(country), *_paydays(country, today), *_holidays(country, today),
        ],
        np.float64,
    )  # fmt: skip
    row.flags.writeable = False
    return row


def calendar_table(days: Iterable[tuple[str, int]]) -> pa.Table:
    """Rows of these countries and days: ``country``, ``local_day``, then ``CALENDAR``; null where nothing is known."""
    wanted = sorted(set(days))
    rows = np.array([calendar_row(country, day) for country, day in wanted]).reshape(-1, len(CALENDAR))
    columns = {
        "country": pa.array([country for country, _ in wanted], pa.string()),
        "local_day": pa.array([day for _, day in wanted], pa.int64()),
    }
    for at, name in enumerate(CALENDAR):
        columns[name] = pa.array(rows[:, at], pa.float64(), from_pandas=True)
    return pa.table(columns)


def _paydays(country: str, today: date) -> tuple[int, int]:
    """Days to the next payday, 0 on it, and since the last: the last working day of a month."""
    this = _payday(country, today.year, today.month)
    before = today.replace(day=1) - timedelta(days=1)
    after = today.replace(day=28) + timedelta(days=4)
    if today < this:
        return (this - today).days, (today - _payday(country, before.year, before.month)).days
    if today == this:
        return 0, 0
    return (_payday(country, after.year, after.month) - today).days, (today - this).days


def _payday(country: str, year: int, month: int) -> date:
    first_of_next = date(year + month // 12, month % 12 + 1, 1)
    day = first_of_next - timedelta(days=1)
    while day.weekday() in _weekend(country) or day in _public(country, day.year):
        day -= timedelta(days=1)
    return day


def _holidays(country: str, today: date) -> tuple[float, float, float]:
    """1 on a public holiday; days to the next, 0 on it; days since the last. NaN if the country's are not known."""
    if not _public(country, today.year):
        return math.nan, math.nan, math.nan
    to = next((n for n in range(_REACH) if _is_holiday(country, today + timedelta(days=n))), math.nan)
    since = next((n for n in range(_REACH) if _is_holiday(country, today - timedelta(days=n))), math.nan)
    return float(to == 0), to, since


def _is_holiday(country: str, day: date) -> bool:
    return day in _public(country, day.year)


@lru_cache(maxsize=1024)
def _public(country: str, year: int) -> frozenset[date]:
    """Public holidays of a country in a year; none where they are not known."""
    import holidays  # here, because most processes never ask

    if not _is_known(country):
        return frozenset()
    return frozenset(holidays.country_holidays(country, years=year))


@lru_cache(maxsize=1024)
def _weekend(country: str) -> frozenset[int]:
    import holidays

    if not _is_known(country):
        return _SATURDAY_SUNDAY
    return frozenset(holidays.country_holidays(country).weekend)


@lru_cache(maxsize=1024)
def _is_known(country: str) -> bool:
    import holidays

    return country != UNKNOWN and country in holidays.list_supported_countries(include_aliases=False)


def days_of(country: Iterable[str | None], local_day: Iterable[int]) -> Iterator[tuple[str, int]]:
    """Pairs as ``calendar_table`` takes them."""
    for one, day in zip(country, local_day, strict=True):
        yield one or UNKNOWN, day
