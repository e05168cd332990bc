"""How alike items are, cheaply: group, category path, brand and title words."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import Shelf
from shelfwise.reranking._kernels import blend_similarity

Similarity = Callable[[Shelf, NDArray[np.int32]], NDArray[np.float32]]
"""``(shelf, (P,) item rows) -> (P, P)`` likeness in [0, 1], symmetric."""

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
        self._path = np.empty((0, MAX_DEPTH), np.int32)
        self._words = np.empty((0, _WORDS), np.uint64)
        self._read = np.empty(
            0, np.bool_
        )  # whose title's words are known: they are read when first asked for

    def __call__(self, shelf: Shelf, item: NDArray[np.int32]) -> NDArray[np.float32]:
        """``(P,) -> (P, P)``"""
        if shelf is not self._shelf:
            self._turn_to(shelf)
        path = self._path.take(_codes(shelf, "category", item), axis=0, mode="wrap")  # -1 is the last
        group, brand = _codes(shelf, "group_id", item), _codes(shelf, "brand", item)
        likeness: NDArray[np.float32] = blend_similarity(
            group, path, brand, self._words_of(item), 0.4, 0.2, 0.4
        )
        return likeness

    def _turn_to(self, shelf: Shelf) -> None:
        self._path, self._shelf = path_codes(shelf), shelf
        self._words = np.empty((len(shelf), _WORDS), np.uint64)
        self._read = np.zeros(len(shelf), np.bool_)

    def _words_of(self, item: NDArray[np.int32]) -> NDArray[np.uint64]:
        """``(P,) -> (P, W)`` title words as bits."""
        if self._shelf is not None and not self._read.take(item).all():
            for row in item.tolist():
                self._words[row] = title_bits(self._shelf.title[row])
            self._read[item] = True
        return self._words.take(item, axis=0)


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
    """The title's words as a set of 256 bits, in four numbers."""
    bits = 0
    for word in _WORD.findall(title.casefold()):
        bits |= 1 << blake2b(word.encode(), digest_size=1).digest()[0]
    return tuple(bits >> (64 * part) & (2**64 - 1) for part in range(_WORDS))


def _codes(shelf: Shelf, name: str, item: NDArray[np.int32]) -> NDArray[np.int32]:
    coded = shelf.coded.get(name)
    return np.full(len(item), -1, np.int32) if coded is None else coded.codes.take(item)
