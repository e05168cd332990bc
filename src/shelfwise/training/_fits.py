"""Fits every source as of one instant, into the folder of a release that nobody serves yet."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import fit_source, load_source, settings_of
from shelfwise.domain import DAY_US, PURCHASE, Interactions, NotTrained, Shelf
from shelfwise.features import base_columns, fit_release
from shelfwise.training._folder import write_fitted, write_items, write_packed, write_relations
from shelfwise.training._snapshot import Snapshot

PACKED_SIZE = 500  # items of the last resort: enough that hard rules leave a slate of 100


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """Sources as of one instant: where they lie, and what the next fit may start from."""

    as_of_us: int
    folder: Path
    sources: tuple[str, ...]
    signals: tuple[str, ...]
    missing: Mapping[str, str]  # source -> why it could not be fitted


def fit_sources(
    snapshot: Snapshot,
    shelf: Shelf,
    folder: Path,
    *,
    as_of_us: int,
    sources: Sequence[str],
    settings: Mapping[str, Mapping[str, Any]],
    warm: Mapping[str, Any],
    features: Collection[str],
    threads: int = 1,
) -> tuple[Fits, Mapping[str, Any]]:
    """Fit what happened strictly before ``as_of_us``; a source without enough to learn from is named and left out.

    Of the columns of a release those are fitted that these ``features`` are made of. Several sources at once,
    ``threads`` of them; 0 as many as there are cores.
    Also the fits themselves, for the next instant to start from.
    """
    history = snapshot.interactions(before_us=as_of_us)
    fitted: dict[str, Any] = {}
    missing: dict[str, str] = {}
    # Read here, not in the pool: classes of settings are made at the first reading, which parses their source,
    # and CPython 3.11 may not parse in two threads at once (python/cpython#106905).
    asked = {name: settings_of(name, settings.get(name, {})) for name in sources}
    folder.mkdir(parents=True)
    write_items(folder, shelf, snapshot.n_items)
    write_packed(folder, best_sellers(history, as_of_us))

    def fit_one(name: str) -> Any:
        """The fit, or why there is none."""
        try:
            fit = fit_source(
                name, history, shelf, as_of_us=as_of_us, settings=asked[name], warm=warm.get(name)
            )
            fit.save(folder / "candidates" / name)
        except NotTrained as trouble:
            return trouble
        return fit

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:  # kernels let go of the interpreter
        told = pool.submit(fit_release, history, shelf, as_of_us=as_of_us, wanted=base_columns(features))
        for name, fit in zip(sources, pool.map(fit_one, sources), strict=True):
            if isinstance(fit, NotTrained):
                missing[name] = str(fit)
            else:
                fitted[name] = fit
    write_fitted(folder, told.result().columns)
    write_relations(folder, told.result().relations)
    signals = tuple(
        signal for name in fitted for signal in load_source(name, folder / "candidates" / name).signals
    )
    return Fits(as_of_us, folder, tuple(fitted), signals, missing), fitted


def best_sellers(history: Interactions, as_of_us: int) -> NDArray[np.int32]:
    """Items by purchases of the last 30 days, then by purchases ever; at most ``PACKED_SIZE``."""
    bought = history.only(PURCHASE)
    recent = bought.item[bought.at_us >= as_of_us - 30 * DAY_US]
    lately, ever = (np.bincount(item, minlength=history.n_items) for item in (recent, bought.item))
    best = np.lexsort((-ever, -lately))[:PACKED_SIZE]
    return best[ever[best] > 0].astype(np.int32)
