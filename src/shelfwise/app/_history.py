"""What a training cannot do without, looked for before it starts: everything that is missing is told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shelfwise.domain import DAY_US, PURCHASE, NotTrained
from shelfwise.features import DuckDB, DuckDBSettings
from shelfwise.training import TrainingSettings

_LEAST_WINDOWS = 3  # one to be judged on, one to learn from, one before it to know people by


@dataclass(frozen=True, slots=True)
class History:
    """Counts of what may be learned from."""

    n_items: int
    n_purchases: int  # lines
    n_people: int  # who bought
    days: float  # since the first event
    n_returning: int  # who bought in the last window, and before it
    n_trying: int  # of these, who bought something for the first time


def require_history(files: Sequence[str], settings: TrainingSettings, *, n_items: int, now_us: int) -> None:
    """Raises NotTrained that names all that is missing, and what there is."""
    history = read_history(files, settings, n_items=n_items, now_us=now_us)
    missing = what_is_missing(history, settings)
    if missing:
        raise NotTrained(f"not enough to learn from: {'; '.join(missing)}")


def what_is_missing(history: History, settings: TrainingSettings) -> list[str]:
    """A sentence for each thing; none if a training can start."""
    least = _LEAST_WINDOWS * settings.window_days
    missing = []
    if history.n_items == 0:
        missing.append("no items (shelfwise import items FILE)")
    if history.n_purchases == 0:
        missing.append("no purchases (shelfwise import events FILE)")
        return missing
    if history.days <= least:
        missing.append(
            f"history is {history.days:.0f} days; expected more than {least} "
            f"(set training.window_days lower to learn from less)"
        )
    if history.n_returning == 0:
        missing.append(
            f"none of {history.n_people} people bought before and again in the last {settings.window_days} days; "
            f"expected some, to be judged by"
        )
    elif history.n_trying == 0:
        missing.append(
            f"none of {history.n_returning} people who came back in the last {settings.window_days} days bought "
            f"something new to them; expected some, to be judged by"
        )
    return missing


def read_history(files: Sequence[str], settings: TrainingSettings, *, n_items: int, now_us: int) -> History:
    """Count the lake's ``event_lines``."""
    if not files:
        return History(n_items, 0, 0, 0.0, 0, 0)
    origins = ", ".join(f"'{origin}'" for origin in settings.origins)
    cut_us = now_us - settings.window_days * DAY_US
    with DuckDB(DuckDBSettings(memory_mb=settings.memory_mb)) as engine:
        engine.read("event_lines", files)
        row = engine.run(_COUNTED.format(origins=origins, purchase=PURCHASE, cut_us=cut_us)).to_pylist()[0]
    first_us = row.pop("first_us")
    return History(n_items, days=(now_us - first_us) / DAY_US if first_us is not None else 0.0, **row)


_COUNTED = """
WITH told AS (
  SELECT person, item_row, occurred_us, event_code = {purchase} AND item_row >= 0 AS bought
  FROM event_lines WHERE NOT bot AND origin IN ({origins})
), pairs AS (
  SELECT person, COUNT(*) AS n, MIN(occurred_us) AS first_us, MAX(occurred_us) AS last_us
  FROM told WHERE bought GROUP BY person, item_row
), buyers AS (
  SELECT SUM(n) AS n, MIN(first_us) < {cut_us} AND MAX(last_us) >= {cut_us} AS back,
    MIN(first_us) < {cut_us} AND MAX(first_us) >= {cut_us} AS back_for_new
  FROM pairs GROUP BY person
)
SELECT (SELECT MIN(occurred_us) FROM told) AS first_us, COALESCE(SUM(n), 0)::BIGINT AS n_purchases,
  COUNT(*) AS n_people, COUNT(*) FILTER (back) AS n_returning, COUNT(*) FILTER (back_for_new) AS n_trying
FROM buyers
"""
