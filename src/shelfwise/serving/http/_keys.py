"""Who may do what: bearer keys, their scopes, and callers on the same machine while there is no key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shelfwise.domain import InvalidField
from shelfwise.serving.http._problems import Problem
from shelfwise.stores import ControlStore

SCOPES = ("events:write", "recs:read", "catalog:write", "admin")
BROWSER = "browser"  # a key that pages carry: may send events from allowed origins, and nothing else
OPEN = ""  # the scope of routes that need no key
_BYTES = 24  # 192 bits: nobody guesses it
_LOCAL = re.compile(r"(localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)(:\d+)?$")
_NOBODY: tuple[str, frozenset[str]] = ("anonymous", frozenset())
_OWNER: tuple[str, frozenset[str]] = ("loopback", frozenset(SCOPES))


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept: the secret's hash, never the secret."""

    key_id: str
    name: str
    digest: str
    scopes: frozenset[str]

    @property
    def grants(self) -> frozenset[str]:
        """Scopes of routes that it opens: admin opens all."""
        return frozenset(SCOPES) if "admin" in self.scopes else self.scopes


class Keys:
    """All valid keys, read anew when the board says that they changed."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._by_digest = {key.digest: key for key in keys.values()}

    @classmethod
    def read(cls, control: ControlStore) -> Keys:
        """From the control store."""
        found, after = {}, ""
        while page := control.documents("keys", after=after):
            for key_id, body, _ in page:
                found[key_id] = Key(key_id, body["name"], body["digest"], frozenset(body["scopes"]))
            after = page[-1][0]
        return cls(found)

    def __len__(self) -> int:
        return len(self._by_digest)

    def find(self, secret: str) -> Key | None:
        """The key of this secret. It is looked up by its hash, and then compared in constant time."""
        hashed = digest(secret)
        key = self._by_digest.get(hashed)
        return key if key is not None and hmac.compare_digest(key.digest, hashed) else None


def make_key(name: str, scopes: Sequence[str]) -> tuple[str, str, dict[str, Any]]:
    """Id, secret (to be shown once) and the document to keep. Raises InvalidField for an unknown scope."""
    known = (*SCOPES, BROWSER)
    for scope in scopes:
        if scope not in known:
            raise InvalidField("scopes", scope, f"one of {', '.join(known)}")
    if not scopes:
        raise InvalidField("scopes", list(scopes), f"at least one of {', '.join(known)}")
    if BROWSER in scopes and len(set(scopes)) > 1:
        raise InvalidField("scopes", list(scopes), "browser alone: such a key is public")
    key_id = secrets.token_hex(4)
    kind = "sw_browser" if BROWSER in scopes else "sw"
    secret = f"{kind}_{key_id}_{secrets.token_urlsafe(_BYTES)}"
    return key_id, secret, {"name": name, "digest": digest(secret), "scopes": sorted(set(scopes))}


def digest(secret: str) -> str:
    """What is kept of a secret: it has 192 random bits, so a plain hash cannot be turned round."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request says of who sends it."""

    authorization: str | None
    client: str = "127.0.0.1:0"  # address of the other end
    host: str | None = None  # the name it called us by
    origin: str | None = None  # the page it comes from


def authorize(
    keys: Keys,
    caller: Caller,
    scope: str,
    *,
    loopback: bool,
    origins: Sequence[str] = (),
    from_pages: bool = False,
) -> tuple[str, frozenset[str]]:
    """Who is calling and what they may do. Raises Problem 401 or 403.

    While there is no key at all, callers on this machine may do everything, and nobody else anything. They must
    call it by a local name: else any web page could reach it through a name that it made point here.

    Args:
        keys: All there are.
        caller: What the request says of who sends it.
        scope: What the route needs.
        loopback: The server listens on this machine only.
        origins: Pages that may use a browser key.
        from_pages: The route may be called with a browser key.
    """
    if scope == OPEN:
        return _NOBODY
    if len(keys) == 0 and loopback and _is_local(caller):
        return _OWNER
    secret = _secret(caller.authorization)
    if secret is None:
        raise _unknown(
            "no key given; expected Authorization: Bearer sw_... (make one with: shelfwise keys add)"
        )
    key = keys.find(secret)
    if key is None:
        raise _unknown("this key is unknown or revoked")
    if BROWSER in key.scopes and from_pages:
        _check_origin(caller.origin, origins)
    elif scope not in key.grants:
        raise Problem(403, f"key {key.name!r} has {', '.join(sorted(key.scopes))}; expected {scope}")
    return key.name, key.grants


def _check_origin(origin: str | None, allowed: Sequence[str]) -> None:
    if origin is not None and origin not in allowed:
        raise Problem(403, f"origin {origin!r} may not use this key; see serve.allowed_origins")


def _is_local(caller: Caller) -> bool:
    near = caller.client.startswith(("127.", "::1", "[::1]", "::ffff:127.", "unix"))
    return near and (caller.host is None or _LOCAL.match(caller.host) is not None)


def _secret(header: str | None) -> str | None:
    """The key in ``Bearer KEY``, or in ``Basic``: as the user's name (Segment) or the password (browsers)."""
    kind, _, rest = (header or "").partition(" ")
    if kind.lower() == "bearer" and rest.strip():
        return rest.strip()
    if kind.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
    except ValueError:
        return None
    return password or name or None


def _unknown(detail: str) -> Problem:
    return Problem(401, detail, headers=[("www-authenticate", 'Bearer, Basic realm="Shelfwise"')])
