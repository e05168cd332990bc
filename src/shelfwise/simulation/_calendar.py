"""How much a day is shopped on: months, weekdays, holidays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shelfwise.simulation._settings import Holiday, WorldSettings

_DAYS_IN_MONTH = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def day_factors(settings: WorldSettings, days: Sequence[int]) -> NDArray[np.float64]:
    """``(D,)`` visits of these days (since 1970) relative to a usual one; the mean over years is about 1."""
    return np.array([_usual(settings, day) * holiday_lift(settings.holidays, day) for day in days])


def gift_odds(settings: WorldSettings, days: Sequence[int]) -> NDArray[np.float64]:
    """``(D,)`` odds of a gift visit relative to a usual day: higher as holidays that lift visits come near."""
    lifts = np.array([holiday_lift(settings.holidays, day) for day in days])
    return np.asarray(1.0 + settings.gift_lift * np.maximum(lifts - 1.0, 0.0))


def holiday_lift(holidays: Sequence[Holiday], day: int) -> float:
    """The product of the lifts that holidays give to a day."""
    lift = 1.0
    for holiday in holidays:
        lift *= 1.0 + (holiday.lift - 1.0) * _nearness(holiday, _date(day))
    return lift


def _usual(settings: WorldSettings, day: int) -> float:
    on = _date(day)
    months = np.array(settings.month_factors)
    month = months[on.month - 1] / float(months @ _DAYS_IN_MONTH / _DAYS_IN_MONTH.sum())
    weekdays = settings.weekday_factors
    return float(month * weekdays[on.weekday()] * 7 / sum(weekdays))


def _nearness(holiday: Holiday, on: date) -> float:
    """1 on the day, falling to 0 as far before it as its lift begins."""
    days = ((_in_year(holiday, year) - on).days for year in (on.year, on.year + 1))
    ahead = min(wait for wait in days if wait >= 0)
    return max(0.0, 1.0 - ahead / (holiday.days_before + 1))


def _in_year(holiday: Holiday, year: int) -> date:
    """The 29th of February is the 28th where there is none."""
    last = (date(year + holiday.month // 12, holiday.month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, holiday.month, min(holiday.day, last))


def _date(day: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()


def day_of_year(day: int) -> int:
    """From 0, of a day since 1970."""
    return _date(day).timetuple().tm_yday - 1
