"""The lake as Delta tables in a folder, written by delta-rs; DuckDB and others read the file lists.

Exactly once: a commit carries the writing sink and its version as a Delta transaction, in the same log entry
as the rows. A table with a ``day`` column is partitioned by the month of it, so that a merge or an erasure
touches only what it must. By month, because a partition is a file at least: the 1.07 million lines of two
years took 1.0 s of CPU and 9 MB as 25 months, 2.9 s and 20 MB as 739 days, and a scan of them 0.03 s and 0.2 s.

The keys of a merge are compared by DuckDB: 0.3 s for a million rows against a million, Delta's own merge
1.0 s, and that one would keep duplicates within the rows.

delta-rs does not sync. So every commit is synced here after it is made, and a writer that opens a table
first sets aside a last entry that a crash of the machine has torn: its sink will write it again.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import unquote

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, SchemaMismatchError, TableNotFoundError

from shelfwise.domain import InvalidField, InvalidInput, StoreUnavailable
from shelfwise.stores.adapters._files import sync_file, sync_folder

KEEP_HOURS = 1  # files of older versions stay this long: a training run may still be reading its list of them
FULL_BYTES = 32 << 20  # a file this large is left alone: a compaction rewrites no more than this of a month
SYNC_ONE_BY_ONE = 16  # files; above this one sync of everything is faster than many of one
_DAY, _MONTH = "day", "month"
_LOG = "_delta_log"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# No statistics of columns: they would hold ids of people, in plain text, in entries that a deletion leaves.
_TABLE = {"delta.logRetentionDuration": "interval 7 days", "delta.dataSkippingNumIndexedCols": "0"}

log = logging.getLogger("shelfwise.stores")


class DeltaLake:
    """``Lake`` in a folder, a Delta table per subfolder. Any thread may call it; one process writes.

    Args:
        folder: Holds the tables.
        read_only: For all processes but the one writer.

    Raises:
        StoreUnavailable: A table cannot be read, another process wrote at the same time, or the disk is full.
        InvalidInput: Rows that do not fit their table, a wrong name or predicate.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._lock = Lock()
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)
            for entries in folder.glob(f"*/{_LOG}"):
                _set_torn_aside(entries)

    def append(self, table: str, rows: pa.Table, *, sink: str, version: int) -> bool:
        """Append rows once for each (sink, version), versions growing; False if it was there already."""
        with self._lock, _reported(table):
            found = self._find(table)
            if _version(found, sink) >= version:
                return False
            self._commit(table, found, rows, sink=sink, version=version)
        return True

    def merge(self, table: str, rows: pa.Table, *, key: Sequence[str], sink: str, version: int) -> bool:
        """Append the rows whose key is not there yet, once for each (sink, version).

        Of rows with one key the first is kept. In a table with a ``day``, rows of one key are of one day: no
        others are compared.
        """
        with self._lock, _reported(table):
            found = self._find(table)
            if _version(found, sink) >= version:
                return False
            fresh = _new_rows(rows, key, [] if found is None else _files_of_months(found, rows))
            self._commit(table, found, fresh, sink=sink, version=version)
        return True

    def version(self, table: str, sink: str) -> int:
        """The last version this sink wrote; -1 if none."""
        with _reported(table):
            return _version(self._find(table), sink)

    def files(self, table: str) -> list[str]:
        """Parquet files that make up the table now, good for ``KEEP_HOURS``. Empty if there is no such table.

        A table with a ``day`` has a ``month`` too, in the path, as ``month=2011-12``.
        """
        with _reported(table):
            found = self._find(table)
            return [] if found is None else sorted(map(unquote, found.file_uris()))

    def delete(self, table: str, predicate: str) -> int:
        """Delete rows by an SQL predicate; how many went. Their bytes go too: lists of files held by others go bad."""
        with self._lock, _reported(table):
            found = self._find(table)
            if found is None:
                return 0
            _check_predicate(predicate, found)
            gone = int(found.delete(predicate)["num_deleted_rows"] or 0)
            self._sync(table, found)
            if gone:
                _vacuum(found, keep_hours=0)
                self._forget_entries(table)
        return gone

    def compact(self, table: str) -> None:
        """Fewer, larger files; those of versions older than ``KEEP_HOURS`` are removed."""
        with self._lock, _reported(table):
            found = self._find(table)
            if found is None:
                return
            found.optimize.compact(target_size=FULL_BYTES, max_concurrent_tasks=2)
            found.create_checkpoint()
            self._sync(table, found)  # before anything older goes
            _vacuum(found, keep_hours=KEEP_HOURS)
            found.cleanup_metadata()

    def copy_to(self, target: Path) -> None:
        """A copy of each table as it stands now, while reads go on; writes wait."""
        with self._lock, _reported("of all names"):
            for entries in sorted(self.folder.glob(f"*/{_LOG}")):
                table = entries.parent.name
                shutil.copytree(entries, target / table / _LOG, dirs_exist_ok=True)
                for name in map(Path, self._active(table)):
                    copy = target / name.relative_to(self.folder)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(name, copy)

    def close(self) -> None:
        """Nothing is held open."""

    def _active(self, table: str) -> list[str]:
        found = self._find(table)
        return [] if found is None else [unquote(uri) for uri in found.file_uris()]

    def _find(self, table: str) -> Any:
        """The table as it stands, None if there is none."""
        path = self._path(table)
        if not (path / _LOG).is_dir():
            return None
        try:
            return DeltaTable(path)
        except TableNotFoundError:
            return None

    def _commit(self, table: str, found: Any, rows: pa.Table, *, sink: str, version: int) -> None:
        new, rows = found is None, _with_month(rows)
        write_deltalake(
            self._path(table) if new else found,
            _fitted(found, rows),
            mode="append",
            partition_by=[_MONTH] if new and _MONTH in rows.column_names else None,
            schema_mode=None if new or _same_columns(found, rows) else "merge",
            configuration=_TABLE if new else None,
            writer_properties=WriterProperties(compression="ZSTD"),
            commit_properties=CommitProperties(app_transactions=[Transaction(sink, version)]),
        )
        self._sync(table, DeltaTable(self._path(table)) if new else found)

    def _sync(self, table: str, found: Any) -> None:
        """Make the newest commit durable: its files, its log entry, and a checkpoint made with it."""
        path = self._path(table)
        entry = path / _LOG / f"{found.version():020d}.json"
        added = [path / unquote(add["path"]) for add in _added(entry)]
        if len(added) > SYNC_ONE_BY_ONE:
            os.sync()
            return
        for name in (*added, *entry.parent.glob(f"{entry.stem}*"), *entry.parent.glob("_last_checkpoint")):
            sync_file(name)
        for folder in {entry.parent, path, *(name.parent for name in added)}:
            sync_folder(folder)

    def _forget_entries(self, table: str) -> None:
        """Log entries before the last: one holds the predicate of a deletion, and so whom it was about."""
        found = self._find(table)
        found.create_checkpoint()
        self._sync(table, found)  # before anything older goes
        for entry in (self._path(table) / _LOG).glob("[0-9]*"):
            if int(entry.name.partition(".")[0]) < found.version():
                entry.unlink()

    def _path(self, table: str) -> Path:
        if not _NAME.fullmatch(table):
            raise InvalidField("table", table, "lower-case letters, digits and _, at most 63")
        return self.folder / table


