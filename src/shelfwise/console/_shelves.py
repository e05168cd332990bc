"""The shelves of recommendations on the pages: what each asks the shop for, and the cards it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from shelfwise.console._api import Api, Document
from shelfwise.console._looks import drawing_of, money, pretty_title, safe_image, told_simpler
from shelfwise.console._shopper import Shopper

LOW_STOCK = 5  # pieces from which on a card says how few are left

REASON_ICONS: Mapping[str, str] = {
    "bought_together": "layers", "others_also_bought": "users-round", "same_session": "eye", "similar_to": "sparkles",
    "buy_again": "repeat", "bought_before": "repeat", "others_also_viewed": "eye", "seen_together": "eye",
    "trending": "trending-up", "trending_in_country": "trending-up",
    "trending_in_category": "trending-up", "best_seller": "trending-up", "pinned": "store",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shelf:
    """One place on a page. ``title`` and ``note`` are what shoppers read."""

    title: str
    note: str
    placement: str
    strategy: str | None  # None: what the shop's settings say of the placement
    size: int
    wide: bool = False  # a grid of rows rather than one row
    newcomer_note: str = ""  # for visitors of whom nothing is known
    seen: str | None = None  # 'exclude': nothing that the shopper bought; those have a shelf of their own
    simpler: str | None = None  # title where the shop answered with less than asked for; '': no shelf then


LIKE = "You may also like"
SHELVES: Mapping[str, Shelf] = {
    "for_you": Shelf(
        "For you", "New to you, from what you bought, looked at and put in your cart", "home", None, 12, wide=True,
        newcomer_note="What sells now. Look at a few things and watch this change", seen="exclude",
    ),
    "trending": Shelf("Trending now", "What people buy these days", "trending", "trending", 6, simpler=LIKE),
    "buy_again": Shelf("Buy again", "You come back for these", "buy_again", "buy_again", 6, simpler=""),
    "together": Shelf(
        "Often bought together", "What lands in the same basket", "product", "complements", 6, simpler="",
    ),
    "similar": Shelf("Similar", "Alike in name and kind", "product", "similar", 6, simpler=LIKE),
    "complete": Shelf("Complete your order", "Goes with what is in your cart", "cart", "complements", 6, simpler=LIKE),
    "in_category": Shelf(
        "Trending here", "What people buy in this department these days", "category", "trending", 6, simpler=LIKE,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses of the pages, below the place where the shop is mounted."""

    base: str

    def home(self) -> str:
        """The front page."""
        return f"{self.base}/"

    def item(self, item_id: str, recommendation_id: str | None = None, position: int | None = None) -> str:
        """A product page; it remembers which answer led there, so that its events can say so."""
        traced = {"rec": recommendation_id, "pos": position} if recommendation_id else {}
        query = f"?{urlencode(traced)}" if traced else ""
        return f"{self.base}/item/{quote(item_id, safe='')}{query}"

    def category(self, name: str) -> str:
        """A department."""
        return f"{self.base}/category/{quote(name, safe='')}"

    def why(self, recommendation_id: str, item_id: str) -> str:
        """Why an item is in an answer."""
        return f"{self.base}/why/{quote(recommendation_id, safe='')}/{quote(item_id, safe='')}"

    def shelf(self, name: str, items: Sequence[str], without: Sequence[str], category: str | None) -> str:
        """One shelf alone, filled anew."""
        named = [("category", [category] if category else []), ("item", items), ("without", without)]
        query = urlencode([(name, value) for name, values in named for value in values])
        return f"{self.base}/shelf/{name}{'?' + query if query else ''}"


def fill_shelf(
    api: Api,
    links: Links,
    shopper: Shopper,
    name: str,
    *,
    items: Sequence[str] = (),
    without: Sequence[str] = (),
    category: str | None = None,
) -> dict[str, Any]:
    """Ask the shop and lay out the cards, none ``without``. An answer without items is a shelf without cards."""
    shelf = SHELVES[name]
    answer = api.recommend(_query(shelf, shopper, items, without, category))
    found = _known_items(api, answer)
    here = items[0] if shelf.placement == "product" and items else None
    cards = [
        _recommended(links, found, entry, answer["recommendation_id"], here)
        for entry in answer["items"]
        if found.get(entry["item_id"])
    ]
    title, note = _heading(shelf, cards, simpler=answer["degraded"] is not None)
    return {
        "name": name,
        "title": title,
        "note": note,
        "wide": shelf.wide,
        "placement": shelf.placement,
        "recommendation_id": answer["recommendation_id"],
        "release": answer["release"],
        "degraded": told_simpler(answer["degraded"]),
        "cards": cards if title else [],
        "again": links.shelf(name, items, without, category),
    }


