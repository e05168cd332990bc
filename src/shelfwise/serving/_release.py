"""A release, opened: sources, rankers and the assembler of features, over the catalogue it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shelfwise.candidates import CandidateSource, load_source
from shelfwise.domain import SOURCES, BadRelease, Shelf
from shelfwise.features import Assembler
from shelfwise.rankers import Ranker, load_ranker

LAYOUT = 1  # the layout of release folders that this code reads


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

    @classmethod
    def open(cls, folder: Path, shelf: Shelf, *, release_id: str = "unpublished") -> Release:
        """Read a release folder.

        Raises:
            BadRelease: It is incomplete, of another layout, or was trained on another catalogue.
        """
        settings, schema = _json(folder / "settings.json"), _json(folder / "features.json")
        if settings.get("layout") != LAYOUT:
            raise BadRelease(
                f"{folder}/settings.json has layout {settings.get('layout')!r}; expected {LAYOUT}"
            )
        n_items = _check_items(folder / "items.parquet", shelf)
        sources = {
            name: load_source(name, folder / "candidates" / name)
            for name in SOURCES
            if name in settings["sources"]
        }
        signals = tuple(signal for source in sources.values() for signal in source.signals)
        if signals != tuple(schema["signals"]):
            raise BadRelease(f"{folder}: sources give {signals}; expected {tuple(schema['signals'])}")
        ranker = settings.get("ranker")
        loaded = load_ranker(ranker, folder / "rankers" / ranker) if ranker else None
        fitted = {file.stem: _array(file) for file in sorted((folder / "fitted").glob("*.npy"))}
        return cls(
            release_id=release_id,
            n_items=n_items,
            sources=sources,
            quotas=settings.get("quotas", {}),
            signal_names=signals,
            assembler=Assembler(loaded.needs if loaded else tuple(schema["needs"]), signals, fitted),
            ranker=loaded,
            packed=_array(folder / "packed.npy").astype(np.int32),
            pool_size=int(settings["pool_size"]),
        )


def _check_items(path: Path, shelf: Shelf) -> int:
    """A model row is an item row: the catalogue must have given the same rows. How many there are."""
    try:
        ids = pq.read_table(path, columns=["item_id"])["item_id"].to_pylist()
    except (OSError, KeyError) as trouble:
        raise BadRelease(f"{path} cannot be read: {trouble}") from None
    if tuple(ids) == shelf.item_id[: len(ids)]:
        return len(ids)
    known = [*shelf.item_id[: len(ids)], *[None] * (len(ids) - len(shelf))]
    row = next(row for row, (ours, theirs) in enumerate(zip(ids, known, strict=True)) if ours != theirs)
    raise BadRelease(
        f"{path}: row {row} is {ids[row]!r}, the catalogue has {known[row]!r}: trained on another one"
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as trouble:
        raise BadRelease(f"{path} cannot be read: {trouble}") from None
    return body


def _array(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as trouble:
        raise BadRelease(f"{path} cannot be read: {trouble}") from None
