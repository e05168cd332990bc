"""Control documents in SQL: the promises of every control store, and its own failures."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from contract.control_store_contract import ControlStoreContract
from shelfwise.domain import Conflict, StoreUnavailable
from shelfwise.stores import _tables
from shelfwise.stores.adapters import sql_control
from shelfwise.stores.adapters.sql_control import SqlControl


class TestSqlControl(ControlStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "50 % off"  # Alembic's settings would interpolate it

    def make(self) -> SqlControl:
        return SqlControl(self.folder / "control.sqlite")


class TestSqlControlByUrl(ControlStoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make(self) -> SqlControl:
        return SqlControl(f"sqlite:///{self.folder}/control.sqlite")


@pytest.fixture
def store(tmp_path: Path) -> SqlControl:
    return SqlControl(tmp_path / "control.sqlite")


def put(store: SqlControl, key: str, body: dict[str, object], *, if_match: str | None = None) -> str:
    return store.put("rule", key, body, if_match=if_match, actor="ann", at_us=5)


def test_of_many_writers_of_one_version_one_wins(store: SqlControl) -> None:
    etag, won, lost = put(store, "a", {"n": 0}), [], []

    def write(n: int) -> None:
        try:
            won.append(put(SqlControl(store.path or ""), "a", {"n": n}, if_match=etag))
        except Conflict:
            lost.append(n)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert store.get("rule", "a") is not None
    assert len(store.audit()) == 2
    assert store.generation("rule") == 2


def test_no_write_of_concurrent_processes_is_lost(store: SqlControl) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from shelfwise.domain import Conflict\n"
        "from shelfwise.stores.adapters.sql_control import SqlControl\n"
        "store, done = SqlControl(Path(sys.argv[1])), 0\n"
        "while done < 30:\n"
        "    body, etag = store.get('rule', 'a')\n"
        "    try: store.put('rule', 'a', {'n': body['n'] + 1}, if_match=etag, actor='x', at_us=0); done += 1\n"
        "    except Conflict: pass\n"
    )
    put(store, "a", {"n": 0})
    others = [subprocess.Popen([sys.executable, "-c", code, str(store.path)]) for _ in range(3)]
    assert [other.wait(timeout=60) for other in others] == [0, 0, 0]
    found = store.get("rule", "a")
    assert found is not None
    assert found[0] == {"n": 90}
    assert store.generation("rule") == 91


def test_only_the_newest_dead_letters_are_kept(store: SqlControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_control, "MAX_LETTERS", 100)
    for start in range(0, 300, 30):
        store.add_dead_letters([{"source": "s", "row": row} for row in range(start, start + 30)], at_us=0)
    kept = [row["row"] for row in store.dead_letters(limit=1_000)]
    assert kept == [str(row) for row in range(299, 199, -1)]


def test_the_migrations_make_the_very_tables_that_the_code_uses(store: SqlControl) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with sa.create_engine(f"sqlite:///{store.path}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), _tables.metadata) == []
        assert _tables.revision_of(connection) == _tables.HEAD


def test_opening_again_changes_nothing_and_keeps_everything(store: SqlControl) -> None:
    etag = put(store, "a", {"n": 1})
    store.close()
    again = SqlControl(store.path or "")
    assert again.get("rule", "a") == ({"n": 1}, etag)


def test_a_database_of_a_newer_version_is_refused(store: SqlControl) -> None:
    store.close()
    with sqlite3.connect(store.path or "") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    with pytest.raises(StoreUnavailable, match="has revision '0999'; expected at most"):
        SqlControl(store.path or "")


def test_a_reader_sees_each_change_and_demands_that_the_file_is_there(
    store: SqlControl, tmp_path: Path
) -> None:
    reader = SqlControl(tmp_path / "control.sqlite", read_only=True)
    etag = put(store, "a", {"n": 1})
    assert reader.get("rule", "a") == ({"n": 1}, etag)
    with pytest.raises(StoreUnavailable, match="is not there yet"):
        SqlControl(tmp_path / "nowhere.sqlite", read_only=True)


def fill(store: SqlControl) -> None:
    for n in range(100):
        put(store, f"{n}", {"text": "x" * 50_000})


def test_a_full_disk_is_reported_and_leaves_the_last_change(store: SqlControl) -> None:
    etag = put(store, "a", {"n": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limits[1]))
    try:
        with pytest.raises(
            StoreUnavailable, match=r"control store: (disk I/O error|database or disk is full)"
        ):
            fill(store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert store.get("rule", "a") == ({"n": 1}, etag)
    assert put(store, "a", {"n": 2}, if_match=etag)


def test_a_locked_database_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_control, "BUSY_MS", 50)
    store = SqlControl(tmp_path / "control.sqlite")
    other = sqlite3.connect(store.path or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="database is locked"):
        put(store, "a", {})
    other.execute("ROLLBACK")
    assert put(store, "a", {})
    other.close()


def test_a_file_that_is_no_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / "control.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        SqlControl(tmp_path / "control.sqlite")


def test_what_is_forgotten_is_in_no_file(store: SqlControl, tmp_path: Path) -> None:
    put(store, "u:Ann of Green Gables", {"n": 1})
    store.forget("rule", "u:Ann of Green Gables")
    store.close()  # the last one out empties the write-ahead file
    assert [path.name for path in tmp_path.iterdir() if b"Green Gables" in path.read_bytes()] == []


def test_a_copy_is_a_whole_store(store: SqlControl, tmp_path: Path) -> None:
    etag = put(store, "a", {"n": 1})
    store.copy_to(tmp_path / "copy.sqlite")
    put(store, "a", {"n": 2})
    assert SqlControl(tmp_path / "copy.sqlite").get("rule", "a") == ({"n": 1}, etag)


def test_a_worker_that_opens_the_store_does_not_load_alembic(store: SqlControl) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from shelfwise.stores.adapters.sql_control import SqlControl\n"
        "SqlControl(Path(sys.argv[1]), read_only=True).get('rule', 'a')\n"
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
