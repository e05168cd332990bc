"""What each page says, as plain data: the template sets it in HTML, the JSON twin sends it as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from shelfwise.console._api import Api, Document
from shelfwise.console._looks import country_name, money
from shelfwise.console._shelves import SHELVES, Links, card_of, fill_shelf
from shelfwise.console._shopper import Shopper, kept_cart
from shelfwise.console._why import panel
from shelfwise.domain import DAY_US, SIMULATED_ID, NotFound, from_us

PAGE_SIZE = 24
N_PEOPLE = 12
N_LINES = 8  # of a person's past
CART_DAYS = 7  # a cart is kept
MAX_NAMED = 30  # items that the address of a shelf may name

# What a person did of their own will; what they were merely shown says little of them.
_DEEDS: Mapping[str, str] = {
    "purchase": "bought", "add_to_cart": "added to the cart", "view_item": "looked at", "refund": "returned",
    "remove_from_cart": "took out of the cart", "add_to_wishlist": "put on the wish list",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for a page."""

    shopper: Shopper
    values: Mapping[str, Sequence[str]]  # of the address
    now_us: int

    def value(self, name: str) -> str:
        """The last value of a name, '' if there is none."""
        return (self.values.get(name) or [""])[-1]


class Pages:
    """One method a page; each returns the page's data."""

    def __init__(self, api: Api, links: Links) -> None:
        self._api = api
        self._links = links

    def home(self, ask: Ask) -> dict[str, Any]:
        """Hero, for you, buy again, trending."""
        for_you, buy_again = self._shelves(ask, ("for_you", "buy_again"))
        shown = [card["item_id"] for card in (*for_you["cards"], *buy_again["cards"])]
        shelves = [for_you, buy_again, *self._shelves(ask, ("trending",), without=shown)]
        pictured: list[dict[str, Any]] = next(
            (shelf["cards"] for shelf in reversed(shelves) if shelf["cards"]), []
        )
        return {
            "page": "home",
            "title": None,
            "hero": pictured[:3],
            "person": self._person(ask.shopper),
            "shelves": shelves,
        }

    def item(self, ask: Ask, item_id: str) -> dict[str, Any]:
        """A product, what is bought with it, what is like it. Raises NotFound."""
        item = self._item(item_id)
        card = card_of(self._links, item)
        path = list(item.get("category") or ())
        return {
            "page": "item",
            "title": card["title"],
            "item": {**card, "description": item.get("description") or "", "brand": item.get("brand")},
            "facts": _facts(item),
            "crumbs": [{"name": name, "href": self._links.category(name)} for name in path],
            "recommendation_id": ask.value("rec") or None,
            "shelves": self._shelves(ask, ("together", "similar"), items=[item_id]),
        }

    def category(self, ask: Ask, name: str) -> dict[str, Any]:
        """A department: what trends in it, then the rest of it."""
        shelves = (
            self._shelves(ask, ("in_category",), category=name) if ask.value("page") in ("", "1") else []
        )
        listed = self._listed(ask, "", name, self._links.category(name))
        if not listed["cards"] and not any(shelf["cards"] for shelf in shelves):
            raise NotFound("category", name)
        shown = {card["item_id"] for shelf in shelves for card in shelf["cards"]}
        listed["cards"] = [card for card in listed["cards"] if card["item_id"] not in shown]
        return {"page": "category", "title": name, "shelves": shelves, **listed}

    def search(self, ask: Ask) -> dict[str, Any]:
        """What a search finds."""
        text = ask.value("q").strip()[:100]
        title = f"Results for “{text}”" if text else "Everything"
        return {
            "page": "search",
            "title": title,
            "q": text,
            **self._listed(ask, text, None, f"{self._links.base}/search"),
        }

    def cart(self, ask: Ask) -> dict[str, Any]:
        """What is in the cart, and what completes it."""
        ids = ask.shopper.cart_ids
        lines = [
            self._line(item, quantity)
            for item, (_, quantity) in zip(self._api.items(ids), ask.shopper.cart, strict=True)
            if item is not None
        ]
        shelves = self._shelves(ask, ("complete",), items=ids) if lines else self._shelves(ask, ("trending",))
        return {
            "page": "cart",
            "title": "Your cart",
            "lines": lines,
            "total_text": _total(lines),
            "shelves": shelves,
        }

    def shopper(self, ask: Ask) -> dict[str, Any]:
        """Who is shopping, what is known of them, whom else one could be."""
        return {
            "page": "shopper",
            "title": "Who is shopping?",
            "person": self._person(ask.shopper),
            "history": self._history(ask.shopper),
            **self.people(ask),
        }

    def people(self, ask: Ask) -> dict[str, Any]:
        """Known customers that the viewer may play."""
        text = ask.value("q").strip()[:100]
        return {"q": text, "people": [_customer(person) for person in self._api.people(text, limit=N_PEOPLE)]}

    def kept_cart(self, user_id: str, now_us: int) -> str:
        """The cart that a customer left, as the value of its cookie."""
        known = self._api.person(user_id, None) or {}
        return kept_cart(known.get("lines") or (), from_us(now_us - CART_DAYS * DAY_US))

    def shelf(self, ask: Ask, name: str) -> dict[str, Any]:
        """One shelf alone, filled anew after something happened."""
        if name not in SHELVES:
            raise NotFound("shelf", name)
        items, without = (list(ask.values.get(key, ()))[:MAX_NAMED] for key in ("item", "without"))
        (shelf,) = self._shelves(
            ask, (name,), items=items, without=without, category=ask.value("category") or None
        )
        return {"page": "shelf", "title": shelf["title"], "shelf": shelf}

    def why(self, ask: Ask, recommendation_id: str, item_id: str) -> dict[str, Any]:
        """Why an item is in an answer, and why others are not. Raises NotFound."""
        asked = ask.value("ask").strip()
        explanation = self._api.explanation(recommendation_id, asked or None)
        card = card_of(self._links, self._item(item_id))
        told = panel(explanation, item_id, card["currency"])
        if told is None:
            raise NotFound("item in this answer", item_id)
        return {
            "page": "why",
            "title": f"Why {card['title']}?",
            "item": card,
            "why": told,
            "asked": asked,
            "again": self._links.why(recommendation_id, item_id),
        }

    def _shelves(
        self,
        ask: Ask,
        names: Sequence[str],
        *,
        items: Sequence[str] = (),
        without: Sequence[str] = (),
        category: str | None = None,
    ) -> list[dict[str, Any]]:
        fill = partial(fill_shelf, self._api, self._links, ask.shopper)
        return [fill(name, items=items, without=without, category=category) for name in names]

    def _listed(self, ask: Ask, text: str, category: str | None, address: str) -> dict[str, Any]:
        number = ask.value("page")
        page = min(max(int(number), 1), 1_000) if number.isascii() and number.isdigit() else 1
        found = self._api.search(text, category=category, limit=PAGE_SIZE + 1, offset=(page - 1) * PAGE_SIZE)
        return {
            "cards": [card_of(self._links, item) for item in found[:PAGE_SIZE]],
            "number": page,
            "more": len(found) > PAGE_SIZE,
            "address": address,
        }

    def _item(self, item_id: str) -> Document:
        (item,) = self._api.items([item_id])
        if item is None:
            raise NotFound("item", item_id)
        return item

    def _line(self, item: Document, quantity: int) -> dict[str, Any]:
        card = card_of(self._links, item)
        price = card["price"] or 0.0
        return {
            **card,
            "quantity": quantity,
            "sum": price * quantity,
            "sum_text": money(price * quantity, card["currency"]),
        }

    def _person(self, shopper: Shopper) -> dict[str, Any]:
        known = self._api.person(shopper.user_id, None if shopper.user_id else shopper.visitor)
        lines = list((known or {}).get("lines") or ())
        return {
            "name": _name(shopper),
            "user_id": shopper.user_id,
            "simulated": shopper.simulated,
            "country": country_name((known or {}).get("country")),
            "first_seen_at": (known or {}).get("first_seen_at"),
            "n_lines": (known or {}).get("n_lines", 0),
            "n_bought": sum(line["event"] == "purchase" for line in lines),
        }

    def _history(self, shopper: Shopper) -> list[dict[str, Any]]:
        known = self._api.person(shopper.user_id, None if shopper.user_id else shopper.visitor) or {}
        deeds = [line for line in known.get("lines") or () if line.get("item_id") and line["event"] in _DEEDS]
        latest = {line["item_id"]: line for line in reversed(deeds)}  # newest first: the last deed stays
        lines = sorted(latest.values(), key=lambda line: line["occurred_at"], reverse=True)[:N_LINES]
        items = self._api.items([line["item_id"] for line in lines])
        return [
            {
                **card_of(self._links, item),
                "did": _DEEDS[line["event"]],
                "occurred_at": line["occurred_at"],
                "quantity": line.get("quantity"),
            }
            for line, item in zip(lines, items, strict=True)
            if item is not None
        ]


def _name(shopper: Shopper) -> str:
    if shopper.user_id is None:
        return "New visitor"
    return f"Simulated shopper {shopper.user_id}" if shopper.simulated else f"Customer {shopper.user_id}"


def _customer(person: Document) -> dict[str, Any]:
    simulated = person["user_id"].startswith(SIMULATED_ID)
    return {**person, "country": country_name(person.get("country")), "simulated": simulated}


PageMaker = Callable[[Ask], dict[str, Any]]


def _facts(item: Document) -> list[tuple[str, str]]:
    """What is known of a product beside its title and price, as label and value."""
    facts = [("Brand", item.get("brand")), ("Product code", item["item_id"])]
    facts += [
        (name.replace("_", " ").capitalize(), value) for name, value in (item.get("attributes") or {}).items()
    ]
    return [(label, str(value)) for label, value in facts if value]


def _total(lines: Sequence[Mapping[str, Any]]) -> str | None:
    """The sum of the cart; None where lines have different currencies."""
    currencies = {line["currency"] for line in lines}
    return money(sum(line["sum"] for line in lines), currencies.pop()) if len(currencies) == 1 else None
