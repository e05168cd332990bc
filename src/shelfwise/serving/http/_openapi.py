"""OpenAPI 3.1, written from the same types that validate, and a plain page of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

import msgspec

from shelfwise import __version__
from shelfwise.serving.http._router import Route

PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "value": {}, "rule": {"type": "string"}},
            },
        },
        "request_id": {"type": "string"},
    },
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The API's description."""
    kinds = [kind for route in routes for kind in (route.takes, route.gives) if kind is not None]
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(map(id, kinds), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shelfwise",
            "version": __version__,
            "description": "Recommendations that a shop runs itself. Errors are RFC 9457 problems.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": PROBLEM},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.parts[1] if route.parts[0] == "v1" else "operations"],
        "responses": _responses(route, schema_of),
    }
    parameters = [_parameter(part[1:-1], "path") for part in route.parts if part.startswith("{")]
    parameters += [_parameter(name, "query") for name in route.query]
    if parameters:
        operation["parameters"] = parameters
    if route.takes is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[id(route.takes)]}},
        }
    if route.scope:
        operation["security"] = [{"key": [route.scope]}]
        operation["description"] = f"Scope: `{route.scope}`."
    return operation


def _responses(route: Route, schema_of: dict[int, dict[str, Any]]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if route.gives is not None:
        good["content"] = {"application/json": {"schema": schema_of[id(route.gives)]}}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    statuses = [str(route.status)]
    if route.path == "/v1/items/{item_id}" and route.method in ("PUT", "PATCH"):
        statuses.append("201")
    return {**dict.fromkeys(statuses, good), "default": {"description": "What is wrong.", "content": problem}}


def _parameter(name: str, where: str) -> dict[str, Any]:
    numbers = {"n": (1, 100), "limit": (1, 200)}
    schema: dict[str, Any] = {"type": "string"}
    if name in numbers:
        schema = {"type": "integer", "minimum": numbers[name][0], "maximum": numbers[name][1]}
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
details { border: 1px solid #8884; border-radius: .5rem; margin: .5rem 0; padding: .5rem 1rem; }
summary { cursor: pointer; } code, pre { font-size: .875rem; } pre { overflow-x: auto; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; } .about { opacity: .75; }
"""


def page(api: dict[str, Any]) -> str:
    """The description as a page that needs nothing from elsewhere."""
    rows = [
        _entry(method, path, operation)
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    ]
    kinds = [
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary>"
        f"<pre>{escape(json.dumps(schema, indent=1))}</pre></details>"
        for name, schema in api["components"]["schemas"].items()
    ]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Shelfwise API</title><style>{_STYLE}</style><h1>Shelfwise API {escape(api['info']['version'])}</h1>"
        f"<p>{escape(api['info']['description'])} Machine-readable: <a href='/openapi.json'>/openapi.json</a>.</p>"
        f"<h2>Routes</h2>{''.join(rows)}<h2>Types</h2>{''.join(kinds)}</html>"
    )


def _entry(method: str, path: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    parts = [f"<p class='about'>{escape(operation.get('description', 'Open to all.'))}</p>"]
    if operation.get("parameters"):
        names = ", ".join(escape(p["name"]) for p in operation["parameters"])
        parts.append(f"<p>Values: <code>{names}</code></p>")
    if body is not None:
        parts.append(f"<p>Body:</p><pre>{escape(json.dumps(body, indent=1))}</pre>")
    return (
        f"<details><summary><span class='method'>{method.upper()}</span> <code>{escape(path)}</code> "
        f"<span class='about'>{escape(operation['summary'])}</span></summary>{''.join(parts)}</details>"
    )
