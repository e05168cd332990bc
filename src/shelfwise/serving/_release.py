"""A release, opened: sources, ranker and the assembler of features, over the catalogue it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shelfwise.candidates import CandidateSource, load_source
from shelfwise.domain import NO_ROWS, SOURCES, BadRelease, InvalidInput, Shelf, UnknownName
from shelfwise.features import FITTED_COLUMNS, LIKENESS_COLUMNS, Assembler, Relations, base_columns
from shelfwise.rankers import Ranker, load_ranker

LAYOUT = 1  # of release folders that this code reads
NO_RELEASE = "none"


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """Everything learned that an answer needs. Immutable; swapped between two requests."""

    release_id: str
    n_items: int  # rows below it were known when it was trained
    sources: Mapping[str, CandidateSource]  # in the order of SOURCES
    quotas: Mapping[str, int]  # source -> how many it may propose
    signal_names: tuple[str, ...]
    assembler: Assembler
    ranker: Ranker | None  # None only while a release is in the making
    packed: NDArray[np.int32]  # the last resort, best first
    pool_size: int
    own_score: Mapping[str, int] = field(
        default_factory=dict
    )  # source -> column of its own score in the signals

    @classmethod
    def open(cls, folder: Path, shelf: Shelf, *, release_id: str = "unpublished") -> Release:
        """Read a release folder.

        Raises:
            BadRelease: It is incomplete, of another layout, or was trained on another catalogue; or an array has
                another shape than the items, or holds what is no number.
        """
        try:
            return cls._opened(folder, shelf, release_id)
        except (KeyError, IndexError, TypeError, ValueError, OSError) as trouble:
            raise BadRelease(f"{folder} cannot be read: {type(trouble).__name__}: {trouble}") from trouble

    @classmethod
    def _opened(cls, folder: Path, shelf: Shelf, release_id: str) -> Release:
        settings, schema = _json(folder / "settings.json"), _json(folder / "features.json")
        if settings.get("layout") != LAYOUT:
            raise BadRelease(
                f"{folder}/settings.json has layout {settings.get('layout')!r}; expected {LAYOUT}"
            )
        n_items = _check_items(folder / "items.parquet", shelf)
        sources = _sources(folder, settings)
        signals = tuple(signal for source in sources.values() for signal in source.signals)
        if list(signals) != schema.get("signals"):
            raise BadRelease(f"{folder}: sources give {signals}; expected {schema.get('signals')}")
        ranker = _ranker(folder, settings.get("ranker"))
        return cls(
            release_id=release_id,
            n_items=n_items,
            sources=sources,
            quotas=_quotas(folder, settings),
            signal_names=signals,
            assembler=_assembler(
                folder, ranker.needs if ranker else schema.get("needs", ()), signals, n_items
            ),
            ranker=ranker,
            packed=_packed(folder / "packed.npy", n_items),
            pool_size=int(settings.get("pool_size", 200)),
            own_score={name: signals.index(source.signals[0]) for name, source in sources.items()},
        )

    @classmethod
    def none(cls) -> Release:
        """What stands in until there is a first one: no source, no ranker, no list."""
        return cls(NO_RELEASE, 0, {}, {}, (), Assembler(()), None, NO_ROWS, pool_size=200)


def _check_items(path: Path, shelf: Shelf) -> int:
    """A model row is an item row: the catalogue must have given the same rows. How many there are."""
    try:
        ids = tuple(pq.read_table(path, columns=["item_id"])["item_id"].to_pylist())
    except (OSError, KeyError, pa.ArrowInvalid) as trouble:
        raise BadRelease(f"{path} cannot be read: {trouble}") from None
    known = shelf.item_id[: len(ids)]
    if ids == known:
        return len(ids)
    row = next(
        (row for row, (ours, theirs) in enumerate(zip(ids, known, strict=False)) if ours != theirs),
        len(known),
    )
    theirs = repr(known[row]) if row < len(known) else "no such row"
    raise BadRelease(f"{path}: row {row} is {ids[row]!r}; expected {theirs}, as in the catalogue")


def _sources(folder: Path, settings: Mapping[str, Any]) -> dict[str, CandidateSource]:
    wanted = settings.get("sources", [])
    unknown = [name for name in wanted if name not in SOURCES]
    if unknown:
        raise BadRelease(
            f"{folder}/settings.json names source {unknown[0]!r}; expected some of {', '.join(SOURCES)}"
        )
    return {name: load_source(name, folder / "candidates" / name) for name in SOURCES if name in wanted}


def _quotas(folder: Path, settings: Mapping[str, Any]) -> dict[str, int]:
    quotas = settings.get("quotas", {})
    for name, quota in quotas.items():
        if name not in SOURCES or not isinstance(quota, int) or quota < 1:
            raise BadRelease(
                f"{folder}/settings.json: quota of {name!r} is {quota!r}; expected at least 1 of a source"
            )
    return dict(quotas)


def _ranker(folder: Path, name: str | None) -> Ranker | None:
    """None while a release is in the making."""
    if name is None:
        return None
    try:
        return load_ranker(name, folder / "rankers" / name)
    except (UnknownName, OSError, ValueError, KeyError) as trouble:
        raise BadRelease(f"{folder}: ranker {name!r} cannot be read: {trouble}") from None


def _assembler(folder: Path, needs: Any, signals: tuple[str, ...], n_items: int) -> Assembler:
    fitted = _arrays(folder / "fitted")
    for name, column in fitted.items():
        file = folder / "fitted" / f"{name}.npy"
        if column.shape != (n_items,) or column.dtype != np.float32:
            raise BadRelease(f"{file} is {column.dtype} {column.shape}; expected float32 ({n_items},)")
        if np.isinf(column).any():
            raise BadRelease(
                f"{file} holds infinity at row {int(np.argmax(np.isinf(column)))}; expected numbers"
            )
    used, relations = base_columns(needs), _relations(folder / "relations", n_items)
    lacks = used & set(FITTED_COLUMNS) - set(fitted)
    if lacks:
        raise BadRelease(
            f"{folder}/fitted lacks {min(lacks)}; expected it, for a feature that the ranker takes"
        )
    if relations is None and used & set(LIKENESS_COLUMNS):
        near = min(used & set(LIKENESS_COLUMNS))
        raise BadRelease(f"{folder} lacks relations; expected them, for {near} that the ranker takes")
    try:
        return Assembler(tuple(needs), signals, fitted, relations)
    except UnknownName as trouble:
        raise BadRelease(f"{folder}: {trouble}; it was made by another version") from None


def _relations(folder: Path, n_items: int) -> Relations | None:
    """None where no feature of the release asks how items stand to one another."""
    arrays = _arrays(folder)
    if not arrays:
        return None
    try:
        relations = Relations.of(arrays)
    except InvalidInput as trouble:
        raise BadRelease(f"{folder}: {trouble}") from None
    if len(relations) != n_items:
        raise BadRelease(f"{folder} is of {len(relations)} items; expected {n_items}")
    return relations


def _packed(path: Path, n_items: int) -> NDArray[np.int32]:
    rows = _array(path)
    if rows.ndim != 1 or rows.dtype != np.int32:
        raise BadRelease(f"{path} is {rows.dtype} of {rows.ndim} dimensions; expected int32 of 1")
    if len(rows) and not (rows.min() >= 0 and rows.max() < n_items and len(np.unique(rows)) == len(rows)):
        raise BadRelease(
            f"{path} names rows {rows.min()} to {rows.max()}; expected each of 0 to {n_items - 1} once"
        )
    return rows


def _json(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text())
    except (OSError, ValueError) as trouble:
        raise BadRelease(f"{path} cannot be read: {trouble}") from None
    if not isinstance(body, dict):
        raise BadRelease(f"{path} holds {type(body).__name__}; expected a JSON object")
    return body


def _arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """All arrays of a folder by name; none if there is no folder."""
    return {file.stem: _array(file) for file in sorted(folder.glob("*.npy"))}


def _array(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as trouble:
        raise BadRelease(f"{path} cannot be read: {trouble}") from None
