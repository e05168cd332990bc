"""Fits every source as of one instant, into the folder of a release that nobody serves yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shelfwise.candidates import fit_source, load_source
from shelfwise.domain import NotTrained, Shelf
from shelfwise.training._folder import write_items
from shelfwise.training._snapshot import Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """Sources as of one instant: where they lie, and what the next fit may start from."""

    as_of_us: int
    folder: Path
    warm: Mapping[str, Any]  # source -> its fit
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
) -> Fits:
    """Fit what happened strictly before ``as_of_us``; a source without enough to learn from is named and left out."""
    history = snapshot.interactions(before_us=as_of_us)
    fitted: dict[str, Any] = {}
    missing: dict[str, str] = {}
    folder.mkdir(parents=True)
    write_items(folder, shelf, snapshot.n_items)
    for name in sources:
        try:
            fitted[name] = fit_source(
                name, history, shelf, as_of_us=as_of_us, settings=settings.get(name), warm=warm.get(name)
            )
            fitted[name].save(folder / "candidates" / name)
        except NotTrained as trouble:
            missing[name] = str(trouble)
    signals = tuple(
        signal for name in fitted for signal in load_source(name, folder / "candidates" / name).signals
    )
    return Fits(as_of_us, folder, fitted, signals, missing)
