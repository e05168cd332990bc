"""One text, two engines: whatever DuckDB makes of a history, Spark makes of it too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shelfwise.domain import DAY_US, HOUR_US, Event, EventLine, InvalidInput, Shelf, StoreUnavailable
from shelfwise.features import (
    VIEWS,
    DuckDB,
    DuckDBSettings,
    Facts,
    Spark,
    SparkSettings,
    check_quality,
    event_lines,
    feed_views,
    items_as_of,
    live_of,
    training_features,
)

from .replay import BATCH, fits_of, imagined, offers, row_of, shelf_of
from .test_parity import N_ITEMS, NOW, PEOPLE

pytestmark = [pytest.mark.spark, pytest.mark.slow]
INSTANTS = (NOW, NOW - 2 * HOUR_US, NOW - 33 * DAY_US, NOW // DAY_US * DAY_US)


@pytest.fixture(scope="module")
def duckdb() -> DuckDB:
    with DuckDB(DuckDBSettings(memory_mb=500)) as engine:
        yield engine


def lake_of(events: Sequence[Event], folder: Path) -> list[str]:
    files = []
    for part in range(3):
        files.append(str(folder / f"part-{part}.parquet"))
        pq.write_table(event_lines(events[part::3], row_of), files[-1])
    return files


def history(seed: int) -> tuple[list[Event], Shelf]:
    """The parity suite's people, and more than is remembered of one of them; some lines stand twice."""
    rng = np.random.default_rng(seed)
    events = imagined(rng, NOW, 400, N_ITEMS)
    events += [
        Event(
            event_id=f"b{number}", event=("purchase", "view_item", "refund")[number % 3], received_us=NOW,
            occurred_us=NOW - (700 - number) * 9 * HOUR_US // 2, order_id=f"o{number // 2}", user_id="busy",
            lines=tuple(EventLine(f"i{rng.integers(N_ITEMS)}", int(rng.integers(1, 5)), 250, "GBP") for _ in range(4)),
        )
        for number in range(700)
    ]  # fmt: skip
    events += [events[at] for at in rng.integers(0, len(events), 60)]
    return [events[at] for at in rng.permutation(len(events))], shelf_of(N_ITEMS, rng)


def asked(rng: np.random.Generator, n_rows: int) -> pa.Table:
    """People, items and instants at random; some rows twice, some of nobody."""
    people = (*PEOPLE, "u:busy")
    return pa.table(
        {
            "person": [people[at] for at in rng.integers(0, len(people), n_rows)],
            "item_row": pa.array(rng.integers(0, N_ITEMS + 2, n_rows), pa.int32()),
            "as_of_us": rng.choice([*INSTANTS, *(NOW - rng.integers(0, 400 * DAY_US, 6))], n_rows),
            "offset_minutes": pa.array(rng.choice([-330, 0, 600], n_rows), pa.int32()),
            "device_code": pa.array(rng.integers(0, 5, n_rows), pa.int16()),
            "country": pa.array(rng.choice(["GB", "DE", "US"], n_rows), mask=rng.random(n_rows) < 0.3),
            "placement_code": pa.array(rng.integers(0, 4, n_rows), pa.int16()),
            "referrer_code": pa.array(rng.integers(0, 4, n_rows), pa.int16()),
            "age_years": pa.array(rng.integers(18, 80, n_rows), pa.int16(), mask=rng.random(n_rows) < 0.5),
        }
    )


def ordered(table: pa.Table) -> dict[str, np.ndarray]:
    """Columns by name, rows in the order of their whole numbers and texts, then of the others."""
    columns = {name: table[name] for name in table.column_names}
    arrays = {
        name: np.array(column.to_pylist(), object)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        else column.cast(pa.float64()).fill_null(np.nan).to_numpy()
        if pa.types.is_floating(column.type)
        else column.cast(pa.int64()).fill_null(np.iinfo(np.int64).min + 7).to_numpy()
        for name, column in columns.items()
    }
    keys = sorted(arrays, key=lambda name: arrays[name].dtype.kind == "f", reverse=True)
    texts = {
        name: arrays[name].astype(str) if arrays[name].dtype == object else arrays[name] for name in keys
    }
    order = np.lexsort([texts[name] for name in keys]) if table.num_rows else np.empty(0, int)
    return {name: array[order] for name, array in arrays.items()}


def differences(one: pa.Table, two: pa.Table) -> list[str]:
    """Columns whose rows differ: whole numbers and texts at all, others by 1e-6 of their size and 1e-9."""
    assert sorted(one.column_names) == sorted(two.column_names)
    if one.num_rows != two.num_rows:
        return [f"{one.num_rows} rows, {two.num_rows} rows"]
    left, right = ordered(one), ordered(two)
    found = []
    for name, column in left.items():
        if column.dtype.kind == "f":
            same = np.isclose(column, right[name], rtol=1e-6, atol=1e-9, equal_nan=True)
        else:
            same = column == right[name]
        found += [f"{name}: {column[at]} != {right[name][at]}" for at in np.flatnonzero(~same)[:3]]
    return found


