"""What the pages ask of the shop: the same documents as over HTTP, handed in as an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Document = Mapping[str, Any]


class Api(Protocol):
    """The part of the shop's interface that pages need. Raises the errors of ``domain``."""

    def recommend(self, query: Document) -> Document:
        """An answer to the body of ``POST /v1/recommendations``; it is logged like any other."""
        ...

    def explanation(self, recommendation_id: str, item_id: str | None = None) -> Document:
        """``GET /v1/recommendations/{id}/explanation``; with an item, also why that one is not in it."""
        ...

    def items(self, item_ids: Sequence[str]) -> Sequence[Document | None]:
        """Items as ``GET /v1/items/{id}`` tells them, in order; None for an id that is unknown or retired."""
        ...

    def search(self, text: str, *, category: str | None, limit: int, offset: int) -> Sequence[Document]:
        """Items whose title holds all the words of ``text`` (all items for ''), best sellers first."""
        ...

    def categories(self) -> Sequence[tuple[str, int]]:
        """Names of the widest categories and how many items each has, the largest first."""
        ...

    def person(self, user_id: str | None, anonymous_id: str | None) -> Document | None:
        """What is known, as ``GET /v1/users/{id}`` tells it, for visitors too; None for nobody we know."""
        ...

    def people(self, text: str, *, limit: int) -> Sequence[Document]:
        """Known customers whose id begins with ``text``: ``user_id, country, orders, last_seen_at``.

        Simulated ones only where the text asks for them.
        """
        ...
