"""A fitted source on disk: one ``.npy`` per array and ``about.json``. No pickle; shapes are checked on the way in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from shelfwise.candidates._neighbours import Neighbours
from shelfwise.domain import BadRelease, Settings

S = TypeVar("S", bound=Settings)


def save(folder: Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
    """Write the arrays and what is to be known about them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    (folder / "about.json").write_text(json.dumps(about, indent=1, sort_keys=True))


def about(folder: Path) -> dict[str, Any]:
    """What was written about the arrays. Raises BadRelease."""
    try:
        found = json.loads((folder / "about.json").read_text())
    except (OSError, ValueError) as trouble:
        raise BadRelease(f"{folder}/about.json cannot be read: {trouble}") from trouble
    if not isinstance(found, dict):
        raise BadRelease(f"{folder}/about.json holds {type(found).__name__}; expected a JSON object")
    return found


def settings(folder: Path, values: Any, kind: type[S]) -> S:
    """The settings that were written. Raises BadRelease for values that their class refuses."""
    if not isinstance(values, Mapping):
        raise BadRelease(f"{folder}/about.json has settings {values!r}; expected a JSON object")
    try:
        return kind(**values)
    except (TypeError, ValueError) as trouble:
        raise BadRelease(f"{folder}/about.json has bad settings: {trouble}") from trouble


def load(folder: Path, expected: Mapping[str, tuple[DTypeLike, int]]) -> dict[str, NDArray[Any]]:
    """The arrays by name, mapped and shared with other processes; ``expected`` gives dtype and dimensions.

    Raises BadRelease for one that is missing or of another kind: kernels trust what they are given.
    """
    return {name: _array(folder / f"{name}.npy", *kind) for name, kind in expected.items()}


NEIGHBOURS: dict[str, tuple[DTypeLike, int]] = {
    "start": (np.int64, 1),
    "neighbour": (np.int32, 1),
    "similarity": (np.float32, 1),
}
"""The files of neighbour lists, for ``load``."""


def neighbours(arrays: Mapping[str, NDArray[Any]], *, n_items: int, folder: Path) -> Neighbours:
    """Neighbour lists among loaded arrays. Raises BadRelease for a list that points outside."""
    found = Neighbours(arrays["start"], arrays["neighbour"], arrays["similarity"])
    check_lists(found.start, found.item, n_rows=n_items, n_columns=n_items, folder=folder)
    if len(found.similarity) != len(found.item):
        raise BadRelease(f"{folder} has {len(found.similarity)} similarities; expected {len(found.item)}")
    return found


def check_lists(
    start: NDArray[np.int64], column: NDArray[np.int32], *, n_rows: int, n_columns: int, folder: Path
) -> None:
    """Raise BadRelease unless ``start`` cuts ``column`` into ``n_rows`` lists of ``0..n_columns - 1``."""
    cuts = (
        len(start) == n_rows + 1 > 0
        and start[0] == 0
        and start[-1] == len(column)
        and bool(np.all(np.diff(start) >= 0))
    )
    if not cuts:
        raise BadRelease(
            f"{folder} has {len(start)} list starts; expected {n_rows + 1}, rising from 0 to {len(column)}"
        )
    if column.min(initial=0) < 0 or column.max(initial=-1) >= n_columns:
        raise BadRelease(f"{folder} names row {column.max()}; expected 0 to {n_columns - 1}")


def check_length(array: NDArray[Any], expected: int, file: Path) -> None:
    """Raise BadRelease unless the array is as long as expected."""
    if len(array) != expected:
        raise BadRelease(f"{file} has {len(array)} values; expected {expected}")


def _array(file: Path, dtype: DTypeLike, ndim: int) -> NDArray[Any]:
    try:
        # Copy on write: shared pages, yet typed as writable, so that kernels compile once for fit and serving.
        array = np.load(file, mmap_mode="c" if file.stat().st_size > _SMALL else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as trouble:
        raise BadRelease(f"{file} cannot be read: {trouble}") from trouble
    if array.dtype != np.dtype(dtype) or array.ndim != ndim:
        raise BadRelease(
            f"{file} is {array.dtype} of {array.ndim} dimensions; expected {np.dtype(dtype)} of {ndim}"
        )
    return np.asarray(array)  # no subclass: numba recognises plain arrays fastest


_SMALL = 4_096  # bytes: less than a page is not worth a mapping; empty arrays cannot be mapped
