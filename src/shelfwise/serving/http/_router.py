"""One table of routes: method, path, scope, handler. What is not in it does not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._request import Request, Response

Handler = Callable[[Any, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One route. ``{name}`` in the path is a parameter; there is one at most."""

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
        for route, params in self._matching(path):
            if route.method == method:
                return route, params
        raise self._missing(path)

    def allowed(self, path: str) -> list[str]:
        """Methods that a path knows."""
        plain = [method for method, known in self._plain if known == path]
        return sorted({*plain, *(route.method for route, _ in self._matching(path))})

    def _matching(self, path: str) -> Iterator[tuple[Route, dict[str, str]]]:
        """Routes with a parameter that a path fits; those first whose parameter is one segment."""
        parts = path.removeprefix("/").split("/")
        for longer in (False, True):
            for route in self._open:
                params = _match(route.parts, parts, longer=longer)
                if params is not None:
                    yield route, params

    def _missing(self, path: str) -> Problem:
        methods = self.allowed(path)
        if methods:
            allow = ", ".join([*methods, "HEAD"] if "GET" in methods else methods)
            return Problem(405, f"{path} takes {allow}", headers=[("allow", allow)])
        near = get_close_matches(path[:128], [route.path for route in self.routes], n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else "; see /docs"
        return Problem(404, f"no route {path[:128]!r}{hint}")


def _match(pattern: Sequence[str], parts: Sequence[str], *, longer: bool) -> dict[str, str] | None:
    """The parameter of a path; None if it does not fit. ``longer``: an id may hold slashes (``AB/12``).

    Addresses come decoded, so a slash that was written as %2F looks like any other.
    """
    spare = len(parts) - len(pattern)
    if spare < 0 or (spare > 0) != longer:
        return None
    at = next(place for place, known in enumerate(pattern) if known.startswith("{"))
    value = "/".join(parts[at : at + spare + 1])
    fits = list(pattern[:at]) == list(parts[:at]) and list(pattern[at + 1 :]) == list(parts[at + spare + 1 :])
    return {pattern[at][1:-1]: value} if fits and value else None
