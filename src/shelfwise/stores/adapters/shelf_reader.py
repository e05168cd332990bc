"""The shelf of a worker, kept in step with a catalogue by copying only the columns that changed.

Most changes of a catalogue are of price and stock, which the shelf does not hold: they cost a query and a
comparison. No step holds the interpreter for longer than a copy of one column (0.3 ms at 100,000 items), and
between columns there is a pause, so that a thread answering beside it gets its turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from shelfwise.domain import Coded, Item, Shelf
from shelfwise.stores import Catalogue, StoredItem

MAX_ATTRIBUTES = (
    100  # columns, by first sight; each costs 4 bytes an item, and a wild feed may bring thousands
)
PAUSE_S = 0.0002  # long enough for a waiting thread to take the interpreter, 20 times for a whole catalogue
SPARE_VALUES = (
    10_000  # values no item has any more may be this many, and twice the items, before all is recoded
)

_PLAIN: dict[str, Callable[[Item], Any]] = {
    "item_id": lambda item: item.item_id,
    "title": lambda item: item.title or item.item_id,
    "url": lambda item: item.url,
    "image": lambda item: item.image,
}
_CODED: dict[str, Callable[[Item], Any]] = {
    "category": lambda item: item.category or None,
    "brand": lambda item: item.brand,
    "group_id": lambda item: item.group_id,
    "currency": lambda item: item.currency,
    "tags": lambda item: frozenset(item.tags) or None,
    "regions": lambda item: frozenset(item.regions) or None,
}


class CatalogueShelf:
    """``ShelfReader`` over any catalogue. Any thread may call it.

    Retired items keep their row; ``LiveItems.hidden`` marks them.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue, self._lock = catalogue, Lock()
        self._columns = _Columns()
        self._shelf = self._columns.shelf(0)

    def shelf(self) -> Shelf:
        """The catalogue as it stands; the same object while nothing changed. Raises StoreUnavailable."""
        with self._lock:
            generation = self._catalogue.generation()  # read first: what comes between is read once more
            if generation != self._shelf.generation:
                self._take_in(generation)
            return self._shelf

    def _take_in(self, generation: int) -> None:
        behind = self._shelf.generation
        if generation < behind or self._columns.wasteful():
            self._columns, behind = _Columns(), 0
        self._columns.update(self._catalogue.since(behind))
        self._shelf = self._columns.shelf(generation)


class _Columns:
    """All columns of a shelf, in a form that takes changes; what it hands out is never written again."""

    def __init__(self) -> None:
        self._plain = {name: _Plain() for name in _PLAIN}
        self._coded = {name: _Coded() for name in _CODED}
        self._min_age, self._first_seen = _Numbers(np.int16), _Numbers(np.int64)
        self._row_of: dict[str, int] = {}

    def wasteful(self) -> bool:
        """Too many values are kept that no item has any more."""
        allowed = 2 * len(self._row_of) + SPARE_VALUES
        return any(len(column.frozen.values) > allowed for column in self._coded.values())

    def update(self, changed: Sequence[StoredItem]) -> None:
        """Take in items, by row."""
        items = [stored.item for stored in changed]
        rows = np.array([stored.row for stored in changed], np.intp)
        n_rows = max(len(self._row_of), int(rows.max(initial=-1)) + 1)
        for name, value_of in _PLAIN.items():
            self._plain[name].set(n_rows, rows, list(map(value_of, items)))
            time.sleep(PAUSE_S)
        for name, value_of in _CODED.items():
            self._coded[name].set(n_rows, rows, list(map(value_of, items)))
            time.sleep(PAUSE_S)
        for name in self._attributes(items):
            values = [item.attributes.get(name) for item in items]
            self._coded[f"attributes.{name}"].set(n_rows, rows, values)
            time.sleep(PAUSE_S)
        self._min_age.set(n_rows, rows, [item.min_age or 0 for item in items])
        self._first_seen.set(n_rows, rows, [stored.first_seen_us for stored in changed])
        self._name_rows(changed)

    def shelf(self, generation: int) -> Shelf:
        plain = {name: column.frozen for name, column in self._plain.items()}
        return Shelf(
            generation=generation,
            item_id=plain["item_id"],
            title=plain["title"],
            url=plain["url"],
            image=plain["image"],
            coded={name: column.frozen for name, column in self._coded.items()},
            min_age=self._min_age.frozen,
            first_seen_us=self._first_seen.frozen,
            row_of=self._row_of,
        )

    def _attributes(self, items: Sequence[Item]) -> list[str]:
        """Names of all attribute columns, new ones among them."""
        seen = {f"attributes.{name}": None for item in items for name in item.attributes}
        room = MAX_ATTRIBUTES + len(_CODED) - len(self._coded)
        fresh = [name for name in seen if name not in self._coded][:room]
        self._coded.update({name: _Coded() for name in fresh})
        return [name.removeprefix("attributes.") for name in self._coded if name not in _CODED]

    def _name_rows(self, changed: Sequence[StoredItem]) -> None:
        fresh = {
            stored.item.item_id: stored.row for stored in changed if stored.item.item_id not in self._row_of
        }
        if fresh:
            self._row_of = self._row_of | fresh


class _Plain:
    """A column of Python values."""

    def __init__(self) -> None:
        self.frozen: tuple[Any, ...] = ()

    def set(self, n_rows: int, rows: NDArray[np.intp], values: Sequence[Any]) -> None:
        grown = n_rows > len(self.frozen)
        if not grown and all(
            self.frozen[row] == value for row, value in zip(rows.tolist(), values, strict=True)
        ):
            return
        column = [*self.frozen, *("" for _ in range(n_rows - len(self.frozen)))]
        for row, value in zip(rows.tolist(), values, strict=True):
            column[row] = value
        self.frozen = tuple(column)


class _Numbers:
    """A column of numbers, 0 where nothing was set."""

    def __init__(self, dtype: DTypeLike, *, absent: int = 0) -> None:
        self.frozen: NDArray[Any] = np.empty(0, dtype)
        self._absent = absent

    def set(self, n_rows: int, rows: NDArray[np.intp], values: Sequence[int] | NDArray[Any]) -> None:
        if n_rows == len(self.frozen) and np.array_equal(self.frozen[rows], values):
            return
        column = np.full(n_rows, self._absent, self.frozen.dtype)
        column[: len(self.frozen)] = self.frozen
        column[rows] = values
        self.frozen = column


class _Coded:
    """A column of few distinct values, as codes in the order of first sight; None is -1."""

    def __init__(self) -> None:
        self.frozen = Coded(np.empty(0, np.int32), ())
        self._codes = _Numbers(np.int32, absent=-1)
        self._code_of: dict[Any, int] = {None: -1}

    def set(self, n_rows: int, rows: NDArray[np.intp], values: Sequence[Any]) -> None:
        codes = [self._code_of.setdefault(value, len(self._code_of) - 1) for value in values]
        self._codes.set(n_rows, rows, codes)
        if self._codes.frozen is not self.frozen.codes:
            self.frozen = Coded(self._codes.frozen, self._values())

    def _values(self) -> tuple[Any, ...]:
        known = self.frozen.values
        return known if len(known) == len(self._code_of) - 1 else tuple(self._code_of)[1:]
