"""The lake on Delta: the promises of every lake, and its own failures."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from contract.lake_contract import A, B, C, LakeContract, content, rows
from shelfwise.domain import InvalidField, StoreUnavailable
from shelfwise.stores.adapters.delta_lake import DeltaLake


class TestDeltaLake(LakeContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "a shop #1, é"  # Delta encodes such names in its file lists

    def make(self) -> DeltaLake:
        return DeltaLake(self.folder)


@pytest.fixture
def lake(tmp_path: Path) -> DeltaLake:
    return DeltaLake(tmp_path / "lake")


APPENDING = """
import sys
from pathlib import Path
import pyarrow as pa
from shelfwise.stores.adapters.delta_lake import DeltaLake
lake = DeltaLake(Path(sys.argv[1]))
n = lake.version("t", "fold")
while True:
    n += 1
    lake.append("t", pa.table({"n": [n] * 50, "k": list(range(50))}), sink="fold", version=n)
    print(n, flush=True)
"""


def test_a_killed_writer_leaves_each_version_once_and_whole(lake: DeltaLake) -> None:
    done = -1
    for round_ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDING, str(lake.folder)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout
            for line in writer.stdout:
                if int(line) > done + 5 + 3 * round_:
                    time.sleep(0.003 * round_)
                    writer.kill()
                    break
            acknowledged = max([int(line), *map(int, writer.stdout)])
        again = DeltaLake(lake.folder)
        done = again.version("t", "fold")
        assert done >= acknowledged
        assert content(again, "t", "n, k") == [(n, k) for n in range(done + 1) for k in range(50)]


@pytest.mark.parametrize("torn", [b"", b'{"commitInfo":{"opera', b"\0" * 400])
def test_a_torn_last_entry_is_set_aside_and_its_rows_come_again(lake: DeltaLake, torn: bytes) -> None:
    lake.append("event_lines", rows(A), sink="fold", version=1)
    lake.append("event_lines", rows(B), sink="fold", version=2)
    entry = sorted((lake.folder / "event_lines" / "_delta_log").glob("*.json"))[-1]
    entry.write_bytes(torn)
    again = DeltaLake(lake.folder)
    assert (content(again), again.version("event_lines", "fold")) == ([A], 1)
    assert again.append("event_lines", rows(B), sink="fold", version=2)
    assert content(again) == [A, B]


def test_an_entry_whose_file_is_short_is_set_aside(lake: DeltaLake) -> None:
    lake.append("event_lines", rows(A), sink="fold", version=1)
    first = set(lake.files("event_lines"))
    lake.append("event_lines", rows(B), sink="fold", version=2)
    (name,) = set(lake.files("event_lines")) - first
    Path(name).write_bytes(b"")
    again = DeltaLake(lake.folder)
    assert (content(again), again.version("event_lines", "fold")) == ([A], 1)


def test_a_full_disk_is_reported_and_leaves_the_last_version(lake: DeltaLake) -> None:
    lake.append("t", pa.table({"x": [1.0]}), sink="fold", version=1)
    noise = pa.table({"x": np.random.default_rng(0).random(200_000)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match="lake table 't' is unavailable"):
            lake.append("t", noise, sink="fold", version=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (content(lake, "t", "x"), lake.version("t", "fold")) == ([(1.0,)], 1)
    assert lake.append("t", noise, sink="fold", version=2)
    assert len(content(lake, "t", "x")) == 200_001


def test_exactly_once_outlives_checkpoints_compaction_and_a_restart(lake: DeltaLake) -> None:
    for version in range(105):  # Delta makes a checkpoint every 100 commits
        lake.append("event_lines", rows((f"e{version}", 0, "2011-12-01", 1)), sink="fold", version=version)
    lake.compact("event_lines")
    again = DeltaLake(lake.folder)
    assert again.version("event_lines", "fold") == 104
    assert not again.append("event_lines", rows(A), sink="fold", version=104)
    assert len(again.files("event_lines")) == 1
    assert len(content(again)) == 105


def test_a_table_with_a_day_is_kept_by_month(lake: DeltaLake) -> None:
    lake.append("event_lines", rows(A, B, C), sink="fold", version=1)
    folders = sorted(path.name for path in (lake.folder / "event_lines").glob("month=*"))
    assert folders == ["month=2011-11", "month=2011-12", "month=2012-01"]
    assert content(lake, columns="event_id, month") == [("a", "2011-11"), ("b", "2011-12"), ("c", "2012-01")]


def test_file_lists_stay_good_through_a_compaction(lake: DeltaLake) -> None:
    for version, row in enumerate((A, B)):
        lake.append("event_lines", rows(row), sink="fold", version=version)
    held = lake.files("event_lines")
    lake.compact("event_lines")
    assert all(Path(name).exists() for name in held)


def test_erased_rows_are_in_no_file_any_more(lake: DeltaLake) -> None:
    lake.append("event_lines", rows(A, ("Ann of Green Gables", 0, "2011-11-30", 1)), sink="fold", version=1)
    lake.append("event_lines", rows(("Ann of Green Gables", 1, "2011-11-30", 1)), sink="fold", version=2)
    lake.compact("event_lines")  # the name is in files of older versions too
    assert lake.delete("event_lines", "event_id LIKE 'Ann%'") == 2
    parquet = [path for path in lake.folder.rglob("*.parquet") if "_delta_log" not in path.parts]
    assert [path for path in parquet if b"Green Gables" in path.read_bytes()] == []
    assert content(lake) == [A]


def test_the_log_of_a_table_names_nobody_who_was_erased_and_goes_on(lake: DeltaLake) -> None:
    for version, row in enumerate((A, B, C)):
        lake.append("event_lines", rows(row), sink="fold", version=version)
    lake.delete("event_lines", f"event_id = '{B[0]}'")
    log = lake.folder / "event_lines" / "_delta_log"
    assert [entry for entry in log.iterdir() if f"'{B[0]}'".encode() in entry.read_bytes()] == []
    assert not lake.append("event_lines", rows(A), sink="fold", version=2)
    assert lake.append("event_lines", rows(A), sink="fold", version=3)
    assert content(DeltaLake(lake.folder)) == sorted([A, A, C])


def test_another_process_reads_what_is_written(lake: DeltaLake) -> None:
    lake.append("event_lines", rows(A), sink="fold", version=1)
    reader = DeltaLake(lake.folder, read_only=True)
    assert content(reader) == [A]
    lake.append("event_lines", rows(B), sink="fold", version=2)
    assert (content(reader), reader.version("event_lines", "fold")) == ([A, B], 2)


def test_two_writers_of_one_sink_do_not_write_twice(lake: DeltaLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.append("event_lines", rows(A), sink="fold", version=1)
    stale = DeltaTable(lake.folder / "event_lines")
    lake.append("event_lines", rows(B), sink="fold", version=2)
    monkeypatch.setattr(lake, "_find", lambda _table: stale)
    with pytest.raises(StoreUnavailable, match="Concurrent"):
        lake.append("event_lines", rows(B), sink="fold", version=2)
    monkeypatch.undo()
    assert content(lake) == [A, B]


def test_a_copy_is_a_whole_lake(lake: DeltaLake, tmp_path: Path) -> None:
    lake.append("event_lines", rows(A, B), sink="fold", version=1)
    lake.append("answers", pa.table({"x": [1]}), sink="fold", version=4)
    lake.copy_to(tmp_path / "backup")
    lake.append("event_lines", rows(C), sink="fold", version=2)
    copy = DeltaLake(tmp_path / "backup")
    assert (content(copy), copy.version("event_lines", "fold")) == ([A, B], 1)
    assert copy.append("event_lines", rows(C), sink="fold", version=2)
    assert content(copy, "answers", "x") == [(1,)]


@pytest.mark.parametrize("name", ["../up", "a/b", "", "Upper", "_delta_log", "x" * 64])
def test_a_table_has_a_plain_name(lake: DeltaLake, name: str) -> None:
    with pytest.raises(InvalidField, match="table is "):
        lake.files(name)


@pytest.mark.slow
def test_a_million_rows_are_merged_in_a_few_seconds(lake: DeltaLake) -> None:
    n = np.arange(1_000_000)
    table = pa.table(
        {
            "event_id": pa.array((n // 20).astype(str)),
            "line": pa.array((n % 20).astype(np.int16)),
            "day": pa.array((14_600 + n // 1_400).astype(np.int32)).cast(pa.date32()),
            "quantity": pa.array((n % 7).astype(np.int32)),
        }
    )
    started = time.perf_counter()
    lake.merge("event_lines", table, key=("event_id", "line"), sink="import", version=1)
    lake.merge("event_lines", table, key=("event_id", "line"), sink="import", version=2)
    assert time.perf_counter() - started < 120  # some 1.5 s on two free cores: not quadratic
    assert content(lake, columns="count(*)") == [(1_000_000,)]
