"""Commands about models: train, evaluate, recommend, explain, features, releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from shelfwise.app.cli._common import (
    JsonFlag,
    open_shop,
    progress_console,
    shop_if_any,
    show,
    show_json,
    tell,
)

features = typer.Typer(help="The feature catalogue.", no_args_is_help=True)
releases = typer.Typer(help="The model registry.", no_args_is_help=True)
Strategy = Literal["auto", "collaborative", "similar", "session", "complements", "trending", "buy_again"]
Engine = Annotated[
    Literal["duckdb", "spark"] | None, typer.Option(help="Compute from the lake, with this batch engine.")
]
Items = Annotated[
    list[str] | None, typer.Option("--item", help="What the shopper looks at or holds in the cart.")
]


def register(app: typer.Typer) -> None:
    """Hang the commands under the root."""
    app.command()(train)
    app.command()(evaluate)
    app.command()(recommend)
    app.command()(explain)
    app.add_typer(features, name="features")
    app.add_typer(releases, name="releases")


def train(
    context: typer.Context,
    only: Annotated[str | None, typer.Option(help="Fit this source or ranker alone and judge it.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Fit on history as of now, judge on held-back time, publish if the gate is passed."""
    console = progress_console(context)
    with open_shop(context) as shop:
        report = shop.train(
            only=only, told=lambda job, seconds: console.print(f"{job:<12} {seconds:6.1f} s", style="dim")
        )
    if as_json:
        show_json(report)
    else:
        show(report["judged"], as_json=False, title=f"judged on {report['held_back']}")
        typer.echo(f"{report['release'] or 'not published'}: {'; '.join(report['verdict'])}")
    if not report["passed"]:
        raise typer.Exit(1)


def evaluate(
    context: typer.Context,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained report.")] = None,
    days: Annotated[int, typer.Option(help="Days held back.", min=1)] = 14,
    as_json: JsonFlag = False,
) -> None:
    """Split by time, full catalogue: every strategy, the rankers and the plain baselines."""
    with open_shop(context) as shop, progress_console(context).status("evaluating"):
        report = shop.evaluate(days=days, html=html)
    show_json(report) if as_json else show(report["judged"], as_json=False, title=report["held_back"])


