from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import (
    CART,
    DAY_US,
    LINE,
    MINUTE_US,
    NOBODY,
    PURCHASE,
    VIEW,
    Candidates,
    Coded,
    Context,
    InvalidField,
    LiveItems,
    PersonState,
    Query,
    Shelf,
    UnknownName,
)
from shelfwise.features import FEATURES, Assembler, feature_names, live_of

NOW = 20_000 * DAY_US + 12 * 60 * MINUTE_US  # Friday 2024-10-04 at noon, UTC
N_ITEMS = 6


def shelf(category: tuple[int, ...] = (0, 0, 1, 1, -1, -1)) -> Shelf:
    ids = tuple(f"i{row}" for row in range(len(category)))
    zero = np.zeros(len(category), np.int64)
    coded = {"category": Coded(np.array(category, np.int32), ("x", "y"))}
    return Shelf(
        1, ids, ids, ids, ids, coded, zero.astype(np.int16), zero, {name: at for at, name in enumerate(ids)}
    )


def live(**counters: list[int]) -> LiveItems:
    given = {name: np.array(column, np.int64) for name, column in counters.items()}
    return live_of({"item__purchase__last_price": np.zeros(N_ITEMS, np.int64), **given}, N_ITEMS)


def candidates(*items: int, signal: np.ndarray | None = None) -> Candidates:
    size = len(items)
    signal = np.empty((size, 0), np.float32) if signal is None else signal.astype(np.float32)
    return Candidates(
        np.array(items, np.int32), np.zeros(size, np.uint16), signal, np.zeros(size, np.float32)
    )


def history(*rows: tuple[int, int, float]) -> PersonState:
    """(item, event, days ago), newest first."""
    lines = np.zeros(len(rows), LINE)
    for line, (item, event, days) in zip(lines, rows, strict=True):
        at_us = NOW - int(days * DAY_US)
        line["item"], line["event"], line["at_us"] = item, event, at_us
        line["event_hash"] = line["order_hash"] = at_us
        line["quantity"], line["price_minor"] = 2, 300
    return PersonState(lines)


def told(
    name: str,
    person: PersonState = NOBODY,
    items: tuple[int, ...] = (0, 1, 2),
    *,
    counters: LiveItems | None = None,
    **query: object,
) -> list[float]:
    asked = Query(size=5, asked_us=NOW, **query)  # type: ignore[arg-type]
    return (
        Assembler([name])
        .assemble(asked, person, counters or live(), shelf(), candidates(*items))[:, 0]
        .tolist()
    )


WORN = ((0, PURCHASE, 10), (0, PURCHASE, 20), (1, PURCHASE, 30), (0, PURCHASE, 40))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user_item__purchase__days__all", [3, 1, 0]),
        ("user_item__purchase__recency", [10, 30, np.nan]),
        ("user_item__purchase__age", [40, 30, np.nan]),
        ("user_item__purchase__gap", [15, np.nan, np.nan]),  # 40 to 10 days ago in two steps
        ("user_item__purchase__overdue", [10 / 15, np.nan, np.nan]),
        ("user_item__purchase__orders_since", [0, 2, np.nan]),
        ("user_item__purchase__share__all", [3 / 4, 1 / 4, 0]),
        ("user_item__purchase__decay__30d", [0.5 ** (1 / 3) + 0.5 ** (2 / 3) + 0.5 ** (4 / 3), 0.5, 0]),
        ("user_item__quantity__log_total__all", [np.log(6), np.log(2), np.nan]),
        ("user__purchase__orders__all", [4, 4, 4]),
        (
            "user__purchase__orders__30d",
            [3, 3, 3],
        ),  # 30 days ago at noon is inside: the window starts at midnight
        ("user__purchase__gap", [10, 10, 10]),
        ("user__purchase__repeated_share__all", [0.5, 0.5, 0.5]),
        ("user__purchase__new_share__all", [0.5, 0.5, 0.5]),
        ("user__price__log_mean__all", [np.log(300)] * 3),
        ("user__purchase__log_spend__all", [np.log(600)] * 3),
        ("user_category__purchase__share__all", [1, 1, 0]),
    ],
)
def test_what_a_rhythm_tells_by_hand(name: str, expected: list[float]) -> None:
    assert told(name, history(*WORN)) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    "feature",
    [one for one in FEATURES if one.entity in ("user", "user_item", "session")],
    ids=lambda one: one.name,
)
def test_a_stranger_has_done_nothing(feature) -> None:
    counted = feature.dtype == "int64" or "__decay__" in feature.name
    assert told(feature.name) == pytest.approx([0 if counted else np.nan] * 3, nan_ok=True)


