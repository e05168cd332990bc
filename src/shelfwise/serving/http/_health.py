"""Routes for machines and newcomers: health, metrics, the API's own description."""

from __future__ import annotations

from typing import Any

from shelfwise.serving.http._door import Door
from shelfwise.serving.http._metrics import exposition
from shelfwise.serving.http._request import Request, Response, json_response


async def healthz(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /healthz: the process runs and its loop turns."""
    return json_response({"status": "ok"})


async def readyz(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /readyz: 503 while no answer could be given."""
    body: dict[str, Any] = {"status": "ready", "release": None, "worker": door.worker}
    if door.pipeline is None:
        return json_response({**body, "status": "not ready", "reason": door.trouble}, 503)
    return json_response({**body, "release": door.pipeline.release.release_id})


async def metrics(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /metrics: sums over all workers."""
    pipeline = door.pipeline
    gauges = {
        "shelfwise_items": len(door.shelf) if pipeline else 0,
        "shelfwise_requests_in_flight": door.in_flight,
        "shelfwise_ready": 1 if pipeline else 0,
    }
    text = exposition(door.metrics_folder, gauges)
    return Response(200, text.encode(), [("content-type", "text/plain; version=0.0.4; charset=utf-8")])


async def openapi(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /openapi.json."""
    from shelfwise.serving.http._openapi import document
    from shelfwise.serving.http._routes import ROUTES

    return json_response(document(ROUTES))


async def docs(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /docs: the same as a page, without a line of script."""
    from shelfwise.serving.http._openapi import document, page
    from shelfwise.serving.http._routes import ROUTES

    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return Response(
        200,
        page(document(ROUTES)).encode(),
        [("content-type", "text/html; charset=utf-8"), ("content-security-policy", policy)],
    )