def recommend(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="Known user.")] = None,
    n: Annotated[int, typer.Option(help="How many.", min=1, max=100)] = 10,
    strategy: Annotated[
        Strategy | None, typer.Option(help="auto or one source; by default what the placement shows.")
    ] = None,
    placement: Annotated[str, typer.Option(help="Which place on the pages.")] = "home",
    item: Items = None,
    where: Annotated[str | None, typer.Option("--filter", help='Filter, e.g. "price < 15".')] = None,
    seen: Annotated[
        Literal["keep", "exclude"] | None, typer.Option(help="Keep or exclude what was bought.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """One answer on the terminal, with reasons.

    Example: shelfwise recommend --user 17850 --n 5
    """
    with open_shop(context) as shop:
        answer = shop.recommend(
            user_id=user,
            n=n,
            strategy=strategy,
            placement=placement,
            items=item or [],
            filter=where,
            seen=seen,
        )
    if as_json:
        show_json(answer)
        return
    rows = [
        {
            "#": row["position"],
            "item": row["item_id"],
            "title": row.get("title", ""),
            "score": row["score"],
            "sources": row["sources"],
            "why": "; ".join(reason["text"] for reason in row["reasons"]),
        }
        for row in answer["items"]
    ]
    show(rows, as_json=False, title=f"{answer['recommendation_id']} · release {answer['release']}")


def explain(
    context: typer.Context,
    item: Annotated[str, typer.Argument(help="The item in question.")],
    user: Annotated[str | None, typer.Option(help="Known user.")] = None,
    placement: Annotated[str, typer.Option(help="Which place on the pages.")] = "home",
    as_json: JsonFlag = False,
) -> None:
    """Why this item is, or is not, recommended to this person."""
    with open_shop(context) as shop:
        why = shop.explain(item_id=item, user_id=user, placement=placement)
    if as_json:
        show_json(why)
        return
    if not why["shown"]:
        typer.echo(f"{item} is not shown: {why['why_not']['text']}")
        return
    typer.echo(f"{item} is shown at position {why['position']}, proposed by {', '.join(why['sources'])}")
    show(why["features"], as_json=False, title="what the ranker made of it")


@features.command("list")
def features_list(
    context: typer.Context,
    html: Annotated[Path | None, typer.Option(help="Write a page with how each is spread.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """All features with meaning and unit; of a trained shop with a live example and the share of the gain.

    Examples are of people active of late, as the request tells them. The share is that of all splits on a feature in
    the trees in use. Outside of a shop, or before a training, only declarations are told.
    """
    from shelfwise.app._living import catalogue

    with shop_if_any(context) as shop, progress_console(context).status("asking"):
        rows = catalogue(shop, html=html)
    told = ("name", "family", "example", "unit", "importance", "window", "meaning")
    show(rows if as_json else [{name: row[name] for name in told} for row in rows], as_json=as_json)


@features.command("show")
def features_show(
    name: Annotated[str, typer.Argument(help="Name of a feature.")], as_json: JsonFlag = False
) -> None:
    """One feature with its SQL."""
    from shelfwise.app._feature_sql import feature_document

    tell(feature_document(name), as_json=as_json)


@features.command("compute")
def features_compute(
    context: typer.Context,
    user: Annotated[str, typer.Option(help="Known user.")],
    item: Annotated[list[str], typer.Option("--item", help="Items to compute for.")],
    engine: Engine = None,
    as_json: JsonFlag = False,
) -> None:
    """The features of a person and items as of now, as the request would assemble them, or as a batch engine would."""
    with open_shop(context) as shop:
        rows = shop.features(user_id=user, items=item, engine=engine)
    show(rows if as_json else _a_row_a_feature(rows), as_json=as_json)


def _a_row_a_feature(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """More than a hundred features fit no line: one line each, a column an item."""
    names = [name for name in rows[0] if name != "item_id"] if rows else []
    return [{"feature": name, **{str(row["item_id"]): row[name] for row in rows}} for name in names]


@features.command("check")
def features_check(
    context: typer.Context,
    html: Annotated[Path | None, typer.Option(help="Write a self-contained report.")] = None,
    engine: Engine = None,
    as_json: JsonFlag = False,
) -> None:
    """Check the feed, declared ranges, and drift since the training. Exit code 1 if a critical check fails.

    Tells what fails; all checks with --json or --html.
    """
    with open_shop(context) as shop:
        rows = shop.check_features(engine=engine or "duckdb", html=html)
    failed = [row for row in rows if not row["ok"]]
    if as_json:
        show_json(rows)
    elif failed:
        told = ("severity", "check", "subject", "told")
        show([{name: row[name] for name in told} for row in failed], as_json=False)
    else:
        typer.echo(f"all {len(rows)} checks passed")
    if any(row["severity"] == "critical" for row in failed):
        raise typer.Exit(1)


@releases.command("list")
def releases_list(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Releases, newest first."""
    with open_shop(context) as shop:
        show(shop.releases(), as_json=as_json, noun="releases")


@releases.command("show")
def releases_show(
    context: typer.Context,
    release: Annotated[str, typer.Argument(help="Id or alias.")],
    as_json: JsonFlag = False,  # noqa: ARG001 - it is always JSON
) -> None:
    """The manifest of a release, as JSON."""
    with open_shop(context) as shop:
        show_json(shop.release(release))


@releases.command("promote")
def releases_promote(
    context: typer.Context,
    release: Annotated[str, typer.Argument(help="Id of a release.")],
    as_json: JsonFlag = False,
) -> None:
    """Make a release the champion."""
    with open_shop(context) as shop:
        tell({"champion": shop.promote(release)}, as_json=as_json)


@releases.command("rollback")
def releases_rollback(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Go back to the champion before."""
    with open_shop(context) as shop:
        tell({"champion": shop.rollback()}, as_json=as_json)
