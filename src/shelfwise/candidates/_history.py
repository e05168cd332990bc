"""What one person did with items, as weights: the request's counterpart of ``_matrix``. Arrays and one kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec
import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._kernels import leaves_out_bought, place_of, without
from shelfwise.candidates._matrix import INTENT
from shelfwise.candidates._select import keep_best, order_of
from shelfwise.domain import DAY_US, LINE, NO_ROWS, PURCHASE, LiveItems, PersonState, Query

T = TypeVar("T")


class History(msgspec.Struct, frozen=True, eq=False):
    """Each (item, UTC day) of one person once, at its strongest event: newest day first."""

    item: NDArray[np.int32]  # (M,) distinct item rows, the most recently touched first
    bought: NDArray[np.bool_]  # (M,)
    place: NDArray[np.int32]  # (P,) where in ``item`` each (item, day) belongs
    at_us: NDArray[np.int64]  # (P,)
    event: NDArray[np.uint8]  # (P,)

    def __len__(self) -> int:
        return len(self.item)

    def recent(
        self,
        query: Query,
        *,
        half_lives: NDArray[np.float64],
        by_event: NDArray[np.float32],
        n_items: int,
        limit: int,
        seed_weight: float = 0.0,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The items that weigh most among rows ``0..n_items - 1``, and their weights at each half-life.

        An item weighs the sum over its days of ``by_event[event] * 0.5 ** (age / half_life)``. However old, it
        counts: of someone who was away for a year the last wishes are still the best guess.

        Args:
            query: When it is asked, and its seeds.
            half_lives: Days, ``(H,)``; inf does not age. The first decides which items weigh most.
            by_event: ``(256,)`` what each kind of event counts.
            n_items: Rows from here on are unknown to the fit.
            limit: Items kept of the history; seeds come on top.
            seed_weight: What each seed adds; 0 leaves them out.

        Returns:
            Rows ``(M,)``, most recently touched first, seeds not in the history last; weights ``(H, M)``.
        """
        seeds = query.seeds if seed_weight > 0 else NO_ROWS
        return _recent(
            self.item, self.place, self.at_us, self.event, by_event, query.asked_us, half_lives, n_items, limit,
            seeds, np.float32(seed_weight),
        )  # fmt: skip


def history_of(person: PersonState) -> History:
    """The history of one person. The last one asked for is remembered: six sources ask in a row."""
    global _last  # noqa: PLW0603 - one slot, replaced whole; a miss only costs the work again
    known = _last
    if known is not None and known[0] is person:
        return known[1]
    history = digest(person.lines)
    _last = (person, history)
    return history


def open_to(query: Query, person: PersonState, live: LiveItems, n_items: int) -> NDArray[np.uint8]:
    """``without`` for sources that propose new things: what was bought is left out too, where it is unwanted.

    The last one asked for is remembered, as above; it is read, never written.
    """
    global _last_without  # noqa: PLW0603
    known = _last_without
    if known is not None and known[0] is query and known[1] is person and known[2] is live:
        blocked = known[3]
        if len(blocked) == n_items:
            return blocked
    history = history_of(person)
    bought = history.item[history.bought] if leaves_out_bought(query) else NO_ROWS
    blocked = without(query, bought, live, n_items)
    _last_without = (query, person, live, blocked)
    return blocked


