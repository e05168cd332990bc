"""What shoppers sent, as columns: one row an event line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import InvalidInput

# Codes of the columns: a code is the place of its name. Append only.
LISTS = ("none", "home", "product", "cart", "search", "category")
DEVICES = ("mobile", "desktop", "tablet")
COUNTRIES = ("GB", "IE", "DE", "FR", "NL", "ES", "BE", "CH", "PT", "AU", "SE", "IT", "NO", "AT", "DK", "US")
INTENTS = ("browse", "mission", "repurchase", "gift")

DTYPES: dict[str, str] = {
    "event": "i1",
    "event_no": "i8",
    "line": "i2",
    "at_us": "i8",
    "shopper": "i4",
    "device": "i1",
    "known": "?",
    "session": "i8",
    "item": "i4",
    "quantity": "i4",
    "price_minor": "i8",
    "order": "i8",
    "index": "i2",
    "list": "i1",
    "query": "i4",
    "country": "i2",
    "recommendation": "i8",
}
LINES = np.dtype(list(DTYPES.items()), align=True)  # the same as records: few rows are moved about faster so


@dataclass(frozen=True, slots=True, eq=False)
class Traffic:
    """Event lines in time order, as parallel columns; the lines of one event stand together.

    An event without items (a search) has one row with item -1.
    """

    event: NDArray[np.int8]  # (N,) domain.EVENT_CODES
    event_no: NDArray[np.int64]  # (N,) the event's number, unique in a world; its text is the event_id
    line: NDArray[np.int16]  # (N,) place in the event, from 0
    at_us: NDArray[np.int64]  # (N,) when the shopper acted
    shopper: NDArray[np.int32]  # (N,) the person, whatever the shop knows of them
    device: NDArray[np.int8]  # (N,) place in DEVICES; one anonymous id a shopper and device
    known: NDArray[np.bool_]  # (N,) the shopper is signed in: the user id is sent
    session: NDArray[np.int64]  # (N,) the visit's number, unique in a world
    item: NDArray[np.int32]  # (N,) item row; -1 none
    quantity: NDArray[np.int32]  # (N,) units; 0 without an item
    price_minor: NDArray[np.int64]  # (N,) per unit; -1 without an item
    order: NDArray[np.int64]  # (N,) number of the order; -1 none
    index: NDArray[np.int16]  # (N,) position in the list, from 1; -1 none
    list: NDArray[np.int8]  # (N,) place in LISTS
    query: NDArray[np.int32]  # (N,) category code that was searched for; -1 none
    country: NDArray[np.int16]  # (N,) place in COUNTRIES
    recommendation: NDArray[np.int64]  # (N,) number of the answer that showed the item; -1 none

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in DTYPES}
        if len(lengths) > 1:
            raise InvalidInput(f"traffic columns have lengths {sorted(lengths)}; expected one")

    def __len__(self) -> int:
        return len(self.event)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns by name, in their order."""
        return {name: getattr(self, name) for name in DTYPES}

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Traffic:
        """These rows, in this order."""
        return Traffic(**{name: getattr(self, name)[rows] for name in DTYPES})

    @classmethod
    def none(cls) -> Traffic:
        """No lines at all."""
        return cls(**{name: np.empty(0, dtype) for name, dtype in DTYPES.items()})

    @classmethod
    def joined(cls, parts: Sequence[Traffic]) -> Traffic:
        """One after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            **{
                name: np.concatenate([np.empty(0, dtype), *(getattr(part, name) for part in parts)])
                for name, dtype in DTYPES.items()
            }
        )

    @classmethod
    def of_records(cls, records: NDArray[np.void]) -> Traffic:
        """Columns of records of dtype ``LINES``; copies."""
        return cls(**{name: records[name].copy() for name in DTYPES})

    def records(self) -> NDArray[np.void]:
        """``(N,)`` rows of dtype ``LINES``; a copy."""
        made = np.empty(len(self), LINES)
        for name, column in self.columns().items():
            made[name] = column
        return made

    def in_time_order(self) -> Traffic:
        """Sorted by instant; what happened at the same one keeps its order."""
        return self.take(np.argsort(self.at_us, kind="stable"))


def stacked(parts: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Records of one dtype, part after part."""
    return np.concatenate([plain(part) for part in parts]).view(parts[0].dtype)


def picked(records: NDArray[np.void], rows: NDArray[Any]) -> NDArray[np.void]:
    """These of the records, in this order."""
    return plain(records)[rows].view(records.dtype)


def plain(records: NDArray[np.void]) -> NDArray[np.void]:
    """Records as bytes without fields, which numpy moves about ten times as fast."""
    return records.view(_bytes(records.dtype.itemsize))


@cache
def _bytes(size: int) -> np.dtype[np.void]:
    return np.dtype((np.void, size))


def in_time_order(parts: Iterable[tuple[int, Traffic]]) -> Iterator[Traffic]:
    """One stream in time order, of parts that overlap.

    Args:
        parts: Pairs ``(until_us, lines)``: all lines of this and earlier parts before ``until_us`` are told
            when the part is; later lines wait for the next.
    """
    waiting = Traffic.none()
    for until_us, part in parts:
        waiting = Traffic.joined([waiting, part]).in_time_order()
        ready = int(np.searchsorted(waiting.at_us, until_us))
        if ready:
            yield waiting.take(slice(0, ready))
        waiting = waiting.take(slice(ready, None))
    if len(waiting):
        yield waiting
