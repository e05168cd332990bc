"""Online state on LMDB: the promises of every state, and its own failures."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from contract.state_store_contract import StateStoreContract
from shelfwise.domain import StoreUnavailable
from shelfwise.stores import START, Position
from shelfwise.stores.adapters.lmdb_state import LmdbState

SMALL = 1 << 20  # bytes


class TestLmdbState(StateStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folders = (tmp_path / str(n) for n in count())

    def make(self) -> LmdbState:
        return LmdbState(next(self.folders), map_bytes=SMALL)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[LmdbState]:
    store = LmdbState(tmp_path / "state", map_bytes=SMALL)
    yield store
    store.close()


COMMITTING = """
import sys
from pathlib import Path
from shelfwise.stores.adapters.lmdb_state import LmdbState
state = LmdbState(Path(sys.argv[1]), map_bytes=1 << 20)
n = int(sys.argv[2])
state.mark_built()
while True:
    n += 1
    value = b"%d" % n
    state.commit({b"k%03d" % k: value + bytes(k * 20) for k in range(200)}, {"state": value.decode()})
    print(n, flush=True)
"""

WAITING = """
import sys, time
from pathlib import Path
from shelfwise.stores.adapters.lmdb_state import LmdbState
state = LmdbState(Path(sys.argv[1]), read_only=True)
print(state.get(b"first"), flush=True)
due = time.monotonic() + 20
while (last := state.get(b"last")) is None and time.monotonic() < due:
    time.sleep(0.001)
print(last, len(list(state.scan(b""))), flush=True)
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_one_whole_commit_and_no_need_to_rebuild(tmp_path: Path) -> None:
    done = 0
    for round_ in range(4):
        with python(COMMITTING, tmp_path, done) as writer:
            assert writer.stdout
            for line in writer.stdout:
                if int(line) > done + 30 + 17 * round_:
                    writer.kill()
                    break
            acknowledged = max([int(line), *map(int, writer.stdout)])
        state = LmdbState(tmp_path)
        assert not state.needs_rebuild
        done = int(state.position("state"))
        assert done >= acknowledged
        assert list(state.scan(b"")) == [(b"k%03d" % k, b"%d" % done + bytes(k * 20)) for k in range(200)]
        state.close()


def test_a_clean_stop_is_kept_across_a_boot_of_the_machine(tmp_path: Path) -> None:
    state = LmdbState(tmp_path, map_bytes=SMALL)
    state.commit({b"a": b"1"}, {"state": Position("5")})
    state.mark_built()
    state.close()
    assert not (tmp_path / "unclean").exists()
    again = LmdbState(tmp_path, map_bytes=SMALL)
    assert (again.get(b"a"), again.position("state"), again.needs_rebuild) == (b"1", "5", False)
    again.close()


def test_what_a_writer_left_open_under_another_boot_is_not_trusted(tmp_path: Path) -> None:
    state = LmdbState(tmp_path, map_bytes=SMALL)
    state.commit({b"a": b"1"}, {"state": Position("5")})
    state.mark_built()
    state.close()
    (tmp_path / "unclean").write_text("the boot before this one")
    again = LmdbState(tmp_path, map_bytes=SMALL)
    assert (again.get(b"a"), again.position("state"), again.needs_rebuild) == (None, START, True)
    again.close()


def test_files_that_lmdb_cannot_read_are_replaced_by_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not an environment" * 1000)
    state = LmdbState(tmp_path, map_bytes=SMALL)
    assert state.needs_rebuild
    state.commit({b"a": b"1"}, {})
    assert state.get(b"a") == b"1"
    state.close()


def test_it_grows_beyond_the_size_it_began_with(state: LmdbState) -> None:
    for n in range(40):
        state.commit({b"%d-%d" % (n, k): bytes(5_000) for k in range(20)}, {})  # 6.5 MB
    assert len(list(state.scan(b""))) == 800


