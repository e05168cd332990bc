"""Recommendations over HTTP: from the wire's query to the pipeline's, and from a slate to an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote_plus

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    NO_ROWS,
    NOBODY,
    Context,
    InvalidField,
    PersonState,
    Query,
    Shelf,
    StoreUnavailable,
)
from shelfwise.ingestion import ContextIn
from shelfwise.reranking import compile_filter
from shelfwise.serving._ask import Outcome
from shelfwise.serving._people import read_person
from shelfwise.serving._pipeline import Pipeline
from shelfwise.serving._reasons import reasons
from shelfwise.serving._record import answer_of, source_names
from shelfwise.serving.http._decode import Reader, check_id
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._explain import explain
from shelfwise.serving.http._messages import (
    Explanation,
    RecommendationBatch,
    RecommendationQuery,
    Recommendations,
    RecommendedItem,
)
from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._request import Request, Response, json_response

LISTS = ("items", "exclude")
_IDS = ("user_id", "anonymous_id", "session_id", "placement")
_NO_CONTEXT = Context()
_QUERY, _BATCH = Reader(RecommendationQuery), Reader(RecommendationBatch)


async def recommend(door: Door, request: Request) -> Response:
    """POST /v1/recommendations."""
    return json_response(answer(door, _QUERY.body(request.body), request.arrived_s, budget_ms(request)))


async def recommend_by_address(door: Door, request: Request) -> Response:
    """GET /v1/recommendations: the same names as query values."""
    return json_response(answer(door, query_of_address(request.query), request.arrived_s, budget_ms(request)))


async def recommend_batch(door: Door, request: Request) -> Response:
    """POST /v1/recommendations/batch: answers in order. Shoppers who come meanwhile go first."""
    asked, budget = _BATCH.body(request.body).queries, budget_ms(request)
    pipeline = ready(door)
    for place, one in enumerate(asked):  # all are checked before any is answered
        try:
            query_of(door, one, pipeline.shelf)
        except InvalidField as trouble:
            field = f"queries[{place}].{trouble.field}"
            raise InvalidField(field, trouble.value, trouble.rule) from None
    answers = []
    for one in asked:
        await door.turns.wait(patient=True)
        answers.append(answer(door, one, door.now_s(), budget))
    return json_response({"answers": answers})


def answer(
    door: Door, asked: RecommendationQuery, arrived_s: float | None = None, asked_ms: float | None = None
) -> Recommendations:
    """Ask the pipeline, which logs its answer, and say why.

    Args:
        door: What is in force.
        asked: The query as it came.
        arrived_s: When it came, by ``door.now_s``; now if not given.
        asked_ms: The caller's own deadline, in milliseconds from then.

    Raises:
        InvalidField: The filter cannot be read, or an id is too long.
        Problem: There is no shop to answer from yet.
    """
    pipeline = ready(door)
    query, person = asker(door, query_of(door, asked, pipeline.shelf), asked.consent)
    deadline = door.deadline(door.now_s() if arrived_s is None else arrived_s, asked_ms)
    outcome = pipeline.recommend(query, person, deadline)
    door.meter.answered(outcome.degraded.level if outcome.degraded else None, outcome.missing, outcome.failed)
    whole = told(query, person, outcome, pipeline)
    if not asked.explain:
        return whole
    logged = answer_of(query, outcome, pipeline.release, pipeline.shelf)
    why = msgspec.convert(explain(door, logged, None), Explanation)
    return msgspec.structs.replace(whole, explanation=why)


def query_of_address(text: str) -> RecommendationQuery:
    """The query of an address: ``n=5&items=a,b&context.country=GB``. Lists may be repeated or joined by commas."""
    values: dict[str, Any] = {}
    context: dict[str, str] = {}
    for name, value in _pairs(text):
        if name in LISTS:
            values.setdefault(name, []).extend(value.split(","))
        elif name.startswith("context."):
            context[name.removeprefix("context.")] = value
        elif name in values:
            raise Problem.of_field(name, value, "given once")
        else:
            values[name] = value
    if context:
        values["context"] = context
    return _QUERY.values(values)


def ready(door: Door) -> Pipeline:
    """The pipeline in force. Raises Problem 503 while there is none."""
    if door.pipeline is None:
        raise Problem(503, f"not ready: {door.trouble}", headers=[("retry-after", "1")])
    return door.pipeline


def query_of(door: Door, asked: RecommendationQuery, shelf: Shelf) -> Query:
    """The pipeline's query. Ids of items that the shop does not know are left out. Raises InvalidField."""
    for name in _IDS:
        check_id(name, getattr(asked, name))
    if asked.filter:
        _check_filter(asked.filter)
    place = door.placements.get(asked.placement)
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
        context=_context(asked.context, door.settings.country),
        explain=asked.explain,
    )


