"""Keeps a ``Shelf`` in step with a catalogue: read once whole, then only what changed, off the request path."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from shelfwise.domain import Coded, Item, Shelf
from shelfwise.stores import Catalogue, StoredItem

ATTRIBUTE = "attributes."
_BREATH = 256  # items between two moments in which other threads may run
_PAUSE_S = 0.0005
_SLACK = 1_000  # rows to spare before arrays are made longer

_READ: Mapping[str, Callable[[Item], Any]] = {
    "category": lambda item: item.category or None,
    "brand": lambda item: item.brand,
    "group_id": lambda item: item.group_id,
    "currency": lambda item: item.currency,
    "tags": lambda item: frozenset(item.tags) or None,
    "regions": lambda item: frozenset(item.regions) or None,
}


@dataclass(slots=True)
class _Column:
    """A coded column that grows: codes by row, values in the order of first sight."""

    codes: np.ndarray[Any, np.dtype[np.int32]]
    values: list[Any] = field(default_factory=list)
    code_of: dict[Any, int] = field(default_factory=dict)

    def set(self, row: int, value: Any) -> None:
        if value is None:
            self.codes[row] = -1
            return
        code = self.code_of.get(value)
        if code is None:
            code = self.code_of[value] = len(self.values)
            self.values.append(value)
        self.codes[row] = code

    def frozen(self, n_items: int) -> Coded:
        return Coded(self.codes[:n_items].copy(), tuple(self.values))


class CatalogueShelf:
    """``ShelfReader`` over a catalogue. ``shelf`` costs one look at the generation while nothing changed."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = Lock()
        self._ids: list[str] = []
        self._titles: list[str] = []
        self._urls: list[str | None] = []
        self._images: list[str | None] = []
        self._row_of: dict[str, int] = {}
        self._columns: dict[str, _Column] = {name: _Column(_codes(0)) for name in _READ}
        self._min_age = np.zeros(0, np.int16)
        self._first_seen_us = np.zeros(0, np.int64)
        self._shelf = self._freeze(0)

    def shelf(self) -> Shelf:
        """The shelf as the catalogue stands now; the same object while it does not change."""
        if self._catalogue.generation() == self._shelf.generation:
            return self._shelf
        with self._lock:
            generation = self._catalogue.generation()
            if generation != self._shelf.generation:
                self._take(self._catalogue.since(self._shelf.generation))
                self._shelf = self._freeze(generation)
            return self._shelf

    def _take(self, changed: Sequence[StoredItem]) -> None:
        self._make_room(max((stored.row + 1 for stored in changed), default=0))
        for number, stored in enumerate(changed):
            self._put(stored)
            if number % _BREATH == _BREATH - 1:
                time.sleep(_PAUSE_S)  # requests are served meanwhile: the interpreter's lock is let go

    def _put(self, stored: StoredItem) -> None:
        item, row = stored.item, stored.row
        self._ids[row], self._titles[row] = item.item_id, item.title or item.item_id
        self._urls[row], self._images[row] = item.url, item.image
        self._row_of[item.item_id] = row
        self._min_age[row] = item.min_age or 0
        self._first_seen_us[row] = stored.first_seen_us
        for name, read in _READ.items():
            self._columns[name].set(row, read(item))
        self._put_attributes(row, item.attributes)

    def _put_attributes(self, row: int, attributes: Mapping[str, str]) -> None:
        for name in attributes:
            if ATTRIBUTE + name not in self._columns:
                self._columns[ATTRIBUTE + name] = _Column(_codes(len(self._min_age)))
        for name, column in self._columns.items():
            if name.startswith(ATTRIBUTE):
                column.set(row, attributes.get(name.removeprefix(ATTRIBUTE)))

    def _make_room(self, n_items: int) -> None:
        missing = n_items - len(self._ids)
        if missing > 0:
            self._ids += [""] * missing
            self._titles += [""] * missing
            self._urls += [None] * missing
            self._images += [None] * missing
        if n_items > len(self._min_age):
            size = n_items + n_items // 8 + _SLACK
            self._min_age = _longer(self._min_age, size, 0)
            self._first_seen_us = _longer(self._first_seen_us, size, 0)
            for column in self._columns.values():
                column.codes = _longer(column.codes, size, -1)

    def _freeze(self, generation: int) -> Shelf:
        n_items = len(self._ids)
        return Shelf(
            generation=generation,
            item_id=tuple(self._ids),
            title=tuple(self._titles),
            url=tuple(self._urls),
            image=tuple(self._images),
            coded={name: column.frozen(n_items) for name, column in self._columns.items()},
            min_age=self._min_age[:n_items].copy(),
            first_seen_us=self._first_seen_us[:n_items].copy(),
            row_of=dict(self._row_of),
        )


def _codes(size: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.full(size, -1, np.int32)


def _longer(column: np.ndarray[Any, Any], size: int, fill: int) -> np.ndarray[Any, Any]:
    longer = np.full(size, fill, column.dtype)
    longer[: len(column)] = column
    return longer
