"""The batch reader: features of people and items as of past instants, from the lake's ``event_lines``."""

# ruff: noqa: S608 - names in texts are of this package; origins are quoted

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shelfwise.domain import InvalidInput, LiveItems
from shelfwise.features._buckets import ENDS, NEVER, shop_name
from shelfwise.features._declare import Feature
from shelfwise.features._engine import DuckDB, DuckDBSettings, Engine
from shelfwise.features._features import FEATURES, ITEM_ROLLING
from shelfwise.features._joined import NO_FACTS, Facts, calendar_of, fitted_table, items_table
from shelfwise.features._lake import EVENT_LINES
from shelfwise.features._sql import View, listed
from shelfwise.features._sql_items import ITEM_VIEWS
from shelfwise.features._sql_joined import FITS_AT
from shelfwise.features._sql_people import PERSON_VIEWS, features_view

ASKED = pa.schema(
    [
        pa.field("person", pa.string(), nullable=False),  # "u:" + user_id, or "a:" + anonymous_id
        pa.field("item_row", pa.int32(), nullable=False),
        pa.field("as_of_us", pa.int64(), nullable=False),
        pa.field("offset_minutes", pa.int32()),  # the shopper's local time ahead of UTC; optional column
        pa.field("device_code", pa.int16()),  # optional column, as are those below
        pa.field("country", pa.string()),  # ISO 3166-1 alpha-2, of the question or else of the person
        pa.field("placement_code", pa.int16()),
        pa.field("referrer_code", pa.int16()),
        pa.field("age_years", pa.int16()),
    ]
)
"""Rows of a training set: who, what, when. Only those that may not be null have to be given."""


def read_events(engine: Engine, files: Sequence[str], *, origins: Sequence[str] = ("real",)) -> None:
    """Give the engine the view ``event_lines``: bots and other origins (tests, simulations) left out.

    No files at all, as a lake has before its first event, are no events.
    """
    engine.read("lake", list(files) or EVENT_LINES.empty_table())
    wanted = ", ".join("'" + origin.replace("'", "''") + "'" for origin in origins)
    engine.write("event_lines", f"SELECT {listed(_READ)} FROM lake WHERE NOT bot AND origin IN ({wanted})")


def training_features(
    engine: Engine,
    files: Sequence[str],
    rows: pa.Table,
    *,
    facts: Facts = NO_FACTS,
    origins: Sequence[str] = ("real",),
    features: Sequence[Feature] = FEATURES,
) -> dict[str, NDArray[np.generic]]:
    """Features of (person, item, instant) rows, each as it was known strictly before its instant.

    Args:
        engine: Where to compute.
        files: Parquet files of ``event_lines``.
        rows: Columns of ``ASKED``, ``(N,)``.
        facts: What no event tells.
        origins: Whose events count.
        features: Which; those no batch engine computes (fits, sources, seeds) are left out.

    Returns:
        Per feature name a column ``(N,)`` in the order of ``rows``: int64, or float64 with NaN where there is
        nothing.

    Raises:
        InvalidInput: ``rows`` lacks a column.
        StoreUnavailable: The engine ran out of memory or disk.
    """
    missing = {"person", "item_row", "as_of_us"} - set(rows.column_names)
    if missing:
        raise InvalidInput(f"rows have columns {rows.column_names}; expected also {sorted(missing)}")
    read_events(engine, files, origins=origins)
    asked = _numbered(rows)
    engine.read("asked", asked)
    engine.read("items", items_table(facts))
    engine.read("fitted", fitted_table(facts.fits))
    engine.read("calendar", calendar_of(asked))
    keep(engine, (*ITEM_VIEWS, *PERSON_VIEWS, FITS_AT))
    made = engine.run(features_view(features).query)
    order = np.argsort(made["row_number_asked"].to_numpy())
    return {feature.name: _column(made, feature)[order] for feature in features if feature.sql}


def keep(engine: Engine, views: Iterable[View]) -> None:
    """Make tables of views, in their order."""
    for view in views:
        engine.write(view.name, view.query)


