"""From titles and facts to weighted tokens, ``items x tokens``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates._matrix import Csr, csr
from shelfwise.candidates.similar.settings import SimilarSettings
from shelfwise.domain import Coded, Shelf

_WORD = re.compile(r"[^\W_]+")  # letters and digits of any script
_FACETS = ("category", "brand", "tags")  # also every "attributes.<name>"


@lru_cache(maxsize=1)  # by identity: a training asks of one shelf as of many instants, and for two sources
def tfidf(shelf: Shelf, *, n_items: int, settings: SimilarSettings) -> Csr:
    """Rows of length 1 (0 for an item without tokens): ``weight * ln(items / items with the token)``.

    A token of one item matches nothing, yet lengthens its row: odd words make an item less like others. One of
    more than ``common`` items is left out.
    """
    found = (_item_tokens(shelf, row, settings) for row in range(n_items))
    return unit_rows(weighed(counted(found, n_items), common=settings.common))


def weighed(counts: Csr, *, common: int | None = None) -> Csr:
    """Each column times ``ln(rows / rows that hold it)``; columns held by more than ``common`` rows, or by all, go."""
    held = np.bincount(counts.column, minlength=counts.n_columns)
    idf = np.log(max(counts.n_rows, 1) / np.maximum(held, 1)).astype(np.float32)
    telling = (idf > 0) if common is None else (idf > 0) & (held <= common)
    return counts.valued(counts.value * idf[counts.column]).keep(telling[counts.column])


def unit_rows(matrix: Csr) -> Csr:
    """Each row divided by its length."""
    row = matrix.row()
    length = np.sqrt(np.bincount(row, weights=matrix.value**2, minlength=matrix.n_rows))
    return matrix.valued(matrix.value / np.maximum(length, 1e-12)[row])


def words(text: str) -> list[str]:
    """Words in small letters: runs of letters and digits; of any script."""
    return _WORD.findall(text.casefold())


def title_tokens(text: str, bigram_weight: float) -> Iterator[tuple[str, float]]:
    """Each word once, and each pair of words in a row once, with weights."""
    found = words(text)
    yield from ((word, 1.0) for word in dict.fromkeys(found))
    if bigram_weight > 0:
        yield from ((f"{one} {two}", bigram_weight) for one, two in dict.fromkeys(pairwise(found)))


def _item_tokens(shelf: Shelf, row: int, settings: SimilarSettings) -> Iterator[tuple[str, float]]:
    yield from title_tokens(shelf.title[row], settings.bigram_weight)
    for name, coded in shelf.coded.items():
        if name in _FACETS or name.startswith("attributes."):
            yield from ((f"{name}:{value}", settings.facet_weight) for value in _values(coded, row))


def _values(coded: Coded, row: int) -> Iterable[str]:
    """What an item has of one fact; of a category path every step counts."""
    if row >= len(coded.codes) or coded.codes[row] < 0:
        return ()
    value = coded.values[coded.codes[row]]
    if isinstance(value, str):
        return (value.casefold(),)
    if isinstance(value, tuple):
        return [" > ".join(value[: depth + 1]).casefold() for depth in range(len(value))]
    return sorted(str(one).casefold() for one in value)


def counted(items: Iterable[Iterable[tuple[str, float]]], n_items: int) -> Csr:
    """Items x tokens: the weights of each item's tokens, added up; tokens numbered as they come."""
    vocabulary: dict[str, int] = {}
    row: list[int] = []
    column: list[int] = []
    value: list[float] = []
    for at, tokens in enumerate(items):
        for token, weight in tokens:
            row.append(at)
            column.append(vocabulary.setdefault(token, len(vocabulary)))
            value.append(weight)
    return csr(_ints(row), _ints(column), np.array(value, np.float32), shape=(n_items, len(vocabulary)))


def _ints(values: Sequence[int]) -> NDArray[np.int32]:
    return np.array(values, np.int32)