def test_one_commit_may_be_larger_than_the_map(state: LmdbState) -> None:
    state.commit({b"%d" % n: bytes(3_000) for n in range(2_000)}, {"state": Position("1")})
    assert len(list(state.scan(b""))) == 2_000
    assert state.position("state") == "1"


def test_readers_in_other_processes_follow_growth_and_a_clearing(state: LmdbState) -> None:
    state.commit({b"first": b"1"}, {})
    with python(WAITING, state.folder) as one, python(WAITING, state.folder) as two:
        for reader in (one, two):
            assert reader.stdout
            assert reader.stdout.readline() == "b'1'\n"
        for n in range(40):
            state.commit({b"%d-%d" % (n, k): bytes(5_000) for k in range(20)}, {})
        state.clear()
        state.commit({b"last": b"2"}, {})
        assert [reader.stdout.read() for reader in (one, two) if reader.stdout] == ["b'2' 1\n"] * 2


def test_readers_in_other_processes_follow_a_replacement_of_the_files(tmp_path: Path) -> None:
    state = LmdbState(tmp_path / "state", map_bytes=SMALL)
    state.commit({b"first": b"1"}, {})
    with python(WAITING, state.folder) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "b'1'\n"
        state.close()
        (state.folder / "unclean").write_text("the boot before this one")
        state = LmdbState(state.folder, map_bytes=SMALL)
        state.commit({b"last": b"2"}, {})
        assert reader.stdout.read() == "b'2' 1\n"
    state.close()


def test_a_full_disk_is_reported_and_leaves_the_last_commit(state: LmdbState) -> None:
    state.commit({b"a": b"kept"}, {"state": Position("1")})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * SMALL, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match=r"state .* is unavailable"):
            state.commit({b"a": b"lost"} | {b"%d" % n: bytes(3_000) for n in range(2_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (state.get(b"a"), state.position("state")) == (b"kept", "1")
    state.commit({b"a": b"later"} | {b"%d" % n: bytes(3_000) for n in range(2_000)}, {})
    assert state.get(b"a") == b"later"


def test_the_size_of_the_map_is_on_disk_before_it_is_written(state: LmdbState) -> None:
    assert (state.folder / "data.mdb").stat().st_blocks * 512 >= SMALL  # no hole to die in by SIGBUS


def test_a_reader_of_a_missing_state_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="No such file"):
        LmdbState(tmp_path / "state", read_only=True)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    LmdbState(tmp_path, map_bytes=SMALL).close()
    reader = LmdbState(tmp_path, read_only=True)
    with pytest.raises(StoreUnavailable):
        reader.commit({b"a": b"1"}, {})
    reader.close()


def test_a_copy_is_a_whole_state(state: LmdbState, tmp_path: Path) -> None:
    state.commit({b"a": b"1"}, {"state": Position("5")})
    state.mark_built()
    state.copy_to(tmp_path / "backup")
    shutil.move(tmp_path / "backup", tmp_path / "restored")
    copy = LmdbState(tmp_path / "restored", map_bytes=SMALL)
    assert (copy.get(b"a"), copy.position("state"), copy.needs_rebuild) == (b"1", "5", False)
    copy.close()


def test_values_that_outgrow_their_pages_leave_no_page_for_each(state: LmdbState) -> None:
    def n_pages() -> (
        int
    ):  # (pages of keys, for 2,000 keys of some 30 bytes with what says where their values lie)
        with state._env.begin() as txn:
            return int(txn.stat(state._dbs["state"])["leaf_pages"])

    keys = [f"u:{number:06d}".encode() for number in range(2_000)]
    for size in (1_500, 3_000, 3_050):
        for first in range(20):
            state.commit({key: key * (size // 8) for key in keys[first::20]}, {})
    assert n_pages() < len(keys) / 4
    assert all(value == key * (3_050 // 8) for key, value in state.scan(b"u:"))
