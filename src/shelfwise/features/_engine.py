"""Batch engines: whoever can read tables, run our SQL text and keep what it made. DuckDB here; Spark is one more."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pyarrow as pa
from pydantic import Field

from shelfwise.domain import Settings, StoreUnavailable

_BATCH_ROWS = 4_096  # of a stream


class Engine(Protocol):
    """Runs the portable SQL. Names are those of the views; a name given twice is replaced."""

    def read(self, name: str, source: Sequence[str] | pa.Table) -> None:
        """Make Parquet files, or an Arrow table, known under a name."""
        ...

    def write(self, name: str, query: str) -> None:
        """Run a query and keep its rows under a name, for the queries after it. Raises StoreUnavailable."""
        ...

    def run(self, query: str) -> pa.Table:
        """Rows of a query. Raises StoreUnavailable."""
        ...


class DuckDBSettings(Settings):
    """Bounds of the embedded batch engine."""

    memory_mb: int = Field(1_000, ge=200)
    """What it may hold before it spills to disk. Lower is slower, never wrong."""

    threads: int = Field(2, ge=1, le=256)
    """Threads of one query. More is faster until the disk is the limit."""

    spill: Path | None = None
    """Folder to spill to; one of its own under the system's temporary folder if not given."""


class DuckDB:
    """The embedded engine: in this process, memory bounded, no database file."""

    def __init__(self, settings: DuckDBSettings | None = None) -> None:
        import duckdb  # not loaded by servers, which compute no batch

        settings = settings or DuckDBSettings()
        self._trouble = (duckdb.OutOfMemoryException, duckdb.IOException)
        self._spill = tempfile.TemporaryDirectory(prefix="shelfwise-spill-", dir=settings.spill)
        self._database = duckdb.connect(
            config={
                "memory_limit": f"{settings.memory_mb}MB",
                "threads": settings.threads,
                "temp_directory": self._spill.name,
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self._database.execute("SET TimeZone = 'UTC'")
        self._kinds: dict[str, str] = {}

    def read(self, name: str, source: Sequence[str] | pa.Table) -> None:
        """See ``Engine``."""
        if isinstance(source, pa.Table):
            self._database.register(f"{name}__given", source)
            self.write(name, f"SELECT * FROM {name}__given")  # noqa: S608 - names are ours
            self._database.unregister(f"{name}__given")
            return
        files = ", ".join(f"'{_quoted(file)}'" for file in source)
        query = f"SELECT * FROM read_parquet([{files}], union_by_name = true)"  # noqa: S608 - quoted above
        self._make("VIEW", name, query)

    def write(self, name: str, query: str) -> None:
        """See ``Engine``."""
        self._make("TABLE", name, query)

    def run(self, query: str) -> pa.Table:
        """See ``Engine``."""
        try:
            return self._database.sql(query).to_arrow_table()
        except self._trouble as trouble:
            raise StoreUnavailable(f"batch engine: {trouble}") from trouble

    def stream(self, query: str) -> Iterator[pa.RecordBatch]:
        """Rows of a query as they are needed: for results that may not fit into memory. Raises StoreUnavailable."""
        try:
            yield from self._database.sql(query).to_arrow_reader(_BATCH_ROWS)
        except (*self._trouble, pa.ArrowException, OSError) as trouble:
            raise StoreUnavailable(f"batch engine: {trouble}") from trouble

    def close(self) -> None:
        """Give memory and spilled files back."""
        self._database.close()
        self._spill.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def _make(self, kind: str, name: str, query: str) -> None:
        """A view or a table under a name; DuckDB replaces one by its own kind only."""
        held = self._kinds.get(name, kind)
        self._do(f"CREATE OR REPLACE TEMP {kind} {name}__next AS {query}")
        self._do(f"DROP {held} IF EXISTS {name}")
        self._do(f"ALTER {kind} {name}__next RENAME TO {name}")
        self._kinds[name] = kind

    def _do(self, statement: str) -> None:
        try:
            self._database.execute(statement)
        except self._trouble as trouble:
            raise StoreUnavailable(f"batch engine: {trouble}") from trouble


def _quoted(file: str) -> str:
    return file.replace("'", "''")
