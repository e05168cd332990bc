"""Restore a shop from a backup, and bring an older folder to this version."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from shelfwise.app._keeping import held_lock
from shelfwise.app._layout import VERSION, Layout
from shelfwise.domain import Conflict, InvalidInput


def restore(backup: Path, folder: Path) -> dict[str, object]:
    """Copy a backup to where a shop shall live. Raises Conflict if one lives there already."""
    source, target = Layout(backup).require(), Layout(folder)
    if target.exists():
        raise Conflict(f"{folder} holds a shop already; expected a folder without one")
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty; expected an empty folder, or none")
    beside = folder.with_name(folder.name + ".restoring")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(source.folder, beside)
    if folder.exists():
        folder.rmdir()
    beside.rename(folder)
    return {"restored": str(folder), **upgrade(folder)}


def upgrade(folder: Path) -> dict[str, object]:
    """Run the steps from the folder's version to this one, each of which may be repeated."""
    layout = Layout(folder).require()
    found = layout.found_version()
    if found > VERSION:
        raise InvalidInput(
            f"{folder} has layout {found}; expected at most {VERSION}: it belongs to a newer version"
        )
    with held_lock(layout):
        for step in range(found, VERSION):
            STEPS[step](layout)
            layout.version.write_text(f"{step + 1}\n")
        layout.make()
    return {"from": found, "to": VERSION}


def _number_it(layout: Layout) -> None:
    """0 to 1: folders get a number; databases bring themselves up at opening (Alembic)."""
    layout.version.parent.mkdir(parents=True, exist_ok=True)


STEPS: Mapping[int, Callable[[Layout], None]] = {0: _number_it}
