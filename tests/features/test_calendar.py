"""The calendar of a country, against days that everybody can look up."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.features._calendar import CALENDAR, UNKNOWN, calendar_row, calendar_table


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def told(country: str, text: str) -> dict[str, float]:
    return dict(zip(CALENDAR, calendar_row(country, day(text)).tolist(), strict=True))


def test_christmas_is_a_holiday_in_britain_and_nobodys_where_the_country_is_unknown() -> None:
    assert told("GB", "2010-12-25")["context__holiday"] == 1
    assert told("GB", "2010-12-24")["context__holiday__to"] == 1
    assert math.isnan(told(UNKNOWN, "2010-12-25")["context__holiday"])
    assert math.isnan(told("ZZ", "2010-12-25")["context__holiday__to"])


def test_holidays_are_the_countrys_own() -> None:
    assert told("FR", "2011-07-14")["context__holiday"] == 1
    assert told("GB", "2011-07-14")["context__holiday"] == 0


def test_days_since_a_holiday_reach_over_the_year() -> None:
    assert told("DE", "2011-01-02")["context__holiday__since"] == 1


@pytest.mark.parametrize(
    ("text", "to", "since"),
    [
        ("2011-11-30", 0, 0),  # a Wednesday, the last of its month
        ("2011-12-01", 29, 1),  # the 31st is a Saturday: paid on Friday the 30th
        ("2011-12-31", 31, 1),  # until Tuesday, January 31st
        ("2011-11-29", 1, 29),  # since Monday, October 31st
    ],
)
def test_payday_is_the_last_working_day_of_the_month(text: str, to: int, since: int) -> None:
    row = told(UNKNOWN, text)
    assert (row["context__payday__to"], row["context__payday__since"]) == (to, since)


def test_payday_is_no_public_holiday() -> None:
    # 2018-03-30 was Good Friday: the last working day of March was Thursday the 29th
    assert told("GB", "2018-03-29")["context__payday__to"] == 0


def test_the_weekend_is_the_countrys_own() -> None:
    friday = "2011-11-25"
    assert told("EG", friday)["context__weekend"] == 1  # Friday and Saturday
    assert told("GB", friday)["context__weekend"] == 0


def test_the_year_is_a_circle() -> None:
    first, last = told(UNKNOWN, "2011-01-01"), told(UNKNOWN, "2011-12-31")
    assert abs(first["context__year_sin"] - last["context__year_sin"]) < 0.05
    assert abs(first["context__year_cos"] - last["context__year_cos"]) < 0.05


@given(st.sampled_from(["GB", "DE", "US", "JP", UNKNOWN]), st.integers(day("2000-01-01"), day("2030-12-31")))
def test_every_day_keeps_its_bounds(country: str, at: int) -> None:
    row = dict(zip(CALENDAR, calendar_row(country, at).tolist(), strict=True))
    assert 1 <= row["context__month"] <= 12
    assert 0 <= row["context__payday__to"] <= 35
    assert 0 <= row["context__payday__since"] <= 35
    assert (row["context__holiday"] == 1) == (row["context__holiday__to"] == 0)


def test_the_table_has_each_day_once_and_nothing_where_nothing_is_known() -> None:
    table = calendar_table(
        [("GB", day("2010-12-25")), (UNKNOWN, day("2010-12-25")), ("GB", day("2010-12-25"))]
    )
    assert table.num_rows == 2
    assert table["context__holiday"].to_pylist() == [None, 1.0]
    assert table["local_day"].to_pylist() == [day("2010-12-25")] * 2


def test_a_row_cannot_be_changed_by_who_reads_it() -> None:
    with pytest.raises(ValueError, match="read-only"):
        np.multiply(calendar_row("GB", 15_000), 2, out=calendar_row("GB", 15_000))
