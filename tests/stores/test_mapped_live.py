"""Live columns in mapped memory: the promises of all, and their own failures."""

from __future__ import annotations

import resource
import subprocess
import sys
import timeit
from pathlib import Path

import numpy as np
import pytest

from contract.live_columns_contract import LiveColumnsContract, stored
from shelfwise.domain import StoreUnavailable
from shelfwise.stores.adapters.mapped_live import FIRST_CAPACITY, MappedLive


class TestMappedLive(LiveColumnsContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> MappedLive:
        return MappedLive.rebuilt(self.folder / "live" / "items", [])


def test_a_view_taken_once_sees_a_stock_change_under_it(tmp_path: Path) -> None:
    writer = MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=5)])
    reader = MappedLive(tmp_path / "items")
    view = reader.view()
    writer.write([stored(0, stock=0)])
    assert view.stock.tolist() == [0]  # the same memory
    assert reader.view() is view  # and nothing to pick up


def test_a_reader_picks_up_new_rows_and_larger_files(tmp_path: Path) -> None:
    writer = MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=5)])
    reader = MappedLive(tmp_path / "items")
    writer.write([stored(1, stock=6)])
    assert reader.view().stock.tolist() == [5, 6]
    writer.write([stored(FIRST_CAPACITY, stock=7)])
    assert reader.view().stock[[0, 1, FIRST_CAPACITY]].tolist() == [5, 6, 7]
    writer.write([stored(0, stock=8)])
    assert reader.view().stock[0] == 8


def test_a_reader_picks_up_a_new_counter(tmp_path: Path) -> None:
    writer = MappedLive.rebuilt(tmp_path / "items", [stored(0), stored(1)], counters=["views"])
    reader = MappedLive(tmp_path / "items")
    assert reader.view().counters["views"].tolist() == [0, 0]
    writer.write_counters({"buys": np.array([3, 4])})
    assert reader.view().counters["buys"].tolist() == [3, 4]
    assert sorted(reader.view().counters) == ["buys", "views"]


def test_a_view_of_an_older_file_stays_readable(tmp_path: Path) -> None:
    writer = MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=5)])
    reader = MappedLive(tmp_path / "items")
    old = reader.view()
    for row in range(1, 6):
        writer.write([stored(row * FIRST_CAPACITY, stock=row)])
        reader.view()
    assert old.stock.tolist() == [5]


def test_readers_turn_to_what_the_next_keeper_has_rebuilt(tmp_path: Path) -> None:
    MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=5), stored(1, stock=5)])
    reader = MappedLive(tmp_path / "items")
    assert reader.view().stock.tolist() == [5, 5]
    MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=1)])
    assert reader.view().stock.tolist() == [1]


def test_a_keeper_that_dies_before_the_new_file_has_its_name_leaves_the_old_one_in_use(
    tmp_path: Path,
) -> None:
    MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=5)])
    reader = MappedLive(tmp_path / "items")
    with (tmp_path / "items").open("r+b") as file:
        file.seek(3 * 8)
        file.write(b"\1")  # marked superseded, and then no more
    assert reader.view().stock.tolist() == [5]
    MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=6)])
    assert reader.view().stock.tolist() == [6]


def test_a_torn_file_does_not_matter_to_the_next_keeper(tmp_path: Path) -> None:
    (tmp_path / "items").write_bytes(b"torn")
    (tmp_path / ".items.new").write_bytes(b"left over")
    assert MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=1)]).view().stock.tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["items"]


@pytest.mark.parametrize("content", [None, b"", b"x" * 100_000])
def test_a_reader_is_told_when_there_is_nothing_to_read(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "items").write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"live columns .*items"):
        MappedLive(tmp_path / "items")


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    MappedLive.rebuilt(tmp_path / "items", [stored(0)])
    with pytest.raises(StoreUnavailable, match="opened to read"):
        MappedLive(tmp_path / "items").write([stored(0)])


def test_a_full_disk_is_reported_and_leaves_the_old_columns(tmp_path: Path) -> None:
    writer = MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=5)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match="unavailable"):
            writer.write([stored(100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.write([stored(0, stock=4)])
    assert MappedLive(tmp_path / "items").view().stock.tolist() == [4]
    writer.write([stored(100_000)])
    assert len(MappedLive(tmp_path / "items").view()) == 100_001


def test_the_space_of_the_columns_is_on_disk_before_it_is_written(tmp_path: Path) -> None:
    MappedLive.rebuilt(tmp_path / "items", [], counters=["views", "buys"])
    status = (tmp_path / "items").stat()
    assert status.st_blocks * 512 >= status.st_size  # no hole to die in by SIGBUS


def test_two_processes_read_while_one_writes_and_grows(tmp_path: Path) -> None:
    writer = MappedLive.rebuilt(tmp_path / "items", [stored(0, stock=1)])
    code = (
        "import sys; from pathlib import Path\n"
        "from shelfwise.stores.adapters.mapped_live import MappedLive\n"
        "live, last = MappedLive(Path(sys.argv[1])), 1\n"
        "while last < 3000:\n"
        "    view = live.view(); now = int(view.stock[0])\n"
        "    assert now >= last and len(view.counters.get('c', view.stock)) == len(view); last = now\n"
        "print(last)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "items")]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for n in range(2, 3_001):
        writer.write([stored(0, stock=n), stored(n * 10)])
        if n % 100 == 0:
            writer.write_counters({"c": np.arange(n)})
    assert [reader.communicate(timeout=20)[0] for reader in readers] == ["3000\n", "3000\n"]


def test_a_view_costs_nanoseconds_while_nothing_grew(tmp_path: Path) -> None:
    live = MappedLive.rebuilt(tmp_path / "items", [stored(0)], counters=[f"c{n}" for n in range(100)])
    best_s = min(timeit.repeat(live.view, number=10_000, repeat=20)) / 10_000
    assert best_s < 50e-6  # some 0.1 us: no file is opened
