"""What every lake keeps."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from shelfwise.domain import InvalidField, InvalidInput
from shelfwise.stores import Lake, sql_text

SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("line", pa.int16(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("quantity", pa.int32()),
    ]
)


def rows(*values: tuple[str, int, str, int | None]) -> pa.Table:
    """Of (event_id, line, day, quantity)."""
    columns = list(zip(*values, strict=True)) or [(), (), (), ()]
    event, line, day, quantity = columns
    days = [date.fromisoformat(text) for text in day]
    return pa.table(
        [pa.array(list(event)), pa.array(list(line), pa.int16()), days, list(quantity)], schema=SCHEMA
    )


A = ("a", 0, "2011-11-30", 1)
B = ("b", 0, "2011-12-01", 2)
B1 = ("b", 1, "2011-12-01", 3)
C = ("c", 0, "2012-01-05", None)


def content(
    lake: Lake, table: str = "event_lines", columns: str = "event_id, line, day::VARCHAR, quantity"
) -> list[Any]:
    """All rows, in order, as DuckDB reads the file list."""
    files = lake.files(table)
    if not files:
        return []
    query = f"SELECT {columns} FROM read_parquet($files, union_by_name = true) ORDER BY ALL"
    return duckdb.execute(query, {"files": files}).fetchall()


class LakeContract:
    """A subclass gives ``make()``: an empty lake."""

    def make(self) -> Lake:
        raise NotImplementedError

    def test_a_table_that_was_never_written_has_no_files_and_no_version(self) -> None:
        lake = self.make()
        assert (lake.files("event_lines"), lake.version("event_lines", "fold")) == ([], -1)
        assert lake.delete("event_lines", "quantity = 1") == 0
        lake.compact("event_lines")

    def test_what_was_appended_is_read_back(self) -> None:
        lake = self.make()
        assert lake.append("event_lines", rows(A, B), sink="fold", version=1)
        assert lake.append("event_lines", rows(C), sink="fold", version=2)
        assert content(lake) == [A, B, C]

    def test_the_same_version_of_a_sink_is_written_once(self) -> None:
        lake = self.make()
        assert lake.append("event_lines", rows(A), sink="fold", version=7)
        assert not lake.append("event_lines", rows(A), sink="fold", version=7)
        assert not lake.append("event_lines", rows(B), sink="fold", version=3)  # behind what it wrote
        assert (content(lake), lake.version("event_lines", "fold")) == ([A], 7)

    def test_sinks_count_for_themselves(self) -> None:
        lake = self.make()
        lake.append("event_lines", rows(A), sink="fold", version=7)
        assert lake.append("event_lines", rows(B), sink="import", version=0)
        assert [lake.version("event_lines", sink) for sink in ("fold", "import", "else")] == [7, 0, -1]
        assert content(lake) == [A, B]

    def test_tables_do_not_know_each_other(self) -> None:
        lake = self.make()
        lake.append("event_lines", rows(A), sink="fold", version=7)
        lake.append("answers", pa.table({"x": [1]}), sink="fold", version=1)
        assert (lake.version("answers", "fold"), content(lake, "answers", "x")) == (1, [(1,)])

    def test_a_commit_without_rows_still_moves_the_version(self) -> None:
        lake = self.make()
        assert lake.append("event_lines", rows(), sink="fold", version=1)
        assert lake.version("event_lines", "fold") == 1
        assert lake.append("event_lines", rows(A), sink="fold", version=2)
        assert lake.merge("event_lines", rows(), key=("event_id", "line"), sink="fold", version=3)
        assert (content(lake), lake.version("event_lines", "fold")) == ([A], 3)

    def test_a_merge_keeps_what_is_there_and_adds_what_is_new(self) -> None:
        lake = self.make()
        key = ("event_id", "line")
        assert lake.merge("event_lines", rows(A, B), key=key, sink="import", version=1)
        again = ("b", 0, "2011-12-01", 99)
        assert lake.merge("event_lines", rows(again, B1, C), key=key, sink="import", version=2)
        assert content(lake) == [A, B, B1, C]

    def test_a_merge_keeps_the_first_of_rows_with_one_key(self) -> None:
        lake = self.make()
        key = ("event_id", "line")
        lake.merge("event_lines", rows(A, ("a", 0, "2011-11-30", 5), B), key=key, sink="import", version=1)
        assert content(lake) == [A, B]

    def test_a_merge_of_one_version_is_done_once(self) -> None:
        lake = self.make()
        key = ("event_id", "line")
        lake.merge("event_lines", rows(A), key=key, sink="import", version=1)
        assert not lake.merge("event_lines", rows(B), key=key, sink="import", version=1)
        assert content(lake) == [A]

    def test_a_merge_knows_what_was_appended(self) -> None:
        lake = self.make()
        lake.append("event_lines", rows(A), sink="fold", version=1)
        lake.merge("event_lines", rows(A, B), key=("event_id", "line"), sink="import", version=1)
        assert content(lake) == [A, B]

    def test_a_table_without_a_day_may_be_merged_too(self) -> None:
        lake = self.make()
        for version, ids in enumerate((["x", "y"], ["y", "z", "z"])):
            lake.merge("people", pa.table({"id": ids}), key=("id",), sink="s", version=version)
        assert content(lake, "people", "id") == [("x",), ("y",), ("z",)]

    def test_delete_removes_what_a_predicate_names_and_says_how_many(self) -> None:
        lake = self.make()
        lake.append("event_lines", rows(A, B, B1, C), sink="fold", version=1)
        assert lake.delete("event_lines", f"event_id = {sql_text('b')}") == 2
        assert lake.delete("event_lines", f"event_id = {sql_text('b')}") == 0
        assert content(lake) == [A, C]
        assert lake.version("event_lines", "fold") == 1

    def test_a_quote_in_a_value_stays_a_value(self) -> None:
        lake = self.make()
        evil = ("' OR 1=1 --", 0, "2011-12-01", 4)
        lake.append("event_lines", rows(A, evil), sink="fold", version=1)
        assert lake.delete("event_lines", f"event_id = {sql_text(evil[0])}") == 1
        assert content(lake) == [A]

    @pytest.mark.parametrize("predicate", ["event_id =", "nobody = 3", "1=1); DROP TABLE x; SELECT (1"])
    def test_a_wrong_predicate_is_refused(self, predicate: str) -> None:
        lake = self.make()
        lake.append("event_lines", rows(A), sink="fold", version=1)
        with pytest.raises(InvalidField, match="predicate is "):
            lake.delete("event_lines", predicate)
        assert content(lake) == [A]

    def test_compacting_changes_no_row_and_no_version(self) -> None:
        lake = self.make()
        for version, row in enumerate((A, B, B1, C)):
            lake.append("event_lines", rows(row), sink="fold", version=version)
        lake.compact("event_lines")
        assert (content(lake), lake.version("event_lines", "fold")) == ([A, B, B1, C], 3)
        assert not lake.append("event_lines", rows(A), sink="fold", version=3)

    def test_a_new_column_is_null_in_older_rows(self) -> None:
        lake = self.make()
        lake.append("event_lines", rows(A), sink="fold", version=1)
        wider = rows(B).append_column("country", pa.array(["GB"]))
        lake.append("event_lines", wider, sink="fold", version=2)
        lake.append("event_lines", rows(C), sink="fold", version=3)
        assert content(lake, columns="event_id, country") == [("a", None), ("b", "GB"), ("c", None)]

    def test_rows_of_another_type_are_refused(self) -> None:
        lake = self.make()
        lake.append("answers", pa.table({"x": [1]}), sink="fold", version=1)
        with pytest.raises(InvalidInput, match="do not fit lake table 'answers'"):
            lake.append("answers", pa.table({"x": ["many"]}), sink="fold", version=2)
        assert lake.version("answers", "fold") == 1
