"""How alike two items are, for kernels: read off columns by item row, without a table of all pairs."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]

CATEGORY, TITLE, BRAND = 0.4, 0.4, 0.2  # what each counts among those that both items have


@nb.njit(cache=True)
def code_of(codes: Codes, row: int) -> int:
    """The code of an item; -1 for a row that the column lacks."""
    return codes[row] if 0 <= row < len(codes) else -1


@nb.njit(cache=True, error_model="numpy")
def draw_near(
    row: int,
    item: Codes,
    closest: NDArray[np.float32],
    group: Codes,
    category: Codes,
    path: Codes,
    brand: Codes,
    words: NDArray[np.uint64],
) -> None:
    """Raise ``closest`` ``(P,)`` to the likeness of each item to the one of ``row``, in [0, 1], where that is larger.

    It is 1 within a group, else a mean of what both items have. ``group``, ``category`` and ``brand`` are codes by item
    row. ``path`` ``(V + 1, D)``: per category, and last for none, codes of its path's beginnings, -1 below its end; its
    likeness is the share of the longer path that both begin with. ``words`` ``(I, W + 1)``: sets of title words as
    bits, and last how many are set; theirs is Jaccard's.
    """
    own_group, own_path, own_brand = code_of(group, row), path[code_of(category, row)], code_of(brand, row)
    own_words, n_own = words[row], np.int64(words[row, -1])
    for p in range(len(item)):
        total, weight = 0.0, 0.0
        its_path, its_brand = path[code_of(category, item[p])], code_of(brand, item[p])
        if own_path[0] >= 0 and its_path[0] >= 0:
            shared, longest = 0, 0
            for d in range(len(own_path)):
                longest += (own_path[d] >= 0) | (its_path[d] >= 0)
                shared += (own_path[d] >= 0) & (own_path[d] == its_path[d])
            total += CATEGORY * shared / longest
            weight += CATEGORY
        if own_brand >= 0 and its_brand >= 0:
            total += BRAND * (own_brand == its_brand)
            weight += BRAND
        its_words = words[item[p]]
        n_its = np.int64(its_words[-1])
        if n_own > 0 and n_its > 0:
            both = 0
            for w in range(len(own_words) - 1):
                both += _bits(own_words[w] & its_words[w])
            total += TITLE * both / (n_own + n_its - both)
            weight += TITLE
        like = np.float32(total / weight) if weight > 0.0 else np.float32(0)
        if own_group >= 0 and own_group == code_of(group, item[p]):
            like = np.float32(1)
        closest[p] = max(closest[p], like)


@nb.njit(cache=True)
def all_alike(
    item: Codes, group: Codes, category: Codes, path: Codes, brand: Codes, words: NDArray[np.uint64]
) -> NDArray[np.float32]:
    """``(P, P)`` likeness of any two of the items."""
    like = np.zeros((len(item), len(item)), np.float32)
    for p in range(len(item)):
        draw_near(item[p], item, like[p], group, category, path, brand, words)
        like[p, p] = 1
    return like


@nb.njit(cache=True)
def _bits(word: np.uint64) -> np.int64:
    """How many bits are set: pairs are added up, then fours, bytes, and all bytes by one product."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))
