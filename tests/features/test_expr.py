from __future__ import annotations

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import DAY_US
from shelfwise.features import FEATURES
from shelfwise.features._expr import DEPTH, Binary, Col, DaysSince, Expr, Ln, Num, compiled, depth_of
from shelfwise.features._machine import run_program

NAMES = ("a", "b", "c")
LEAVES = st.one_of(
    st.sampled_from([Col(name) for name in NAMES]),
    st.floats(-3, 3, width=16).map(Num),
    st.just(DaysSince("c")),
)
EXPR = st.recursive(
    LEAVES,
    lambda part: st.one_of(
        st.builds(Binary, st.sampled_from(["+", "-", "*", "/", "max"]), part, part), st.builds(Ln, part)
    ),
    max_leaves=6,
)
CELL = st.one_of(st.none(), st.integers(-4, 4), st.floats(-3, 3, width=16))
NOW = 5 * DAY_US


def evaluated(expression: Expr, values: list[float | None]) -> float:
    code, constants = compiled([expression], {name: at for at, name in enumerate(NAMES)})
    rows = np.array([[np.nan if value is None else value] for value in values], np.float64)
    out = np.empty((1, 1), np.float32)
    run_program(code, constants, np.zeros(1, np.int64), NOW, np.empty(0), rows, out)
    return float(out[0, 0])


@settings(max_examples=150, deadline=None)
@given(EXPR, st.tuples(CELL, CELL, CELL))
def test_the_text_and_the_program_say_the_same(expression: Expr, values: tuple[float | None, ...]) -> None:
    if depth_of(expression) > DEPTH:
        return
    cells = ", ".join(
        f"CAST({'NULL' if value is None else repr(value)} AS DOUBLE) AS {name}"
        for name, value in zip(NAMES, values, strict=True)
    )
    ((told,),) = duckdb.sql(
        f"SELECT {expression.sql()} FROM (SELECT {cells}, CAST({NOW} AS DOUBLE) AS as_of_us) r"
    ).fetchall()
    expected = np.nan if told is None else np.float32(told)
    # Near 0 the two may differ in the last bit of a double, and so on which side of 0 a logarithm is asked for.
    assert evaluated(expression, list(values)) == pytest.approx(
        float(expected), rel=1e-5, abs=1e-6, nan_ok=True
    )


def test_division_by_nothing_gives_nothing() -> None:
    assert np.isnan(evaluated(Col("a") / Col("b"), [1, 0, 0]))
    assert np.isnan(evaluated(Binary("max", Col("a"), Num(1)), [None, 0, 0]))
    assert np.isnan(evaluated(Ln(Col("a")), [0, 0, 0]))
    assert evaluated(DaysSince("c"), [0, 0, 2 * DAY_US]) == 3


def test_no_feature_is_deeper_than_the_stack() -> None:
    assert max(depth_of(feature.expr) for feature in FEATURES if feature.expr is not None) <= DEPTH
