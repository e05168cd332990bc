from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shelfwise.domain import DAY_US, InvalidInput, StoreUnavailable
from shelfwise.features import (
    ASKED,
    FEATURES,
    DuckDB,
    DuckDBSettings,
    Facts,
    check,
    check_columns,
    compute,
    event_lines,
    training_features,
)

from .replay import imagined, row_of, shelf_of

NOW = 1_322_000_000 * 1_000_000


@pytest.fixture
def lake(tmp_path: Path) -> list[str]:
    events = imagined(np.random.default_rng(1), NOW, 200, 6)
    pq.write_table(event_lines(events, row_of), tmp_path / "lines.parquet")
    return [str(tmp_path / "lines.parquet")]


def test_what_is_computed_keeps_what_is_declared(lake: list[str]) -> None:
    shelf = shelf_of(6, np.random.default_rng(2))
    with DuckDB() as engine:
        checked = check(engine, lake, as_of_us=NOW, facts=Facts(shelf))
    assert [one.name for one in checked] == [feature.name for feature in FEATURES if feature.sql]
    assert [(one.name, one.problem) for one in checked if not one.ok] == []
    assert all(one.rows == 5 * 6 for one in checked)  # 2 users and 3 visitors, 6 items


def test_an_empty_lake_breaks_nothing(tmp_path: Path) -> None:
    pq.write_table(event_lines([], row_of), tmp_path / "none.parquet")
    with DuckDB() as engine:
        assert check(engine, [str(tmp_path / "none.parquet")], as_of_us=NOW) == []
        assert check(engine, [], as_of_us=NOW) == []


@pytest.mark.parametrize(
    ("name", "column", "problem"),
    [
        ("item__purchase__count__7d", [3.0, -1.0], "smallest value is -1; expected at least 0"),
        ("user__purchase__new_share__all", [0.5, 1.5], "largest value is 1.5; expected at most 1"),
        ("item__purchase__trend__7d_30d", [1.0, np.nan], "1 values are absent; expected none"),
        (
            "item__purchase__trend__7d_30d",
            [1.0, np.inf],
            "values reach from 1.0 to inf; expected finite ones",
        ),
        ("item__price__log", [np.nan, np.nan], None),
    ],
)
def test_a_broken_declaration_is_named(name: str, column: list[float], problem: str | None) -> None:
    (checked,) = check_columns({name: np.array(column)})
    assert checked.problem == problem


def test_a_computation_has_the_rows_asked_for_in_their_order(lake: list[str]) -> None:
    rows = pa.table({"person": ["u:u2", "u:u1"], "item_row": [3, 1], "as_of_us": [NOW, NOW - DAY_US]})
    with DuckDB() as engine:
        made = compute(engine, lake, rows)
    assert made.select(["person", "item_row", "as_of_us"]).equals(rows)
    assert made["user_item__purchase__gap"].type == pa.float64()
    assert made["item__purchase__count__7d"].type == pa.int64()


def test_rows_without_an_instant_are_refused(lake: list[str]) -> None:
    with DuckDB() as engine, pytest.raises(InvalidInput, match="as_of_us"):
        training_features(engine, lake, pa.table({"person": ["u:u1"], "item_row": [1]}))


def test_the_same_row_may_be_asked_for_twice(lake: list[str]) -> None:
    rows = pa.table({"person": ["u:u1", "u:u1"], "item_row": [3, 3], "as_of_us": [NOW, NOW]})
    with DuckDB() as engine:
        made = training_features(engine, lake, rows)
    assert all(
        np.array_equal(column[:1], column[1:], equal_nan=column.dtype.kind == "f") for column in made.values()
    )


def test_bots_and_other_origins_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    import msgspec

    events = imagined(np.random.default_rng(3), NOW, 60, 6)
    marked = [
        msgspec.structs.replace(event, bot=number % 3 == 0, origin=("real", "simulated")[number % 2])
        for number, event in enumerate(events)
    ]
    kept = [event for event in events[::2] if not marked[events.index(event)].bot]
    paths = [str(tmp_path / "marked.parquet"), str(tmp_path / "kept.parquet")]
    for path, some in zip(paths, (marked, kept), strict=True):
        pq.write_table(event_lines(some, row_of), path)
    rows = pa.table({"person": ["u:u1"] * 6, "item_row": list(range(6)), "as_of_us": [NOW] * 6})
    with DuckDB() as engine:
        one, two = (training_features(engine, [path], rows) for path in paths)
    assert all(np.array_equal(one[name], two[name], equal_nan=one[name].dtype.kind == "f") for name in one)


def test_a_missing_file_is_said_to_be_unavailable(tmp_path: Path) -> None:
    with DuckDB() as engine, pytest.raises(StoreUnavailable, match="gone"):
        training_features(engine, [str(tmp_path / "gone.parquet")], ASKED.empty_table())


def test_the_engine_spills_where_it_is_told_and_cleans_up(tmp_path: Path) -> None:
    engine = DuckDB(DuckDBSettings(memory_mb=200, threads=1, spill=tmp_path))
    engine.write("numbers", "SELECT range AS n, hash(range) AS h FROM range(8000000)")
    made = engine.run("SELECT COUNT(*) AS n FROM (SELECT h, n FROM numbers ORDER BY h) q")
    assert made["n"].to_pylist() == [8_000_000]
    engine.close()
    assert list(tmp_path.iterdir()) == []