def test_the_running_session_reaches_back_over_gaps_of_half_an_hour() -> None:
    minutes = (5, 35, 66)  # the third is 31 minutes before the second
    person = history(*((item, VIEW, minute / 1440) for item, minute in enumerate(minutes)))
    assert told("session__view_item__count", person)[0] == 2
    assert told("session__all__events", person)[0] == 2
    assert told("session__age", person)[0] == pytest.approx(35 / 1440)
    assert told("user_item__view_item__session", person) == [1, 1, 0]
    assert told("user_item__view_item__place", person) == [0, 1, 2]


def test_a_session_is_over_after_half_an_hour() -> None:
    assert told("session__all__events", history((0, VIEW, 31 / 1440)))[0] == 0
    assert told("session__all__events", history((0, CART, 30 / 1440)))[0] == 1


def test_what_happened_at_the_question_or_later_is_not_known() -> None:
    person = history((0, PURCHASE, -1), (0, PURCHASE, 0), (0, PURCHASE, 3))
    assert told("user_item__purchase__days__all", person)[0] == 1
    assert told("user__recency", person)[0] == 3


def test_the_place_and_time_of_the_shopper() -> None:
    assert told("context__hour")[0] == 12
    assert told("context__weekday")[0] == 4
    assert told("context__hour", context=Context(offset_minutes=13 * 60))[0] == 1
    assert told("context__weekday", context=Context(offset_minutes=13 * 60))[0] == 5
    assert told("context__device", context=Context(device="Mobile"))[0] == 2


def test_seeds_share_category_and_price() -> None:
    counters = live(item__purchase__last_price=[100, 400, 0, 900, 0, 0])
    seeds = np.array([1, 2, 3, 5], np.int32)
    assert told("context__seeds", seeds=seeds)[0] == 4
    share = told("seeds__category__share", items=(0, 2, 4), seeds=seeds)
    assert share == pytest.approx([1 / 4, 2 / 4, np.nan], nan_ok=True)
    price = told("seeds__price__log_difference", items=(0, 2), seeds=seeds, counters=counters)
    assert price == pytest.approx([np.log(100) - (np.log(400) + np.log(900)) / 2, np.nan], nan_ok=True)
    assert np.isnan(told("seeds__category__share")).all()


def test_counters_are_read_by_row_and_an_item_beyond_them_counts_nothing() -> None:
    counters = live(item__purchase__count__7d=[4, 0, 9])
    assert told("item__purchase__count__7d", items=(2, 0, 5), counters=counters) == [9, 4, 0]


def test_what_the_keeper_counts_on_in_place_is_told_by_the_same_assembler() -> None:
    name = "item__purchase__count__7d"
    counters, assembler = live(item__purchase__count__7d=[4, 0, 9]), Assembler([name])

    def now() -> list[float]:
        asked = Query(size=5, asked_us=NOW)
        return assembler.assemble(asked, NOBODY, counters, shelf(), candidates(0, 1, 2))[:, 0].tolist()

    assert now() == [4, 0, 9]
    counters.counters[name][1] = 7
    assert now() == [4, 7, 9]


def test_counters_that_tell_when_they_are_written_are_gathered_once_per_writing() -> None:
    name = "item__purchase__count__7d"
    counters, assembler = live(item__purchase__count__7d=[4, 0, 9]), Assembler([name])

    def now(written: int) -> list[float]:
        asked, columns = Query(size=5, asked_us=NOW), replace(counters, written=written)
        return assembler.assemble(asked, NOBODY, columns, shelf(), candidates(0, 1, 2))[:, 0].tolist()

    assert now(written=1) == [4, 0, 9]
    counters.counters[name][1] = 7  # a writing that is not finished yet
    assert now(written=1) == [4, 0, 9]
    assert now(written=2) == [4, 7, 9]


@pytest.mark.parametrize("column", [np.arange(6, dtype=np.int64)[::2], np.arange(3, dtype=np.int32)])
def test_a_live_column_that_cannot_be_read_in_place_is_refused(column: np.ndarray) -> None:
    paid = np.zeros(3, np.int64)
    counters = live_of({"item__purchase__last_price": paid, "item__purchase__count__7d": column}, 3)
    with pytest.raises(InvalidField, match="item__purchase__count__7d"):
        told("item__purchase__count__7d", counters=counters)


def test_without_live_counters_nothing_is_told_of_an_item() -> None:
    assert np.isnan(told("item__purchase__count__7d")).all()


