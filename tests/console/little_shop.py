"""A shop in memory that keeps the promise of ``Api``: seventy products, a few customers, plain recommendations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from console.titles import PRODUCTS
from shelfwise.domain import NotFound, to_us

NOW = datetime(2011, 12, 9, 13, 5, tzinfo=UTC)
NOW_US = to_us(NOW)
DEPARTMENTS = {
    "Bags": ("BAG", "SHOPPER"), "Kitchen": ("CAKE", "TEA", "TINS", "JAM", "BAKING", "MOULDS", "SCALES", "BOWLS"),
    "Lighting": ("LIGHT", "T-LIGHT"), "Party": ("BUNTING", "PARTY", "NAPKINS", "PAPER"), "Home": (),
}  # fmt: skip
CUSTOMERS = {
    "17850": ("85123A", "22423", "84879", "47566"),
    "12583": ("22727", "22726", "21731"),
    "17841": ("20725",),
}
SIMULATED = {"sim-7-42": ("22423",)}


class LittleShop:
    """Answers from title words in common with what the person did, and from popularity (the order of PRODUCTS)."""

    def __init__(self) -> None:
        self.stock: dict[str, dict[str, Any]] = {
            code: _item(code, title, price) for code, title, price in PRODUCTS
        }
        self.past: dict[str, list[dict[str, Any]]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.queries: list[Mapping[str, Any]] = []
        self._ids = count(1)
        for user, codes in CUSTOMERS.items():
            self.past[user] = [_line("purchase", code) for code in codes]

    def take(self, event: Mapping[str, Any]) -> None:
        """POST /v1/events."""
        self.events.append(dict(event))
        if event.get("consent") == "denied" or event["event"] in ("view_item_list", "select_item", "search"):
            return
        who = event.get("user_id") or event["anonymous_id"]
        lines = [
            _line(event["event"], line["item_id"], line.get("quantity", 1))
            for line in event.get("items") or ()
        ]
        self.past[who] = [*lines, *self.past.get(who, ())]

    def recommend(self, query: Mapping[str, Any]) -> dict[str, Any]:
        self.queries.append(query)
        strategy = query.get("strategy") or "auto"
        past = self.past.get(query.get("user_id") or query.get("anonymous_id") or "", [])
        cart = {line["item_id"] for line in past if line["event"] == "add_to_cart"}
        anchors = list(query["items"]) or [line["item_id"] for line in past][:8]
        if query.get("consent") == "denied" and not query["items"]:
            anchors = []
        bought = {line["item_id"] for line in past if line["event"] == "purchase"}
        without = {*query.get("exclude", ()), *(bought if query.get("seen") == "exclude" else ())}
        scored: list[dict[str, Any]] = []
        for rank, (code, item) in enumerate(self.stock.items()):
            if (
                code in query["items"]
                or code in cart
                or code in without
                or item["stock"] == 0
                or not _fits(item, query.get("filter"))
            ):
                continue
            anchor, likeness = _nearest(
                item, [self.stock[a] for a in anchors if a in self.stock and a != code]
            )
            row = _scored(strategy, code, rank, anchor, likeness, past)
            scored += [row] if row is not None else []
        best = sorted(scored, key=lambda row: -row["score"])[: query["n"]]
        return self._answer(query, strategy, best)

    def _answer(
        self, query: Mapping[str, Any], strategy: str, scored: list[dict[str, Any]]
    ) -> dict[str, Any]:
        recommendation_id = f"r{next(self._ids):06d}"
        items = [
            {
                "item_id": row["item_id"],
                "position": position,
                "score": row["score"],
                "sources": tuple(row["said"]),
                "reasons": [self._reason(row)],
            }
            for position, row in enumerate(scored, 1)
        ]
        self.answers[recommendation_id] = {
            "recommendation_id": recommendation_id, "answered_at": NOW.isoformat(), "placement": query["placement"],
            "strategy": strategy, "release": "r-3f9c1d07", "rules": ["xmas-lights"],
            "missing": {"session": "no visit yet"},
            "degraded": None, "items": [_explained(row, position) for position, row in enumerate(scored, 1)],
        }  # fmt: skip
        return {
            "recommendation_id": recommendation_id, "items": items, "placement": query["placement"],
            "release": "r-3f9c1d07", "variants": [], "degraded": None,
        }  # fmt: skip

    def _reason(self, row: Mapping[str, Any]) -> dict[str, Any]:
        code, anchor = row["why"]
        title = self.stock[anchor]["title"] if anchor else ""
        text = {
            "trending": "Popular right now",
            "buy_again": "You buy this now and then",
            "similar_to": f"Similar to {title}",
            "bought_together": f"Often bought with {title}",
            "others_also_bought": f"Shoppers who bought {title} also chose this",
        }[code]
        return {"code": code, "item_id": anchor, "text": text}

    def explanation(self, recommendation_id: str, item_id: str | None = None) -> dict[str, Any]:
        if recommendation_id not in self.answers:
            raise NotFound("recommendation", recommendation_id)
        told = dict(self.answers[recommendation_id])
        shown = [item["item_id"] for item in told["items"]]
        told["left_out"] = [
            self._left_out(code, "considered, but others scored higher") for code in ("22720", "21212")
        ]
        if item_id is not None and item_id not in shown:
            told["why_not"] = self._left_out(item_id, "in the cart already")
        return told

    def _left_out(self, item_id: str, text: str) -> dict[str, str]:
        if item_id not in self.stock:
            return {"item_id": item_id, "title": "", "reason": "unknown", "text": "not in the catalogue"}
        return {"item_id": item_id, "title": self.stock[item_id]["title"], "reason": "some", "text": text}

    def items(self, item_ids: Sequence[str]) -> list[dict[str, Any] | None]:
        return [self.stock.get(item_id) for item_id in item_ids]

    def search(self, text: str, *, category: str | None, limit: int, offset: int) -> list[dict[str, Any]]:
        words = text.upper().split()
        found = [
            item
            for item in self.stock.values()
            if all(word in item["title"] for word in words)
            and (category is None or category in item["category"])
        ]
        return found[offset : offset + limit]

    def categories(self) -> list[tuple[str, int]]:
        return Counter(item["category"][0] for item in self.stock.values()).most_common()

    def person(self, user_id: str | None, anonymous_id: str | None) -> dict[str, Any] | None:
        lines = self.past.get(user_id or anonymous_id or "")
        if not lines:
            return None
        country = "United Kingdom" if user_id else None
        return {
            "user_id": user_id, "country": country, "first_seen_at": "2009-12-01T07:45:00+00:00", "n_lines": len(lines),
            "lines": lines,
        }  # fmt: skip

    def people(self, text: str, *, limit: int) -> list[dict[str, Any]]:
        return [
            {
                "user_id": user,
                "country": "United Kingdom",
                "orders": len(codes),
                "last_seen_at": "2011-12-02T10:00:00Z",
            }
            for user, codes in (SIMULATED if text.startswith("sim-") else CUSTOMERS).items()
            if user.startswith(text)
        ][:limit]


def _item(code: str, title: str, price: float) -> dict[str, Any]:
    department = next((name for name, words in DEPARTMENTS.items() if any(w in title for w in words)), "Home")
    reduced = {"22423": 15.95, "21790": 1.25, "22727": 4.95}.get(code)
    return {
        "item_id": code, "title": title, "description": "", "category": (department,), "brand": None, "price": price,
        "list_price": reduced, "cost": None, "currency": "GBP",
        "stock": {"22178": 0, "84879": 3}.get(code), "attributes": {}, "image": None, "url": None,
    }  # fmt: skip


def _line(event: str, item_id: str, quantity: int = 1) -> dict[str, Any]:
    return {
        "event": event,
        "occurred_at": "2011-12-02T10:00:00+00:00",
        "item_id": item_id,
        "quantity": quantity,
    }


def _fits(item: Mapping[str, Any], text: str | None) -> bool:
    return text is None or text.split("'")[1] in item["category"]


def _nearest(item: Mapping[str, Any], anchors: Sequence[Mapping[str, Any]]) -> tuple[str | None, float]:
    words = set(item["title"].split())
    best: tuple[str | None, float] = (None, 0.0)
    for age, anchor in enumerate(anchors):
        theirs = set(anchor["title"].split())
        likeness = len(words & theirs) / len(words | theirs) * 0.9**age
        if likeness > best[1]:
            best = (anchor["item_id"], likeness)
    return best


def _scored(
    strategy: str,
    code: str,
    rank: int,
    anchor: str | None,
    likeness: float,
    past: Sequence[Mapping[str, Any]],
) -> dict[str, Any] | None:
    popular = 1.0 / (1.0 + rank / 10)
    bought = any(line["item_id"] == code and line["event"] == "purchase" for line in past)
    if strategy == "buy_again":
        return (
            {"item_id": code, "score": popular, "said": {"buy_again": popular}, "why": ("buy_again", None)}
            if bought
            else None
        )
    if strategy == "trending":
        return {"item_id": code, "score": popular, "said": {"trending": popular}, "why": ("trending", None)}
    said = {"trending": popular}
    if likeness > 0.1:
        said = {
            "collaborative": likeness,
            "similar": likeness,
            **({"complements": likeness * 8} if rank % 2 else {}),
        }
    kind = {"complements": "bought_together", "similar": "similar_to"}.get(strategy, "others_also_bought")
    why = (kind, anchor) if likeness > 0.1 else ("trending", None)
    return {"item_id": code, "score": 2 * likeness + 0.4 * popular, "said": said, "why": why}


def _explained(row: Mapping[str, Any], position: int) -> dict[str, Any]:
    parts = [
        ("collaborative__score", 0.31, 0.42), ("item__purchase__actors_share__7d", 4.0, 0.21),
        ("user_item__purchase__recency", None, -0.17), ("complements__rank", 3.0, 0.11),
        ("item__price__log", 5.42, -0.06), ("item__purchase__trend__7d_30d", 1.8, 0.05),
    ]  # fmt: skip
    base = row["score"] - sum(part for _, _, part in parts) - 0.04
    features = [
        {"name": name, "meaning": "in words", "value": value, "contribution": part}
        for name, value, part in parts
    ]
    return {
        "item_id": row["item_id"], "position": position, "score": row["score"], "propensity": 1.0,
        "sources": dict(row["said"]), "base": base, "features": features,
    }  # fmt: skip
