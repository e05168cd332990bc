"""The "why this?" panel: an explanation, told in words and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shelfwise.console._looks import pretty_title, told_simpler
from shelfwise.console._words import SOURCE_NAMES, feature_title, feature_value, ordinal
from shelfwise.domain import SOURCES

Document = Mapping[str, Any]
N_LEFT_OUT = 6

SOURCE_NOTES: Mapping[str, str] = {
    "collaborative": "what people with a similar history chose",
    "similar": "title, attributes and category alike",
    "session": "what others looked at or bought in visits like this one",
    "complements": "what lands in the same basket",
    "trending": "what people buy now",
    "buy_again": "what this shopper buys at a rhythm of their own",
}


def panel(explanation: Document, item_id: str, currency: str | None = None) -> dict[str, Any] | None:
    """What the panel shows of one item of an answer; None if the item is not in it. ``currency`` is of its price."""
    item = next((item for item in explanation["items"] if item["item_id"] == item_id), None)
    if item is None:
        return None
    sources = sources_of(item, explanation["items"], explanation.get("missing") or {})
    return {
        "recommendation_id": explanation["recommendation_id"],
        "position": item["position"],
        "of": len(explanation["items"]),
        "score": item["score"],
        "propensity": item.get("propensity"),
        "sources": sources,
        "proposed": any(source["score"] is not None for source in sources),
        "features": features_of(item, currency),
        "rules": list(explanation.get("rules") or ()),
        "left_out": [_left_out(one) for one in list(explanation.get("left_out") or ())[:N_LEFT_OUT]],
        "why_not": _left_out(explanation["why_not"]) if explanation.get("why_not") else None,
        "degraded": told_simpler(explanation.get("degraded")),
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
    """Every source: where it would put the item among those of the answer that it proposed. 1 is its first choice."""
    said = item.get("sources") or {}
    rows = []
    for name in SOURCES:
        score = said.get(name)
        note = SOURCE_NOTES[name]
        if score is None:
            note = f"left out: {missing[name]}" if name in missing else "did not propose it"
        rows.append(
            {
                "name": name,
                "title": SOURCE_NAMES[name],
                "score": score,
                "note": note,
                **_place(name, score, others),
            }
        )
    return sorted(rows, key=lambda row: (row["score"] is None, -row["share"]))


def _place(source: str, score: float | None, others: Sequence[Document]) -> dict[str, Any]:
    """Scores of sources have no common scale, and may be negative: a place can be read."""
    scores = [told for other in others if (told := (other.get("sources") or {}).get(source)) is not None]
    if score is None or not scores:
        return {"place": None, "place_text": "–", "share": 0.0}
    place = 1 + sum(other > score for other in scores)
    return {
        "place": place,
        "place_text": f"{ordinal(place)} of {len(scores)}",
        "share": 1 - (place - 1) / len(scores),
    }


def features_of(item: Document, currency: str | None = None) -> dict[str, Any] | None:
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
            "value": feature_value(feature["name"], feature["value"], currency),
            "contribution": feature["contribution"],
            "share": feature["contribution"] / largest,
        }
        for feature in told
    ]
    return {"rows": rows, "base": base, "rest": round(score - total, 6) + 0.0, "score": score}
