"""Commands that look after a shop: doctor, backup, restore, upgrade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shelfwise.app.cli._common import JsonFlag, open_shop, show, show_json, state_of, tell


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
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Empty folder to write to.")],
    as_json: JsonFlag = False,
) -> None:
    """Copy a shop while it runs; the copy is a shop folder itself."""
    with open_shop(context) as shop:
        files = shop.backup(folder)
    show_json(files) if as_json else typer.echo(f"{len(files)} files in {folder}")


def restore(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A backup.")],
    as_json: JsonFlag = False,
) -> None:
    """Make a shop folder out of a backup; the target must not hold a shop."""
    from shelfwise.app._moving import restore as run

    tell(run(folder, state_of(context).folder), as_json=as_json)


def upgrade(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Bring an older shop folder to this version; nothing else may have it open."""
    from shelfwise.app._moving import upgrade as run

    tell(run(state_of(context).folder), as_json=as_json)
