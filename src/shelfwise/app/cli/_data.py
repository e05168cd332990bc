"""Commands that bring data in and take it out: init, import, export, erase."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from shelfwise.app.cli._common import JsonFlag, open_shop, pairs, progress_console, show, show_json, tell

Files = Annotated[
    list[Path], typer.Argument(exists=True, dir_okay=False, help="CSV, JSONL, Parquet, TSV or XML.")
]
_BY_ENDING = "What the file holds; by its ending if not given."
ItemFormat = Literal["csv", "tsv", "jsonl", "parquet", "merchant-tsv", "merchant-xml", "online-retail-ii"]
EventFormat = Literal["csv", "tsv", "jsonl", "parquet", "segment", "online-retail-ii"]
Naive = Annotated[
    bool,
    typer.Option("--naive-is-utc", help="Take instants without an offset as UTC instead of refusing them."),
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
    format: Annotated[ItemFormat | None, typer.Option(help=_BY_ENDING)] = None,
    mapping: MapOption = None,
    naive_is_utc: Naive = False,
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
            *files,
            format=format,
            mapping=pairs(mapping or [], option="--map"),
            naive_is_utc=naive_is_utc,
            full=full,
            force=force,
        )
    _show_report(report, as_json=as_json)


@importing.command("events")
def import_events(
    context: typer.Context,
    files: Files,
    format: Annotated[EventFormat | None, typer.Option(help=_BY_ENDING)] = None,
    mapping: MapOption = None,
    naive_is_utc: Naive = False,
    round_prices: Annotated[
        bool,
        typer.Option("--round-prices", help="Round prices with surplus decimals instead of refusing them."),
    ] = False,
    origin: Annotated[
        Literal["real", "simulated", "test"],
        typer.Option(help="Of events that name none; only real ones are learned from."),
    ] = "real",
    as_json: JsonFlag = False,
) -> None:
    """Import events; importing the same file again changes nothing. Exit code 3 if a row was rejected.

    Example: shelfwise import events history.parquet
    """
    with open_shop(context) as shop, progress_console(context).status("importing events"):
        report = shop.import_events(
            *files,
            format=format,
            mapping=pairs(mapping or [], option="--map"),
            naive_is_utc=naive_is_utc,
            round_prices=round_prices,
            origin=origin,
        )
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
    """All that is kept of a person, as JSON: every line of every event, every logged answer."""
    with open_shop(context) as shop:
        for part in shop.export_parts(user):
            typer.echo(part.decode(), nl=False)  # whole rows, so whole characters
        typer.echo()


def _show_report(report: dict[str, Any], *, as_json: bool) -> None:
    """What became of every row; exit code 3 if one was rejected."""
    if as_json:
        show_json(report)
    else:
        lists = ("rejections", "unused_columns")
        show([{name: n for name, n in report.items() if name not in lists}], as_json=False)
        for told in report["unused_columns"]:
            typer.echo(f"not used: {told}", err=True)
        if report["rejections"]:
            title = "rejected (first 20; all are in the dead letters)"
            show(report["rejections"][:20], as_json=False, title=title)
    if report["rejected"]:
        raise typer.Exit(3)
