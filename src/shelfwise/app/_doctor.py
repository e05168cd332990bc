"""Looks a shop over: settings, stores, versions, clock, disk."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from shelfwise.app._layout import LOOPBACK, VERSION, Layout
from shelfwise.app.settings import ShopSettings, load_settings
from shelfwise.domain import ShelfwiseError

LOW_DISK_BYTES = 1_000_000_000  # below it, a training or a day of events may not fit
_CORE = ("numpy", "numba", "pyarrow", "duckdb", "deltalake", "lmdb", "granian", "xgboost-cpu")

Row = dict[str, object]


def examine(folder: Path) -> list[Row]:
    """One row per check: what, state (ok, warn, bad), finding, what to do."""
    checks: tuple[Callable[[Path], Row], ...] = (
        _python,
        _libraries,
        _settings,
        _layout,
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


def _writable(folder: Path) -> Row:
    fine = os.access(folder, os.W_OK)
    return _row("writable", "ok" if fine else "bad", str(folder), "" if fine else "change its owner or mode")


def _disk(folder: Path) -> Row:
    free = shutil.disk_usage(folder).free
    return _row("disk", "ok" if free > LOW_DISK_BYTES else "warn", f"{free / 1e9:.1f} GB free")


def _champion(folder: Path) -> Row:
    alias = Layout(folder).releases / "aliases" / "champion"
    found = alias.read_text().strip() if alias.exists() else None
    return _row("champion", "ok" if found else "warn", found or "none", "" if found else "shelfwise train")