def _heading(shelf: Shelf, cards: Sequence[Mapping[str, Any]], *, simpler: bool) -> tuple[str, str]:
    """Title and note that hold for what is shown: a shelf must not promise what a simpler answer does not keep."""
    if simpler:
        return (shelf.title if shelf.simpler is None else shelf.simpler), ""
    newcomer = shelf.newcomer_note and all(card["reason"]["icon"] == "trending-up" for card in cards)
    return shelf.title, shelf.newcomer_note if newcomer else shelf.note


def card_of(links: Links, item: Document) -> dict[str, Any]:
    """A product as a card shows it."""
    price, before, currency = item.get("price"), item.get("list_price"), item.get("currency")
    reduced = price is not None and before is not None and before > price > 0
    stock = item.get("stock")
    return {
        "item_id": item["item_id"],
        "title": pretty_title(str(item.get("title") or item["item_id"])),
        "price": price,
        "currency": currency,
        "price_text": money(price, currency),
        "before_text": money(before, currency) if reduced else None,
        "off": round(100 * (1 - price / before)) if reduced and price and before else None,
        "stock": stock,
        "sold_out": stock == 0,
        "few_left": stock if stock is not None and 0 < stock <= LOW_STOCK else None,
        "image": safe_image(item),
        "drawing": drawing_of(item),
        "href": links.item(item["item_id"]),
    }


def _query(
    shelf: Shelf, shopper: Shopper, items: Sequence[str], without: Sequence[str], category: str | None
) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "placement": shelf.placement, "n": shelf.size, "items": list(items), **shopper.identity, **shopper.consent,
    }  # fmt: skip
    if shelf.strategy:
        asked["strategy"] = shelf.strategy
    if shelf.seen:
        asked["seen"] = shelf.seen
    if without:
        asked["exclude"] = list(without)
    if category:
        quoted = category.replace("'", "''")
        asked["filter"] = f"category = '{quoted}'"
    return asked


def _known_items(api: Api, answer: Document) -> dict[str, Document]:
    """Items of an answer and those that its reasons name, by id, in one read."""
    named = [entry["item_id"] for entry in answer["items"]]
    named += [
        reason["item_id"] for entry in answer["items"] for reason in entry["reasons"] if reason["item_id"]
    ]
    ids = list(dict.fromkeys(named))
    return {item_id: item for item_id, item in zip(ids, api.items(ids), strict=True) if item is not None}


def _recommended(
    links: Links, found: Mapping[str, Document], entry: Document, recommendation_id: str, here: str | None
) -> dict[str, Any]:
    card = card_of(links, found[entry["item_id"]])
    return {
        **card,
        "href": links.item(card["item_id"], recommendation_id, entry["position"]),
        "why": links.why(recommendation_id, card["item_id"]),
        "position": entry["position"],
        "score": entry["score"],
        "sources": list(entry["sources"]),
        "reason": _reason(entry, found, here),
    }


def _reason(entry: Document, found: Mapping[str, Document], here: str | None) -> dict[str, Any]:
    """The first reason; a product in it is named as the pages name it, the one that the page is ``here`` for "this"."""
    first = next(iter(entry["reasons"]), None)
    if first is None:
        return {"code": "none", "text": "", "icon": "sparkles", "item_id": None}
    text, anchor = first["text"], found.get(first["item_id"] or "")
    if anchor is not None and anchor.get("title"):
        name = "this" if first["item_id"] == here else pretty_title(str(anchor["title"]))
        text = text.replace(str(anchor["title"]), name)
    icon = REASON_ICONS.get(first["code"], "sparkles")
    return {"code": first["code"], "text": text, "icon": icon, "item_id": first["item_id"]}