def items_as_of(
    engine: Engine,
    files: Sequence[str],
    instants: Sequence[int],
    n_items: int,
    *,
    origins: Sequence[str] = ("real",),
) -> list[dict[str, NDArray[np.int64]]]:
    """Per instant, the columns ``ItemCounters.columns`` would have had: ``(n_items,)`` each, shop sums ``(1,)``."""
    read_events(engine, files, origins=origins)
    engine.read("asked", pa.table({"as_of_us": pa.array(sorted(set(instants)), pa.int64())}))
    keep(engine, ITEM_VIEWS)
    names = [*(one.name for one in ITEM_ROLLING), *ENDS]
    made = engine.run(f"SELECT as_of_us, item_row, {listed(names)} FROM items_at")
    columns = {name: made[name].fill_null(0).to_numpy() for name in made.column_names}
    return [_scatter(columns, as_of_us, names, n_items) for as_of_us in instants]


def live_as_of(
    files: Sequence[str],
    n_items: int,
    instants: Sequence[int],
    *,
    first_seen_us: NDArray[np.int64] | None = None,
    origins: Sequence[str] = ("real",),
    settings: DuckDBSettings | None = None,
) -> list[LiveItems]:
    """The live columns as they stood at past instants, as far as events tell: counters.

    An item was for sale if something had happened to it or the catalogue had it, which it has since ``first_seen_us``
    ``(n_items,)``: that there is an item of which nobody knew tells what will be bought.
    """
    seen_us = np.zeros(n_items, np.int64) if first_seen_us is None else first_seen_us[:n_items]
    with DuckDB(settings) as engine:
        counted = items_as_of(engine, files, instants, n_items, origins=origins)
    return [
        replace(live_of(columns, n_items), available_from_us=_known_from(columns[ENDS[0]], seen_us, as_of_us))
        for columns, as_of_us in zip(counted, instants, strict=True)
    ]


def _known_from(met_us: NDArray[np.int64], seen_us: NDArray[np.int64], as_of_us: int) -> NDArray[np.int64]:
    """0 for items that somebody had met or the catalogue had before an instant; for others a time that never comes."""
    known = (met_us > 0) | ((seen_us > 0) & (seen_us < as_of_us))
    return np.where(known, 0, NEVER)


def live_of(counters: Mapping[str, NDArray[np.int64]], n_items: int) -> LiveItems:
    """Live columns of a shop whose catalogue tells no price and no stock: these counters, everything for sale.

    What the catalogue said in the past is not kept, and what it says now is news to the past.
    """
    unknown, zero = np.full(n_items, -1, np.int64), np.zeros(n_items, np.int64)
    return LiveItems(
        price_minor=unknown, list_price_minor=unknown, cost_minor=unknown, stock=unknown,
        hidden=np.zeros(n_items, np.uint8), available_from_us=zero, available_until_us=np.full(n_items, NEVER),
        counters=counters,
    )  # fmt: skip


_READ = (
    "person", "user_id", "anonymous_id", "item_row", "event_code", "occurred_us", "event_hash", "line", "order_hash",
    "CAST(quantity AS BIGINT) AS quantity", "price_minor",
)  # fmt: skip


def _numbered(rows: pa.Table) -> pa.Table:
    asked = {"row_number_asked": pa.array(np.arange(rows.num_rows))}
    for field in ASKED:
        given = field.name in rows.column_names
        asked[field.name] = (
            rows[field.name].cast(field.type) if given else pa.nulls(rows.num_rows, field.type)
        )
    return pa.table(asked)


def _column(made: pa.Table, feature: Feature) -> NDArray[np.generic]:
    column = made[feature.name].combine_chunks()
    if feature.dtype == "int64":
        return column.to_numpy(zero_copy_only=False)
    return column.cast(pa.float64()).fill_null(float("nan")).to_numpy(zero_copy_only=False)


def _scatter(
    columns: Mapping[str, NDArray[np.int64]], as_of_us: int, names: Sequence[str], n_items: int
) -> dict[str, NDArray[np.int64]]:
    rows = np.flatnonzero((columns["as_of_us"] == as_of_us) & (columns["item_row"] < n_items))
    item = columns["item_row"][rows]
    made: dict[str, NDArray[np.int64]] = {}
    for name in names:
        made[name] = np.zeros(n_items, np.int64)
        made[name][item] = columns[name][rows]
    for one in ITEM_ROLLING:
        if one.summed:
            made[shop_name(one.name)] = made[one.name].sum(keepdims=True)
    return made
