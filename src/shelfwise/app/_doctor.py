"""Looks a shop over: settings, stores, versions, clock, disk."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from shelfwise.app._clock import open_clock
from shelfwise.app._layout import LOOPBACK, VERSION, Layout
from shelfwise.app.settings import ShopSettings, load_settings
from shelfwise.domain import ShelfwiseError, from_us

LOW_DISK_BYTES = 1_000_000_000  # below it, a training or a day of events may not fit
_CORE = ("numpy", "numba", "pyarrow", "duckdb", "deltalake", "lmdb", "xgboost-cpu")

_SLACK_S = 300.0  # between the clocks of a machine and of its disks

Row = dict[str, object]


def examine(folder: Path) -> list[Row]:
    """One row per check: what, state (ok, warn, bad), finding, what to do."""
    checks: tuple[Callable[[Path], Row], ...] = (
        _python,
        _libraries,
        _settings,
        _layout,
        _stores,
        _clock,
        _writable,
        _disk,
        _champion,
    )
    rows = []
    for check in checks:
        try:
            rows.append(check(folder))
        except ShelfwiseError as trouble:
            rows.append(_row(check.__name__.lstrip("_"), "bad", str(trouble)))
    return rows


def _row(check: str, state: str, finding: str, remedy: str = "") -> Row:
    return {"check": check, "state": state, "finding": finding, "remedy": remedy}


def _python(_: Path) -> Row:
    found = ".".join(map(str, sys.version_info[:3]))
    return _row("python", "ok" if sys.version_info >= (3, 11) else "bad", found)


def _libraries(_: Path) -> Row:
    return _row("libraries", "ok", ", ".join(f"{name} {version(name)}" for name in _CORE))


def _settings(folder: Path) -> Row:
    Layout(folder).require()
    settings: ShopSettings = load_settings(folder)
    open_to_all = settings.serve.host not in LOOPBACK
    told = f"{settings.shop.name!r}, {settings.shop.currency}, {settings.serve.host}:{settings.serve.port}"
    return _row("settings", "warn" if open_to_all else "ok", told, "needs an API key" if open_to_all else "")


def _layout(folder: Path) -> Row:
    found = Layout(folder).found_version()
    return _row(
        "layout",
        "ok" if found == VERSION else "bad",
        f"{found}",
        "" if found == VERSION else "shelfwise upgrade",
    )


def _stores(folder: Path) -> Row:
    """Each store is opened and asked for something small."""
    from shelfwise.app._stores import open_readers
    from shelfwise.stores.adapters.delta_lake import DeltaLake

    layout = Layout(folder).require_current()
    if not layout.log.exists():
        return _row("stores", "ok", "nothing stored yet")
    readers = open_readers(layout)
    items, keys = len(readers.shelf_reader.shelf()), len(readers.control.documents("keys"))
    files = len(DeltaLake(layout.lake).files("event_lines"))
    return _row("stores", "ok", f"{items} items, {keys} keys, history in {files} files")


def _clock(folder: Path) -> Row:
    """The shop's time, and whether the machine's has run back behind what was written."""
    layout, settings = Layout(folder).require(), load_settings(folder).clock
    if layout.log.exists() and layout.log.stat().st_mtime > time.time() + _SLACK_S:
        found = "the machine's clock is behind the time of the last write"
        return _row("clock", "bad", found, "set the machine's clock")
    if settings.start is None:
        return _row(
            "clock",
            "ok",
            f"{from_us(open_clock(folder, settings)()).isoformat(timespec='seconds')}, the real time",
        )
    if not (folder / "clock.json").exists():
        return _row("clock", "ok", f"starts at {settings.start.isoformat()} when the shop is first opened")
    told = (
        f"{from_us(open_clock(folder, settings)()).isoformat(timespec='seconds')}, started by [clock] start"
    )
    return _row("clock", "warn", told, "a shop of today has no [clock] start")


def _standing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(place for place in (folder, *folder.resolve().parents) if place.exists())


def _writable(folder: Path) -> Row:
    fine = os.access(_standing(folder), os.W_OK)
    return _row("writable", "ok" if fine else "bad", str(folder), "" if fine else "change its owner or mode")


def _disk(folder: Path) -> Row:
    free = shutil.disk_usage(_standing(folder)).free
    return _row("disk", "ok" if free > LOW_DISK_BYTES else "warn", f"{free / 1e9:.1f} GB free")


def _champion(folder: Path) -> Row:
    """The release that answers, with every file of it checked against its manifest."""
    from shelfwise.stores.adapters.folder_releases import FolderReleases

    if not Layout(folder).releases.exists():
        return _row("champion", "warn", "none", "shelfwise train")
    releases = FolderReleases(Layout(folder).releases)
    found = releases.alias("champion")
    if found is None:
        return _row("champion", "warn", "none", "shelfwise train")
    releases.open(found)
    return _row("champion", "ok", found)
