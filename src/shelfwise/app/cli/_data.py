"""Commands that bring data in and take it out: init, import, export, erase."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shelfwise.app.cli._common import JsonFlag, open_shop, pairs, progress_console, show, show_json, tell

Files = Annotated[
    list[Path], typer.Argument(exists=True, dir_okay=False, help="CSV, JSONL, Parquet, TSV or XML.")
]
Format = Annotated[
    str | None,
    typer.Option(help="csv, jsonl, parquet, merchant_tsv, merchant_xml, segment; default: by the ending."),
]
MapOption = Annotated[
    list[str] | None, typer.Option("--map", help="source=field: which column of the file is which field.")
]
importing = typer.Typer(help="Bring items and events in.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Hang the commands under the root."""
    app.command()(init)
    app.add_typer(importing, name="import")
    app.command()(erase)
    app.command()(export)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    name: Annotated[str, typer.Option(help="Name of the shop.")] = "My shop",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "EUR",
    as_json: JsonFlag = False,
) -> None:
    """Make a shop folder with a commented shelfwise.toml."""
    from shelfwise.app.shop import Shop

    Shop.create(folder, name=name, currency=currency).close()
    tell({"settings": str(folder / "shelfwise.toml")}, as_json=as_json)


@importing.command("items")
def import_items(
    context: typer.Context,
    files: Files,
    format: Format = None,
    mapping: MapOption = None,
    full: Annotated[bool, typer.Option(help="A full feed: items absent from it are retired.")] = False,
    force: Annotated[bool, typer.Option(help="Retire however many.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Import items; bad rows go to the dead letters with row, field, value and rule.

    Good rows are kept whatever the others are. Exit code 3 if a row was rejected.

    Example: shelfwise import items feed.csv --map sku=item_id --full
    """
    with open_shop(context) as shop, progress_console(context).status("importing items"):
        report = shop.import_items(
            *files, format=format, mapping=pairs(mapping or [], option="--map"), full=full, force=force
        )
    _show_report(report, as_json=as_json)


@importing.command("events")
def import_events(
    context: typer.Context,
    files: Files,
    format: Format = None,
    mapping: MapOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Import events; importing the same file again changes nothing. Exit code 3 if a row was rejected.

    Example: shelfwise import events history.parquet
    """
    with open_shop(context) as shop, progress_console(context).status("importing events"):
        report = shop.import_events(*files, format=format, mapping=pairs(mapping or [], option="--map"))
    _show_report(report, as_json=as_json)


def erase(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="Id of the user.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Forget a person, everywhere. Prints a report of what was removed."""
    if not yes:
        typer.confirm(f"Erase everything known of {user!r}? This cannot be undone", abort=True)
    with open_shop(context) as shop:
        tell(shop.erase(user), as_json=as_json)


def export(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="Id of the user.")],
    as_json: JsonFlag = False,  # noqa: ARG001 - it is always JSON
) -> None:
    """All that is known of a person, as JSON."""
    with open_shop(context) as shop:
        show_json(shop.export(user))


def _show_report(report: dict[str, Any], *, as_json: bool) -> None:
    """What became of every row; exit code 3 if one was rejected."""
    if as_json:
        show_json(report)
    else:
        show([{name: n for name, n in report.items() if name != "rejections"}], as_json=False)
        if report["rejections"]:
            title = "rejected (first 20; all are in the dead letters)"
            show(report["rejections"][:20], as_json=False, title=title)
    if report["rejected"]:
        raise typer.Exit(3)
