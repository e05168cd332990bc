"""What commands share: the shop they speak of, tables for people, JSON for machines, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from shelfwise.app._errors import Misuse
from shelfwise.domain import InvalidInput, NotFound, ShelfwiseError, StoreUnavailable, UnknownName

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

_WIDEST = 1_000  # characters of a table that goes to a file
_VALUED, _PLAIN = ("--shop",), ("--quiet", "-q")
JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


class Root(TyperGroup):
    """The root command; its own options may stand after the command too: ``shelfwise train --shop DIR``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read them wherever they stand."""
        return super().parse_args(ctx, root_options_first(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the command; what is wrong with its options is told in plain words, without the checker's own prefix."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as wrong:
            wrong.message = wrong.message.removeprefix("Value error, ")
            raise


def root_options_first(words: Sequence[str]) -> list[str]:
    """The words with the root's own options moved to the front; those after ``--`` stay where they are."""
    end = list(words).index("--") if "--" in words else len(words)
    first: list[str] = []
    rest: list[str] = []
    before = iter(words[:end])
    for word in before:
        if word in _VALUED:
            first += [word, *([value] if (value := next(before, None)) is not None else [])]
        elif word in _PLAIN or word.startswith(tuple(f"{name}=" for name in _VALUED)):
            first.append(word)
        else:
            rest.append(word)
    return [*first, *rest, *words[end:]]


def tell_version(asked: bool) -> None:
    """Print the version and stop."""
    if asked:
        from shelfwise import __version__

        typer.echo(__version__)
        raise typer.Exit


@dataclass(frozen=True, slots=True)
class State:
    """Which shop a command speaks of."""

    folder: Path
    quiet: bool

    @classmethod
    def from_options(
        cls,
        context: typer.Context,
        shop: Annotated[
            Path,
            typer.Option(envvar="SHELFWISE_SHOP", help="Folder of the shop.", show_default="this folder"),
        ] = Path(),
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
        version: Annotated[  # noqa: ARG003 - told as soon as it is read
            bool, typer.Option("--version", is_eager=True, callback=tell_version, help="Show the version.")
        ] = False,
    ) -> None:
        """Choose the shop."""
        context.obj = cls(shop, quiet)


def state_of(context: typer.Context) -> State:
    """The options given before the command."""
    state: State = context.find_root().obj
    return state


@contextmanager
def open_shop(context: typer.Context) -> Iterator[Shop]:
    """The shop of this command, closed afterwards."""
    from shelfwise.app.shop import Shop

    shop = Shop.open(state_of(context).folder)
    try:
        yield shop
    finally:
        shop.close()


@contextmanager
def shop_if_any(context: typer.Context) -> Iterator[Shop | None]:
    """The shop of this command; None where no folder was named and this one holds none. Raises NotFound."""
    from shelfwise.app._layout import Layout

    folder = state_of(context).folder
    if folder == Path() and not Layout(folder).exists():
        yield None
        return
    with open_shop(context) as shop:
        yield shop


def progress_console(context: typer.Context) -> Console:
    """Speaks on stderr, and only to a person who did not ask for quiet."""
    return Console(stderr=True, quiet=state_of(context).quiet)


def show(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "", noun: str = "rows") -> None:
    """Rows as a table, or as a JSON list; ``noun`` says what there is none of."""
    if as_json:
        show_json(list(rows))
        return
    if not rows:
        print(f"no {noun}", file=sys.stderr)
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table(title=title or None, title_justify="left")
    for name in names:
        numeric = all(isinstance(row.get(name), int | float) for row in rows if row.get(name) is not None)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    console = Console()
    if not console.is_terminal:  # a file or a pipe is as wide as it needs to be
        wide = console.options.update(max_width=_WIDEST)
        console = Console(width=max(console.width, console.measure(table, options=wide).maximum))
    console.print(table)


def tell(document: Mapping[str, Any], *, as_json: bool) -> None:
    """One outcome: a line a field, or as JSON."""
    if as_json:
        show_json(document)
        return
    for name, value in document.items():
        typer.echo(f"{name}: {_cell(value)}")


def show_json(document: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, indent=1, default=str, ensure_ascii=False))


def pairs(texts: Iterable[str], *, option: str) -> dict[str, str]:
    """``source=field`` options as a mapping. Raises Misuse."""
    split = [text.partition("=") for text in texts]
    for text, (left, _, right) in zip(texts, split, strict=True):
        if not left or not right:
            raise Misuse(f"{option} is {text!r}; expected source=field, such as sku=item_id")
    return {left: right for left, _, right in split}


def exit_code(trouble: ShelfwiseError) -> int:
    """Who can fix it, as a number."""
    if isinstance(trouble, Misuse):
        return 2
    if isinstance(trouble, NotFound | UnknownName):
        return 4
    if isinstance(trouble, InvalidInput):
        return 3
    return 5 if isinstance(trouble, StoreUnavailable) else 1


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
