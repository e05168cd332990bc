"""Answers in this process, from the same door as over HTTP: for the command line and ``Shop``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from shelfwise.app._console import DoorApi
from shelfwise.app._worker import make_door
from shelfwise.domain import InvalidInput, NotFound, NotTrained
from shelfwise.reranking import parse_rule, preview
from shelfwise.serving import Pipeline
from shelfwise.serving.http import (
    Door,
    Keeping,
    Problem,
    Reader,
    RecommendationQuery,
    asker,
    explain_logged,
    export_parts,
    query_of,
)
from shelfwise.serving.http import answer as answer_of
from shelfwise.stores import Inbox, Receipt

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

_QUERY = Reader(RecommendationQuery)


@dataclass(frozen=True, slots=True)
class Aside:
    """The inbox of this process, as an event loop would ask it."""

    inbox: Inbox

    async def submit(self, command: str, payload: Any) -> Receipt:
        """Hand it over; nothing else waits meanwhile."""
        return self.inbox.submit(command, payload)

    async def aclose(self) -> None:
        """Whoever opened the inbox closes it."""


class LocalDoor:
    """The door of one process, without HTTP."""

    def __init__(self, shop: Shop) -> None:
        self.door: Door = make_door(
            shop.layout, shop.settings, shop.readers, shop.clock, Aside(shop.inbox), worker=-1
        )
        self._keeping = Keeping(self.door)

    def recommend(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """An answer to the body of ``POST /v1/recommendations``, logged like any other, with titles."""
        self.pipeline()
        try:
            told: dict[str, Any] = msgspec.to_builtins(answer_of(self.door, _QUERY.document(query)))
        except Problem as problem:
            raise InvalidInput(problem.detail) from None
        asyncio.run(self.door.recorder.flush())
        shelf = self.door.shelf
        for item in told["items"]:
            item["title"] = shelf.title[shelf.row_of[item["item_id"]]]
        return told

    def explain(self, *, item_id: str, user_id: str | None, placement: str) -> dict[str, Any]:
        """Why an item is, or is not, in a fresh answer."""
        if item_id not in self.door.shelf.row_of and item_id not in self._shelf_of_now():
            raise NotFound("item", item_id)
        asked = {"user_id": user_id, "placement": placement, "n": 10}
        answer = self.recommend({name: value for name, value in asked.items() if value is not None})
        body = explain_logged(self.door, answer["recommendation_id"], item_id)
        shown = [item for item in body["items"] if item["item_id"] == item_id]
        about = {"item_id": item_id, "shown": bool(shown), "recommendation_id": answer["recommendation_id"]}
        return {**about, **(shown[0] if shown else {"why_not": body.get("why_not")}), "rules": body["rules"]}

    def preview(self, document: Mapping[str, Any], *, user_id: str | None, placement: str) -> dict[str, Any]:
        """A slate without and with a rule; nothing is logged."""
        pipeline = replace(self.pipeline(), keep=None)
        asked = RecommendationQuery(user_id=user_id, placement=placement, n=10)
        query, person = asker(self.door, query_of(self.door, asked, pipeline.shelf), None)
        seen = preview(
            pipeline.book,
            pipeline.book.with_rule(parse_rule(document)),
            query,
            person,
            pipeline.judged(query, person),
            pipeline.live(),
            pipeline.shelf,
        )
        ids = pipeline.shelf.item_id
        return {
            "before": [ids[row] for row in seen.before.item.tolist()],
            "after": [ids[row] for row in seen.after.item.tolist()],
            "gone": [ids[row] for row in seen.gone.tolist()],
            "new": [ids[row] for row in seen.new.tolist()],
        }

    def export(self, user_id: str) -> Iterator[bytes]:
        """All that is kept of a user, as parts of a JSON document. Raises NotFound."""
        return export_parts(self.door, user_id)

    def features(self, *, user_id: str, items: Sequence[str]) -> list[dict[str, Any]]:
        """A row per item: what the request would tell the ranker."""
        pipeline = self.pipeline()
        rows = pipeline.shelf.rows(list(items))
        if len(rows) != len(items):
            unknown = next(item for item in items if item not in pipeline.shelf.row_of)
            raise NotFound("item", unknown)
        asked = RecommendationQuery(user_id=user_id, items=[], n=max(1, min(100, len(items))))
        query, person = asker(self.door, query_of(self.door, asked, pipeline.shelf), None)
        matrix = pipeline.features_of(query, person, rows)
        names = pipeline.release.assembler.needs
        return [
            {
                "item_id": item,
                **{n: None if np.isnan(v) else float(v) for n, v in zip(names, row, strict=True)},
            }
            for item, row in zip(items, matrix, strict=True)
        ]

    def pipeline(self) -> Pipeline:
        """The pipeline of now. Raises NotTrained without a release."""
        self._keeping.catch_up()
        if self.door.pipeline is None:
            raise NotTrained(self.door.trouble)
        return self.door.pipeline

    def api(self) -> DoorApi:
        """What pages ask."""
        return DoorApi(self.door)

    def _shelf_of_now(self) -> Mapping[str, int]:
        return self.door.shelf_reader.shelf().row_of
