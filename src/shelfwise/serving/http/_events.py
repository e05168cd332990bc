"""Events over HTTP: answered after the keeper's commit is durable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shelfwise.ingestion import Verdicts, accept_events, accept_segment
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._request import Request, Response, json_response


async def take_events(door: Door, request: Request) -> Response:
    """POST /v1/events: one event, or a batch of at most 500."""
    return await _take(door, request, accept_events, source="http")


async def take_segment(door: Door, request: Request) -> Response:
    """POST /v1/segment: Segment's e-commerce calls, single or batch."""
    return await _take(door, request, accept_segment, source="segment")


async def _take(door: Door, request: Request, accept: Callable[..., Verdicts], *, source: str) -> Response:
    verdicts = accept(
        request.body,
        now_us=door.clock(),
        currency=door.settings.currency,
        user_agent=request.headers.get("user-agent"),
    )
    if verdicts.body is not None:
        wrong = verdicts.body
        error = {"field": wrong.field, "value": wrong.value, "rule": wrong.rule}
        raise Problem(422, f"{wrong.field} is {wrong.value!r}; expected {wrong.rule}", errors=[error])
    rejected = [
        {"index": r.index, "field": r.field, "value": r.value, "rule": r.rule} for r in verdicts.rejected
    ]
    receipt = await door.inbox.submit_async("events", verdicts.accepted) if verdicts.accepted else None
    conflicts = receipt.conflicts if receipt else ()
    rejected += [_conflict(verdicts, at) for at in conflicts]
    await _bury(door, rejected, source)
    accepted = receipt.accepted if receipt else 0
    duplicates = len(receipt.duplicates) if receipt else 0
    door.meter.took_events(accepted, duplicates, len(rejected))
    return json_response({"accepted": accepted, "duplicates": duplicates, "rejected": rejected}, 202)


def _conflict(verdicts: Verdicts, at: int) -> dict[str, Any]:
    return {
        "index": verdicts.rows[at],
        "field": "event_id",
        "value": verdicts.accepted[at].event_id,
        "rule": "an id of its own: this one was accepted before with another body",
    }


async def _bury(door: Door, rejected: list[dict[str, Any]], source: str) -> None:
    """Rejected rows go to the dead letters; they were answered by name already."""
    if rejected:
        letters = [
            {
                "source": source,
                "row": r["index"] + 1,
                "field": r["field"],
                "value": str(r["value"]),
                "rule": r["rule"],
            }
            for r in rejected
        ]
        await door.inbox.submit_async("dead_letters", letters)
