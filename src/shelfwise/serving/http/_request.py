"""A request and a response, as handlers see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

Headers = list[tuple[str, str]]
JSON = ("content-type", "application/json")
PRIVATE = ("cache-control", "private, no-store")
ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(slots=True)
class Request:
    """One request, with its body read and its caller known."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    arrived_s: float  # monotonic: when the door first saw it
    params: Mapping[str, str] = field(default_factory=dict)  # from the address
    actor: str = "anonymous"  # name of the key
    scopes: frozenset[str] = frozenset()


@dataclass(slots=True)
class Response:
    """Status, headers, body."""

    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)


def json_response(document: Any, status: int = 200, *headers: tuple[str, str]) -> Response:
    """A document as JSON; personal answers are never cached."""
    return Response(status, ENCODER.encode(document), [JSON, PRIVATE, *headers])