class Remembered(Generic[T]):
    """What a source made of the question before it: it is asked for items, and then why it named some of them.

    It does not hold who makes it: a source that held itself would outlive its release until the collector came by.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: tuple[Query, PersonState, T] | None = None  # replaced whole, as above

    def of(self, query: Query, person: PersonState, make: Callable[[Query, PersonState], T]) -> T:
        """The same as from ``make``, which must be the same at every call."""
        known = self._last
        if known is not None and known[0] is query and known[1] is person:
            return known[2]
        made = make(query, person)
        self._last = (query, person, made)
        return made


def digest(lines: NDArray[np.void]) -> History:
    """From lines, newest first."""
    return History(*_digest(words_of(lines), INTENT))


def words_of(lines: NDArray[np.void]) -> NDArray[np.int32]:
    """Lines as kernels read them, without a copy: ``(N * WORDS,)``, read only whoever owns them."""
    words = np.frombuffer(lines if lines.flags.c_contiguous else lines.copy(), np.int32)
    words.flags.writeable = False
    return words


def _word(field: str) -> int:
    """Where in a line a field begins, in words of 4 bytes."""
    assert LINE.fields is not None
    return int(LINE.fields[field][1]) // 4


WORDS = LINE.itemsize // 4
_AT, _ITEM, _LINE = _word("at_us"), _word("item"), _word("line")
_EVENT_SHIFT = 16  # bits of ``line``, which shares its word with ``event`` and ``device``
_last: tuple[PersonState, History] | None = None
_last_without: tuple[Query, PersonState, LiveItems, NDArray[np.uint8]] | None = None


@nb.njit(cache=True)
def at_us_of(words: NDArray[np.int32], line: int) -> np.int64:
    """When a line happened."""
    low, high = words[line * WORDS + _AT], words[line * WORDS + _AT + 1]
    return (np.int64(high) << 32) | (np.int64(low) & 0xFFFFFFFF)


@nb.njit(cache=True)
def item_of(words: NDArray[np.int32], line: int) -> np.int32:
    """Its item row."""
    return words[line * WORDS + _ITEM]


@nb.njit(cache=True)
def _digest(
    words: NDArray[np.int32], intent: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.bool_], NDArray[np.int32], NDArray[np.int64], NDArray[np.uint8]]:
    """One pass over lines, newest first; items are found by open addressing."""
    n = len(words) // WORDS
    n_slots = 16
    while n_slots < 2 * n:
        n_slots *= 2
    slot = np.full(n_slots, -1, np.int32)  # place of the item in ``rows``
    rows, bought, newest = np.empty(n, np.int32), np.zeros(n, np.bool_), np.empty(n, np.int32)
    place, at, kind = np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.uint8)
    n_rows = n_pairs = 0
    for i in range(n):
        item, event = item_of(words, i), (words[i * WORDS + _LINE] >> _EVENT_SHIFT) & 0xFF
        if item < 0 or intent[event] == 0:
            continue
        s = (item * 2654435761 >> 8) & (n_slots - 1)
        while slot[s] >= 0 and rows[slot[s]] != item:
            s = (s + 1) & (n_slots - 1)
        known = slot[s] >= 0
        if not known:
            slot[s] = n_rows
            rows[n_rows] = item
            n_rows += 1
        row, at_us = slot[s], at_us_of(words, i)
        if event == PURCHASE:
            bought[row] = True
        if known and at[newest[row]] // DAY_US == at_us // DAY_US:
            pair = newest[row]
            if intent[event] > intent[kind[pair]]:
                kind[pair], at[pair] = event, at_us
            continue
        place[n_pairs], at[n_pairs], kind[n_pairs] = row, at_us, event
        newest[row] = n_pairs
        n_pairs += 1
    return rows[:n_rows], bought[:n_rows], place[:n_pairs], at[:n_pairs], kind[:n_pairs]


@nb.njit(cache=True)
def _recent(
    item: NDArray[np.int32],
    place: NDArray[np.int32],
    at_us: NDArray[np.int64],
    event: NDArray[np.uint8],
    by_event: NDArray[np.float32],
    asked_us: int,
    half_lives: NDArray[np.float64],
    n_items: int,
    limit: int,
    seeds: NDArray[np.int32],
    seed_weight: np.float32,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    n_lives = len(half_lives)
    total = np.zeros((n_lives, len(item)), np.float32)
    left = np.ones(n_lives, np.float32)
    for p in range(len(place)):
        if p == 0 or at_us[p] != at_us[p - 1]:  # the lines of a basket share their instant
            age_days = max(asked_us - at_us[p], 0) / DAY_US
            for h in range(n_lives):
                left[h] = 2.0 ** (-age_days / half_lives[h])
        for h in range(n_lives):
            total[h, place[p]] += by_event[event[p]] * left[h]
    places, n = _heaviest(item, total[0], n_items, limit)
    rows, weight = np.empty(n + len(seeds), np.int32), np.zeros((n_lives, n + len(seeds)), np.float32)
    for k in range(n):
        rows[k] = item[places[k]]
        for h in range(n_lives):
            weight[h, k] = total[h, places[k]]
    for seed in seeds:
        if 0 <= seed < n_items:
            k = place_of(rows, n, seed)
            rows[k], n = seed, max(n, k + 1)
            for h in range(n_lives):
                weight[h, k] += seed_weight
    return rows[:n], weight if n == len(rows) else weight[:, :n].copy()


@nb.njit(cache=True)
def _heaviest(
    item: NDArray[np.int32], weight: NDArray[np.float32], n_items: int, limit: int
) -> tuple[NDArray[np.int32], int]:
    """Places of the ``limit`` known items that weigh most, as they stand; of equals those touched last. And how many."""
    order, place, n = np.empty(len(item), np.int32), np.empty(len(item), np.int32), np.int64(0)
    for m in range(len(item)):
        order[n], place[n] = order_of(weight[m]), m
        n += (item[m] < n_items) & (weight[m] > 0)
    return place, keep_best(order, place, n, limit)
