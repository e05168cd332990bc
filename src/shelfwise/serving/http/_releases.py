"""Releases over HTTP: what there is, which one answers, and back."""

from __future__ import annotations

from typing import Any

from shelfwise.serving.http._decode import Reader
from shelfwise.serving.http._documents import aside, page_of
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._messages import AliasIn, ChampionOut
from shelfwise.serving.http._request import Request, Response, json_response

_ALIAS = Reader(AliasIn)


async def list_releases(door: Door, request: Request) -> Response:
    """GET /v1/releases: newest first."""
    after, limit = page_of(request)
    rows = await aside(door.releases.releases)
    start = next((at + 1 for at, row in enumerate(rows) if row["release"] == after), 0) if after else 0
    page = rows[start : start + limit]
    following = page[-1]["release"] if start + limit < len(rows) else None
    return json_response({"items": page, "next": following})


async def get_release(door: Door, request: Request) -> Response:
    """GET /v1/releases/{release}: by id, or by an alias such as ``champion``."""
    return json_response(await aside(_manifest, door, request.params["release"]))


async def promote(door: Door, request: Request) -> Response:
    """PUT /v1/releases/champion: move the alias; every worker follows within a second."""
    release = _ALIAS.body(request.body).release
    await aside(door.releases.manifest, release)  # it exists
    command = {"op": "promote", "release": release, "actor": request.actor}
    receipt = await door.inbox.submit("control", command)
    return json_response(ChampionOut(receipt.result))


async def rollback(door: Door, request: Request) -> Response:
    """POST /v1/releases/rollback: back to the champion before."""
    receipt = await door.inbox.submit("control", {"op": "rollback", "actor": request.actor})
    return json_response(ChampionOut(receipt.result))


def _manifest(door: Door, name: str) -> dict[str, Any]:
    """The manifest of a release that an id or an alias names. Raises NotFound."""
    return door.releases.manifest(name if name.startswith("r-") else door.releases.alias(name) or name)
