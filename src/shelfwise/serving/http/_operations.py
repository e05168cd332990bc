"""Routes for machines and newcomers: health, metrics, the API's own description."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from shelfwise.serving._release import NO_RELEASE
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._messages import Health, Readiness
from shelfwise.serving.http._metrics import exposition
from shelfwise.serving.http._request import ENCODER, JSON, Request, Response, json_response

_PLAIN = ("content-type", "text/plain; version=0.0.4; charset=utf-8")
_HTML = ("content-type", "text/html; charset=utf-8")


async def healthz(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /healthz: the process runs and its loop turns."""
    return json_response(Health("ok"))


async def readyz(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /readyz: 503 while no answer could be given."""
    trouble = door.trouble or None
    if door.pipeline is None:
        return json_response(Readiness("not ready", None, door.worker, trouble), 503)
    release = door.pipeline.release.release_id
    return json_response(Readiness("ready", None if release == NO_RELEASE else release, door.worker, trouble))


async def metrics(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /metrics: sums over all workers."""
    pipeline = door.pipeline
    door.meter.tell(door)
    gauges = dict(door.gauges())
    if pipeline is not None:
        gauges["shelfwise_items"] = float(len(pipeline.shelf))
        gauges[f'shelfwise_release_info{{release="{pipeline.release.release_id}"}}'] = 1.0
    return Response(200, exposition(door.metrics_folder, gauges).encode(), [_PLAIN])


async def openapi(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /openapi.json."""
    return Response(200, ENCODER.encode(_described()), [JSON])


async def docs(door: Door, request: Request) -> Response:  # noqa: ARG001
    """GET /docs: the same as a page, without a line of script."""
    from shelfwise.serving.http._docs import STYLE, page

    hashed = sha256(STYLE.encode()).digest()
    policy = (
        f"default-src 'none'; style-src 'sha256-{_base64(hashed)}'; base-uri 'none'; frame-ancestors 'none'"
    )
    return Response(200, page(_described()).encode(), [_HTML, ("content-security-policy", policy)])


@lru_cache(maxsize=1)
def _described() -> dict[str, object]:
    from shelfwise.serving.http._openapi import document
    from shelfwise.serving.http._routes import ROUTES

    return document(ROUTES)


def _base64(raw: bytes) -> str:
    from base64 import b64encode

    return b64encode(raw).decode()
