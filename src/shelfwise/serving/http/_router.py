"""One table of routes: method, path, scope, handler. What is not in it does not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._request import Request, Response

Handler = Callable[[Any, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One route. ``{name}`` in the path is one segment."""

    method: str
    path: str
    scope: str  # '' is open to all
    handler: Handler
    summary: str
    takes: Any = None  # type of the body
    gives: Any = None  # type of the answer
    status: int = 200
    query: tuple[str, ...] = ()  # names of query values
    kind: str = "other"  # under which name it is counted
    pages: bool = False  # may be called with a browser key
    turn: bool = False  # waits for its turn: its work is long enough that others would wait for it
    parts: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.path.strip("/").split("/")))


class Router:
    """Finds the route of a request: a dictionary for plain paths, a short list for those with parameters."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)
        self._plain = {(route.method, route.path): route for route in routes if "{" not in route.path}
        self._open = [route for route in routes if "{" in route.path]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route and its parameters. Raises Problem 404 or 405."""
        route = self._plain.get((method, path))
        if route is not None:
            return route, {}
        parts = path.strip("/").split("/")
        for route in self._open:
            if route.method == method and (params := _match(route.parts, parts)) is not None:
                return route, params
        raise self._missing(path)

    def allowed(self, path: str) -> list[str]:
        """Methods that a path knows."""
        parts = path.strip("/").split("/")
        plain = [method for method, known in self._plain if known == path]
        return sorted({*plain, *(r.method for r in self._open if _match(r.parts, parts) is not None)})

    def _missing(self, path: str) -> Problem:
        methods = self.allowed(path)
        if methods:
            allow = ", ".join([*methods, "HEAD"] if "GET" in methods else methods)
            return Problem(405, f"{path} takes {allow}", headers=[("allow", allow)])
        near = get_close_matches(path[:128], [route.path for route in self.routes], n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else "; see /docs"
        return Problem(404, f"no route {path[:128]!r}{hint}")


def _match(pattern: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    params = {}
    for known, given in zip(pattern, parts, strict=True):
        if known.startswith("{") and given:
            params[known[1:-1]] = unquote(given)
        elif known != given:
            return None
    return params
