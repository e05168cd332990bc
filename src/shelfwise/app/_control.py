"""Documents that an operator keeps in a shop, rules and keys, and what is told of its releases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shelfwise.domain import NotFound

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop


def documents(shop: Shop, kind: str) -> list[tuple[str, dict[str, Any]]]:
    """All of a kind, by key."""
    rows: list[tuple[str, dict[str, Any]]] = []
    after = ""
    while page := shop.readers.control.documents(kind, after=after):
        rows += [(key, body) for key, body, _ in page]
        after = page[-1][0]
    return rows


def put(shop: Shop, kind: str, key: str, body: Mapping[str, Any]) -> None:
    """Add one. Raises Conflict for a key that exists."""
    command = {"op": "put", "kind": kind, "key": key, "body": dict(body), "if_match": "", "actor": "cli"}
    shop.submit("control", command)


def delete(shop: Shop, kind: str, key: str, noun: str) -> None:
    """Remove one. Raises NotFound, where ``noun`` says of what."""
    if shop.readers.control.get(kind, key) is None:
        raise NotFound(noun, key)
    shop.submit("control", {"op": "delete", "kind": kind, "key": key, "if_match": None, "actor": "cli"})


def in_short(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line about a release."""
    if "trouble" in row:
        return {"release": row["release"], "aliases": row["aliases"], "trouble": row["trouble"]}
    metrics, trained = row["metrics"], row["trained"]
    return {
        "release": row["release"],
        "aliases": row["aliases"],
        "as_of": trained.get("as_of"),
        "ndcg@10": metrics.get("ndcg"),
        "people": trained.get("people"),
        "items": trained.get("items"),
        "bytes": row["bytes"],
    }