def test_shares_are_of_the_whole_shop() -> None:
    counters = live(item__purchase__actors__7d=[4, 0, 9], shop__purchase__actors__7d=[40])
    assert told("item__purchase__actors_share__7d", counters=counters) == pytest.approx([100, 0, 225])


def test_signals_pass_through_with_their_relative_and_their_rank() -> None:
    signal = np.array([[0.5, -1], [np.nan, -2], [2.0, -2], [0.5, np.nan]])
    assembler = Assembler(("t", "s__rank", "s", "t__rank", "s__relative", "t__relative"), ("s", "t"))
    made = assembler.assemble(
        Query(size=1, asked_us=NOW), NOBODY, live(), shelf(), candidates(0, 1, 2, 3, signal=signal)
    )
    assert made[:, 2] == pytest.approx([0.5, np.nan, 2, 0.5], nan_ok=True)
    assert made[:, 1] == pytest.approx([1, np.nan, 0, 1], nan_ok=True)  # ties share the better place
    assert made[:, 4] == pytest.approx([0.25, np.nan, 1, 0.25], nan_ok=True)
    assert made[:, 3] == pytest.approx([0, 1, 1, np.nan], nan_ok=True)
    assert np.isnan(made[:, 5]).all()  # the highest is below 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.floats(-10, 10, width=32), st.just(float("nan"))), min_size=1, max_size=60))
def test_a_rank_is_the_number_of_higher_signals(values: list[float]) -> None:
    signal = np.array(values, np.float32)
    made = Assembler(("s__rank",), ("s",)).assemble(
        Query(size=1, asked_us=NOW),
        NOBODY,
        live(),
        shelf(),
        candidates(*[0] * len(values), signal=signal[:, None]),
    )
    expected = [np.nan if np.isnan(value) else float((signal > value).sum()) for value in signal]
    assert made[:, 0] == pytest.approx(expected, nan_ok=True)


def test_fitted_columns_are_read_by_row_and_newer_items_have_none() -> None:
    fitted = {"item__price__percentile": np.array([0.5, 1], np.float32), "own": np.array([7], np.float32)}
    needs = ("own", "item__price__percentile", "item__purchase__percentile__90d")
    made = Assembler(needs, (), fitted).assemble(
        Query(size=1, asked_us=NOW), NOBODY, live(), shelf(), candidates(1, 0, 5)
    )
    assert made[:, 0] == pytest.approx([np.nan, 7, np.nan], nan_ok=True)
    assert made[:, 1] == pytest.approx([1, 0.5, np.nan], nan_ok=True)
    assert np.isnan(made[:, 2]).all()


def test_columns_come_in_the_order_they_are_needed_in() -> None:
    names = feature_names(("s",))
    signal = np.arange(3, dtype=np.float32)[:, None]
    rng = np.random.default_rng(0)
    counters = live(
        **{
            name: rng.integers(0, 9, N_ITEMS).tolist()
            for name in ("item__purchase__count__7d", "item__refund__count__90d")
        }
    )
    whole = Assembler(names, ("s",)).assemble(
        Query(size=1, asked_us=NOW), history(*WORN), counters, shelf(), candidates(0, 1, 2, signal=signal)
    )
    for at in rng.permutation(len(names))[:40]:
        one = Assembler((names[at],), ("s",)).assemble(
            Query(size=1, asked_us=NOW), history(*WORN), counters, shelf(), candidates(0, 1, 2, signal=signal)
        )
        assert one[:, 0] == pytest.approx(whole[:, at], nan_ok=True), names[at]


def test_an_item_given_twice_is_told_twice() -> None:
    assert told("user_item__purchase__days__all", history(*WORN), (0, 1, 0)) == [3, 1, 3]


def test_no_candidates_give_no_rows() -> None:
    names = feature_names(("s",))
    made = Assembler(names, ("s",)).assemble(
        Query(size=1, asked_us=NOW), history(*WORN), live(), shelf(), candidates(signal=np.empty((0, 1)))
    )
    assert made.shape == (0, len(names))


def test_an_unknown_need_is_answered_with_the_right_one() -> None:
    with pytest.raises(UnknownName, match="did you mean 'user__recency'"):
        Assembler(("user__recencyy",))


@pytest.mark.slow
def test_compiled_code_stays_inside_its_arrays(tmp_path: Path) -> None:
    if os.environ.get("NUMBA_BOUNDSCHECK"):
        pytest.skip("this is the run with bounds checks")
    here = Path(__file__).parent
    files = [str(here / f"test_{name}.py") for name in ("assemble", "fold", "history", "counters", "parity")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not real", *files],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