def asker(door: Door, query: Query, consent: str | None) -> tuple[Query, PersonState]:
    """The query with what is known of who asks: nothing, and no name either, of those who refused.

    While the state cannot be read everybody is a stranger: the answer is less, but there is one.
    """
    if consent == "denied":
        return _impersonal(query), NOBODY
    try:
        person = read_person(door.state, query.user_id, query.anonymous_id)
    except StoreUnavailable:
        return query, NOBODY
    return (_impersonal(query), NOBODY) if person.opted_out else (query, person)


def told(query: Query, person: PersonState, outcome: Outcome, pipeline: Pipeline) -> Recommendations:
    """The answer as it goes out."""
    slate, shelf, release = outcome.slate, pipeline.shelf, pipeline.release
    why = reasons(slate, query, person, shelf, release.sources, release.signal_names)
    columns = (slate.item.tolist(), slate.score.tolist(), slate.proposed.tolist(), why)
    items = [
        RecommendedItem(shelf.item_id[row], position, _number(score), source_names(bits), (reason,))
        for position, (row, score, bits, reason) in enumerate(zip(*columns, strict=True), start=1)
    ]
    return Recommendations(
        recommendation_id=outcome.recommendation_id,
        items=items,
        placement=query.placement,
        release=release.release_id,
        variants=[],
        degraded=outcome.degraded,
    )


def budget_ms(request: Request) -> float | None:
    """The caller's own deadline in milliseconds. Raises InvalidField."""
    asked = request.headers.get("x-request-deadline-ms")
    if asked is None:
        return None
    try:
        value = float(asked)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise InvalidField("X-Request-Deadline-Ms", asked, "a number of milliseconds above 0")
    return value


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Names and values of an address, as ``urllib.parse.parse_qsl`` reads them, at a third of its cost."""
    is_escaped = "%" in text or "+" in text
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield (_unescaped(name), _unescaped(value)) if is_escaped else (name, value)


def _unescaped(text: str) -> str:
    return unquote_plus(text, errors="replace")


def _check_filter(text: str) -> None:
    try:
        compile_filter(text)
    except InvalidField as trouble:
        raise InvalidField("filter", trouble.value, trouble.rule) from None


def _context(sent: ContextIn | None, country: str | None) -> Context:
    if sent is None:
        return _NO_CONTEXT if country is None else Context(country=country)
    given = sent.country.upper() if sent.country is not None else None
    if given is not None and not (len(given) == 2 and given.isascii() and given.isalpha()):
        raise InvalidField("context.country", sent.country, "an ISO 3166-1 code of two letters, such as 'GB'")
    offset = sent.local_time.utcoffset() if sent.local_time is not None else None
    minutes = int(offset.total_seconds() // 60) if offset is not None else None
    return Context(
        sent.device, given or country, sent.region, sent.referrer, sent.placement, minutes, sent.age
    )


def _impersonal(query: Query) -> Query:
    """The same question asked by nobody."""
    return Query(
        size=query.size, asked_us=query.asked_us, placement=query.placement, strategy=query.strategy,
        seeds=query.seeds, exclude=query.exclude, filter=query.filter, context=query.context,
        explain=query.explain,
    )  # fmt: skip


def _rows(ids: Sequence[str] | None, shelf: Shelf) -> NDArray[np.int32]:
    if not ids:
        return NO_ROWS
    found = dict.fromkeys(row for row in map(shelf.row_of.get, ids) if row is not None)
    return np.fromiter(found, np.int32, len(found))


def _number(value: float) -> float | None:
    return value if value == value else None
