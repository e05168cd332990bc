"""Who may do what: bearer keys, their scopes, and the table of routes that need them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shelfwise.domain import InvalidField
from shelfwise.serving.http._problems import Problem
from shelfwise.stores import ControlStore

SCOPES = ("events:write", "recs:read", "catalog:write", "admin")
BROWSER = "browser"  # a key that pages carry: may write events from allowed origins, and nothing else
_BYTES = 24  # 192 bits: nobody guesses it


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: the secret's hash, never the secret."""

    key_id: str
    name: str
    digest: str
    scopes: frozenset[str]


class Keys:
    """All valid keys, read anew when the board says that they changed."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._keys = keys

    @classmethod
    def read(cls, control: ControlStore) -> Keys:
        """From the control store."""
        found = {}
        for key_id, body, _ in _pages(control):
            found[key_id] = Key(key_id, body["name"], body["digest"], frozenset(body["scopes"]))
        return cls(found)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, secret: str) -> Key | None:
        """The key of this secret. Compares in constant time."""
        key_id, _, _ = secret.removeprefix("sw_").partition("_")
        key = self._keys.get(key_id)
        if key is None or not hmac.compare_digest(key.digest, digest(secret)):
            return None
        return key


def make_key(name: str, scopes: list[str]) -> tuple[str, str, dict[str, Any]]:
    """Id, secret (to be shown once) and the document to keep. Raises InvalidField for an unknown scope."""
    for scope in scopes:
        if scope not in (*SCOPES, BROWSER):
            raise InvalidField("scopes", scope, f"one of {', '.join((*SCOPES, BROWSER))}")
    if BROWSER in scopes and len(scopes) > 1:
        raise InvalidField("scopes", scopes, "browser alone: such a key is public")
    key_id = secrets.token_hex(4)
    secret = f"sw_{key_id}_{secrets.token_urlsafe(_BYTES)}"
    return key_id, secret, {"name": name, "digest": digest(secret), "scopes": sorted(scopes)}


def digest(secret: str) -> str:
    """What is kept of a secret: it has 192 random bits, so a plain hash cannot be turned round."""
    return hashlib.sha256(secret.encode()).hexdigest()


def authorize(keys: Keys, header: str | None, scope: str, *, loopback: bool) -> tuple[str, frozenset[str]]:
    """Who is calling and what they may do. Raises Problem 401 or 403.

    While there is no key at all, callers on this machine may do everything; nobody else may do anything.
    """
    if scope == "":
        return "anonymous", frozenset()
    if len(keys) == 0 and loopback:
        return "loopback", frozenset(SCOPES)
    if not header or not header.startswith("Bearer "):
        raise Problem(
            401,
            "no key given; expected Authorization: Bearer sw_...",
            headers=[("www-authenticate", "Bearer")],
        )
    key = keys.find(header.removeprefix("Bearer ").strip())
    if key is None:
        raise Problem(401, "this key is unknown or revoked", headers=[("www-authenticate", "Bearer")])
    allowed = key.scopes | ({"events:write"} if BROWSER in key.scopes else set())
    if scope not in allowed and "admin" not in allowed:
        raise Problem(403, f"key {key.name!r} has {', '.join(sorted(key.scopes))}; expected {scope}")
    return key.name, frozenset(SCOPES) if "admin" in allowed else frozenset(allowed)


def _pages(control: ControlStore) -> list[tuple[str, dict[str, Any], str]]:
    rows: list[tuple[str, dict[str, Any], str]] = []
    after = ""
    while page := control.documents("keys", after=after):
        rows += page
        after = page[-1][0]
    return rows
