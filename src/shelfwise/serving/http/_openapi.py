"""OpenAPI 3.1, written from the same types that validate."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any, Union, get_args, get_origin

import msgspec

from shelfwise.ingestion import ContextIn
from shelfwise.serving.http._keys import OPEN
from shelfwise.serving.http._messages import RecommendationQuery
from shelfwise.serving.http._problems import TITLES
from shelfwise.serving.http._router import Route

_REF = "#/components/schemas/{name}"
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "An error (RFC 9457): what was got, what was expected, and where.",
    "required": ["type", "title", "status", "detail", "errors", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "value", "rule"],
                "properties": {"field": {"type": "string"}, "value": {}, "rule": {"type": "string"}},
            },
        },
        "request_id": {"type": "string"},
    },
}
_INTRODUCTION = """\
Recommendations that a shop runs itself. JSON in and out; every error is a problem document (RFC 9457) that names
field, value and rule. Keys go in `Authorization: Bearer`; none is needed on this machine while no key exists.
`X-Request-ID` comes back as it was sent. `X-Request-Deadline-Ms` asks for an answer sooner than the shop's own
deadline. Bodies hold at most 1 MiB, addresses 8 KiB. Fields may be added; none is taken away within `/v1`."""
_DESCRIBED = {
    "cursor": "Where the page before ended: its `next`.",
    "limit": "Documents in a page.",
    "item_id": "Also say why this item is not in the answer.",
}


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The API's description."""
    kinds = list(dict.fromkeys(kind for route in routes for kind in _kinds(route)))
    schemas, components = msgspec.json.schema_components(
        [*kinds, RecommendationQuery, ContextIn], ref_template=_REF
    )
    schema_of = dict(zip(kinds, schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shelfwise",
            "version": version("shelfwise"),
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**dict(sorted(components.items())), "Problem": _PROBLEM},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _kinds(route: Route) -> Iterator[Any]:
    for kind in (route.takes, route.gives):
        if kind is not None:
            yield from get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _operation(route: Route, schema_of: dict[Any, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.parts[1] if route.parts[0] == "v1" else "operations"],
        "responses": _responses(route, schema_of),
    }
    parameters = [_path_parameter(part[1:-1]) for part in route.parts if part.startswith("{")]
    parameters += [_query_parameter(name, components) for name in route.query]
    if parameters:
        operation["parameters"] = parameters
    if route.takes is not None:
        schema = _schema(route.takes, schema_of)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.scope != OPEN:
        operation["security"] = [{"key": []}]
        operation["description"] = f"Needs a key with scope `{route.scope}`."
    return operation


def _schema(kind: Any, schema_of: dict[Any, Any]) -> dict[str, Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return {"anyOf": [schema_of[one] for one in get_args(kind)]}
    return dict(schema_of[kind])


def _responses(route: Route, schema_of: dict[Any, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "Done."}
    if route.gives is not None:
        good["content"] = {"application/json": {"schema": _schema(route.gives, schema_of)}}
    elif route.path in ("/metrics", "/docs"):
        good["content"] = {
            "text/plain" if route.path == "/metrics" else "text/html": {"schema": {"type": "string"}}
        }
    responses: dict[str, Any] = {str(route.status): good}
    if route.method == "PUT" and route.path == "/v1/items/{item_id}":
        responses["201"] = good
    if route.path == "/readyz":
        responses["503"] = good
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}
    for status in _troubles(route):
        responses.setdefault(str(status), {"description": TITLES[status], "content": content})
    return responses


def _troubles(route: Route) -> Iterator[int]:
    """What may go wrong with a route."""
    yield 431
    if route.scope != OPEN:
        yield from (401, 403)
    if route.takes is not None:
        yield from (400, 408, 413, 415)
    if route.takes is not None or route.query or "{" in route.path:
        yield 422
    if "{" in route.path or route.path.startswith("/v1/releases"):
        yield 404
    if route.method in ("PUT", "PATCH", "DELETE") or route.path in ("/v1/rules", "/v1/releases/rollback"):
        yield from (409, 412)
    if route.path.startswith("/v1/"):
        yield from (406, 414, 503)


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 255}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(name: str, components: dict[str, Any]) -> dict[str, Any]:
    owner = components["ContextIn" if name.startswith("context.") else "RecommendationQuery"]
    schema = owner["properties"].get(name.removeprefix("context."))
    if name == "limit":
        schema = {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    parameter: dict[str, Any] = {
        "name": name,
        "in": "query",
        "schema": _without_null(schema or {"type": "string"}),
    }
    if name in _DESCRIBED:
        parameter["description"] = _DESCRIBED[name]
    if name == "n":
        parameter["required"] = True
    if name in ("items", "exclude"):
        parameter |= {"style": "form", "explode": False}
    return parameter


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An address has no null: a value is left out instead."""
    choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        return dict(choices[0])
    enum = [value for value in schema.get("enum", ()) if value is not None]
    plain = {key: value for key, value in schema.items() if key != "default" or value is not None}
    return {**plain, "enum": enum} if enum else plain
