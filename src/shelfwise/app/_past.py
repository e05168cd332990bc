"""What the lake keeps of one person, read in pieces: it may be more than fits into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_MEMORY_MB = 256  # of a worker that answers meanwhile; what needs more is sorted on disk


class LakePast:
    """``serving.http.Past`` over the lake as it stands now: its lists of files are good for an hour."""

    def __init__(self, lake_folder: Path, user_id: str, anonymous_ids: Sequence[str]) -> None:
        from shelfwise.stores.adapters.delta_lake import DeltaLake

        lake = DeltaLake(lake_folder, read_only=True)
        self._files = {table: lake.files(table) for table in ("event_lines", "answers")}
        self._theirs = _theirs(user_id, anonymous_ids)

    def n_lines(self) -> int:
        """Rows of ``event_lines``."""
        return self._count("COUNT(*)", "event_lines")

    def n_answers(self) -> int:
        """Answers that were logged."""
        return self._count("COUNT(DISTINCT recommendation_id)", "answers")

    def lines(self) -> Iterator[dict[str, Any]]:
        """Rows of ``event_lines``, newest first."""
        return self._rows("*", "event_lines", "ORDER BY occurred_us DESC, event_id, line")

    def answers(self) -> Iterator[dict[str, Any]]:
        """Rows of ``answers``, newest first, those of one answer by position."""
        return self._rows("*", "answers", "ORDER BY answered_us DESC, recommendation_id, position")

    def _count(self, what: str, table: str) -> int:
        return next((int(row["n"]) for row in self._rows(f"{what} AS n", table)), 0)

    def _rows(self, what: str, table: str, order: str = "") -> Iterator[dict[str, Any]]:
        from shelfwise.features import DuckDB, DuckDBSettings

        if not self._files[table]:
            return
        with DuckDB(DuckDBSettings(memory_mb=_MEMORY_MB, threads=1)) as engine:
            engine.read(table, self._files[table])
            query = f"SELECT {what} FROM {table} WHERE {self._theirs} {order}"  # noqa: S608 - ids are quoted
            for batch in engine.stream(query):
                yield from batch.to_pylist()


def _theirs(user_id: str, anonymous_ids: Sequence[str]) -> str:
    """Rows that name them, and those of visitors who turned out to be them."""
    own = f"user_id = {_quoted(user_id)}"
    visitors = ", ".join(map(_quoted, anonymous_ids))
    return f"({own} OR (user_id IS NULL AND anonymous_id IN ({visitors})))" if visitors else own


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
