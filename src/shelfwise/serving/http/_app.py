"""The RSGI application: one entry for every request, limits first, problems last."""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import Any, Protocol

from shelfwise.domain import ShelfwiseError
from shelfwise.serving.http._cors import allow_origin, preflight
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._keys import authorize
from shelfwise.serving.http._problems import Problem, problem_of
from shelfwise.serving.http._request import ENCODER, PRIVATE, Request, Response
from shelfwise.serving.http._router import Route, Router
from shelfwise.serving.http._routes import ROUTES

log = logging.getLogger("shelfwise.http")

MAX_BODY = 1 << 20
MAX_ADDRESS = 8 << 10
PROBLEM_TYPE = ("content-type", "application/problem+json")
_BODIES = frozenset({"POST", "PUT", "PATCH"})
_KINDS = {"v1/recommendations": "recommendations", "v1/events": "events", "v1/segment": "segment"}


class Scope(Protocol):
    """What RSGI tells of a request."""

    method: str
    path: str
    query_string: str
    client: str
    headers: Any


class App:
    """The callable that granian runs."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.router = Router(ROUTES)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Load before the first request is taken."""
        loop.run_until_complete(self._start())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand over the last answers."""
        loop.run_until_complete(self.door.stop())

    async def __rsgi__(self, scope: Scope, protocol: Any) -> None:
        """Answer one request."""
        door = self.door
        arrived_s = door.now_s()
        headers = scope.headers
        request_id = _request_id(headers.get("x-request-id"))
        door.in_flight += 1
        kind = "other"
        try:
            if door.in_flight > door.settings.queue_limit:
                raise Problem(503, "too many requests are waiting", headers=[("retry-after", "1")])
            route, params = self._route(scope)
            kind = _kind(route)
            response = await self._handle(route, params, scope, protocol, request_id, arrived_s)
        except Problem as problem:
            response = _problem(problem, request_id)
        except ShelfwiseError as trouble:
            response = _problem(problem_of(trouble), request_id)
        finally:
            door.in_flight -= 1
        response.headers.append(("x-request-id", request_id))
        origin = headers.get("origin")
        if origin is not None:
            response.headers += allow_origin(origin, door.settings.allowed_origins, scope.path)
        door.meter.served(kind, response.status, door.now_s() - arrived_s)
        protocol.response_bytes(response.status, response.headers, response.body)

    async def _start(self) -> None:
        self.door.start()

    def _route(self, scope: Scope) -> tuple[Route, dict[str, str]]:
        if len(scope.path) + len(scope.query_string) > MAX_ADDRESS:
            raise Problem(
                414,
                f"address has {len(scope.path) + len(scope.query_string)} bytes; expected at most {MAX_ADDRESS}",
            )
        if scope.method == "OPTIONS":
            return Route("OPTIONS", scope.path, "", preflight, ""), {}
        mount = self.door.mounts.get("/") if not scope.path.startswith("/v1/") else None
        if (
            mount is not None
            and scope.method in ("GET", "HEAD", "POST")
            and not self.router.allowed(scope.path)
        ):
            return Route(scope.method, "/pages", "", mount, ""), {}
        return self.router.find(scope.method, scope.path)

    async def _handle(
        self,
        route: Route,
        params: dict[str, str],
        scope: Scope,
        protocol: Any,
        request_id: str,
        arrived_s: float,
    ) -> Response:
        headers = scope.headers
        actor, scopes = authorize(
            self.door.keys, headers.get("authorization"), route.scope, loopback=self.door.settings.loopback
        )
        body = await _body(scope, protocol, route) if scope.method in _BODIES else b""
        request = Request(
            scope.method, scope.path, scope.query_string, _Headers(headers), body, request_id, arrived_s, params,
            actor, scopes,
        )  # fmt: skip
        return await route.handler(self.door, request)


class _Headers(dict[str, str]):
    """Headers looked up when asked for."""

    def __init__(self, headers: Any) -> None:
        super().__init__()
        self._headers = headers

    def get(self, name: str, default: Any = None) -> Any:
        return self._headers.get(name, default)

    def __contains__(self, name: object) -> bool:
        return self._headers.get(name) is not None

    def __getitem__(self, name: str) -> str:
        value = self._headers.get(name)
        if value is None:
            raise KeyError(name)
        return str(value)


def make_app(door: Door) -> App:
    """The application of one worker."""
    return App(door)


async def _body(scope: Scope, protocol: Any, route: Route) -> bytes:
    """The body, or a problem before the rest of a body that is too large is read."""
    announced = scope.headers.get("content-length")
    if announced is not None and announced.isdigit() and int(announced) > MAX_BODY:
        raise Problem(413, f"body has {announced} bytes; expected at most {MAX_BODY}")
    kind = (scope.headers.get("content-type") or "application/json").partition(";")[0].strip().lower()
    if route.path != "/pages" and kind != "application/json":
        raise Problem(415, f"content-type is {kind!r}; expected application/json")
    if scope.headers.get("content-encoding") not in (None, "identity"):
        raise Problem(415, "content-encoding is not taken; expected a plain body")
    if announced is not None:
        return bytes(await protocol())
    chunks, size = [], 0
    async for chunk in protocol:
        size += len(chunk)
        if size > MAX_BODY:
            raise Problem(413, f"body is longer than {MAX_BODY} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _problem(problem: Problem, request_id: str) -> Response:
    return Response(
        problem.status,
        ENCODER.encode(problem.document(request_id)),
        [PROBLEM_TYPE, PRIVATE, *problem.headers],
    )


def _request_id(given: str | None) -> str:
    if given and len(given) <= 128 and given.isascii() and given.isprintable():
        return given
    return secrets.token_hex(8)


def _kind(route: Route) -> str:
    path = route.path
    if path == "/pages":
        return "pages"
    if path.endswith("/batch"):
        return "batch"
    if path.endswith("/explanation"):
        return "explanation"
    found = _KINDS.get(path.strip("/"))
    if found:
        return found
    second = path.split("/")[2] if path.startswith("/v1/") else ""
    return {"items": "items", "users": "people"}.get(second, "control" if second else "other")
