"""The command that sends shoppers whose tastes are known."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from shelfwise.app.cli._common import JsonFlag, open_shop, progress_console, show_json, state_of, tell

if TYPE_CHECKING:
    from shelfwise.app._simulating_runs import Told, Wishes

_LISTS = ("events", "funnel", "on_the_way")


def register(app: typer.Typer) -> None:
    """Hang the command under the root."""
    app.command()(simulate)


def simulate(
    context: typer.Context,
    scenario: Annotated[
        str, typer.Option(help="Name of a story, or a TOML file of one's own; 'list' names them.")
    ] = "steady",
    seed: Annotated[int, typer.Option(help="The same seed and numbers are the same events.", min=0)] = 7,
    shoppers: Annotated[
        int | None, typer.Option(help="People who know the shop; by default as the scenario says.", min=1)
    ] = None,
    days: Annotated[
        float | None, typer.Option(help="How long; by default as the scenario says.", min=0.01)
    ] = None,
    events: Annotated[int | None, typer.Option(help="At most so many event lines.", min=1)] = None,
    items: Annotated[
        int | None, typer.Option(help="So many made-up items instead of the shop's own.", min=1)
    ] = None,
    to: Annotated[str, typer.Option(help="shop, http://HOST:PORT, or a file .parquet or .jsonl.")] = "shop",
    closed_loop: Annotated[
        bool, typer.Option("--closed-loop", help="Shoppers meet the engine's slates and react to them.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write a page of what happened.")] = None,
    key: Annotated[str | None, typer.Option(envvar="SHELFWISE_KEY", help="API key for a server.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Send shoppers whose tastes are known; every event says origin: simulated.

    Into a shop, the history ends now; in the closed loop it begins now, and moves the shop's own time.

    Example: shelfwise simulate --scenario flash_sale --days 7 --to events.parquet
    """
    from shelfwise.app._simulating_plan import load_scenario, scenario_names
    from shelfwise.app._simulating_runs import Wishes

    if scenario == "list":
        stories = [load_scenario(name) for name in scenario_names()]
        tell({one.name: one.meaning for one in stories}, as_json=as_json)
        return
    wishes = Wishes(scenario, seed, shoppers, days, events, items, to, closed_loop, report, key)
    with _progress(context, scenario) as told:
        document = _run(context, wishes, told)
    show_json(document) if as_json else _tell(document)


def _run(context: typer.Context, wishes: Wishes, told: Told) -> dict[str, Any]:
    from shelfwise.app._layout import Layout
    from shelfwise.app._simulating import simulate as run

    needs_no_shop = wishes.items is not None and wishes.target != "shop"
    if needs_no_shop and not Layout(state_of(context).folder).exists():
        return run(None, wishes, told=told)
    with open_shop(context) as shop:
        return run(shop, wishes, told=told)


@contextmanager
def _progress(context: typer.Context, scenario: str) -> Iterator[Told]:
    """A bar on stderr, for a person."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=progress_console(context), transient=True) as bar:
        task = bar.add_task(scenario, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _tell(document: dict[str, Any]) -> None:
    """One line a figure; lists of figures in one line each."""
    told = {
        name: ", ".join(f"{part} {count:,}" for part, count in value.items()) if name in _LISTS else value
        for name, value in document.items()
    }
    tell(told, as_json=False)
