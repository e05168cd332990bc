"""Events as the log keeps them, read as columns: no object is made of an event on its way to states and lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import EVENT_CODES, Event, InvalidInput
from shelfwise.features import _msgpack as wire

ORIGINS = ("real", "simulated", "test")
UNKNOWN_PRICE = -1
MOST = 2**31 - 1  # units in a line of history

_CODES = {name.encode(): code for name, code in EVENT_CODES.items()}
_ORIGINS = {b"": 0, **{origin.encode(): place for place, origin in enumerate(ORIGINS)}}


def _may(size: int, kinds: dict[tuple[int, ...], tuple[int, ...]]) -> NDArray[np.int64]:
    """For each field, bits of the kinds that it may be; a text otherwise, or absent."""
    may = np.full(size, sum(1 << kind for kind in (wire.ABSENT, wire.TEXT, wire.WIDE)))
    for fields, some in kinds.items():
        may[list(fields)] = sum(1 << kind for kind in some)
    return may


_EVENT_MAY = _may(
    wire.EVENT_FIELDS,
    {
        (wire.ID,): (wire.TEXT, wire.WIDE),
        (wire.OCCURRED, wire.RECEIVED): (wire.INTEGER,),
        (wire.OFFSET, wire.AGE): (wire.INTEGER, wire.ABSENT),
        (wire.BOT,): (wire.TRUTH, wire.ABSENT),
    },
)
_NUMBERS = (wire.QUANTITY, wire.PRICE, wire.INDEX)
_ITEM_MAY = _may(wire.ITEM_FIELDS, {_NUMBERS: (wire.INTEGER, wire.ABSENT)})


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """Fields of events or items, as columns ``(N, F)``. A text is where it lies in the bytes."""

    kind: NDArray[np.uint8]  # what it is: a number, a text, ...
    value: NDArray[np.int64]  # the number, or where the text begins
    size: NDArray[np.int64]  # bytes of the text

    def take(self, keep: NDArray[np.bool_]) -> Fields:
        """Only the rows that are marked."""
        return Fields(self.kind[keep], self.value[keep], self.size[keep])

    def has(self, field: int) -> NDArray[np.bool_]:
        """Which rows have this field."""
        return self.kind[:, field] != wire.ABSENT


@dataclass(frozen=True, slots=True, eq=False)
class EventColumns:
    """Some events and their items.

    An event without items has one row of an item without id: when it happened, and of what kind it was.
    """

    blob: bytes  # encoded batches, one after the other
    batch: NDArray[np.int64]  # (E,) the batch of each event
    code: NDArray[np.uint8]  # (E,) its kind: EVENT_CODES
    origin: NDArray[np.uint8]  # (E,) place in ORIGINS
    fields: Fields  # (E, 21)
    cuts: NDArray[
        np.int64
    ]  # (E, 6) event begins; id begins, ends; occurred_us ends; received_us ends; event ends
    items: Fields  # (N, 5) in the order of their events
    owner: NDArray[np.int64]  # (N,) the event of each item
    line: NDArray[np.int64]  # (N,) its place in the event

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, keep: NDArray[np.bool_]) -> EventColumns:
        """Only the events that are marked, with their items."""
        if keep.all():
            return self
        mine = keep[self.owner]
        owner = (np.cumsum(keep) - 1)[self.owner[mine]]
        return EventColumns(
            self.blob, self.batch[keep], self.code[keep], self.origin[keep], self.fields.take(keep),
            self.cuts[keep], self.items.take(mine), owner, self.line[mine],
        )  # fmt: skip

    def number(self, field: int) -> NDArray[np.int64]:
        """A number of each event; 0 where there is none."""
        return self.fields.value[:, field]

    def encoded(self, field: int) -> list[bytes]:
        """A text of each event, in UTF-8; empty where there is none."""
        return _cut(self.blob, self.fields, field)

    def texts(self, field: int) -> list[str | None]:
        """A text of each event."""
        has = self.fields.has(field).tolist()
        return [one.decode() if there else None for one, there in zip(self.encoded(field), has, strict=True)]

    def item_ids(self) -> list[str]:
        """Each item's id; empty for the row of an event without items."""
        return [one.decode() for one in _cut(self.blob, self.items, wire.ITEM_ID)]

    def bots(self) -> NDArray[np.bool_]:
        """Which events are a robot's."""
        return self.fields.value[:, wire.BOT] != 0

    def people(self) -> list[tuple[str | None, str | None]]:
        """The ``user_id`` and ``anonymous_id`` of each event."""
        return list(zip(self.texts(wire.USER), self.texts(wire.VISITOR), strict=True))

    def links(self) -> set[tuple[str, str]]:
        """Users with the anonymous visitors that they turned out to be."""
        both = self.fields.has(wire.USER) & self.fields.has(wire.VISITOR)
        if not both.any():
            return set()
        return {
            (user, visitor)
            for user, visitor in self.take(both).people()
            if user is not None and visitor is not None
        }

    def quantities(self) -> NDArray[np.int64]:
        """Units of each item: 1 where the event does not say; 0 in the row of an event without items."""
        told = self.items.has(wire.QUANTITY)
        return np.where(told, self.items.value[:, wire.QUANTITY], self.items.has(wire.ITEM_ID))

    def prices(self) -> NDArray[np.int64]:
        """Minor units a piece, -1 where unknown."""
        return np.where(self.items.has(wire.PRICE), self.items.value[:, wire.PRICE], UNKNOWN_PRICE)

    def person_keys(self) -> list[bytes]:
        """Whose each event is: as ``Event.person_key``, in UTF-8."""
        known = self.fields.has(wire.USER)
        users = self.encoded(wire.USER)
        if known.all():
            return [b"u:" + user for user in users]
        each = zip(users, self.encoded(wire.VISITOR), known.tolist(), strict=True)
        return [b"u:" + user if is_known else b"a:" + visitor for user, visitor, is_known in each]


