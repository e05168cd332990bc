"""Commands that run: serve, stream, demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shelfwise.app.cli._common import progress_console, state_of

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.", min=0, max=65_535)]
Workers = Annotated[int | None, typer.Option(help="Processes that answer.", min=1)]


def register(app: typer.Typer) -> None:
    """Hang the commands under the root."""
    app.command()(serve)
    app.command()(stream)
    app.command()(demo)


def serve(context: typer.Context, host: Host = None, port: Port = None, workers: Workers = None) -> None:
    """Answer over HTTP until Ctrl-C."""
    from shelfwise.app._processes import serve as run

    raise typer.Exit(run(state_of(context).folder, overrides=_overrides(host, port, workers)))


def stream(context: typer.Context) -> None:
    """Take and fold what comes in, as a process of its own, until Ctrl-C.

    ``serve`` brings one along. Run apart, it stays up while the server is restarted; ``serve`` then only stands by,
    to take over if this one ends.
    """
    from shelfwise.app._keeper_main import stream as run

    raise typer.Exit(run(state_of(context).folder))


def demo(
    context: typer.Context,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    until: Annotated[str | None, typer.Option(help="Import only what happened before this instant.")] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Build the shop and stop.")] = False,
) -> None:
    """Build a shop from real data (Online Retail II), train it and serve it.

    Example: shelfwise --shop demo-shop demo --port 8080
    """
    from shelfwise.app._demo import build_demo
    from shelfwise.app._processes import serve as run

    state = state_of(context)
    folder = state.folder if state.folder != Path() else Path("demo-shop")
    build_demo(folder, progress_console(context), until=until)
    if not no_serve:
        raise typer.Exit(run(folder, overrides=_overrides(host, port, workers)))


def _overrides(host: str | None, port: int | None, workers: int | None) -> dict[str, dict[str, object]]:
    given = {"host": host, "port": port, "workers": workers}
    chosen: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    return {"serve": chosen} if chosen else {}