def _version(found: Any, sink: str) -> int:
    version = None if found is None else found.transaction_version(sink)
    return -1 if version is None else int(version)


def _vacuum(found: Any, *, keep_hours: int) -> None:
    """Remove files of older versions, and those of writers that died before their commit."""
    found.vacuum(retention_hours=keep_hours, dry_run=False, enforce_retention_duration=False, full=True)


def _same_columns(found: Any, rows: pa.Table) -> bool:
    return {field.name for field in found.schema().fields} == set(rows.column_names)


def _files_of_months(found: Any, rows: pa.Table) -> list[str]:
    """Files that may hold a key of these rows: those of their months, and those that name none."""
    files = map(unquote, found.file_uris())
    if _DAY not in rows.column_names:
        return list(files)
    months = {f"{_MONTH}={month}" for month in _with_month(rows)[_MONTH].unique().to_pylist()}
    folders = ((file, Path(file).parent.name) for file in files)
    return [file for file, folder in folders if folder in months or not folder.startswith(f"{_MONTH}=")]


def _fitted(found: Any, rows: pa.Table) -> pa.Table:
    """Rows with the types of their table. All may be null: a column that never was may be one day."""
    known = (
        {} if found is None else {field.name: field.type for field in pa.schema(found.schema().to_arrow())}
    )
    fields = [pa.field(field.name, known.get(field.name, field.type)) for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _with_month(rows: pa.Table) -> pa.Table:
    """The month of the day, as text like ``2011-12``, beside the day."""
    if _DAY not in rows.column_names or _MONTH in rows.column_names:
        return rows
    months, index = np.unique(rows[_DAY].to_numpy().astype("datetime64[M]"), return_inverse=True)
    text = pa.array(np.datetime_as_string(months).tolist(), pa.string())
    return rows.append_column(_MONTH, text.take(pa.array(index)))


def _new_rows(rows: pa.Table, key: Sequence[str], files: list[str]) -> pa.Table:
    """The first row of each key that is in none of the files; the rows' order stays."""
    names = ", ".join(f'"{name}"' for name in key)
    incoming = rows.select(list(key)).append_column("__row", pa.array(np.arange(len(rows))))
    with _duckdb() as connection:
        connection.register("incoming", incoming)
        there = _there(rows, names) if files else ""
        query = f"SELECT min(__row) AS row FROM incoming {there} GROUP BY {names} ORDER BY row"  # noqa: S608 - from our code
        kept = connection.execute(query, _bounds(rows, files)).fetchnumpy()["row"]
    return rows if len(kept) == len(rows) else rows.take(pa.array(kept, pa.int64()))


def _there(rows: pa.Table, names: str) -> str:
    """SQL that leaves out the keys in the files; statistics let files and row groups of other days be skipped."""
    days = "WHERE day BETWEEN $first AND $last" if _DAY in rows.column_names else ""
    return f"ANTI JOIN (SELECT {names} FROM read_parquet($files) {days}) USING ({names})"  # noqa: S608 - from our code


def _bounds(rows: pa.Table, files: list[str]) -> dict[str, Any]:
    if not files:
        return {}
    if _DAY not in rows.column_names:
        return {"files": files}
    first, last = pc.min_max(rows[_DAY]).as_py().values()
    return {"files": files, "first": first, "last": last}


def _check_predicate(predicate: str, found: Any) -> None:
    """Refuse what is no condition on the table's columns, before Delta runs it."""
    empty = pa.schema(found.schema().to_arrow()).empty_table()
    with _duckdb() as connection:
        connection.register("rows", empty)
        try:
            connection.execute(f"SELECT 1 FROM rows WHERE ({predicate})")  # noqa: S608 - on an empty table
        except duckdb.Error as trouble:
            raise InvalidField("predicate", predicate, f"a condition on the columns ({trouble})") from None


@contextmanager
def _duckdb() -> Iterator[Any]:
    connection = duckdb.connect(
        config={
            "threads": 2,
            "memory_limit": "512MB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        yield connection
    finally:
        connection.close()


def _added(entry: Path) -> list[dict[str, Any]]:
    """What a log entry adds. Raises ValueError if it is torn."""
    actions = [json.loads(line) for line in entry.read_text().splitlines() if line.strip()]
    if not actions:
        raise ValueError("empty")
    return [action["add"] for action in actions if "add" in action]


def _set_torn_aside(entries: Path) -> None:
    """Step back behind log entries that were not whole on disk when the machine went down."""
    while (numbers := sorted(entries.glob("[0-9]*.json"))) and not _whole(numbers[-1]):
        torn = numbers[-1]
        log.warning("lake.entry_set_aside", extra={"entry": str(torn)})
        for checkpoint in (*entries.glob(f"{torn.stem}.checkpoint*"), *entries.glob("_last_checkpoint")):
            checkpoint.unlink(missing_ok=True)
        torn.rename(torn.with_suffix(".torn"))


def _whole(entry: Path) -> bool:
    table = entry.parent.parent
    try:
        return all((table / unquote(add["path"])).stat().st_size == add["size"] for add in _added(entry))
    except (OSError, ValueError, KeyError, TypeError):
        return False


@contextmanager
def _reported(table: str) -> Iterator[None]:
    try:
        yield
    except (SchemaMismatchError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as trouble:
        raise InvalidInput(f"rows do not fit lake table {table!r} ({trouble})") from trouble
    except (DeltaError, OSError, duckdb.Error) as trouble:
        raise StoreUnavailable(f"lake table {table!r} is unavailable ({trouble})") from trouble
