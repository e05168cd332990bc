"""The board in mapped memory: the promises of every board, and its own failures."""

from __future__ import annotations

import subprocess
import sys
import timeit
from pathlib import Path

import pytest

from contract.board_contract import BoardContract
from shelfwise.domain import StoreUnavailable
from shelfwise.stores.adapters.mapped_board import MappedBoard


class TestMappedBoard(BoardContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> MappedBoard:
        return MappedBoard(self.folder / "live" / "board")


def test_a_reader_sees_a_bump_at_once(tmp_path: Path) -> None:
    writer = MappedBoard(tmp_path / "board")
    reader = MappedBoard(tmp_path / "board", read_only=True)
    writer.bump("release")
    assert reader.read("release") == 1


def test_counters_outlive_the_writer(tmp_path: Path) -> None:
    MappedBoard(tmp_path / "board").bump("rules")
    assert MappedBoard(tmp_path / "board").bump("rules") == 2


def test_no_bump_is_lost_between_processes(tmp_path: Path) -> None:
    MappedBoard(tmp_path / "board")
    code = (
        "import sys; from pathlib import Path\n"
        "from shelfwise.stores.adapters.mapped_board import MappedBoard\n"
        "board = MappedBoard(Path(sys.argv[1]))\n"
        "for _ in range(2000): board.bump('position')"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "board")]
    others = [subprocess.Popen(command) for _ in range(3)]
    assert [other.wait() for other in others] == [0, 0, 0]
    assert MappedBoard(tmp_path / "board", read_only=True).read("position") == 6_000


def test_a_reader_of_a_missing_board_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="missing or damaged"):
        MappedBoard(tmp_path / "board", read_only=True)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 4096])
def test_a_damaged_board_is_made_anew_by_the_writer_and_refused_by_a_reader(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "board").write_bytes(content)
    with pytest.raises(StoreUnavailable):
        MappedBoard(tmp_path / "board", read_only=True)
    assert MappedBoard(tmp_path / "board").bump("rules") == 1


def test_a_reader_cannot_bump(tmp_path: Path) -> None:
    MappedBoard(tmp_path / "board")
    with pytest.raises(StoreUnavailable, match="opened to read"):
        MappedBoard(tmp_path / "board", read_only=True).bump("rules")


def test_reading_costs_nanoseconds(tmp_path: Path) -> None:
    board = MappedBoard(tmp_path / "board")
    best_s = min(timeit.repeat(lambda: board.read("catalogue"), number=10_000, repeat=20)) / 10_000
    assert best_s < 20e-6  # some 90 ns: no file is opened
