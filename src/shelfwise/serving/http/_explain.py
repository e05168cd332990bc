"""Why: the answer as it was logged, in sources, exact contributions of features and rules; and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    MAX_ID_BYTES,
    Answer,
    NotFound,
    PersonState,
    Query,
    Shelf,
    ShelfwiseError,
    from_us,
)
from shelfwise.features import FEATURES
from shelfwise.serving._people import read_person
from shelfwise.serving._pipeline import Pipeline
from shelfwise.serving._release import Release
from shelfwise.serving.http._documents import aside, values_of
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._request import Request, Response, json_response

N_FEATURES = 8  # told per position, the strongest first
N_LEFT_OUT = 20  # items told that are not in the answer
_MEANING = {feature.name: feature.meaning for feature in FEATURES}
_FAULTS = {
    "unknown": "not in the catalogue",
    "out_of_stock": "out of stock",
    "hidden": "hidden by the shop",
    "not_yet_available": "not on sale yet",
    "no_longer_available": "no longer on sale",
    "region": "not sold in the shopper's country",
    "age": "only for shoppers known to be old enough",
    "in_cart": "in the cart already",
    "looked_at": "being looked at",
    "excluded": "excluded by the query",
    "already_bought": "bought before, and this place shows what is new",
    "filter": "does not fit the query's filter",
    "ranked_lower": "considered, but others scored higher",
    "not_proposed": "no source proposed it to this shopper",
}


async def explanation(door: Door, request: Request) -> Response:
    """GET /v1/recommendations/{recommendation_id}/explanation, ``?item_id=`` asks why one is not in it."""
    recommendation_id = request.params["recommendation_id"]
    wanted = values_of(request, "item_id").get("item_id")
    return json_response(await aside(explain_logged, door, recommendation_id, wanted))


def explain_logged(door: Door, recommendation_id: str, item_id: str | None = None) -> dict[str, Any]:
    """The explanation of an answer of the last days. Raises NotFound."""
    answer = door.find_answer(recommendation_id) if len(recommendation_id) <= MAX_ID_BYTES else None
    if answer is None:
        raise NotFound("recommendation", recommendation_id)
    return explain(door, answer, item_id)


def explain(door: Door, answer: Answer, item_id: str | None) -> dict[str, Any]:
    """The explanation of an answer; with an item that is not in it, also why that one is not."""
    release = _release(door, answer.release)
    shares = _shares(release, answer)
    asked = _Asked.of(door, answer)
    body: dict[str, Any] = {
        "recommendation_id": answer.recommendation_id,
        "answered_at": from_us(answer.answered_us).isoformat(),
        "placement": answer.placement,
        "strategy": answer.strategy,
        "release": answer.release,
        "rules": answer.rules,
        "missing": answer.missing,
        "degraded": answer.degraded and msgspec.to_builtins(answer.degraded),
        "items": [_item(door.shelf, answer, position, share) for position, share in enumerate(shares)],
        "left_out": asked.left_out() if asked is not None else [],
    }
    if item_id is not None and item_id not in answer.items:
        body["why_not"] = (
            asked.why_not(item_id) if asked is not None else _left_out(door.shelf, item_id, "unknown")
        )
    return body


class _Asked:
    """The question of a logged answer, asked again as of now: what a person was then is kept nowhere."""

    def __init__(self, pipeline: Pipeline, query: Query, person: PersonState, shown: set[str]) -> None:
        self._pipeline, self._query, self._person, self._shown = pipeline, query, person, shown
        self._pool = pipeline.judged(query, person) if pipeline.release.ranker is not None else None

    @classmethod
    def of(cls, door: Door, answer: Answer) -> _Asked | None:
        pipeline = door.pipeline
        if pipeline is None:
            return None
        query = Query(
            size=max(len(answer.items), 1), asked_us=door.clock(), user_id=answer.user_id,
            anonymous_id=answer.anonymous_id, placement=answer.placement, strategy=answer.strategy,
            seeds=pipeline.shelf.rows(list(answer.seeds)), seen="exclude" if answer.seen == "exclude" else "keep",
            filter=answer.filter, context=answer.context,
        )  # fmt: skip
        try:
            person = read_person(door.state, answer.user_id, answer.anonymous_id)
            return cls(pipeline, query, person, set(answer.items))
        except ShelfwiseError:
            return None

    def left_out(self) -> list[dict[str, Any]]:
        """What was proposed and is not shown, the highest scores first: some that may not be, and the runners-up."""
        if self._pool is None:
            return []
        shelf = self._pipeline.shelf
        rows = [
            row
            for row in self._pool.top(len(self._pool)).item.tolist()
            if shelf.item_id[row] not in self._shown
        ]
        faults = self._faults(rows)
        barred = [pair for pair in zip(rows, faults, strict=True) if pair[1]][: N_LEFT_OUT // 2]
        lower = [(row, "ranked_lower") for row, fault in zip(rows, faults, strict=True) if not fault]
        told = barred + lower[: N_LEFT_OUT - len(barred)]
        return [_left_out(shelf, shelf.item_id[row], reason) for row, reason in told]

    def why_not(self, item_id: str) -> dict[str, Any]:
        """The first thing that keeps one item out."""
        shelf = self._pipeline.shelf
        row = shelf.row_of.get(item_id, -1)
        if row < 0:
            return _left_out(shelf, item_id, "unknown")
        proposed = self._pool is not None and row in self._pool.item
        reason = self._faults([row])[0] or ("ranked_lower" if proposed else "not_proposed")
        return _left_out(shelf, item_id, reason)

    def _faults(self, rows: Sequence[int]) -> tuple[str, ...]:
        pipeline, item = self._pipeline, np.array(rows, np.int32)
        return pipeline.book.why_not(self._query, self._person, pipeline.live(), pipeline.shelf, item)


def _left_out(shelf: Shelf, item_id: str, reason: str) -> dict[str, Any]:
    row = shelf.row_of.get(item_id, -1)
    text = (
        f"kept out by rule {reason.removeprefix('rule:')}"
        if reason.startswith("rule:")
        else _FAULTS.get(reason, "")
    )
    return {"item_id": item_id, "title": shelf.title[row] if row >= 0 else "", "reason": reason, "text": text}


def _item(shelf: Shelf, answer: Answer, position: int, share: dict[str, Any]) -> dict[str, Any]:
    row = shelf.row_of.get(answer.items[position], -1)
    score = answer.scores[position]
    return {
        "item_id": answer.items[position],
        "title": shelf.title[row] if row >= 0 else "",
        "position": position + 1,
        "score": score if score == score else None,
        "propensity": answer.propensities[position],
        "sources": answer.sources[position],
        **share,
    }


def _release(door: Door, release_id: str) -> Release | None:
    """The release that answered, if it can still be opened."""
    pipeline = door.pipeline
    if pipeline is not None and pipeline.release.release_id == release_id:
        return pipeline.release
    try:
        return Release.open(door.releases.open(release_id), door.shelf, release_id=release_id)
    except ShelfwiseError:
        return None


def _shares(release: Release | None, answer: Answer) -> list[dict[str, Any]]:
    """Per position what each feature added to the score: exact Shapley values, the strongest first."""
    nothing: dict[str, Any] = {"features": [], "base": None}
    shares = [nothing] * len(answer.items)
    if release is None or release.ranker is None or len(answer.features) != len(answer.items):
        return shares
    needs = release.ranker.needs
    if any(len(row) != 4 * len(needs) for row in answer.features):
        return shares
    rows = np.frombuffer(b"".join(answer.features), "<f4").reshape(-1, len(needs)).astype(np.float32)
    told = np.flatnonzero(~np.isnan(rows).all(axis=1))  # a pinned item was never judged
    if len(told):
        for position, part in zip(told.tolist(), release.ranker.explain(rows[told]), strict=True):
            shares[position] = _share(needs, rows[position], part)
    return shares


def _share(needs: Sequence[str], row: NDArray[np.float32], part: NDArray[np.float32]) -> dict[str, Any]:
    strongest = np.argsort(-np.abs(part[:-1]), kind="stable")[:N_FEATURES].tolist()
    features = [
        {
            "name": needs[at],
            "meaning": _meaning(needs[at]),
            "value": float(row[at]) if np.isfinite(row[at]) else None,
            "contribution": float(part[at]),
        }
        for at in strongest
    ]
    return {"base": float(part[-1]), "features": features}


def _meaning(name: str) -> str:
    """What a feature says: of a source's signal also relative to the others, and its place among them."""
    own = name.removesuffix("__relative").removesuffix("__rank")
    said, form = _SIGNALS.get(own), name.removeprefix(own)
    if said is None:
        return _MEANING.get(name, "")
    return {"__relative": f"{said}, by the highest of this answer's candidates",
            "__rank": f"how many candidates have more of: {said}"}.get(form, said)  # fmt: skip


_SIGNALS = {
    "collaborative__score": "how well it fits what people with a like history went on to want",
    "collaborative__short": "how well it fits the taste of late",
    "collaborative__long": "how well it fits the lasting taste",
    "collaborative__neighbours": "how often people who chose the shopper's items chose it too",
    "similar__score": "how alike its content is to the items at hand",
    "session__score": "how often visits like this one led to it",
    "complements__score": "how often it is bought together with the items at hand",
    "trending__score": "how much it sells now to such a shopper",
    "trending__bought": "its share of what is bought now",
    "trending__first": "its share of what is bought now for the first time",
    "trending__category": "its share of what is bought now in the categories at hand",
    "buy_again__score": "how due the shopper is to buy it again",
}
