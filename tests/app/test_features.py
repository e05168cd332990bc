"""A feature's SQL, as the command line shows it, is whole: it runs on the inputs alone."""

from __future__ import annotations

import pyarrow as pa
import pytest

from shelfwise.app._feature_sql import feature_document
from shelfwise.features import ASKED, EVENT_LINES, FEATURES, DuckDB
from shelfwise.features._joined import NO_FACTS, calendar_of, fitted_table, items_table

NAMES = [feature.name for feature in FEATURES if feature.sql]
TABLES = {
    "items": items_table(NO_FACTS), "fitted": fitted_table({}), "calendar": calendar_of(ASKED.empty_table()),
}  # fmt: skip
ASKED_NUMBERED = ASKED.append(pa.field("row_number_asked", pa.int64()))


def test_the_shown_sql_of_every_feature_runs_alone() -> None:
    with DuckDB() as engine:
        for name, schema in (("asked", ASKED_NUMBERED), ("event_lines", EVENT_LINES)):
            engine.read(name, schema.empty_table())
        for name, table in TABLES.items():
            engine.read(name, table)
        for name in NAMES:
            told = engine.run(feature_document(name)["sql"])
            assert told.column_names == ["row_number_asked", name]


def test_the_shown_sql_counts_what_the_feature_means() -> None:
    day_us = 86_400_000_000
    line = {field.name: None if field.nullable else 0 for field in EVENT_LINES}
    line |= {
        "event_id": "e",
        "event": "view_item",
        "event_code": 1,
        "person": "u:p",
        "origin": "real",
        "bot": False,
    }
    lines = [
        {**line, "event_hash": at, "order_hash": at, "occurred_us": at * day_us, "day": None}
        for at in (5, 90, 98)
    ]
    asked = {"person": "u:p", "item_row": 0, "as_of_us": 100 * day_us, "row_number_asked": 0}
    schema = pa.schema([field.with_nullable(True) for field in EVENT_LINES])
    with DuckDB() as engine:
        engine.read("event_lines", pa.Table.from_pylist(lines, schema))
        engine.read("asked", pa.Table.from_pylist([asked], ASKED_NUMBERED))
        engine.read("items", TABLES["items"])
        counts = {
            days: engine.run(feature_document(f"user_item__view_item__count__{days}")["sql"])[1].to_pylist()
            for days in ("7d", "all")
        }
    assert counts == {"7d": [1], "all": [3]}


@pytest.mark.parametrize("name", [feature.name for feature in FEATURES if not feature.sql])
def test_what_no_batch_engine_computes_has_no_sql(name: str) -> None:
    assert feature_document(name)["sql"] is None
