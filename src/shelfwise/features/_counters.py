"""Windowed counters of items, kept by the stream: integer buckets that add up in any order of arrival."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, HOUR_US, MINUTE_US, PURCHASE, REFUND, VIEW, InvalidField, grain_us
from shelfwise.features._effects import EFFECT, LARGEST_PRICE, milli_log

How = Literal["count", "quantity", "log_quantity", "log_price", "actors", "first_buyers"]

_HOWS: tuple[How, ...] = ("count", "quantity", "log_quantity", "log_price", "actors", "first_buyers")
_MEASURES = REFUND * len(_HOWS)  # of VIEW, CART, PURCHASE and REFUND: codes 1 to 4
_GRAINS = (MINUTE_US, HOUR_US, DAY_US)
_MOST_CHUNKS = 32  # blobs of one bucket before they are written anew as one


@dataclass(frozen=True, slots=True)
class Rolling:
    """One number per item: ``how`` of ``event`` over a window before now, or before ``lag_us`` ago.

    Without lag the window is ``[floor(t - w, g), t)``; with one it is whole buckets,
    ``[floor(t - lag - w, g), floor(t - lag, g))``.
    """

    name: str
    event: int  # VIEW, CART, PURCHASE or REFUND
    how: How
    width_us: int
    lag_us: int = 0
    summed: bool = False  # the sum over the whole shop is wanted too

    def __post_init__(self) -> None:
        if self.how == "actors" and grain_us(self.width_us) < DAY_US:
            raise InvalidField(
                self.name, self.width_us, "over a day for actors: they are distinct per UTC day"
            )

    @property
    def measure(self) -> int:
        return (self.event - VIEW) * len(_HOWS) + _HOWS.index(self.how)


@dataclass(slots=True)
class _Bucket:
    """Sparse sums of one bucket of time: ``cell`` is item * measures + measure."""

    chunks: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list)
    unsaved: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)  # numbers of the blobs that hold the rest

    summed: bool = False  # the one chunk has each cell once

    def add(self, cell: NDArray[np.int64], value: NDArray[np.int64]) -> None:
        self.chunks.append((cell, value))
        self.unsaved.append((cell, value))
        self.summed = False
        if len(self.chunks) > 2 * _MOST_CHUNKS:
            self.sums()

    def sums(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each cell once, with its sum."""
        if not self.summed:
            self.chunks, self.summed = [_summed(self.chunks)], True
        return self.chunks[0]


