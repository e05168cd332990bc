"""From histories to matrices: each person, item and day counted once, rows compressed, weights by age and kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, EVENT_CODES, PURCHASE, SESSION_GAP_US, Interactions

INTENT = np.zeros(256, np.uint8)
"""How strong a sign of interest each event code is, 0 none: of one day and item only the strongest counts."""
for _strength, _event in enumerate(
    ("select_item", "view_item", "add_to_wishlist", "add_to_cart", "purchase"), 1
):
    INTENT[EVENT_CODES[_event]] = _strength


@dataclass(frozen=True)
class Prepared:
    """A history before an instant, with what several sources make of it; each part is made when first asked for."""

    interactions: Interactions
    as_of_us: int
    n_items: int

    @cached_property
    def pairs(self) -> PairDays:
        """Each person, item and day once."""
        return pair_days(self.interactions)

    @cached_property
    def baskets(self) -> Groups:
        """Orders, at most their newest 200 items."""
        return baskets(self.interactions, largest=LARGEST_GROUP)

    @cached_property
    def sessions(self) -> Groups:
        """Stretches without a pause of 30 minutes, at most their newest 200 items."""
        return sessions(self.interactions, largest=LARGEST_GROUP)


def prepare(interactions: Interactions, as_of_us: int) -> Prepared:
    """What happened before an instant, to fit several sources on."""
    all_before = interactions.at_us.max(initial=as_of_us - 1) < as_of_us
    known = interactions if all_before else interactions.before(as_of_us)
    return Prepared(known, as_of_us, interactions.n_items)


LARGEST_GROUP = 200  # items of a basket or session: pairs grow with its square and say less and less


def event_weights(weights: Mapping[str, float]) -> NDArray[np.float32]:
    """``(256,)`` by event code; what is not named weighs nothing."""
    table = np.zeros(256, np.float32)
    for event, weight in weights.items():
        table[EVENT_CODES[event]] = weight
    return table


@dataclass(frozen=True, slots=True, eq=False)
class Csr:
    """A sparse matrix by rows: row r holds ``column[start[r]:start[r + 1]]``, falling or rising as its maker says."""

    start: NDArray[np.int64]  # (R + 1,)
    column: NDArray[np.int32]  # (N,)
    value: NDArray[np.float32]  # (N,)
    n_columns: int

    @property
    def n_rows(self) -> int:
        """Number of rows, empty ones too."""
        return len(self.start) - 1

    def transposed(self) -> Csr:
        """Rows become columns; within a row, columns rise."""
        order = stable_order(self.column, self.n_columns)
        start = starts(self.column, self.n_columns)
        return Csr(start, self.row()[order], self.value[order], self.n_rows)

    def row(self) -> NDArray[np.int32]:
        """The row of each value, ``(N,)``."""
        return np.repeat(np.arange(self.n_rows, dtype=np.int32), np.diff(self.start))

    def valued(self, value: NDArray[np.floating]) -> Csr:
        """The same places, other values."""
        return replace(self, value=np.ascontiguousarray(value, np.float32))

    def keep(self, wanted: NDArray[np.bool_]) -> Csr:
        """Only these values; the shape stays."""
        kept = np.concatenate([[0], np.cumsum(wanted)])
        return Csr(kept[self.start], self.column[wanted], self.value[wanted], self.n_columns)

    def sums(self) -> NDArray[np.float64]:
        """Sum of each column."""
        return np.bincount(self.column, weights=self.value, minlength=self.n_columns).astype(np.float64)

    def dense(self) -> NDArray[np.float32]:
        """The whole matrix, for small ones and for tests."""
        full = np.zeros((self.n_rows, self.n_columns), np.float32)
        np.add.at(full, (self.row(), self.column), self.value)
        return full


def csr(
    row: NDArray[np.int32], column: NDArray[np.int32], value: NDArray[np.float32], *, shape: tuple[int, int]
) -> Csr:
    """The matrix with these values, added up where a place is named twice; columns rise within a row."""
    order = stable_order(row, shape[0], stable_order(column, shape[1]))
    place, first = _first_of_pair(row[order], column[order])
    summed = np.bincount(place, weights=value[order], minlength=len(first)).astype(np.float32)
    rows = row[order][first]
    return Csr(starts(rows, shape[0]), column[order][first], summed, shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class PairDays:
    """Each (person, item, UTC day) once, at its strongest event; sorted by person, item, day.

    A day counts once because a list clicked twenty times, or an invoice that names an item thrice, is one wish.
    """

    user: NDArray[np.int32]  # (P,)
    item: NDArray[np.int32]  # (P,)
    at_us: NDArray[np.int64]  # (P,) newest instant of the strongest event
    event: NDArray[np.uint8]  # (P,)
    n_users: int
    n_items: int

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: NDArray[np.bool_]) -> PairDays:
        """Only these."""
        return PairDays(
            self.user[rows], self.item[rows], self.at_us[rows], self.event[rows], self.n_users, self.n_items
        )

    def purchases(self) -> PairDays:
        """Only days on which it was bought."""
        return self.take(self.event == PURCHASE)

    def first(self) -> PairDays:
        """Only the first day of each person with each item."""
        _, first = _first_of_pair(self.user, self.item)
        keep = np.zeros(len(self), np.bool_)
        keep[first] = True
        return self.take(keep)

    def age_days(self, as_of_us: int) -> NDArray[np.float32]:
        """Days from each to an instant, not below 0, ``(P,)``."""
        return np.maximum((as_of_us - self.at_us) / DAY_US, 0.0).astype(np.float32)

    def weights(
        self, as_of_us: int, half_life_days: float | None, by_event: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """``by_event[event] * 0.5 ** (age / half_life)``, ``(P,)``; None does not age."""
        weight = by_event[self.event]
        if half_life_days is None:
            return weight
        return weight * np.exp2(-self.age_days(as_of_us) / np.float32(half_life_days))

    def matrix(self, weight: NDArray[np.float32], *, smallest: float = 0.0) -> Csr:
        """Persons x items, ``(n_users, n_items)``: weights of a pair's days added up; below ``smallest`` left out."""
        place, first = _first_of_pair(self.user, self.item)
        total = np.bincount(place, weights=weight, minlength=len(first)).astype(np.float32)
        keep = total > smallest
        user, item = self.user[first][keep], self.item[first][keep]
        return Csr(starts(user, self.n_users), item, total[keep], self.n_items)


