"""Computing features on demand, and checking that what was computed keeps what was declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shelfwise.features._batch import read_events, training_features
from shelfwise.features._declare import Feature
from shelfwise.features._engine import Engine
from shelfwise.features._features import FEATURES
from shelfwise.features._joined import NO_FACTS, Facts


@dataclass(frozen=True, slots=True)
class Checked:
    """What a column looks like beside its declaration."""

    name: str
    rows: int
    nulls: int
    low: float | None  # smallest value seen; None if there is none
    high: float | None
    problem: str | None  # None: it keeps its declaration

    @property
    def ok(self) -> bool:
        return self.problem is None


def compute(
    engine: Engine,
    files: Sequence[str],
    rows: pa.Table,
    *,
    facts: Facts = NO_FACTS,
    origins: Sequence[str] = ("real",),
    features: Sequence[Feature] = FEATURES,
) -> pa.Table:
    """``training_features`` as a table: the rows asked for, then a column a feature, null where there is nothing."""
    made = training_features(engine, files, rows, facts=facts, origins=origins, features=features)
    for name, column in made.items():
        rows = rows.append_column(name, pa.array(column, from_pandas=True))
    return rows


def check(
    engine: Engine,
    files: Sequence[str],
    *,
    as_of_us: int,
    facts: Facts = NO_FACTS,
    origins: Sequence[str] = ("real",),
    people: int = 200,
    items: int = 50,
) -> list[Checked]:
    """Compute all features for the most recent people and the busiest items, and check each column.

    An empty lake gives an empty list: nothing was computed, so nothing was broken.
    """
    read_events(engine, files, origins=origins)
    rows = engine.run(_SAMPLE.format(as_of_us=int(as_of_us), people=int(people), items=int(items)))
    if rows.num_rows == 0:
        return []
    return check_columns(training_features(engine, files, rows, facts=facts, origins=origins))


def check_columns(
    columns: Mapping[str, NDArray[np.generic]], features: Sequence[Feature] = FEATURES
) -> list[Checked]:
    """Range, absent and infinite values of each column that has a declaration, in the order of those."""
    return [_checked(feature, columns[feature.name]) for feature in features if feature.name in columns]


def _checked(feature: Feature, given: NDArray[np.generic]) -> Checked:
    column = given.astype(np.float64)
    told = column[~np.isnan(column)]
    low, high = (float(told.min()), float(told.max())) if len(told) else (None, None)
    nulls = len(column) - len(told)
    return Checked(feature.name, len(column), nulls, low, high, _problem(feature, nulls, low, high))


def _problem(feature: Feature, nulls: int, low: float | None, high: float | None) -> str | None:
    if nulls and feature.null is None:
        return f"{nulls} values are absent; expected none"
    if low is None or high is None:
        return None
    if not np.isfinite([low, high]).all():
        return f"values reach from {low} to {high}; expected finite ones"
    if feature.low is not None and low < feature.low - _DUST:
        return f"smallest value is {low:g}; expected at least {feature.low:g}"
    if feature.high is not None and high > feature.high + _DUST:
        return f"largest value is {high:g}; expected at most {feature.high:g}"
    return None


_DUST = 1e-9  # shares add up to 1 within the rounding of doubles

_SAMPLE = """SELECT p.person, i.item_row, CAST({as_of_us} AS BIGINT) AS as_of_us
FROM (
  SELECT person FROM event_lines WHERE occurred_us < {as_of_us}
  GROUP BY person ORDER BY MAX(occurred_us) DESC, person LIMIT {people}
) p CROSS JOIN (
  SELECT item_row FROM event_lines WHERE occurred_us < {as_of_us} AND item_row >= 0
  GROUP BY item_row ORDER BY COUNT(*) DESC, item_row LIMIT {items}
) i"""
