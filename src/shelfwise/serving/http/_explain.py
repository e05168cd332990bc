"""Why: the answer as it was logged, in sources, exact contributions of features, rules, and what was left out."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
import numpy as np

from shelfwise.domain import Answer, NotFound, Query, ShelfwiseError, from_us
from shelfwise.serving._people import read_person
from shelfwise.serving._release import Release
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._request import Request, Response, json_response

ANSWERS = b"r:"  # + recommendation_id -> packed Answer, kept for some days
N_FEATURES = 8  # told per position, the strongest first
_ANSWER = msgspec.msgpack.Decoder(Answer)


async def explanation(door: Door, request: Request) -> Response:
    """GET /v1/recommendations/{recommendation_id}/explanation, ``?item_id=`` asks why one is not in it."""
    recommendation_id = request.params["recommendation_id"]
    blob = door.state.get(ANSWERS + recommendation_id.encode())
    if blob is None:
        raise NotFound("recommendation", recommendation_id)
    wanted = parse_qs(request.query).get("item_id")
    return json_response(explain(door, _ANSWER.decode(blob), wanted[-1] if wanted else None))


def explain(door: Door, answer: Answer, item_id: str | None) -> dict[str, Any]:
    """The explanation of a logged answer."""
    release = _release(door, answer.release)
    body: dict[str, Any] = {
        "recommendation_id": answer.recommendation_id,
        "answered_at": from_us(answer.answered_us).isoformat(),
        "placement": answer.placement,
        "strategy": answer.strategy,
        "release": answer.release,
        "rules": answer.rules,
        "missing": answer.missing,
        "degraded": answer.degraded,
        "items": [
            {
                "item_id": item,
                "position": position + 1,
                "score": answer.scores[position],
                "propensity": answer.propensities[position],
                "sources": answer.sources[position],
                **_contributions(release, answer, position),
            }
            for position, item in enumerate(answer.items)
        ],
    }
    if item_id is not None and item_id not in answer.items:
        body["why_not"] = {"item_id": item_id, "reason": why_not(door, answer, item_id)}
    return body


def why_not(door: Door, answer: Answer, item_id: str) -> str:
    """The first thing that keeps an item out of this answer, as of now."""
    pipeline = door.pipeline
    row = door.shelf.row_of.get(item_id, -1)
    if pipeline is None or row < 0:
        return "unknown item"
    query = Query(
        size=max(len(answer.items), 1), asked_us=door.clock(), user_id=answer.user_id, anonymous_id=answer.anonymous_id,
        placement=answer.placement, strategy=answer.strategy, seeds=door.shelf.rows(list(answer.seeds)),
        seen="exclude" if answer.seen == "exclude" else "keep", filter=answer.filter, context=answer.context,
    )  # fmt: skip
    person = read_person(door.state, answer.user_id, answer.anonymous_id)
    live = pipeline.live()
    (fault,) = pipeline.book.why_not(query, person, live, pipeline.shelf, np.array([row], np.int32))
    if fault:
        return fault
    candidates, _ = pipeline.pool(query, person)
    return "ranked_lower" if row in candidates.item else "not_proposed"


def _release(door: Door, release_id: str) -> Release | None:
    """The release that answered, if it can still be opened."""
    pipeline = door.pipeline
    if pipeline is not None and pipeline.release.release_id == release_id:
        return pipeline.release
    try:
        return Release.open(door.releases.open(release_id), door.shelf, release_id=release_id)
    except ShelfwiseError:
        return None


def _contributions(release: Release | None, answer: Answer, position: int) -> dict[str, Any]:
    """What each feature added to the score: exact Shapley values, the strongest first."""
    if release is None or release.ranker is None or position >= len(answer.features):
        return {"features": [], "base": None}
    row = np.frombuffer(answer.features[position], np.float32)[None, :]
    if row.shape[1] != len(release.ranker.needs) or np.isnan(row).all():
        return {"features": [], "base": None}
    parts = release.ranker.explain(row)[0]
    strongest = np.argsort(-np.abs(parts[:-1]), kind="stable")[:N_FEATURES]
    return {
        "base": float(parts[-1]),
        "features": [
            {
                "name": release.ranker.needs[at],
                "value": None if np.isnan(row[0, at]) else float(row[0, at]),
                "contribution": float(parts[at]),
            }
            for at in strongest.tolist()
        ],
    }
