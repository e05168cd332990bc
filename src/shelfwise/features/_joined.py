"""Tables that batch engines join for what no event tells: the catalogue, fits of releases, the calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, MINUTE_US, InvalidInput, LiveItems, Shelf
from shelfwise.features._bases import CATALOGUE, FITTED, LEAST, SHELF, catalogue_columns
from shelfwise.features._calendar import calendar_table, days_of
from shelfwise.features._shelf_numbers import shelf_numbers

Fits = Mapping[int, Mapping[str, NDArray[np.float32]]]  # instant of a fit -> its columns by item row

_CODED = ("category", "brand")


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What no event tells. Features of what is not given are empty.

    Raises InvalidInput if live columns come without the instant since which they hold, or it without them.
    """

    shelf: Shelf | None = None  # category, brand, texts and first sight of items
    live: LiveItems | None = None  # what the catalogue says of their price and stock
    live_us: int | None = (
        None  # since when: what it said before is not kept, earlier instants know none of it
    )
    fits: Fits = field(default_factory=dict)  # of releases: an instant is joined with the newest before it

    def __post_init__(self) -> None:
        if (self.live is None) != (self.live_us is None):
            raise InvalidInput(
                f"live_us is {self.live_us}; expected the instant since which live columns hold, with them"
            )


NO_FACTS = Facts()


def items_table(facts: Facts) -> pa.Table:
    """``items``: a row an item of the shelf, with codes of its category and brand and what the catalogue says of it."""
    shelf = facts.shelf
    n_items = len(shelf) if shelf is not None else 0
    columns: dict[str, pa.Array] = {
        "item_row": pa.array(np.arange(n_items, dtype=np.int32)),
        "known_us": pa.array(np.full(n_items, facts.live_us or 0, np.int64)),
    }
    for what in _CODED:
        coded = shelf.coded.get(what) if shelf is not None else None
        columns[what] = pa.array(np.full(n_items, -1, np.int32) if coded is None else coded.codes)
    numbers = shelf_numbers(shelf, SHELF) if shelf is not None else np.empty((0, len(SHELF)), np.float32)
    for at, name in enumerate(SHELF):
        columns[name] = _numbers(numbers[:, at])
    told = catalogue_columns(facts.live, shelf) if shelf is not None else {}
    for name in CATALOGUE:
        columns[name] = _whole(told.get(name, np.empty(0, np.int64))[:n_items], LEAST[name], n_items)
    return pa.table(columns)


def fitted_table(fits: Fits) -> pa.Table:
    """``fitted``: a row an item of each fit, ``fit_us`` its instant; null where a column is not fitted."""
    parts = [_fit_table(fit_us, columns) for fit_us, columns in fits.items()] or [_fit_table(0, {})]
    return pa.concat_tables(parts)


def calendar_of(asked: pa.Table) -> pa.Table:
    """``calendar``: the countries and local days of rows of ``ASKED``."""
    offset = asked["offset_minutes"].cast(pa.int64()).fill_null(0).to_numpy()
    day = (asked["as_of_us"].to_numpy() + offset * MINUTE_US) // DAY_US
    pairs = pa.table({"country": asked["country"], "day": day}).group_by(["country", "day"]).aggregate([])
    return calendar_table(days_of(pairs["country"].to_pylist(), pairs["day"].to_pylist()))


def _fit_table(fit_us: int, columns: Mapping[str, NDArray[np.float32]]) -> pa.Table:
    n_items = max(map(len, columns.values()), default=0)
    made = {
        "fit_us": pa.array(np.full(n_items, fit_us, np.int64)),
        "item_row": pa.array(np.arange(n_items, dtype=np.int32)),
    }
    for name in FITTED:
        padded = np.full(n_items, np.nan, np.float32)
        given = columns.get(name)
        if given is not None:
            padded[: len(given)] = given
        made[name] = _numbers(padded)
    return pa.table(made)


def _numbers(column: NDArray[np.float32]) -> pa.Array:
    return pa.array(column.astype(np.float64), from_pandas=True)


def _whole(column: NDArray[np.int64], least: int, n_items: int) -> pa.Array:
    """Whole numbers, null below the least one and where the column ends."""
    padded = np.full(n_items, least - 1, np.int64)
    padded[: len(column)] = column
    return pa.array(padded, mask=padded < least)
