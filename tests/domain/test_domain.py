from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.domain import (
    DAY_US,
    HOUR_US,
    LINE,
    MINUTE_US,
    Candidates,
    Coded,
    Deadline,
    InvalidField,
    InvalidInput,
    NotFound,
    PersonState,
    Registry,
    UnknownName,
    exponent,
    from_us,
    grain_us,
    to_decimal,
    to_minor,
    to_us,
    window_before,
)


def candidates(score: list[float]) -> Candidates:
    n = len(score)
    return Candidates(
        np.arange(n, dtype=np.int32),
        np.zeros(n, np.uint16),
        np.zeros((n, 1), np.float32),
        np.array(score, np.float32),
    )


def test_an_unscored_item_never_outranks_a_scored_one() -> None:
    assert candidates([np.nan, 0.2, -5.0]).top(2).item.tolist() == [1, 2]


@given(st.lists(st.floats(-1e6, 1e6, width=32), max_size=50), st.integers(0, 60))
def test_top_returns_the_largest_scores_in_descending_order(score: list[float], k: int) -> None:
    assert candidates(score).top(k).score.tolist() == sorted(score, reverse=True)[:k]


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(InvalidInput, match="expected one"):
        Candidates(
            np.zeros(2, np.int32),
            np.zeros(1, np.uint16),
            np.zeros((2, 1), np.float32),
            np.zeros(2, np.float32),
        )


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [(2.55, "GBP", 255), ("0.1", "EUR", 10), (1999, "JPY", 1999), (1.234, "KWD", 1234), (-3, "USD", -300)],
)
def test_money_is_whole_in_the_smallest_unit(amount: float, currency: str, minor: int) -> None:
    assert to_minor(amount, currency) == minor


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), "abc", 1e300, 2.555])
def test_what_is_no_amount_is_refused_with_its_value(amount: object) -> None:
    with pytest.raises(InvalidField, match="price is"):
        to_minor(amount, "GBP")  # type: ignore[arg-type]


@given(st.integers(-(10**12), 10**12), st.sampled_from(["GBP", "JPY", "KWD"]))
def test_money_survives_the_doors(minor: int, currency: str) -> None:
    assert to_minor(to_decimal(minor, currency), currency) == minor


@pytest.mark.parametrize("code", ["gbp", "GB", "G1P", "GBPX", ""])
def test_a_malformed_currency_is_refused(code: str) -> None:
    with pytest.raises(InvalidField, match="ISO 4217"):
        exponent(code)


def test_instants_are_utc_whatever_the_zone_they_came_in() -> None:
    local = datetime(2011, 7, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))
    assert from_us(to_us(local)) == datetime(2011, 7, 1, 12, 0, tzinfo=UTC)
    with pytest.raises(InvalidField, match="time zone"):
        to_us(datetime(2011, 7, 1))


def test_windows_hold_whole_buckets_at_their_start_and_end_at_the_instant() -> None:
    noon = to_us(datetime(2011, 7, 1, 12, 34, 56, tzinfo=UTC))
    week = window_before(noon, 7 * DAY_US)
    assert from_us(week.start_us) == datetime(2011, 6, 24, tzinfo=UTC)
    assert week.end_us == noon
    assert noon not in week
    assert noon - 1 in week
    hour = window_before(noon, HOUR_US)
    assert from_us(hour.start_us) == datetime(2011, 7, 1, 11, 34, tzinfo=UTC)


def test_the_grain_grows_with_the_window() -> None:
    widths = [HOUR_US, DAY_US, 7 * DAY_US, 90 * DAY_US]
    assert [grain_us(w) for w in widths] == [MINUTE_US, HOUR_US, DAY_US, DAY_US]


def test_a_wrong_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(
        UnknownName, match=r"no arranger is called 'tops'; did you mean 'top'\? \(known: top\)"
    ):
        Registry("arranger", {"top": object}).make("tops")


def test_errors_survive_the_trip_between_processes() -> None:
    error = InvalidField("quantity", 0, "at least 1")
    assert str(type(error)(*error.args)) == "quantity is 0; expected at least 1"
    assert str(NotFound("item", "x" * 500)).endswith("(502 characters)")


def test_absent_rows_of_a_coded_column_never_match() -> None:
    column = Coded(np.array([0, -1, 1], np.int32), ("red", "blue"))
    assert column.where(np.array([True, True])).tolist() == [True, False, True]


def test_a_state_takes_only_lines() -> None:
    with pytest.raises(InvalidInput, match="dtype"):
        PersonState(lines=np.zeros(3))
    lines = np.zeros(3, LINE)
    lines["event"] = [1, 3, 1]
    assert len(PersonState(lines=lines).of(1)) == 2


def test_a_deadline_passes_by_share() -> None:
    now = [0.0]
    deadline = Deadline(lambda: now[0], at_s=0.1, budget_s=0.1)
    now[0] = 0.06
    assert deadline.passed(0.5)
    assert not deadline.passed(0.7)
    assert not deadline.passed()