@pytest.mark.parametrize("seed", range(2))
def test_every_view_and_every_feature_is_the_same_on_both_engines(
    seed: int, spark: Spark, duckdb: DuckDB, tmp_path: Path
) -> None:
    events, shelf = history(seed)
    files, rows = lake_of(events, tmp_path), asked(np.random.default_rng(seed), 1_500)
    facts = Facts(shelf, offers(live_of({}, len(shelf))), 0, fits_of(N_ITEMS, NOW))
    one, two = (training_features(engine, files, rows, facts=facts) for engine in (duckdb, spark))
    assert differences(pa.table(one), pa.table(two)) == []
    aligned = [feature.name for feature in BATCH if not same(one[feature.name], two[feature.name])]
    assert aligned == []  # rows are not only the same ones but in the order asked for
    for view in VIEWS[:-1]:
        made = [engine.run(f"SELECT * FROM {view.name}") for engine in (duckdb, spark)]
        assert made[0].num_rows, view.name
        assert differences(*made) == [], view.name


def same(one: np.ndarray, two: np.ndarray) -> bool:
    if one.dtype.kind == "i":
        return bool(np.array_equal(one, two))
    return bool(np.allclose(one, two, rtol=1e-6, atol=1e-9, equal_nan=True))


def test_items_as_of_past_instants_are_the_same(spark: Spark, duckdb: DuckDB, tmp_path: Path) -> None:
    files = lake_of(history(5)[0], tmp_path)
    made = [items_as_of(engine, files, INSTANTS, N_ITEMS) for engine in (duckdb, spark)]
    for one, two in zip(*made, strict=True):
        assert [name for name in one if not np.array_equal(one[name], two[name])] == []


def test_an_empty_lake_is_the_same(spark: Spark, duckdb: DuckDB) -> None:
    rows = asked(np.random.default_rng(0), 20)
    one, two = (pa.table(training_features(engine, [], rows)) for engine in (duckdb, spark))
    assert differences(one, two) == []


def test_the_quality_checks_count_the_same(spark: Spark, duckdb: DuckDB, tmp_path: Path) -> None:
    events, shelf = history(6)
    files = lake_of(events, tmp_path)
    for engine in (duckdb, spark):
        engine.read("lake", files)
    for view in feed_views(NOW - 60 * DAY_US, NOW):
        assert differences(*(engine.run(view.query) for engine in (duckdb, spark))) == [], view.name
    one, two = (
        check_quality(engine, files, as_of_us=NOW, trained_us=NOW - 10 * DAY_US, facts=Facts(shelf))
        for engine in (duckdb, spark)
    )
    assert [(a.check, a.subject, a.ok) for a in one.findings] == [
        (a.check, a.subject, a.ok) for a in two.findings
    ]
    assert differences(one.drift_table, two.drift_table) == []


def test_an_overflow_is_an_error_and_never_nothing(spark: Spark) -> None:
    from pyspark.errors import PySparkException

    with pytest.raises((StoreUnavailable, PySparkException), match=r"(?i)overflow"):
        spark.run(
            "SELECT CAST(9223372036854775807 AS BIGINT) + n AS n FROM VALUES (CAST(1 AS BIGINT)) AS t(n)"
        )


def test_days_are_those_of_utc_wherever_the_machine_stands(spark: Spark) -> None:
    assert spark.run("SELECT CAST(TIMESTAMP '1970-01-02 00:00:00' AS BIGINT) AS s")["s"].to_pylist() == [
        86_400
    ]


def test_letters_of_a_path_are_no_pattern(spark: Spark, tmp_path: Path) -> None:
    folder = tmp_path / "a [b] {c,d} *?"
    folder.mkdir()
    pq.write_table(pa.table({"n": [1]}), folder / "it's 100%20 x.parquet")
    spark.read("odd", [str(folder / "it's 100%20 x.parquet")])
    assert spark.run("SELECT n FROM odd")["n"].to_pylist() == [1]


def test_what_was_staged_is_removed_and_another_session_goes_on(spark: Spark, tmp_path: Path) -> None:
    spark.write("kept", "SELECT 1 AS one")
    with Spark(SparkSettings(staging=str(tmp_path / "stage"))) as other:
        other.write("made", "SELECT 2 AS two")
        assert list(tmp_path.rglob("*.parquet")) != []
    assert list(tmp_path.rglob("*.parquet")) == []
    assert spark.run("SELECT one FROM kept")["one"].to_pylist() == [1]


def test_a_cluster_must_be_told_where_its_workers_find_tables() -> None:
    with pytest.raises(InvalidInput, match="staging is None"):
        Spark(SparkSettings(master="spark://somewhere:7077"))
