"""Commands that control answers: rules, keys, settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from shelfwise.app.cli._common import JsonFlag, open_shop, show, show_json, state_of, tell

rules = typer.Typer(help="Merchandising rules.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
config = typer.Typer(help="Settings.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Hang the commands under the root."""
    app.add_typer(rules, name="rules")
    app.add_typer(keys, name="keys")
    app.add_typer(config, name="config")


@rules.command("list")
def rules_list(context: typer.Context, as_json: JsonFlag = False) -> None:
    """All rules, by priority."""
    with open_shop(context) as shop:
        show(shop.rules(), as_json=as_json, noun="rules")


@rules.command("add")
def rules_add(
    context: typer.Context,
    rule: Annotated[str, typer.Argument(help="The rule as JSON, or - for standard input, or @file.")],
    as_json: JsonFlag = False,  # noqa: ARG001 - it is always JSON
) -> None:
    """Add a rule; prints it as it is kept, as JSON.

    Example: shelfwise rules add '{"rule_id": "cheap", "kind": "boost", "where": "price < 5", "factor": 2}'
    """
    with open_shop(context) as shop:
        show_json(shop.add_rule(_document(rule)))


@rules.command("preview")
def rules_preview(
    context: typer.Context,
    rule: Annotated[str, typer.Argument(help="The rule as JSON, or - for standard input, or @file.")],
    user: Annotated[str | None, typer.Option(help="Known user.")] = None,
    placement: Annotated[str, typer.Option(help="Which place on the pages.")] = "home",
    as_json: JsonFlag = False,
) -> None:
    """A slate without and with a rule, before it is added."""
    with open_shop(context) as shop:
        seen = shop.preview_rule(_document(rule), user_id=user, placement=placement)
    tell(seen, as_json=as_json)


@rules.command("remove")
def rules_remove(
    context: typer.Context,
    rule_id: Annotated[str, typer.Argument(help="Id of the rule.")],
    as_json: JsonFlag = False,
) -> None:
    """Remove a rule."""
    with open_shop(context) as shop:
        shop.remove_rule(rule_id)
    tell({"removed": rule_id}, as_json=as_json)


@keys.command("list")
def keys_list(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Keys by id; secrets are not kept."""
    with open_shop(context) as shop:
        show(shop.keys(), as_json=as_json, noun="keys")


@keys.command("add")
def keys_add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Who uses it.")],
    scope: Annotated[
        list[str], typer.Option(help="browser, events:write, recs:read, catalog:write, admin.")
    ] = ["recs:read"],  # noqa: B006
    as_json: JsonFlag = False,
) -> None:
    """Make a key. It is shown once."""
    with open_shop(context) as shop:
        tell(shop.add_key(name, scopes=scope), as_json=as_json)


@keys.command("revoke")
def keys_revoke(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="Id of the key.")],
    as_json: JsonFlag = False,
) -> None:
    """Revoke a key; it is dead within seconds."""
    with open_shop(context) as shop:
        shop.revoke_key(key_id)
    tell({"revoked": key_id}, as_json=as_json)


@config.command("show")
def config_show(
    context: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="And where each value comes from.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Settings in force."""
    from shelfwise.app.settings import origins

    rows = [
        {"key": key, "value": value, **({"origin": source} if origin else {})}
        for key, value, source in origins(state_of(context).folder)
    ]
    show(rows, as_json=as_json)


@config.command("schema")
def config_schema(
    as_json: JsonFlag = False,  # noqa: ARG001 - it is always JSON
) -> None:
    """JSON Schema of shelfwise.toml, for editors."""
    from shelfwise.app.settings import ShopSettings

    show_json(ShopSettings.model_json_schema())


def _text_of(file: Path) -> str:
    from shelfwise.domain import InvalidInput

    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as trouble:
        why = getattr(trouble, "strerror", None) or str(trouble)
        raise InvalidInput(f"rule is in {file}: {why}; expected a readable file of JSON") from None


def _document(text: str) -> dict[str, object]:
    from shelfwise.domain import InvalidInput

    if text == "-":
        text = typer.get_text_stream("stdin").read()
    elif text.startswith("@"):
        text = _text_of(Path(text[1:]))
    try:
        document = json.loads(text)
    except json.JSONDecodeError as trouble:
        raise InvalidInput(f"rule is not JSON: {trouble}") from None
    if not isinstance(document, dict):
        raise InvalidInput(f"rule is {type(document).__name__}; expected a JSON object")
    return document
