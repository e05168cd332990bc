"""The RSGI application: one entry for every request. Limits first, then who, then what; problems last."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Protocol

from shelfwise.domain import ShelfwiseError
from shelfwise.serving.http._cors import allow_origin, preflight
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._keeping import Keeping
from shelfwise.serving.http._keys import OPEN, Caller, authorize
from shelfwise.serving.http._problems import Problem, problem_of
from shelfwise.serving.http._request import ENCODER, PRIVATE, PROBLEM, Headers, Request, Response
from shelfwise.serving.http._router import Route, Router
from shelfwise.serving.http._routes import ROUTES

log = logging.getLogger("shelfwise.http")

MAX_BODY = 1 << 20  # bytes
MAX_BODIES = 64 << 20  # bytes of bodies held at once in one worker: beyond it, callers are told to come again
MAX_ADDRESS = 8 << 10  # bytes
BODY_S = 15.0  # a body must be here by then
SWITCH_S = 0.001  # how soon a request gets its turn beside a thread that loads a release
_TAKES_BODY = frozenset({"POST", "PUT", "PATCH"})
_CORS = Route("OPTIONS", "", OPEN, preflight, "What a page of another origin may send.")


class Scope(Protocol):
    """What RSGI tells of a request."""

    method: str
    path: str
    query_string: str
    client: str
    authority: str | None
    headers: Headers
    arrived_s: float  # monotonic; ours, not RSGI's


class App:
    """The RSGI application of a worker."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.router = Router(ROUTES)
        self.keeping = Keeping(door)
        self._prefix, self._number = secrets.token_hex(5), 0
        self._held = 0
        self._tasks: list[asyncio.Task[None]] = []

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Load before the first request is taken, then keep in step."""
        sys.setswitchinterval(SWITCH_S)
        self.keeping.catch_up()
        background = {"keeping": self.keeping.run, "recorder": self.door.recorder.run}
        self._tasks = [loop.create_task(_for_ever(name, run)) for name, run in background.items()]

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand over the last answers. An embedded loop still runs, and hands them over in its own time."""
        for task in self._tasks:
            task.cancel()
        if loop.is_running():
            self._tasks = [loop.create_task(self.door.recorder.flush())]
        else:
            loop.run_until_complete(self.door.recorder.flush())

    async def __rsgi__(self, scope: Scope, protocol: Any) -> None:
        """Answer one request."""
        door, headers = self.door, scope.headers
        arrived_s = scope.arrived_s
        request_id = self._request_id(headers.get("x-request-id"))
        kind = "other"
        try:
            route, params = self._route(scope)
            kind = route.kind
            response = await self._handled(route, params, scope, protocol, request_id, arrived_s)
        except Problem as problem:
            response = _told(problem, request_id)
        except ShelfwiseError as trouble:
            response = _told(problem_of(trouble), request_id)
        except Exception:
            # The outermost loop: a defect must cost one request an answer, and be loud, not end the connection.
            log.exception("request.failed", extra={"request_id": request_id, "route": kind})
            response = _told(
                Problem(500, "this is a defect of the server; its log has the trace"), request_id
            )
        response.headers.append(("x-request-id", request_id))
        origin = headers.get("origin")
        if origin is not None:
            response.headers += allow_origin(origin, door.settings.allowed_origins, scope.path)
        door.meter.served(kind, response.status, door.now_s() - arrived_s)
        if response.parts is not None and scope.method != "HEAD":
            await self._send_parts(protocol, response, request_id)
        elif scope.method == "HEAD" or not response.body:
            protocol.response_empty(response.status, response.headers)
        else:
            protocol.response_bytes(response.status, response.headers, response.body)

    async def _send_parts(self, protocol: Any, response: Response, request_id: str) -> None:
        assert response.parts is not None
        try:
            await protocol.response_parts(response.status, response.headers, _in_turn(response.parts))
        except ShelfwiseError as trouble:  # the status is sent: all that is left is to cut the response
            log.warning("response.cut", extra={"request_id": request_id, "trouble": str(trouble)})

    def _route(self, scope: Scope) -> tuple[Route, dict[str, str]]:
        size = len(scope.path) + len(scope.query_string)
        if size > MAX_ADDRESS:
            raise Problem(414, f"address has {size} bytes; expected at most {MAX_ADDRESS}")
        method, path = "GET" if scope.method == "HEAD" else scope.method, scope.path
        if method == "OPTIONS":
            return _CORS, {}
        mount = None if path.startswith("/v1/") else self._mounted(path)
        return (mount, {}) if mount is not None else self.router.find(method, path)

    def _mounted(self, path: str) -> Route | None:
        """Pages that ``app`` hung under a prefix; the router's own paths go before them."""
        if not self.door.mounts or self.router.allowed(path):
            return None
        prefixes = [p for p in self.door.mounts if path == p or path.startswith(p.rstrip("/") + "/")]
        if not prefixes:
            return None
        longest = max(prefixes, key=len)
        return Route("GET", longest, "admin", self.door.mounts[longest], "Pages.", kind="pages")

    async def _handled(
        self,
        route: Route,
        params: dict[str, str],
        scope: Scope,
        protocol: Any,
        request_id: str,
        arrived_s: float,
    ) -> Response:
        door, headers = self.door, scope.headers
        if route.turn and door.turns.full:
            door.meter.add("shelfwise_requests_refused_total")
            raise Problem(
                503, f"{len(door.turns)} requests wait; expected fewer", headers=[("retry-after", "1")]
            )
        actor, scopes = self._who(route, scope)
        if route.kind != "pages":
            _check_accept(headers.get("accept"))
        wanted = scope.method in _TAKES_BODY and (route.takes is not None or route.kind == "pages")
        body = await self._body(route, scope, protocol) if wanted else b""
        if route.turn and not door.turns.free():
            await door.turns.wait()
        request = Request(
            scope.method,
            scope.path,
            scope.query_string,
            headers,
            body,
            request_id,
            arrived_s,
            params,
            actor,
            scopes,
        )
        return await route.handler(door, request)

    def _who(self, route: Route, scope: Scope) -> tuple[str, frozenset[str]]:
        if route.scope == OPEN:
            return "anonymous", frozenset()
        door, headers = self.door, scope.headers
        origin = headers.get("origin")
        host = headers.get("host") or scope.authority
        caller = Caller(headers.get("authorization"), scope.client, host, origin)
        if route.kind == "pages" and scope.method in _TAKES_BODY and _is_foreign(origin, host):
            raise Problem(403, f"origin {origin!r} may not post to pages of {host!r}")
        settings = door.settings
        return authorize(
            door.keys, caller, route.scope, loopback=settings.loopback, origins=settings.allowed_origins,
            from_pages=route.pages,
        )  # fmt: skip

    async def _body(self, route: Route, scope: Scope, protocol: Any) -> bytes:
        """The body; a problem before the rest of one that is too large is read."""
        headers = scope.headers
        announced = headers.get("content-length")
        size = int(announced) if announced is not None and announced.isdigit() else None
        if size is not None and size > MAX_BODY:
            raise Problem(413, f"body has {announced} bytes; expected at most {MAX_BODY}")
        _check_content(route, headers)
        if self._held > MAX_BODIES:
            raise Problem(503, "too many large bodies are being read", headers=[("retry-after", "1")])
        held = MAX_BODY if size is None else size
        self._held += held
        try:
            async with asyncio.timeout(BODY_S):
                return bytes(await protocol()) if size is not None else await _chunks(protocol)
        except TimeoutError:
            raise Problem(408, f"body did not come within {BODY_S:g} s") from None
        finally:
            self._held -= held

    def _request_id(self, given: str | None) -> str:
        """The caller's, if it is fit to be sent back and logged; else one of our own."""
        if given and len(given) <= 128 and given.isascii() and given.isprintable():
            return given
        self._number += 1
        return f"{self._prefix}-{self._number:x}"


