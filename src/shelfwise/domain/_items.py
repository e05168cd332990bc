"""What may be recommended: one item as the feed tells it, and the whole shelf as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain._errors import InvalidInput


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One item, checked. Money is in the smallest unit of ``currency``; instants are UTC microseconds."""

    item_id: str
    title: str = ""
    description: str = ""
    category: tuple[str, ...] = ()  # path, from the widest to the narrowest
    brand: str | None = None
    price_minor: int | None = None
    list_price_minor: int | None = None
    cost_minor: int | None = None
    currency: str | None = None
    stock: int | None = None  # None: not tracked, so always eligible
    hidden: bool = False
    available_from_us: int | None = None
    available_until_us: int | None = None
    group_id: str | None = None  # sizes and colours of one product share it
    sku: str | None = None
    attributes: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()  # countries where it may be sold; empty: everywhere
    min_age: int | None = None  # years; shown only to shoppers known to be as old
    image: str | None = None
    url: str | None = None
    vector: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A text column as small integers: ``values[codes[row]]``; code -1 where absent."""

    codes: NDArray[np.int32]  # (I,)
    values: tuple[Any, ...]  # str; a path for category; a frozenset of str for tags and regions

    def where(self, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Rows whose value is marked in ``wanted`` ``(len(values),)``; absent rows are False."""
        padded = np.append(wanted, False)  # code -1 reads the last place
        return padded[self.codes]


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """All items as columns by item row, as the catalogue stood at ``generation``.

    Slow facts only. What must be true within two seconds (stock, price, hidden, availability) and the windowed
    counters are in ``LiveItems``, by the same rows. A row is given at first sight and never reused.
    """

    generation: int
    item_id: tuple[str, ...]
    title: tuple[str, ...]
    url: tuple[str | None, ...]
    image: tuple[str | None, ...]
    coded: Mapping[str, Coded]  # category, brand, group_id, tags, regions, currency, "attributes.<name>"
    min_age: NDArray[np.int16]  # (I,) 0 where free
    first_seen_us: NDArray[np.int64]  # (I,)
    row_of: Mapping[str, int]
    vector: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))
    """``(I, D)``: what items look like and what is written of them, of length 1, or of zeros where nothing is known.
    Only a training has it: ``(0, 0)`` elsewhere."""

    def __len__(self) -> int:
        return len(self.item_id)

    def rows(self, item_ids: tuple[str, ...] | list[str]) -> NDArray[np.int32]:
        """Rows of the ids that exist, in their order; unknown ids are left out."""
        found = (self.row_of.get(item_id, -1) for item_id in item_ids)
        return np.array([row for row in found if row >= 0], np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class LiveItems:
    """What changes by the second, by item row: views of mapped memory that the keeper writes.

    A reader takes its views once a request and may see a column change under it, one whole number at a time.
    ``counters[name]`` is a windowed count as of the keeper's last tick, e.g. ``purchase__count__7d``.
    """

    price_minor: NDArray[np.int64]  # (I,) -1 where unknown
    list_price_minor: NDArray[np.int64]  # (I,) -1
    cost_minor: NDArray[np.int64]  # (I,) -1
    stock: NDArray[np.int64]  # (I,) -1 where not tracked
    hidden: NDArray[np.uint8]  # (I,) 1 hidden or retired
    available_from_us: NDArray[np.int64]  # (I,)
    available_until_us: NDArray[np.int64]  # (I,)
    counters: Mapping[str, NDArray[np.int64]]
    written: int = -1  # how often the keeper has written the counters; -1: they may change at any moment

    def __post_init__(self) -> None:
        lengths = {len(self.price_minor), len(self.stock), len(self.hidden)}
        if len(lengths) > 1:
            raise InvalidInput(f"live columns have lengths {sorted(lengths)}; expected one")

    def __len__(self) -> int:
        return len(self.price_minor)
