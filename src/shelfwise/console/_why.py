"""The "why this?" panel: an explanation, told in words and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from shelfwise.console._looks import pretty_title
from shelfwise.domain import SOURCES

Document = Mapping[str, Any]
N_LEFT_OUT = 6

SOURCE_NAMES: Mapping[str, str] = {
    "collaborative": "Shoppers like you",
    "similar": "Similar products",
    "session": "This visit",
    "complements": "Bought together",
    "trending": "Trending",
    "buy_again": "Your repeat buys",
}
SOURCE_NOTES: Mapping[str, str] = {
    "collaborative": "what people with a similar history chose",
    "similar": "title, attributes and category alike",
    "session": "what others looked at or bought in visits like this one",
    "complements": "what lands in the same basket",
    "trending": "what sells now, more than usual",
    "buy_again": "what this shopper buys at a rhythm of their own",
}
_ENTITIES: Mapping[str, str] = {
    "item": "This product", "user": "This shopper", "session": "This visit", "user_item": "Shopper and product",
    "user_category": "Shopper and category", "user_brand": "Shopper and brand", "context": "The moment",
    "seeds": "What is looked at",
}  # fmt: skip
_EVENTS: Mapping[str, str] = {
    "purchase": "purchases", "view_item": "views", "add_to_cart": "cart adds", "refund": "returns", "all": "events",
}  # fmt: skip
_MEASURES: Mapping[str, str] = {
    "count": "number of {}", "actors": "people with {}", "actors_share": "share of all {}",
    "first_buyers_share": "share of first-time {}", "quantity": "pieces in {}", "trend": "trend of {}",
    "recency": "days since the last of {}", "age": "days since the first of {}", "orders": "orders",
    "decay": "recent {}", "decay_share": "share of recent {}", "days": "days with {}", "gap": "rhythm of {}",
    "overdue": "{} due again", "orders_since": "orders since the last of {}", "share": "share of {}",
    "rebuy_rate": "how often it is bought again", "season_ratio": "last year's season",
    "season_trend": "last year's turn of season", "season_lift": "last year's season against now",
    "percentile": "{} against other products", "place": "how long ago in {}", "session": "{} in this visit",
    "typical_gap": "usual days between {}", "items": "different products in {}",
}  # fmt: skip
_WINDOWS = {"all": "ever", "1h": "last hour", "1d": "last day"}


def panel(explanation: Document, item_id: str) -> dict[str, Any] | None:
    """What the panel shows of one item of an answer; None if the item is not in it."""
    item = next((item for item in explanation["items"] if item["item_id"] == item_id), None)
    if item is None:
        return None
    return {
        "recommendation_id": explanation["recommendation_id"],
        "position": item["position"],
        "of": len(explanation["items"]),
        "score": item["score"],
        "propensity": item.get("propensity"),
        "sources": sources_of(item, explanation["items"], explanation.get("missing") or {}),
        "features": features_of(item),
        "rules": list(explanation.get("rules") or ()),
        "left_out": [_left_out(one) for one in list(explanation.get("left_out") or ())[:N_LEFT_OUT]],
        "why_not": _left_out(explanation["why_not"]) if explanation.get("why_not") else None,
        "degraded": explanation.get("degraded"),
        "answered_at": explanation["answered_at"],
        "placement": explanation["placement"],
        "strategy": explanation["strategy"],
        "release": explanation["release"],
    }


def _left_out(one: Document) -> dict[str, str]:
    """An item that is not in the answer, and why."""
    title = pretty_title(str(one.get("title") or one["item_id"]))
    return {"item_id": str(one["item_id"]), "title": title, "text": str(one.get("text") or one["reason"])}


def sources_of(
    item: Document, others: Sequence[Document], missing: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Every source: what it said of the item, beside the most it said of any item of the answer."""
    said = item.get("sources") or {}
    rows = []
    for name in SOURCES:
        score = said.get(name)
        most = max((abs((other.get("sources") or {}).get(name) or 0.0) for other in others), default=0.0)
        share = abs(score) / most if score is not None and most else (1.0 if score is not None else 0.0)
        note = SOURCE_NOTES[name]
        if score is None:
            note = f"left out: {missing[name]}" if name in missing else "did not propose it"
        rows.append({"name": name, "title": SOURCE_NAMES[name], "score": score, "share": share, "note": note})
    return sorted(rows, key=lambda row: row["score"] is None)


def features_of(item: Document) -> dict[str, Any] | None:
    """The score as a sum: where it starts, what each feature adds, what the rest adds. None if nobody scored it."""
    told, base = item.get("features") or [], item.get("base")
    if not told or base is None:
        return None
    total = base + sum(feature["contribution"] for feature in told)
    score = item["score"] if item.get("score") is not None else total
    largest = max(abs(feature["contribution"]) for feature in told) or 1.0
    rows = [
        {
            "name": feature["name"],
            "title": feature_title(feature["name"]),
            "meaning": feature.get("meaning") or "",
            "value": number(feature["value"]),
            "contribution": feature["contribution"],
            "share": feature["contribution"] / largest,
        }
        for feature in told
    ]
    return {"rows": rows, "base": base, "rest": round(score - total, 6) + 0.0, "score": score}


def feature_title(name: str) -> str:
    """A feature's name in words: ``item__purchase__count__7d`` is "Product: purchase count, last 7 days"."""
    entity, *parts = name.split("__")
    if entity in SOURCE_NAMES:
        return f"{SOURCE_NAMES[entity]}: {_words(parts)}"
    window = f", {_window(parts.pop())}" if len(parts) > 1 and _is_window(parts[-1]) else ""
    return f"{_ENTITIES.get(entity, _words([entity]).capitalize())}: {_measured(parts)}{window}"


def _measured(parts: Sequence[str]) -> str:
    """``purchase``, ``count`` is "number of purchases"; what is not in the tables is read as it is written."""
    if len(parts) == 2 and parts[0] in _EVENTS and parts[1] in _MEASURES:
        return _MEASURES[parts[1]].format(_EVENTS[parts[0]])
    return _words([part.removeprefix("log_") for part in parts if part != "log"])


def _words(parts: Sequence[str]) -> str:
    return " ".join(parts).replace("_", " ")


def number(value: float | None) -> str:
    """A value as people read it."""
    if value is None or not isfinite(value):
        return "unknown"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.3g}" if abs(value) < 1e6 else f"{value:,.0f}"


def _is_window(text: str) -> bool:
    return text in _WINDOWS or all(
        part[:-1].isdigit() and part[-1] in "dh" for part in text.split("_") if part
    )


def _window(text: str) -> str:
    if text in _WINDOWS:
        return _WINDOWS[text]
    spans = [f"{part[:-1]} {'days' if part[-1] == 'd' else 'hours'}" for part in text.split("_")]
    return f"last {' against '.join(spans)}"
