"""Writes the folder of a release: the layout that serving reads."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shelfwise.domain import Shelf
from shelfwise.features import LIKENESS_COLUMNS, Relations

LAYOUT = 1  # grows when serving must read a release in another way


def write_items(folder: Path, shelf: Shelf, n_items: int) -> None:
    """``items.parquet``: the rows this release was fitted on, to be checked against the catalogue at opening."""
    ids = shelf.item_id[:n_items]
    table = pa.table({"row": pa.array(range(n_items), pa.int32()), "item_id": pa.array(ids, pa.string())})
    pq.write_table(table, folder / "items.parquet", compression="zstd")


def write_features(folder: Path, *, needs: Sequence[str], signals: Sequence[str]) -> None:
    """``features.json``: names in order, and their hash."""
    schema = hashlib.sha256("\n".join([*needs, "--", *signals]).encode()).hexdigest()[:16]
    _write_json(folder / "features.json", {"needs": list(needs), "signals": list(signals), "schema": schema})


def write_fitted(folder: Path, fitted: Mapping[str, NDArray[np.float32]]) -> None:
    """``fitted/``: item columns that only a fit can know."""
    _write_arrays(folder / "fitted", fitted)


def write_relations(folder: Path, relations: Relations | None) -> None:
    """``relations/``: how items stand to one another, where a feature asks for it."""
    if relations is not None:
        _write_arrays(folder / "relations", relations.columns())


def leave_out(folder: Path, *, but: Collection[str]) -> None:
    """Remove item columns, and how items stand to one another, that none of these base columns is."""
    for file in (folder / "fitted").glob("*.npy"):
        if file.stem not in but:
            file.unlink()
    if not set(LIKENESS_COLUMNS) & set(but):
        shutil.rmtree(folder / "relations", ignore_errors=True)


def write_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """``settings.json``: what the pipeline must know: ranker, sources with quotas, size of the pool."""
    _write_json(folder / "settings.json", {"layout": LAYOUT, **settings})


def write_packed(folder: Path, rows: NDArray[np.int32]) -> None:
    """``packed.npy``: the last resort, best first."""
    np.save(folder / "packed.npy", rows.astype(np.int32), allow_pickle=False)


def _write_arrays(folder: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def _write_json(path: Path, body: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(body, indent=1, sort_keys=True))
