"""The API's description as a page: one file, no script, nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from shelfwise.serving.http._problems import TITLES

Schema = Mapping[str, Any]

STYLE = """
:root { color-scheme: light dark; --line: #8883; --soft: #8881; --ink: #2563eb; font: 16px/1.55 system-ui, sans-serif }
body { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 6rem }
h1 { font-size: 1.75rem; margin: 0 } h2 { margin: 2.5rem 0 .5rem; text-transform: capitalize } h2 a { color: inherit }
a { color: var(--ink) } nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 1rem 0 }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; overflow: hidden }
summary { cursor: pointer; padding: .6rem 1rem; display: flex; gap: .75rem; flex-wrap: wrap; align-items: baseline }
summary:hover, summary:focus-visible { background: var(--soft) } details > div { padding: .25rem 1rem 1rem }
code, pre { font: .875rem/1.5 ui-monospace, monospace } pre { overflow-x: auto; background: var(--soft);
padding: .75rem 1rem; border-radius: .5rem } .method { font-weight: 700; min-width: 4.5rem }
.about { opacity: .75 } table { border-collapse: collapse; width: 100%; font-size: .9rem } .wide { overflow-x: auto }
td, th { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line) }
"""


def page(api: Mapping[str, Any]) -> str:
    """The whole page."""
    groups = _groups(api)
    schemas = api["components"]["schemas"]
    body = "".join(
        f'<h2 id="{escape(tag)}">{escape(tag)}</h2>{"".join(_entry(*one) for one in entries)}'
        for tag, entries in groups.items()
    )
    kinds = "".join(_kind(name, schema) for name, schema in schemas.items())
    menu = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in [*groups, "types", "problems"])
    title = f"{api['info']['title']} API {api['info']['version']}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f'<p>{_prose(api["info"]["description"])} The same for machines: <a href="/openapi.json">/openapi.json</a>.</p>'
        f'<nav>{menu}</nav>{body}<h2 id="types">types</h2>{kinds}{_problems()}</body></html>'
    )


def _groups(api: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Mapping[str, Any]]]]:
    groups: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append((method, path, operation))
    return groups


def _entry(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<p>{_prose(operation.get('description', 'Open to all.'))}</p>"]
    if "parameters" in operation:
        parts.append(_table(_parameter_rows(operation["parameters"])))
    if "requestBody" in operation:
        parts.append(
            f"<p>Body: {_name(operation['requestBody']['content']['application/json']['schema'])}</p>"
        )
    parts.append(f"<pre>{escape(_example(method, path, operation))}</pre>")
    parts.append(_table(_response_rows(operation["responses"])))
    return (
        f'<details><summary><span class="method">{method.upper()}</span><code>{escape(path)}</code>'
        f'<span class="about">{escape(operation["summary"])}</span></summary><div>{"".join(parts)}</div></details>'
    )


def _example(method: str, path: str, operation: Mapping[str, Any]) -> str:
    lines = [f"curl -X {method.upper()} 'http://127.0.0.1:8080{path}'"]
    if "security" in operation:
        lines.append("  -H 'Authorization: Bearer sw_...'")
    if "requestBody" in operation:
        lines.append("  -H 'Content-Type: application/json' -d @body.json")
    return " \\\n".join(lines)


def _parameter_rows(parameters: list[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for one in parameters:
        required = " (required)" if one.get("required") else ""
        about = _prose(one.get("description", ""))
        yield f"<code>{escape(one['name'])}</code>{required}", _name(one["schema"]), about


def _response_rows(responses: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, response in responses.items():
        content = next(iter(response.get("content", {}).values()), None)
        yield status, escape(response["description"]), _name(content["schema"]) if content else ""


def _kind(name: str, schema: Schema) -> str:
    about = _prose(schema.get("description", ""))
    required = set(schema.get("required", ()))
    rows = [
        (
            f"<code>{escape(field)}</code>{' (required)' if field in required else ''}",
            _name(one),
            _prose(one.get("description", "")) + _default(one),
        )
        for field, one in schema.get("properties", {}).items()
    ]
    body = _table(iter(rows)) if rows else f"<pre>{escape(json.dumps(schema, indent=1))}</pre>"
    return (
        f'<details id="type-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<div><p>{about}</p>{body}</div></details>"
    )


def _problems() -> str:
    rows = (
        (f'<span id="problem-{status}">{status}</span>', escape(title), "")
        for status, title in TITLES.items()
    )
    return f'<h2 id="problems">problems</h2>{_table(rows)}'


def _name(schema: Schema) -> str:
    """A type in a few words, with links to those that have a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#type-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_name(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_name(schema.get('items', {}))}{_bounds(schema, 'Items')}"
    return f"{escape(str(schema.get('format', kind)))}{_bounds(schema, 'Length')}"


def _bounds(schema: Schema, of: str) -> str:
    low = schema.get("minimum", schema.get(f"min{of}"))
    high = schema.get("maximum", schema.get(f"max{of}"))
    if low is None and high is None:
        return ""
    return f", {low if low is not None else ''} to {high if high is not None else ''}".replace(
        "to ,", "and more,"
    )


def _default(schema: Schema) -> str:
    value = schema.get("default")
    return "" if value is None else f" Default: <code>{escape(json.dumps(value))}</code>."


def _table(rows: Iterator[tuple[str, str, str]]) -> str:
    cells = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in rows)
    return f'<div class="wide"><table>{cells}</table></div>'


def _prose(text: str) -> str:
    """Text with `code` in it."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
