"""How alike items are, cheaply: group, category path, brand and title words."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import NO_ROWS, Shelf
from shelfwise.reranking._alike import all_alike

Similarity = Callable[[Shelf, NDArray[np.int32]], NDArray[np.float32]]
"""``(shelf, (P,) item rows) -> (P, P)`` likeness in [0, 1], symmetric."""

Known = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.uint64]]
MAX_DEPTH = 6  # elements of a category path that count
_WORDS = 4  # 256 bits for title words: some 8 words a title, so two unlike ones share a bit in 1 of 20 pairs
_WORD = re.compile(r"\w{2,}")


class ItemLikeness:
    """The default similarity: 1 within a group, else category 0.4, title 0.4, brand 0.2 of what both items have.

    Category leads because a slate of one category is what shoppers feel as sameness; titles catch the colours of
    one product where a feed has no group_id.
    """

    def __init__(self) -> None:
        self._shelf: Shelf | None = None
        self._known: Known = (NO_ROWS, NO_ROWS, NO_ROWS[None], NO_ROWS, np.empty((0, _WORDS + 1), np.uint64))
        self._read = np.empty(
            0, np.bool_
        )  # whose title's words are known: they are read when first asked for

    def __call__(self, shelf: Shelf, item: NDArray[np.int32]) -> NDArray[np.float32]:
        """``(P,) -> (P, P)``"""
        likeness: NDArray[np.float32] = all_alike(item, *self.known(shelf, item))
        return likeness

    def known(self, shelf: Shelf, item: NDArray[np.int32]) -> Known:
        """What kernels tell the likeness of these items from: group, category, path, brand, words."""
        if shelf is not self._shelf:
            self._turn_to(shelf)
        unread = item[~self._read.take(item)]
        for row in unread.tolist():
            self._known[-1][row] = title_bits(shelf.title[row])
        self._read[unread] = True
        return self._known

    def _turn_to(self, shelf: Shelf) -> None:
        group, category, brand = (_codes(shelf, name) for name in ("group_id", "category", "brand"))
        words = np.zeros((len(shelf), _WORDS + 1), np.uint64)
        self._known, self._read = (
            (group, category, path_codes(shelf), brand, words),
            np.zeros(len(shelf), np.bool_),
        )
        self._shelf = shelf


def path_codes(shelf: Shelf) -> NDArray[np.int32]:
    """Per category path, and once more for none, a code for each of its beginnings. ``(V + 1, MAX_DEPTH)``"""
    coded = shelf.coded.get("category")
    paths = coded.values if coded else ()
    seen: dict[tuple[str, ...], int] = {}
    table = np.full((len(paths) + 1, MAX_DEPTH), -1, np.int32)
    for row, path in enumerate(paths):
        for depth in range(min(len(path), MAX_DEPTH)):
            table[row, depth] = seen.setdefault(path[: depth + 1], len(seen))
    return table


@lru_cache(maxsize=2**17)
def title_bits(title: str) -> tuple[int, ...]:
    """The title's words as a set of 256 bits, in four numbers; and how many are set."""
    bits = 0
    for word in _WORD.findall(title.casefold()):
        bits |= 1 << blake2b(word.encode(), digest_size=1).digest()[0]
    return *(bits >> (64 * part) & (2**64 - 1) for part in range(_WORDS)), bits.bit_count()


def _codes(shelf: Shelf, name: str) -> NDArray[np.int32]:
    """By item row, read-only whoever owns them: kernels see one type."""
    coded = shelf.coded.get(name)
    codes = np.empty(0, np.int32) if coded is None else np.ascontiguousarray(coded.codes).view(np.ndarray)
    codes.flags.writeable = False
    return codes
