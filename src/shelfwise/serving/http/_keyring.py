"""Keys over HTTP: a secret is shown once."""

from __future__ import annotations

from shelfwise.serving.http._decode import Reader
from shelfwise.serving.http._documents import aside, delete, page_of, write
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._keys import make_key
from shelfwise.serving.http._messages import KeyIn, KeyMade, KeyOut, KeyPage
from shelfwise.serving.http._request import Request, Response, json_response

_KEY = Reader(KeyIn)


async def list_keys(door: Door, request: Request) -> Response:
    """GET /v1/keys: never with their secrets."""
    after, limit = page_of(request)
    rows = await aside(lambda: door.control.documents("keys", after=after, limit=limit))
    keys = [KeyOut(key, body["name"], body["scopes"]) for key, body, _ in rows]
    return json_response(KeyPage(keys, rows[-1][0] if len(rows) == limit else None))


async def add_key(door: Door, request: Request) -> Response:
    """POST /v1/keys: the secret is in this answer and nowhere else."""
    asked = _KEY.body(request.body)
    key_id, secret, body = make_key(asked.name, asked.scopes)
    await write(door, request, "keys", key_id, body, if_match="")
    return json_response(KeyMade(key_id, secret, asked.name, body["scopes"]), 201)


async def delete_key(door: Door, request: Request) -> Response:
    """DELETE /v1/keys/{key_id}: dead on every worker within a second."""
    return await delete(door, request, "keys", "key")
