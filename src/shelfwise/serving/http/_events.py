"""Events over HTTP: answered after the keeper's commit is durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from shelfwise.domain import StoreUnavailable
from shelfwise.ingestion import Verdicts, accept_events, accept_segment
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._messages import Accepted, Rejected
from shelfwise.serving.http._problems import problem_of_body
from shelfwise.serving.http._request import Request, Response, json_response

log = logging.getLogger("shelfwise.serving")

_CONFLICT = "an id of its own: this one was accepted before with another body"
_burying: set[asyncio.Task[None]] = set()  # the loop itself holds tasks only weakly


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
        raise problem_of_body(verdicts.body)
    rejected = [Rejected(one.index, one.field, one.value, one.rule) for one in verdicts.rejected]
    accepted = duplicates = 0
    untracked = len(verdicts.untracked)
    if verdicts.accepted:
        receipt = await door.inbox.submit("events", verdicts.accepted)
        accepted, duplicates = receipt.accepted, len(receipt.duplicates)
        untracked += len(receipt.untracked)
        rejected += [_conflict(verdicts, at) for at in receipt.conflicts]
    if rejected:
        bury(door, rejected, source)
    door.meter.took_events(accepted, duplicates, len(rejected), untracked)
    return json_response(Accepted(accepted, duplicates, rejected, untracked), 202)


def bury(door: Door, rejected: Sequence[Rejected], source: str) -> None:
    """Send rejected rows to the dead letters. Nobody waits for it: the sender was told by name already."""
    letters = [
        {
            "source": source,
            "row": one.index + 1,
            "field": one.field,
            "value": str(one.value),
            "rule": one.rule,
        }
        for one in rejected
    ]
    task = asyncio.get_running_loop().create_task(_bury(door, letters))
    _burying.add(task)
    task.add_done_callback(_burying.discard)


def _conflict(verdicts: Verdicts, at: int) -> Rejected:
    return Rejected(verdicts.rows[at], "event_id", verdicts.accepted[at].event_id, _CONFLICT)


async def _bury(door: Door, letters: list[dict[str, Any]]) -> None:
    try:
        await door.inbox.submit("dead_letters", letters)
    except StoreUnavailable as trouble:
        log.warning("dead_letters.lost", extra={"rows": len(letters), "reason": str(trouble)})