class ItemCounters:
    """Counts per item over sliding windows, as of the last ``advance``.

    Pure bookkeeping: no clock, no store. Changes are added once each (the keeper sees to that) and commute;
    what happened at or after now waits until now has passed it. ``dump`` gives the blobs that changed since the
    last dump, to be committed with the position of the log; ``load`` takes them all back.
    """

    def __init__(self, specs: Sequence[Rolling], now_us: int) -> None:
        self.now_us = now_us
        self._specs = tuple(specs)
        self._windows = sorted({(spec.width_us, spec.lag_us) for spec in specs})
        self._spans = [_span(window, now_us) for window in self._windows]
        self._buckets: dict[int, dict[int, _Bucket]] = {grain: {} for grain in _GRAINS}
        self._dropped: list[bytes] = []
        self._unsettled: list[NDArray[np.void]] = []
        self._pending = np.empty(0, EFFECT)
        self._pending_saved = True
        self._n_items = 0
        self._totals = np.zeros((len(self._windows), _MEASURES, 0), np.int64)  # (W, M, I)
        self._ends = np.zeros((len(ENDS), 0), np.int64)  # (3, I)
        self._ends_unsaved: list[NDArray[np.int64]] = []
        self._ends_saved: list[int] = []
        self._next_blob = 0

    def add(
        self,
        item: NDArray[np.int32],
        event: NDArray[np.integer[Any]],
        at_us: NDArray[np.int64],
        quantity: NDArray[np.int32],
        actor_new: NDArray[Any],
        first_buy: NDArray[Any],
        price_minor: NDArray[np.int64] | None = None,
    ) -> None:
        """Count lines, one row each: columns of one length ``(N,)``. See ``EFFECT`` for what they mean."""
        effects = np.zeros(len(item), EFFECT)
        effects["item"], effects["event"], effects["at_us"] = item, event, at_us
        effects["quantity"], effects["actor"], effects["first_buyer"] = quantity, actor_new, first_buy
        effects["lines"], effects["price_minor"] = 1, -1
        if price_minor is not None:
            effects["price_minor"] = np.minimum(price_minor, LARGEST_PRICE)
        effects["log_quantity"] = [milli_log(value) for value in effects["quantity"].tolist()]
        effects["log_price"] = [milli_log(value) for value in effects["price_minor"].tolist()]
        self.add_effects(effects)

    def add_effects(self, effects: NDArray[np.void]) -> None:
        """Count changes, as ``line_effects`` finds them. Rows without item, or of other events, are left out."""
        if len(effects):
            self._unsettled.append(effects)

    def advance(self, now_us: int) -> None:
        """Move now forward: what has left a window is taken off, what waited for its time is counted."""
        self._settle()
        if now_us <= self.now_us:
            return
        self.now_us = now_us
        for index, window in enumerate(self._windows):
            self._slide(index, _span(window, now_us))
        self._forget()
        if len(self._pending):
            self._unsettled, self._pending = [self._pending], np.empty(0, EFFECT)
            self._pending_saved = False
            self._settle()

    def columns(self) -> dict[str, NDArray[np.int64]]:
        """Each counter by its feature name, ``(I,)`` by item row up to the last item seen. Views: copy to keep.

        Beside them: ``ENDS``, and for each ``summed`` counter the sum over all items, of length 1, its name
        beginning with ``shop__`` in place of ``item__``.
        """
        self._settle()
        index = {window: at for at, window in enumerate(self._windows)}
        columns = {
            spec.name: self._totals[index[spec.width_us, spec.lag_us], spec.measure, : self._n_items]
            for spec in self._specs
        }
        ends = dict(zip(ENDS, self._ends[:, : self._n_items], strict=True))
        sums = {
            shop_name(spec.name): columns[spec.name].sum(keepdims=True) for spec in self._specs if spec.summed
        }
        return {**columns, **ends, **sums}

    def dump(self) -> dict[bytes, bytes | None]:
        """Blobs that changed since the last dump; None for one that is gone. Keys start with ``PREFIX``."""
        self._settle()
        changes: dict[bytes, bytes | None] = dict.fromkeys(self._dropped)
        self._dropped = []
        for grain, bucket, one in self._each_bucket():
            if one.unsaved:
                changes.update(self._save_bucket(grain, bucket, one))
        if self._ends_unsaved:
            changes.update(self._save_ends())
        if not self._pending_saved:
            changes[_PENDING] = self._pending.tobytes()
            self._pending_saved = True
        return changes

    def load(self, blobs: Iterable[tuple[bytes, bytes]] | Mapping[bytes, bytes]) -> None:
        """Take back what was dumped, into counters that are still empty."""
        pairs = blobs.items() if isinstance(blobs, Mapping) else blobs
        waiting = np.empty(0, EFFECT)
        for key, blob in pairs:
            kind, grain_at, bucket, number = _KEY_TAIL.unpack(bytes(key)[len(PREFIX) :])
            self._next_blob = max(self._next_blob, number + 1)
            if kind == _KEY_BUCKET:
                self._load_bucket(_GRAINS[grain_at], bucket, number, blob)
            elif kind == _KEY_ENDS:
                self._take_ends(np.frombuffer(blob, np.int64).reshape(1 + len(ENDS), -1))
                self._ends_saved.append(number)
            else:
                waiting = np.frombuffer(blob, EFFECT)
        self._forget()
        self.add_effects(waiting)
        self._settle()
        self._pending_saved = len(waiting) == 0

    def _settle(self) -> None:
        """Count what was added since, in one go: a call costs much more than a row."""
        if not self._unsettled:
            return
        effects, self._unsettled = np.concatenate(self._unsettled), []
        future = effects["at_us"] >= self.now_us
        if future.any():
            self._pending = np.concatenate([self._pending, effects[future]])
            self._pending_saved = False
        event = effects["event"]
        past = effects[~future & (effects["item"] >= 0) & (event >= VIEW) & (event <= REFUND)]
        if len(past):
            self._count(past)

    def _count(self, effects: NDArray[np.void]) -> None:
        self._grow(int(effects["item"].max()) + 1)
        starts = np.array([start * grain_us(width) for (width, _), (start, _) in self._spanned()])
        ends = np.array([end * grain_us(width) for (width, _), (_, end) in self._spanned()])
        _add_up(effects, starts, ends, self._totals)
        ends_now = _ends_of(effects)
        if self._take_ends(ends_now):
            self._ends_unsaved.append(ends_now)
        cell, value, at_us = _cells(effects)
        for grain in _GRAINS:
            self._fill(grain, cell, value, at_us)

    def _spanned(self) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        return zip(self._windows, self._spans, strict=True)

    def _fill(
        self, grain: int, cell: NDArray[np.int64], value: NDArray[np.int64], at_us: NDArray[np.int64]
    ) -> None:
        """Add to the buckets of one grain whatever is young enough to matter."""
        number = at_us // grain
        kept = number >= self._oldest(grain)
        cell, value, number = cell[kept], value[kept], number[kept]
        order = np.argsort(number, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
            if len(part):
                bucket = self._buckets[grain].setdefault(int(number[part[0]]), _Bucket())
                bucket.add(cell[part], value[part])

    def _oldest(self, grain: int) -> int:
        """The oldest bucket of this grain that some window still holds or will hold."""
        starts = [
            (self.now_us - lag - width) // grain for width, lag in self._windows if grain_us(width) == grain
        ]
        return min(starts, default=_NEVER)

    def _slide(self, index: int, span: tuple[int, int]) -> None:
        grain = grain_us(self._windows[index][0])
        (start, end), (new_start, new_end) = self._spans[index], span
        self._spans[index] = span
        for number, bucket in self._buckets[grain].items():
            sign = (new_start <= number < new_end) - (start <= number < end)
            if sign:
                cell, value = bucket.sums()
                self._totals[index, cell % _MEASURES, cell // _MEASURES] += sign * value

    def _forget(self) -> None:
        for grain in _GRAINS:
            oldest = self._oldest(grain)
            for number in [number for number in self._buckets[grain] if number < oldest]:
                gone = self._buckets[grain].pop(number)
                self._dropped += [_bucket_key(grain, number, blob) for blob in gone.saved]

    def _grow(self, n_items: int) -> None:
        self._n_items = max(self._n_items, n_items)
        room = self._totals.shape[2]
        if n_items > room:
            more = max(n_items, 2 * room, 1024) - room
            self._totals = np.pad(self._totals, ((0, 0), (0, 0), (0, more)))
            self._ends = np.pad(self._ends, ((0, 0), (0, more)))

    def _take_ends(self, ends: NDArray[np.int64]) -> bool:
        """Take in (item, *ENDS) columns ``(4, N)``, each item once; True if any moved."""
        item, *given = ends
        if len(item) == 0:
            return False
        self._grow(int(item.max()) + 1)
        held = self._ends[:, item]
        self._ends[:, item] = joined = _join_ends(held, np.stack(given))
        return not np.array_equal(held, joined)

    def _each_bucket(self) -> Iterator[tuple[int, int, _Bucket]]:
        for grain in _GRAINS:
            for number, bucket in self._buckets[grain].items():
                yield grain, number, bucket

    def _number(self) -> int:
        self._next_blob += 1
        return self._next_blob - 1

    def _save_bucket(self, grain: int, number: int, bucket: _Bucket) -> dict[bytes, bytes | None]:
        changes: dict[bytes, bytes | None] = {}
        if len(bucket.saved) >= _MOST_CHUNKS:
            changes = dict.fromkeys(_bucket_key(grain, number, blob) for blob in bucket.saved)
            bucket.saved, bucket.unsaved = [], [bucket.sums()]
        bucket.saved.append(self._number())
        cell, value = _summed(bucket.unsaved)
        changes[_bucket_key(grain, number, bucket.saved[-1])] = np.stack([cell, value]).tobytes()
        bucket.unsaved = []
        return changes

    def _load_bucket(self, grain: int, number: int, blob_number: int, blob: bytes) -> None:
        cell, value = np.frombuffer(blob, np.int64).reshape(2, -1)
        bucket = self._buckets[grain].setdefault(number, _Bucket())
        bucket.chunks.append((cell, value))
        bucket.summed = False
        bucket.saved.append(blob_number)
        self._grow(int(cell.max(initial=-1)) // _MEASURES + 1)
        for index, ((width, _), (start, end)) in enumerate(self._spanned()):
            if grain_us(width) == grain and start <= number < end:
                self._totals[index, cell % _MEASURES, cell // _MEASURES] += value

    def _save_ends(self) -> dict[bytes, bytes | None]:
        changes: dict[bytes, bytes | None] = {}
        item = np.unique(np.concatenate([ends[0] for ends in self._ends_unsaved]))
        if len(self._ends_saved) >= _MOST_CHUNKS:
            changes = dict.fromkeys(_ends_key(blob) for blob in self._ends_saved)
            self._ends_saved, item = [], np.flatnonzero(self._ends.any(axis=0))
        self._ends_saved.append(self._number())
        changes[_ends_key(self._ends_saved[-1])] = np.stack([item, *self._ends[:, item]]).tobytes()
        self._ends_unsaved = []
        return changes


ENDS = ("item__first_us", "item__purchase__last_us", "item__purchase__last_price")
"""Kept for ever, 0 where there is none: instant of the first line of any counted event, of the last purchase, and
the unit price in minor units at that last purchase (the highest, if there were several at once; -1 unknown)."""


def shop_name(name: str) -> str:
    """Name of the sum over all items of an item's counter."""
    return "shop__" + name.removeprefix("item__")


PREFIX = b"counters/"
_KEY_BUCKET, _KEY_ENDS, _KEY_PENDING = b"b", b"e", b"p"
_KEY_TAIL = struct.Struct(">cBqQ")
_NEVER = 2**62  # microseconds no event reaches


def _key(kind: bytes, grain_at: int, bucket: int, number: int) -> bytes:
    """``PREFIX``, kind, grain, bucket, number of the blob: a scan of the prefix finds them all."""
    return PREFIX + _KEY_TAIL.pack(kind, grain_at, bucket, number)


_PENDING = _key(_KEY_PENDING, 0, 0, 0)


def _bucket_key(grain: int, bucket: int, number: int) -> bytes:
    return _key(_KEY_BUCKET, _GRAINS.index(grain), bucket, number)


def _ends_key(number: int) -> bytes:
    return _key(_KEY_ENDS, 0, 0, number)


def _span(window: tuple[int, int], now_us: int) -> tuple[int, int]:
    """Bucket numbers of a window: from, and up to but not including."""
    width, lag = window
    grain = grain_us(width)
    start = (now_us - lag - width) // grain
    return start, (now_us - lag) // grain if lag else _NEVER // grain


def _summed(
    chunks: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each cell once, with its sum."""
    cell, where = np.unique(np.concatenate([cell for cell, _ in chunks]), return_inverse=True)
    value = np.zeros(len(cell), np.int64)
    np.add.at(value, where, np.concatenate([value for _, value in chunks]))
    return cell, value


def _cells(effects: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Effects as sparse cells: (cell, value, at_us), one row a number that is not 0."""
    value = np.stack([effects[name] for name in _FIELDS], axis=1).astype(np.int64)  # (N, M)
    base = effects["item"].astype(np.int64) * _MEASURES + (effects["event"] - VIEW) * len(_HOWS)
    row, how = np.nonzero(value)
    return base[row] + how, value[row, how], effects["at_us"][row]


_FIELDS = ("lines", "quantity", "log_quantity", "log_price", "actor", "first_buyer")  # in the order of _HOWS


def _ends_of(effects: NDArray[np.void]) -> NDArray[np.int64]:
    """(item, *ENDS) of each item, ``(4, N)``; corrections say nothing of it."""
    real = effects[effects["lines"] > 0]
    item, where = np.unique(real["item"], return_inverse=True)
    first = np.full(len(item), np.iinfo(np.int64).max)
    last, price = np.zeros((2, len(item)), np.int64)
    bought_us = np.where(real["event"] == PURCHASE, real["at_us"], 0)
    np.minimum.at(first, where, real["at_us"])
    np.maximum.at(last, where, bought_us)
    newest = (bought_us > 0) & (bought_us == last[where])
    price[last > 0] = -1
    np.maximum.at(price, where[newest], real["price_minor"][newest])
    return np.stack([item.astype(np.int64), first, last, price])


def _join_ends(one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.int64]:
    """Two accounts of the same items, ``(3, N)`` each: earliest first, latest last, and the price then."""
    first = np.where(one[0] == 0, two[0], np.where(two[0] == 0, one[0], np.minimum(one[0], two[0])))
    price = np.where(one[1] == two[1], np.maximum(one[2], two[2]), np.where(one[1] > two[1], one[2], two[2]))
    return np.stack([first, np.maximum(one[1], two[1]), price])


@njit(cache=True)
def _add_up(
    effects: Any, starts: NDArray[np.int64], ends: NDArray[np.int64], totals: NDArray[np.int64]
) -> None:
    """Add each effect to the totals ``(W, M, I)`` of the windows that hold its instant."""
    for row in range(len(effects)):
        one = effects[row]
        measure = (one.event - 1) * 6  # VIEW is 1; the order of _HOWS
        for window in range(len(starts)):
            if starts[window] <= one.at_us < ends[window]:
                totals[window, measure, one.item] += one.lines
                totals[window, measure + 1, one.item] += one.quantity
                totals[window, measure + 2, one.item] += one.log_quantity
                totals[window, measure + 3, one.item] += one.log_price
                totals[window, measure + 4, one.item] += one.actor
                totals[window, measure + 5, one.item] += one.first_buyer
