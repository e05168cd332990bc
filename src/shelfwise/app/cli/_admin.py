"""Commands that look after a shop: doctor, backup, restore, upgrade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shelfwise.app.cli._common import JsonFlag, open_shop, show, show_json, state_of


def register(app: typer.Typer) -> None:
    """Hang the commands under the root."""
    for command in (doctor, backup, restore, upgrade):
        app.command()(command)


def doctor(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Check settings, stores, versions, clock and disk. Exit code 1 if something needs a hand."""
    from shelfwise.app._doctor import examine

    rows = examine(state_of(context).folder)
    show(rows, as_json=as_json)
    if any(row["state"] == "bad" for row in rows):
        raise typer.Exit(1)


def backup(
    context: typer.Context, folder: Annotated[Path, typer.Argument(help="Empty folder to write to.")]
) -> None:
    """Copy a shop while it runs; the copy is a shop folder itself."""
    with open_shop(context) as shop:
        show_json(shop.backup(folder))


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A backup.")],
) -> None:
    """Make a shop folder out of a backup; the target must not hold a shop."""
    from shelfwise.app._moving import restore as run

    show_json(run(folder, state_of(context).folder))


def upgrade(context: typer.Context) -> None:
    """Bring an older shop folder to this version; nothing else may have it open."""
    from shelfwise.app._moving import upgrade as run

    show_json(run(state_of(context).folder))
