"""The lake as Delta tables in a folder, by delta-rs; any engine reads them.

Exactly once: each commit carries its sink and version as a Delta application transaction, in the same commit as the
rows. Tables are not cut into partitions: a shop's day is a file too small to be worth one, and Parquet's own statistics
let a reader skip what it does not need.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlparse

import duckdb
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from shelfwise.domain import InvalidInput, StoreUnavailable

KEEP_OLD_FILES = timedelta(
    hours=1
)  # a reader that listed files before a compaction may still be reading them


class DeltaLake:
    """``Lake`` in a folder. One process writes a table at a time; any process reads.

    Args:
        root: Holds one folder per table; made when the first is written.

    Raises:
        StoreUnavailable: A table cannot be read or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def append(self, table: str, rows: pa.Table, *, sink: str, version: int) -> bool:
        """Append rows once for each (sink, version); False if it was there already."""
        if self.version(table, sink) >= version:
            return False
        with _reported(table):
            write_deltalake(
                self._path(table), _plain(rows), mode="append", commit_properties=_properties(sink, version)
            )
        return True

    def merge(self, table: str, rows: pa.Table, *, key: Sequence[str], sink: str, version: int) -> bool:
        """Append the rows whose key is not there yet, each key once."""
        if self.version(table, sink) >= version:
            return False
        return self.append(table, self._fresh(table, rows, key), sink=sink, version=version)

    def version(self, table: str, sink: str) -> int:
        """The last version this sink wrote; -1 if none."""
        found = self._open(table)
        if found is None:
            return -1
        written = found.transaction_version(sink)
        return -1 if written is None else int(written)

    def files(self, table: str) -> list[str]:
        """Parquet files that make up the table now."""
        found = self._open(table)
        return [] if found is None else [_local(uri) for uri in found.file_uris()]

    def delete(self, table: str, predicate: str) -> int:
        """Delete rows by an SQL predicate, and the old files with them; how many rows went."""
        found = self._open(table)
        if found is None:
            return 0
        with _reported(table):
            gone = int(found.delete(predicate).get("num_deleted_rows") or 0)
            if gone:
                self._vacuum(found, retention=timedelta(0))
        return gone

    def compact(self, table: str) -> None:
        """Fewer, larger files; what nobody reads any more is removed."""
        found = self._open(table)
        if found is None:
            return
        with _reported(table):
            found.optimize.compact()
            self._vacuum(found, retention=KEEP_OLD_FILES)

    def _fresh(self, table: str, rows: pa.Table, key: Sequence[str]) -> pa.Table:
        """Rows whose key is not in the table; of several of one key in ``rows`` the first."""
        absent = [name for name in key if name not in rows.column_names]
        if absent:
            raise InvalidInput(f"rows for {table!r} lack the key {absent}; expected {list(key)}")
        engine = duckdb.connect()
        engine.execute("SET threads = 2; SET autoinstall_known_extensions = false")
        engine.register("given", rows.append_column("__place", pa.array(range(len(rows)), pa.int64())))
        names = ", ".join(f'"{name}"' for name in key)
        files = self.files(table)
        held = "ANTI JOIN read_parquet($files) held USING" if files else ""
        query = f"SELECT MIN(__place) FROM given {held} {f'({names})' if files else ''} GROUP BY {names}"  # noqa: S608
        found = engine.execute(query, {"files": files} if files else {}).fetchall()
        return rows.take(pa.array(sorted(row[0] for row in found), pa.int64()))

    def _open(self, table: str) -> DeltaTable | None:
        with _reported(table):
            try:
                return DeltaTable(self._path(table))
            except TableNotFoundError:
                return None

    def _path(self, table: str) -> str:
        if not table.isidentifier():
            raise InvalidInput(f"table is {table!r}; expected a name of letters, digits and underscores")
        return str(self.root / table)

    @staticmethod
    def _vacuum(table: DeltaTable, *, retention: timedelta) -> None:
        hours = int(retention.total_seconds() // 3600)
        table.vacuum(retention_hours=hours, dry_run=False, enforce_retention_duration=False)


def _properties(sink: str, version: int) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(sink, version)])


def _plain(rows: pa.Table) -> pa.Table:
    """Without nullability: a column that was never empty may be one day."""
    fields = [pa.field(field.name, field.type) for field in rows.schema]
    return rows.cast(pa.schema(fields))


def _local(uri: str) -> str:
    parsed = urlparse(uri)
    return unquote(parsed.path) if parsed.scheme == "file" else uri


@contextmanager
def _reported(table: str) -> Iterator[None]:
    try:
        yield
    except (DeltaError, OSError) as trouble:
        raise StoreUnavailable(f"lake table {table!r}: {trouble}") from trouble
