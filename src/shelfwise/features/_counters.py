"""Windowed counters of items, kept by the stream: integer buckets that add up in any order of arrival."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, REFUND, VIEW, grain_us
from shelfwise.features._buckets import (
    ENDS,
    GRAINS,
    MEASURES,
    MOST_CHUNKS,
    NEVER,
    Bucket,
    Fading,
    Rolling,
    add_faded,
    add_up,
    cells_of,
    ends_of,
    join_ends,
    shop_name,
    span_of,
    summed,
)
from shelfwise.features._effects import EFFECT, LARGEST_PRICE, milli_log


class ItemCounters:
    """Counts per item over sliding windows, as of the last ``advance``.

    Pure bookkeeping: no clock, no store. Changes are added once each (the keeper sees to that) and commute;
    what happened at or after now waits until now has passed it. ``dump`` gives the blobs that changed since the
    last dump, to be committed with the position of the log; ``load`` takes them all back.
    """

    def __init__(self, specs: Sequence[Rolling | Fading], now_us: int) -> None:
        self.now_us = now_us
        self._specs = tuple(spec for spec in specs if isinstance(spec, Rolling))
        self._fades = tuple(spec for spec in specs if isinstance(spec, Fading))
        self._windows = sorted({(spec.width_us, spec.lag_us) for spec in self._specs})
        self._spans = [span_of(window, now_us) for window in self._windows]
        self._buckets: dict[int, dict[int, Bucket]] = {grain: {} for grain in GRAINS}
        self._dropped: list[bytes] = []
        self._unsettled: list[NDArray[np.void]] = []
        self._pending = np.empty(0, EFFECT)
        self._pending_saved = True
        self._n_items = 0
        self._totals = np.zeros((len(self._windows), MEASURES, 0), np.int64)  # (W, M, I)
        self._faded = np.zeros((len(self._fades), 0), np.int64)  # (H, I)
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
        new_day = now_us // DAY_US != self.now_us // DAY_US
        self.now_us = now_us
        for index, window in enumerate(self._windows):
            self._slide(index, span_of(window, now_us))
        if new_day:
            self._fade()
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
        for spec, column in zip(self._fades, self._faded, strict=True):
            columns[spec.name] = column[: self._n_items]
        wanted = [spec.name for spec in self._specs if spec.summed]
        wanted += [spec.name for spec in self._fades if spec.summed]
        sums = {shop_name(name): columns[name].sum(keepdims=True) for name in wanted}
        return {**columns, **dict(zip(ENDS, self._ends[:, : self._n_items], strict=True)), **sums}

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
                self._load_bucket(GRAINS[grain_at], bucket, number, blob)
            elif kind == _KEY_ENDS:
                self._take_ends(np.frombuffer(blob, np.int64).reshape(1 + len(ENDS), -1))
                self._ends_saved.append(number)
            else:
                waiting = np.frombuffer(blob, EFFECT)
        self._fade()
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
        add_up(effects, starts, ends, self._totals)
        for spec, total in zip(self._fades, self._faded, strict=True):
            add_faded(effects, spec.measure, spec.weights, self.now_us // DAY_US, total)
        ends_now = ends_of(effects)
        if self._take_ends(ends_now):
            self._ends_unsaved.append(ends_now)
        cell, value, at_us = cells_of(effects)
        for grain in GRAINS:
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
                bucket = self._buckets[grain].setdefault(int(number[part[0]]), Bucket())
                bucket.add(cell[part], value[part])

    def _oldest(self, grain: int) -> int:
        """The oldest bucket of this grain that some window still holds or will hold."""
        starts = [
            (self.now_us - lag - width) // grain for width, lag in self._windows if grain_us(width) == grain
        ]
        if grain == DAY_US:
            starts += [self.now_us // DAY_US - len(spec.weights) + 1 for spec in self._fades]
        return min(starts, default=NEVER)

    def _fade(self) -> None:
        """Weigh all days anew, as of today."""
        today = self.now_us // DAY_US
        self._faded[:] = 0
        for spec, total in zip(self._fades, self._faded, strict=True):
            weights = spec.weights
            for number, bucket in self._buckets[DAY_US].items():
                if 0 <= today - number < len(weights):
                    cell, value = bucket.sums()
                    mine = cell % MEASURES == spec.measure
                    total[cell[mine] // MEASURES] += value[mine] * weights[today - number]

    def _slide(self, index: int, span: tuple[int, int]) -> None:
        if span == self._spans[index]:
            return
        grain = grain_us(self._windows[index][0])
        (start, end), (new_start, new_end) = self._spans[index], span
        self._spans[index] = span
        for number, bucket in self._buckets[grain].items():
            sign = (new_start <= number < new_end) - (start <= number < end)
            if sign:
                cell, value = bucket.sums()
                self._totals[index, cell % MEASURES, cell // MEASURES] += sign * value

    def _forget(self) -> None:
        for grain in GRAINS:
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
            self._faded = np.pad(self._faded, ((0, 0), (0, more)))
            self._ends = np.pad(self._ends, ((0, 0), (0, more)))

    def _take_ends(self, ends: NDArray[np.int64]) -> bool:
        """Take in (item, *ENDS) columns ``(4, N)``, each item once; True if any moved."""
        item, *given = ends
        if len(item) == 0:
            return False
        self._grow(int(item.max()) + 1)
        held = self._ends[:, item]
        self._ends[:, item] = joined = join_ends(held, np.stack(given))
        return not np.array_equal(held, joined)

    def _each_bucket(self) -> Iterator[tuple[int, int, Bucket]]:
        for grain in GRAINS:
            for number, bucket in self._buckets[grain].items():
                yield grain, number, bucket

    def _number(self) -> int:
        self._next_blob += 1
        return self._next_blob - 1

    def _save_bucket(self, grain: int, number: int, bucket: Bucket) -> dict[bytes, bytes | None]:
        changes: dict[bytes, bytes | None] = {}
        if len(bucket.saved) >= MOST_CHUNKS:
            changes = dict.fromkeys(_bucket_key(grain, number, blob) for blob in bucket.saved)
            bucket.saved, bucket.unsaved = [], [bucket.sums()]
        bucket.saved.append(self._number())
        cell, value = summed(bucket.unsaved)
        changes[_bucket_key(grain, number, bucket.saved[-1])] = np.stack([cell, value]).tobytes()
        bucket.unsaved = []
        return changes

    def _load_bucket(self, grain: int, number: int, blob_number: int, blob: bytes) -> None:
        cell, value = np.frombuffer(blob, np.int64).reshape(2, -1)
        bucket = self._buckets[grain].setdefault(number, Bucket())
        bucket.chunks.append((cell, value))
        bucket.is_summed = False
        bucket.saved.append(blob_number)
        self._grow(int(cell.max(initial=-1)) // MEASURES + 1)
        for index, ((width, _), (start, end)) in enumerate(self._spanned()):
            if grain_us(width) == grain and start <= number < end:
                self._totals[index, cell % MEASURES, cell // MEASURES] += value

    def _save_ends(self) -> dict[bytes, bytes | None]:
        changes: dict[bytes, bytes | None] = {}
        item = np.unique(np.concatenate([ends[0] for ends in self._ends_unsaved]))
        if len(self._ends_saved) >= MOST_CHUNKS:
            changes = dict.fromkeys(_ends_key(blob) for blob in self._ends_saved)
            self._ends_saved, item = [], np.flatnonzero(self._ends.any(axis=0))
        self._ends_saved.append(self._number())
        changes[_ends_key(self._ends_saved[-1])] = np.stack([item, *self._ends[:, item]]).tobytes()
        self._ends_unsaved = []
        return changes


PREFIX = b"counters/"
_KEY_BUCKET, _KEY_ENDS, _KEY_PENDING = b"b", b"e", b"p"
_KEY_TAIL = struct.Struct(">cBqQ")


def _key(kind: bytes, grain_at: int, bucket: int, number: int) -> bytes:
    """``PREFIX``, kind, grain, bucket, number of the blob: a scan of the prefix finds them all."""
    return PREFIX + _KEY_TAIL.pack(kind, grain_at, bucket, number)


_PENDING = _key(_KEY_PENDING, 0, 0, 0)


def _bucket_key(grain: int, bucket: int, number: int) -> bytes:
    return _key(_KEY_BUCKET, GRAINS.index(grain), bucket, number)


def _ends_key(number: int) -> bytes:
    return _key(_KEY_ENDS, 0, 0, number)
