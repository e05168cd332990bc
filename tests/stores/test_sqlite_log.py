"""The event log on SQLite: the promises of every log, and its own failures."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from contract.event_log_contract import EventLogContract
from shelfwise.domain import InvalidField, StoreUnavailable
from shelfwise.stores import START, Position
from shelfwise.stores.adapters.sqlite_log import CHECKPOINT_BYTES, SqliteLog


class TestSqliteLog(EventLogContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> SqliteLog:
        return SqliteLog(self.folder / "log.sqlite")


APPENDING = """
import sys
from pathlib import Path
from shelfwise.stores.adapters.sqlite_log import SqliteLog
log = SqliteLog(Path(sys.argv[1]))
n = int(sys.argv[2])
while True:
    log.append("events", [b"%d" % n + b"." * 4000, b"%d" % (n + 1)], at_us=n)
    n += 2
    print(n, flush=True)
"""

READING = """
import sys, time
from pathlib import Path
from shelfwise.stores import START
from shelfwise.stores.adapters.sqlite_log import SqliteLog
log = SqliteLog(Path(sys.argv[1]), read_only=True)
seen, after, due = [], START, time.monotonic() + 20
while len(seen) < int(sys.argv[2]) and time.monotonic() < due:
    for entry in log.read("events", after, limit=7):
        seen.append(int(entry.blob))
        after = entry.position
print(seen == list(range(int(sys.argv[2]))))
"""


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def numbers(log: SqliteLog) -> list[int]:
    return [int(entry.blob.rstrip(b".")) for entry in log.read("events", START, limit=10**9)]


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "log.sqlite", 0
    for round_ in range(4):
        with python(APPENDING, path, acknowledged) as writer:
            assert writer.stdout
            for line in writer.stdout:
                if int(line) > acknowledged + 40 + 13 * round_:
                    writer.kill()  # SIGKILL, in the middle of some later append
                    break
            rest = [int(line) for line in writer.stdout]
        log = SqliteLog(path)
        kept = numbers(log)
        log.close()
        assert kept == list(range(len(kept)))  # batches whole and in order, none twice
        assert len(kept) >= max([int(line), *rest])
        acknowledged = len(kept)


def test_two_processes_read_while_one_writes(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append("events", [b"0"], at_us=0)
    with python(READING, log.path, 400) as one, python(READING, log.path, 400) as two:
        for n in range(1, 400):
            log.append("events", [b"%d" % n], at_us=n)
        assert one.stdout
        assert two.stdout
        assert (one.stdout.read().strip(), two.stdout.read().strip()) == ("True", "True")


def test_a_reader_thread_sees_only_whole_commits(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    writer = threading.Thread(
        target=lambda: [log.append("events", [b"a", b"b", b"c"], at_us=0) for _ in range(200)]
    )
    writer.start()
    while writer.is_alive():
        assert len(log.read("events", START, limit=10_000)) % 3 == 0
    writer.join()
    assert len(log.read("events", START, limit=10_000)) == 600


def test_a_full_disk_is_reported_and_leaves_whole_batches(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append("events", [b"kept"], at_us=0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match=r"log\.sqlite is unavailable \(.*SQLITE_(FULL|IOERR)"):
            log.append("events", [b"first", bytes(1_000_000)], at_us=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [entry.blob for entry in log.read("events", START)] == [b"kept"]
    log.append("events", [b"after"], at_us=2)  # it recovers by itself once there is space
    assert [entry.blob for entry in log.read("events", START)] == [b"kept", b"after"]


def test_a_locked_log_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shelfwise.stores.adapters._sqlite.BUSY_S", 0.05)
    log = SqliteLog(tmp_path / "log.sqlite")
    other = sqlite3.connect(log.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="database is locked, SQLITE_BUSY"):
        log.append("events", [b"x"], at_us=0)
    other.execute("ROLLBACK")
    log.append("events", [b"x"], at_us=0)
    other.close()


def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "log.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        SqliteLog(tmp_path / "log.sqlite")


def test_a_reader_of_a_missing_log_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open database file"):
        SqliteLog(tmp_path / "log.sqlite", read_only=True)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    SqliteLog(tmp_path / "log.sqlite").close()
    reader = SqliteLog(tmp_path / "log.sqlite", read_only=True)
    with pytest.raises(StoreUnavailable, match="opened to read"):
        reader.append("events", [b"x"], at_us=0)


def test_a_foreign_position_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="position is 'partition-3'; expected"):
        SqliteLog(tmp_path / "log.sqlite").read("events", Position("partition-3"))


def test_an_erased_name_is_in_no_file_of_the_log(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append("events", [b"x" * 9000 + b"Ann of Green Gables" + b"y" * 9000, b"other"], at_us=0)
    position = log.read("events", START)[0].position
    log.rewrite("events", {position: b"-"})
    files = list(tmp_path.iterdir())
    assert not [file.name for file in files if b"Green Gables" in file.read_bytes()]


def test_a_copy_made_while_appends_go_on_is_a_whole_log(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append("events", [b"0", b"1"], at_us=0)
    log.copy_to(tmp_path / "backup" / "log.sqlite")
    log.append("events", [b"2"], at_us=0)
    copy = SqliteLog(tmp_path / "backup" / "log.sqlite")
    assert numbers(copy) == [0, 1]
    assert copy.append("events", [b"2"], at_us=0) == log.end("events")


def test_the_write_ahead_file_stays_small_under_load(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "log.sqlite")
    blob = bytes(40_000)
    for _ in range(5 * CHECKPOINT_BYTES // len(blob)):
        log.append("events", [blob], at_us=0)
    deadline = time.monotonic() + 10
    while os.path.getsize(log.path) < 2 * CHECKPOINT_BYTES and time.monotonic() < deadline:
        time.sleep(0.02)
    assert log.path.stat().st_size >= 2 * CHECKPOINT_BYTES  # the thread has copied it out of the WAL
    log.close()
    assert [file.name for file in tmp_path.iterdir()] == ["log.sqlite"]
