"""What every batch engine promises. A new engine is one more subclass here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shelfwise.domain import StoreUnavailable
from shelfwise.features import DuckDB, DuckDBSettings, Engine, Spark

NUMBERS = pa.table({"n": pa.array([1, 2, 3], pa.int64()), "name": ["a", None, "c"]})


class EngineContract:
    """Read, keep, run."""

    def test_an_arrow_table_is_read_under_its_name(self, engine: Engine) -> None:
        engine.read("numbers", NUMBERS)
        assert engine.run("SELECT n, name FROM numbers ORDER BY n").to_pydict() == NUMBERS.to_pydict()

    def test_files_are_read_as_one_table(self, engine: Engine, tmp_path: Path) -> None:
        for part in range(3):
            pq.write_table(NUMBERS.slice(part, 1), tmp_path / f"it's {part}.parquet")
        engine.read("numbers", sorted(str(path) for path in tmp_path.iterdir()))
        assert engine.run("SELECT CAST(SUM(n) AS BIGINT) AS total FROM numbers").to_pydict() == {"total": [6]}

    def test_what_is_written_is_there_for_the_next_query(self, engine: Engine) -> None:
        engine.read("numbers", NUMBERS)
        engine.write("doubled", "SELECT n * 2 AS n FROM numbers")
        engine.read("numbers", NUMBERS.slice(0, 0))  # a table kept does not follow what it was made of
        assert sorted(engine.run("SELECT n FROM doubled")["n"].to_pylist()) == [2, 4, 6]

    def test_a_name_given_twice_is_replaced(self, engine: Engine) -> None:
        for text in ("SELECT 1 AS one", "SELECT 2 AS two"):
            engine.write("made", text)
        assert engine.run("SELECT * FROM made").to_pydict() == {"two": [2]}

    def test_files_and_tables_replace_one_another(self, engine: Engine, tmp_path: Path) -> None:
        pq.write_table(NUMBERS, tmp_path / "numbers.parquet")
        for source, rows in (([str(tmp_path / "numbers.parquet")], 3), (NUMBERS.slice(0, 1), 1)) * 2:
            engine.read("numbers", source)
            assert engine.run("SELECT n FROM numbers").num_rows == rows

    def test_a_missing_file_is_unavailable(self, engine: Engine, tmp_path: Path) -> None:
        def read_and_run() -> None:  # an engine may notice at either
            engine.read("numbers", [str(tmp_path / "gone.parquet")])
            engine.run("SELECT * FROM numbers")

        with pytest.raises(StoreUnavailable, match="gone"):
            read_and_run()

    def test_whole_numbers_divide_and_floor_alike(self, engine: Engine) -> None:
        text = "SELECT 7 % 4 AS rest, CAST(FLOOR(CAST(-7 AS DOUBLE) / CAST(2 AS DOUBLE)) AS BIGINT) AS low"
        assert engine.run(text).to_pydict() == {"rest": [3], "low": [-4]}


class TestDuckDB(EngineContract):
    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        with DuckDB(DuckDBSettings(memory_mb=200)) as engine:
            yield engine


def test_no_batch_engine_is_loaded_before_it_is_opened() -> None:
    code = "import sys, shelfwise.features; print(sorted({'duckdb', 'pyspark', 'py4j'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.spark
@pytest.mark.slow
class TestSpark(EngineContract):
    @pytest.fixture
    def engine(self, spark: Spark) -> Engine:
        return spark