def pair_days(interactions: Interactions) -> PairDays:
    """Each (person, item, day) of a history once; the order of its rows does not matter."""
    signs = interactions.take(INTENT[interactions.event] > 0)
    day = (signs.at_us // DAY_US).astype(np.int64)
    first_day = int(day.min(initial=0)) if len(day) else 0
    n_days = int(day.max(initial=first_day)) - first_day + 1
    order = stable_order((day - first_day).astype(np.int32), n_days)
    order = stable_order(signs.user, signs.n_users, stable_order(signs.item, signs.n_items, order))
    kept = np.empty(len(order), np.int64)
    n = _strongest(signs.user, signs.item, signs.at_us, signs.event, INTENT, order, kept)
    rows = kept[:n]
    return PairDays(
        signs.user[rows], signs.item[rows], signs.at_us[rows], signs.event[rows], signs.n_users, signs.n_items
    )


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Items that belong together: sessions or baskets, oldest first; within one, newest item first, each once."""

    start: NDArray[np.int64]  # (S + 1,)
    item: NDArray[np.int32]  # (N,)
    user: NDArray[np.int32]  # (S,)
    at_us: NDArray[np.int64]  # (S,) its last instant
    n_items: int

    def __len__(self) -> int:
        return len(self.user)

    @property
    def size(self) -> NDArray[np.int64]:
        """Items of each."""
        return np.diff(self.start)

    def take(self, wanted: NDArray[np.bool_]) -> Groups:
        """Only these groups."""
        lines = np.repeat(wanted, self.size)
        start = np.concatenate([[0], np.cumsum(self.size[wanted])]).astype(np.int64)
        return Groups(start, self.item[lines], self.user[wanted], self.at_us[wanted], self.n_items)

    def matrix(self) -> Csr:
        """Groups x items, ones."""
        return Csr(self.start, self.item, np.ones(len(self.item), np.float32), self.n_items)


def baskets(interactions: Interactions, *, largest: int) -> Groups:
    """What one person bought in one order, at most the newest ``largest`` items of each."""
    bought = interactions.only(PURCHASE)
    return groups(bought, key=bought.order, gap_us=None, largest=largest)


def sessions(interactions: Interactions, *, largest: int) -> Groups:
    """What one person looked at, put in the cart or bought without pausing for 30 minutes."""
    signs = interactions.take(INTENT[interactions.event] > 0)
    return groups(signs, key=None, gap_us=SESSION_GAP_US, largest=largest)


def groups(
    interactions: Interactions, *, key: NDArray[np.int64] | None, gap_us: int | None, largest: int
) -> Groups:
    """Lines of one person and ``key`` (if given), broken where a pause exceeds ``gap_us`` (if given)."""
    user, item, at_us = interactions.user, interactions.item, interactions.at_us
    by_time = stable_order(item, interactions.n_items)
    by_time = by_time[np.argsort(at_us[by_time], kind="stable")]
    if key is None:
        key = np.zeros(len(interactions), np.int64)
    else:
        by_time = by_time[np.argsort(key[by_time], kind="stable")]
    order = stable_order(user, interactions.n_users, by_time)
    n = len(order)
    start, owner, end_us = np.empty(n + 1, np.int64), np.empty(n, np.int32), np.empty(n, np.int64)
    flat = np.empty(n, np.int32)
    gap = np.iinfo(np.int64).max if gap_us is None else gap_us
    last = np.full(max(interactions.n_items, 1), -1, np.int64)
    count = _group(user, item, at_us, key, order, gap, largest, last, start, flat, owner, end_us)
    found = Groups(
        start[: count + 1], flat[: start[count]], owner[:count], end_us[:count], interactions.n_items
    )
    return _oldest_first(found)


def starts(row: NDArray[np.int32], n_rows: int) -> NDArray[np.int64]:
    """Where each row begins, ``(n_rows + 1,)``, if rows are sorted."""
    counts = np.bincount(row, minlength=n_rows)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def stable_order(
    key: NDArray[np.int32], n_keys: int, order: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """The order that sorts small whole numbers ``0..n_keys - 1``; ties keep the given order. A counting sort."""
    if order is None:
        order = np.arange(len(key), dtype=np.int64)
    out = np.empty(len(order), np.int64)
    _count_sort(np.ascontiguousarray(key, np.int32), order, np.zeros(n_keys + 1, np.int64), out)
    return out


def _oldest_first(found: Groups) -> Groups:
    order = np.argsort(found.at_us, kind="stable")
    size = found.size[order]
    start = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    lines = (
        np.arange(len(found.item)) - np.repeat(start[:-1], size) + np.repeat(found.start[:-1][order], size)
    )
    return Groups(start, found.item[lines], found.user[order], found.at_us[order], found.n_items)


def _first_of_pair(one: NDArray[Any], two: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of columns sorted by both: each row's number among distinct pairs, and the first row of each pair."""
    new = np.ones(len(one), np.bool_)
    new[1:] = (one[1:] != one[:-1]) | (two[1:] != two[:-1])
    return np.cumsum(new) - 1, np.flatnonzero(new)


@nb.njit(cache=True, nogil=True)
def _count_sort(
    key: NDArray[np.int32], order: NDArray[np.int64], begin: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    for i in range(len(key)):
        begin[key[i] + 1] += 1
    for k in range(1, len(begin)):
        begin[k] += begin[k - 1]
    for i in range(len(order)):
        k = key[order[i]]
        out[begin[k]] = order[i]
        begin[k] += 1


@nb.njit(cache=True, nogil=True)
def _strongest(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    at_us: NDArray[np.int64],
    event: NDArray[np.uint8],
    intent: NDArray[np.uint8],
    order: NDArray[np.int64],
    kept: NDArray[np.int64],
) -> int:
    """Of rows sorted by person, item and day, the strongest of each; how many."""
    n = 0
    for i in range(len(order)):
        row = order[i]
        if n > 0:
            held = kept[n - 1]
            if (
                user[held] == user[row]
                and item[held] == item[row]
                and at_us[held] // DAY_US == at_us[row] // DAY_US
            ):
                stronger = intent[event[row]] > intent[event[held]]
                if stronger or (event[row] == event[held] and at_us[row] > at_us[held]):
                    kept[n - 1] = row
                continue
        kept[n] = row
        n += 1
    return n


@nb.njit(cache=True, nogil=True)
def _group(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    at_us: NDArray[np.int64],
    key: NDArray[np.int64],
    order: NDArray[np.int64],
    gap_us: int,
    largest: int,
    last: NDArray[np.int64],
    start: NDArray[np.int64],
    flat: NDArray[np.int32],
    owner: NDArray[np.int32],
    end_us: NDArray[np.int64],
) -> int:
    """Walk from the end, so that each group lists its newest items first; groups come out in reverse."""
    n_groups = n_flat = size = 0
    start[0] = 0
    for i in range(len(order) - 1, -1, -1):
        row = order[i]
        new = n_groups == 0
        if not new:
            after = order[i + 1]
            new = user[after] != user[row] or key[after] != key[row] or at_us[after] - at_us[row] > gap_us
        if new:
            owner[n_groups], end_us[n_groups] = user[row], at_us[row]
            n_groups += 1
            size = 0
        if last[item[row]] != n_groups and size < largest:
            last[item[row]] = n_groups
            flat[n_flat] = item[row]
            n_flat += 1
            size += 1
        start[n_groups] = n_flat
    return n_groups
