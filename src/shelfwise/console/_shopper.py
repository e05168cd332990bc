"""Who looks at the pages: a known customer that the viewer plays, or a visitor. Kept in cookies, checked at reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from shelfwise.domain import MAX_ID_BYTES, SIMULATED_ID

VISITOR, USER, CART, CONSENT = "sw_visitor", "sw_user", "sw_cart", "sw_consent"
MAX_CART = 30  # lines; a cookie holds 4 kB
MAX_QUANTITY = 99


@dataclass(frozen=True, slots=True)
class Shopper:
    """The person the pages are made for. One of the two ids counts: playing a customer links no histories."""

    visitor: str
    user_id: str | None = None
    cart: tuple[tuple[str, int], ...] = ()  # (item id, quantity), in the order they were added
    tracked: bool = True
    is_new: bool = False  # has no cookie yet

    @property
    def identity(self) -> dict[str, str]:
        """The id that queries and events carry."""
        return {"user_id": self.user_id} if self.user_id else {"anonymous_id": self.visitor}

    @property
    def simulated(self) -> bool:
        """Nobody real: the simulation made them up."""
        return self.user_id is not None and self.user_id.startswith(SIMULATED_ID)

    @property
    def consent(self) -> dict[str, str]:
        """What queries and events say of consent; nothing where it was never refused."""
        return {} if self.tracked else {"consent": "denied"}

    @property
    def cart_ids(self) -> list[str]:
        """Ids of what is in the cart."""
        return [item_id for item_id, _ in self.cart]

    @property
    def n_pieces(self) -> int:
        """Pieces in the cart."""
        return sum(quantity for _, quantity in self.cart)

    def document(self) -> dict[str, Any]:
        """As pages and their JSON twins tell it."""
        return {
            **self.identity,
            "known": self.user_id is not None,
            "simulated": self.simulated,
            "tracked": self.tracked,
            "n_pieces": self.n_pieces,
        }


def shopper_of(cookies: Mapping[str, str], new_id: str) -> Shopper:
    """The shopper that cookies name; a visitor of the id ``new_id`` where they name none."""
    visitor = _id(cookies.get(VISITOR))
    return Shopper(
        visitor=visitor or new_id,
        user_id=_id(unquote(cookies.get(USER, ""))),
        cart=_cart(cookies.get(CART, "")),
        tracked=cookies.get(CONSENT) != "denied",
        is_new=visitor is None,
    )


def cookies_of(header: str) -> dict[str, str]:
    """Cookies of a ``Cookie`` header; none if it cannot be read."""
    try:
        jar = SimpleCookie(header)
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def kept_cart(lines: Sequence[Mapping[str, Any]], since: datetime) -> str:
    """The value of the cart's cookie as the events of a person (newest first) leave it; '' for an empty cart."""
    held: dict[str, int] = {}
    for line in reversed(lines):
        item_id, quantity = line.get("item_id"), int(line.get("quantity") or 1)
        if item_id is None or datetime.fromisoformat(line["occurred_at"]) < since:
            continue
        if line["event"] == "add_to_cart":
            held[item_id] = min(held.get(item_id, 0) + quantity, MAX_QUANTITY)
        elif line["event"] == "remove_from_cart":
            held[item_id] = max(held.get(item_id, 0) - quantity, 0)
        elif line["event"] == "purchase":
            held.pop(item_id, None)
    listed = [(item_id, n) for item_id, n in held.items() if n][-MAX_CART:]
    return msgspec.json.encode(listed).decode() if listed else ""


def set_cookie(name: str, value: str, *, script: bool = False) -> tuple[str, str]:
    """A ``Set-Cookie`` header, for a year or (empty value) to forget. ``script``: our own script may read it."""
    age = 31_536_000 if value else 0
    hidden = "" if script else "; HttpOnly"
    return "set-cookie", f"{name}={quote(value, safe='')}; Path=/; Max-Age={age}; SameSite=Lax{hidden}"


def _id(text: str | None) -> str | None:
    if not text or len(text.encode()) > MAX_ID_BYTES or not text.isprintable():
        return None
    return text


def _cart(text: str) -> tuple[tuple[str, int], ...]:
    """The cart as the script keeps it: ``[[item id, quantity], ...]`` as JSON, percent-encoded. Empty if it is not."""
    try:
        listed = msgspec.json.decode(unquote(text), type=list[tuple[str, int]]) if text else []
    except msgspec.MsgspecError:
        return ()
    lines = {item_id: min(n, MAX_QUANTITY) for item_id, n in listed[:MAX_CART] if _id(item_id) and n > 0}
    return tuple(lines.items())