def columns_of(events: Sequence[Event] | EventColumns) -> EventColumns:
    """Events as columns, whatever they are held in."""
    return events if isinstance(events, EventColumns) else read_columns([_encode(events)])


def read_columns(batches: Sequence[bytes]) -> EventColumns:
    """The events of encoded batches, in their order. Raises InvalidInput for a batch that is no list of events."""
    columns = _read(batches)
    return columns if columns is not None else _read_carefully(batches)


def _cut(blob: bytes, fields: Fields, field: int) -> list[bytes]:
    starts = fields.value[:, field]
    ends = starts + fields.size[:, field]
    return [blob[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _read(batches: Sequence[bytes]) -> EventColumns | None:
    """None if any of them is not as we encode it."""
    blob = b"".join(batches)
    data = np.frombuffer(blob + bytes(wire.PAD), np.uint8)
    lengths = np.array([len(one) for one in batches], np.int64)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    sizes = np.empty((len(batches), 2), np.int64)
    if not wire.count_events(data, starts, ends, sizes):
        return None
    n_events, n_items = sizes.sum(axis=0).tolist()
    split = wire.EVENT_FIELDS * n_events
    split, width = wire.EVENT_FIELDS * n_events, wire.EVENT_FIELDS * n_events + wire.ITEM_FIELDS * n_items
    kind, value, size = (np.zeros(width, kind) for kind in (np.uint8, np.int64, np.int64))
    cuts = np.zeros((n_events, wire.CUTS), np.int64)
    owner, line = np.empty(n_items, np.int64), np.empty(n_items, np.int64)
    if not wire.read_events(data, starts, ends, sizes, kind, value, size, cuts, owner, line):
        return None
    fields = Fields(*(one[:split].reshape(-1, wire.EVENT_FIELDS) for one in (kind, value, size)))
    items = Fields(*(one[split:].reshape(-1, wire.ITEM_FIELDS) for one in (kind, value, size)))
    if (
        not _is_sound(fields, _EVENT_MAY)
        or not _is_sound(items, _ITEM_MAY)
        or not _is_utf8(blob, fields, items)
    ):
        return None
    code, origin = _words(blob, fields, wire.NAME, _CODES), _words(blob, fields, wire.ORIGIN, _ORIGINS)
    if code is None or origin is None or np.any(np.abs(items.value[:, wire.QUANTITY]) > MOST):
        return None
    batch = np.repeat(np.arange(len(batches)), sizes[:, 0])
    return EventColumns(blob, batch, code, origin, fields, cuts, items, owner, line)


def _is_sound(fields: Fields, may: NDArray[np.int64]) -> bool:
    """Whether each field is of a kind that it may be."""
    return not np.any((1 << fields.kind.astype(np.int64)) & ~may)


def _is_utf8(blob: bytes, *both: Fields) -> bool:
    for fields in both:
        wide = fields.kind == wire.WIDE
        for start, size in zip(fields.value[wide].tolist(), fields.size[wide].tolist(), strict=True):
            try:
                blob[start : start + size].decode()
            except UnicodeDecodeError:
                return False
    return True


def _words(blob: bytes, fields: Fields, field: int, known: dict[bytes, int]) -> NDArray[np.uint8] | None:
    """What a word of each row stands for; None if there is another among them."""
    try:
        return np.array([known[one] for one in _cut(blob, fields, field)], np.uint8)
    except KeyError:
        return None


def _read_carefully(batches: Sequence[bytes]) -> EventColumns:
    """What is encoded otherwise, but as it may be, is encoded anew; what is wrong is told."""
    try:
        columns = _read([_encode(_decode(one)) for one in batches])
    except (ValueError, RecursionError) as trouble:  # errors of msgspec, and of text that is no UTF-8
        raise InvalidInput(f"batch of events is no list of events ({trouble})") from trouble
    if columns is None:
        raise InvalidInput("batch of events names an unknown kind of event, or a number beyond its range")
    return columns


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Event]).decode
