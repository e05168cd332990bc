"""Browsers of other origins: they may send events from allowed pages, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from shelfwise.serving.http._door import Door
from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._request import Pairs, Request, Response

PATH = "/v1/events"
_VARY = ("vary", "origin")


def allow_origin(origin: str, allowed: Sequence[str], path: str) -> Pairs:
    """Headers that let a page read the answer; none if its origin is not listed."""
    if path != PATH:
        return []
    if origin not in allowed:
        return [_VARY]
    return [("access-control-allow-origin", origin), ("access-control-expose-headers", "x-request-id"), _VARY]


async def preflight(door: Door, request: Request) -> Response:
    """OPTIONS: what a page of another origin may send."""
    origin = request.headers.get("origin")
    if origin is None or request.path != PATH or origin not in door.settings.allowed_origins:
        raise Problem(403, f"origin {origin!r} may not call {request.path[:128]}; see serve.allowed_origins")
    return Response(
        204,
        headers=[
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "authorization, content-type, x-request-id"),
            ("access-control-max-age", "600"),
        ],
    )
