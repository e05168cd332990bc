"""Recommendations over HTTP: from the wire's query to the pipeline's, and from a slate to an answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import NOBODY, Context, InvalidField, PersonState, Query, Shelf, StoreUnavailable
from shelfwise.ingestion import context_of
from shelfwise.serving._people import read_person
from shelfwise.serving._pipeline import Outcome, Pipeline
from shelfwise.serving._reasons import reasons
from shelfwise.serving._record import answer_of, new_id, source_names
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._messages import RecommendationBatch, RecommendationQuery
from shelfwise.serving.http._problems import Problem, decode, invalid
from shelfwise.serving.http._request import Request, Response, json_response

FIELDS = RecommendationQuery.__struct_fields__
LISTS = ("items", "exclude")
_QUERY = msgspec.json.Decoder(RecommendationQuery)
_BATCH = msgspec.json.Decoder(RecommendationBatch)


async def recommend(door: Door, request: Request) -> Response:
    """POST /v1/recommendations."""
    asked = decode(_QUERY, request.body, FIELDS)
    return json_response(answer(door, asked, request))


async def recommend_by_address(door: Door, request: Request) -> Response:
    """GET /v1/recommendations: the same names as query values."""
    return json_response(answer(door, query_of_address(request.query), request))


async def recommend_batch(door: Door, request: Request) -> Response:
    """POST /v1/recommendations/batch: answers in order."""
    batch = decode(_BATCH, request.body, (*FIELDS, "queries"))
    return json_response({"answers": [answer(door, asked, request) for asked in batch.queries]})


def query_of_address(text: str) -> RecommendationQuery:
    """The query of an address: ``n=5&items=a,b&context.country=GB``. Lists may be repeated or joined by commas."""
    values: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in LISTS:
            values.setdefault(name, []).extend(value.split(","))
        elif name.startswith("context."):
            values.setdefault("context", {})[name.removeprefix("context.")] = value
        elif name in values:
            raise Problem(422, f"{name} is given twice; expected once")
        else:
            values[name] = value
    try:
        return msgspec.convert(values, RecommendationQuery, strict=False)
    except msgspec.ValidationError as trouble:
        raise invalid(str(trouble), FIELDS) from None


def answer(door: Door, asked: RecommendationQuery, request: Request) -> dict[str, Any]:
    """Ask the pipeline, log the answer, say why."""
    pipeline = ready(door)
    query = query_of(door, asked, pipeline.shelf)
    person = person_of(door, query, asked.consent)
    if person.opted_out or asked.consent == "denied":
        query, person = impersonal(query), NOBODY
    deadline = door.deadline(request.arrived_s, _budget_ms(request))
    outcome = pipeline.recommend(query, person, deadline)
    recommendation_id = new_id(query.asked_us)
    door.meter.answered(outcome.degraded.level if outcome.degraded else None)
    door.recorder.record(
        answer_of(
            recommendation_id,
            query,
            outcome,
            pipeline.release.release_id,
            pipeline.release.signal_names,
            pipeline.shelf,
        )
    )
    return document(recommendation_id, query, person, outcome, pipeline, explain=asked.explain)


def ready(door: Door) -> Pipeline:
    """The pipeline in force. Raises Problem 503 while there is none."""
    if door.pipeline is None:
        raise Problem(503, door.trouble, headers=[("retry-after", "5")])
    return door.pipeline


def query_of(door: Door, asked: RecommendationQuery, shelf: Shelf) -> Query:
    """The pipeline's query. Ids that the shop does not know are left out."""
    place = door.placements.get(asked.placement)
    context = context_of(asked.context) if asked.context is not None else Context()
    if context.country is None and door.settings.country is not None:
        context = msgspec.structs.replace(context, country=door.settings.country)
    return Query(
        size=asked.n,
        asked_us=door.clock(),
        user_id=asked.user_id,
        anonymous_id=asked.anonymous_id,
        session_id=asked.session_id,
        placement=asked.placement,
        strategy=asked.strategy or (place.strategy if place else "auto"),
        seeds=_rows(asked.items, shelf),
        exclude=_rows(asked.exclude, shelf),
        seen=asked.seen or (place.seen if place else "keep"),
        filter=asked.filter or None,
        context=context,
        explain=asked.explain,
    )


def person_of(door: Door, query: Query, consent: str | None) -> PersonState:
    """What is known of who asks; nobody if they refused, or while the state cannot be read."""
    if consent == "denied":
        return NOBODY
    try:
        return read_person(door.state, query.user_id, query.anonymous_id)
    except StoreUnavailable:
        return NOBODY


def impersonal(query: Query) -> Query:
    """The same question asked by nobody."""
    return Query(
        size=query.size, asked_us=query.asked_us, placement=query.placement, strategy=query.strategy,
        seeds=query.seeds, exclude=query.exclude, filter=query.filter, context=query.context,
    )  # fmt: skip


def document(
    recommendation_id: str,
    query: Query,
    person: PersonState,
    outcome: Outcome,
    pipeline: Pipeline,
    *,
    explain: bool,
) -> dict[str, Any]:
    """The answer as it goes out."""
    slate, shelf = outcome.slate, pipeline.shelf
    why = reasons(slate, query, person, shelf, pipeline.release.sources)
    items = [
        {
            "item_id": shelf.item_id[row],
            "position": position,
            "score": score,
            "sources": source_names(bits),
            "reasons": told,
        }
        for position, (row, score, bits, told) in enumerate(
            zip(slate.item.tolist(), slate.score.tolist(), slate.proposed.tolist(), why, strict=True), start=1
        )
    ]
    body: dict[str, Any] = {
        "recommendation_id": recommendation_id,
        "items": items,
        "placement": query.placement,
        "release": pipeline.release.release_id,
        "variants": [],
        "degraded": outcome.degraded,
    }
    if explain:
        body["explanation"] = {"missing": dict(outcome.missing), "rules": slate.rules}
    return body


def _rows(ids: Iterable[str], shelf: Shelf) -> NDArray[np.int32]:
    found = dict.fromkeys(row for row in (shelf.row_of.get(item_id, -1) for item_id in ids) if row >= 0)
    return np.fromiter(found, np.int32, len(found))


def _budget_ms(request: Request) -> float | None:
    asked = request.headers.get("x-request-deadline-ms")
    if asked is None:
        return None
    try:
        value = float(asked)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        trouble = InvalidField("X-Request-Deadline-Ms", asked, "a number of milliseconds above 0")
        raise Problem(422, str(trouble))
    return value