def make_app(door: Door) -> App:
    """The application of one worker."""
    return App(door)


async def _for_ever(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Start a background task again after whatever ended it: a worker that stopped keeping in step is worse."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("background.failed", extra={"task": name})
        await asyncio.sleep(1.0)


async def _in_turn(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Parts that take their time to make: made on another thread."""
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        yield part


async def _chunks(protocol: Any) -> bytes:
    chunks, size = [], 0
    async for chunk in protocol:
        size += len(chunk)
        if size > MAX_BODY:
            raise Problem(413, f"body is longer than {MAX_BODY} bytes")
        chunks.append(bytes(chunk))
    return b"".join(chunks)


def _check_content(route: Route, headers: Headers) -> None:
    kind = (headers.get("content-type") or "").partition(";")[0].strip().lower()
    if route.kind != "pages" and kind != "application/json":
        raise Problem(415, f"content-type is {kind!r}; expected application/json")
    if headers.get("content-encoding") not in (None, "", "identity"):
        raise Problem(415, f"content-encoding is {headers.get('content-encoding')!r}; expected a plain body")


def _check_accept(accept: str | None) -> None:
    if (
        accept is None
        or "*/*" in accept
        or "json" in accept
        or "text/" in accept
        or "application/*" in accept
    ):
        return
    raise Problem(406, f"accept is {accept[:128]!r}; expected application/json")


def _is_foreign(origin: str | None, host: str | None) -> bool:
    return origin is not None and origin.partition("://")[2] != (host or "")


def _told(problem: Problem, request_id: str) -> Response:
    return Response(
        problem.status, ENCODER.encode(problem.document(request_id)), [PROBLEM, PRIVATE, *problem.headers]
    )
