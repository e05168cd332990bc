"""A request and a response, as handlers see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

JSON = ("content-type", "application/json")
PROBLEM = ("content-type", "application/problem+json")
PRIVATE = ("cache-control", "private, no-store")
ENCODER = msgspec.json.Encoder(decimal_format="number")

Pairs = list[tuple[str, str]]


class Headers(Protocol):
    """Headers by lower-case name."""

    def get(self, key: str, default: Any = None) -> Any: ...

    def __contains__(self, key: str) -> bool: ...


@dataclass(slots=True)
class Request:
    """One request, with its body read and its caller known."""

    method: str
    path: str
    query: str
    headers: Headers
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
    headers: Pairs = field(default_factory=list)
    parts: Iterator[bytes] | None = None  # more of the body, made as it is sent


def json_response(document: Any, status: int = 200, *headers: tuple[str, str]) -> Response:
    """A document as JSON; personal answers are never cached."""
    return Response(status, ENCODER.encode(document), [JSON, PRIVATE, *headers])
