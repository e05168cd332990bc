"""Numbers of the shelf, by item row: how deep a category lies, how many share it, what the feed told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import Coded, Shelf

_NAN = np.float32(np.nan)


def shelf_numbers(shelf: Shelf, wanted: Sequence[str]) -> NDArray[np.float32]:
    """Columns of ``_bases.SHELF``, ``(I, len(wanted))``: NaN where the feed told nothing."""
    made = np.empty((len(shelf), len(wanted)), np.float32)
    for at, name in enumerate(wanted):
        made[:, at] = _NUMBERS[name](shelf)
    return made


def _depth(shelf: Shelf) -> NDArray[np.float32]:
    """Steps from the root of the category tree."""
    return _of_value(shelf, "category", lambda path: 1 if isinstance(path, str) else len(path))


def _shared(what: str) -> Callable[[Shelf], NDArray[np.float32]]:
    """How many items have the same value, itself among them."""

    def size(shelf: Shelf) -> NDArray[np.float32]:
        coded = shelf.coded.get(what)
        if coded is None:
            return _nothing(shelf)
        return _spread(coded, np.bincount(coded.codes[coded.codes >= 0], minlength=len(coded.values)))

    return size


def _members(what: str) -> Callable[[Shelf], NDArray[np.float32]]:
    """How many tags, or regions; 0 for none."""

    def count(shelf: Shelf) -> NDArray[np.float32]:
        return np.nan_to_num(_of_value(shelf, what, len), nan=0.0)

    return count


def _attributes(shelf: Shelf) -> NDArray[np.float32]:
    told = np.zeros(len(shelf), np.float32)
    for what, coded in shelf.coded.items():
        if what.startswith("attributes."):
            told += coded.codes >= 0
    return told


def _image(shelf: Shelf) -> NDArray[np.float32]:
    return np.fromiter((bool(image) for image in shelf.image), np.float32, len(shelf.image))


def _age(shelf: Shelf) -> NDArray[np.float32]:
    return shelf.min_age.astype(np.float32)


def _of_value(shelf: Shelf, what: str, measure: Callable[..., int]) -> NDArray[np.float32]:
    coded = shelf.coded.get(what)
    if coded is None:
        return _nothing(shelf)
    return _spread(coded, np.array([measure(value) for value in coded.values], np.float32))


def _spread(coded: Coded, of_code: NDArray[np.generic]) -> NDArray[np.float32]:
    """A number of each code by item row; NaN without a code."""
    padded = np.append(of_code.astype(np.float32), _NAN)  # code -1 reads the last place
    return padded[coded.codes]


def _nothing(shelf: Shelf) -> NDArray[np.float32]:
    return np.full(len(shelf), _NAN, np.float32)


_NUMBERS: dict[str, Callable[[Shelf], NDArray[np.float32]]] = {
    "item__category__depth": _depth,
    "item__category__size": _shared("category"),
    "item__brand__size": _shared("brand"),
    "item__group__size": _shared("group_id"),
    "item__attributes__count": _attributes,
    "item__tags__count": _members("tags"),
    "item__regions__count": _members("regions"),
    "item__image__present": _image,
    "item__age__least": _age,
}
