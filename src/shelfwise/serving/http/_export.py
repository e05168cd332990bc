"""All that is kept of one person, piece by piece: every event line of the lake, every logged answer, newest first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from shelfwise.domain import NotFound, from_us, to_decimal
from shelfwise.serving.http._documents import aside
from shelfwise.serving.http._door import Door
from shelfwise.serving.http._messages import ExportedAnswer, ExportedItem, ExportedLine
from shelfwise.serving.http._request import ENCODER, JSON, PRIVATE, Request, Response
from shelfwise.serving.http._users import about_person, user_id_of

_PART_BYTES = 64 << 10  # what is handed on at once
_AS_SAID = (
    "event", "event_id", "item_id", "quantity", "position", "order_id", "session_id", "query", "device", "country",
    "region", "placement", "referrer", "recommendation_id", "user_id", "anonymous_id", "origin",
)  # fmt: skip
_AS_ASKED = (
    "recommendation_id", "user_id", "anonymous_id", "session_id", "placement", "strategy", "seen", "filter", "device",
    "country", "release",
)  # fmt: skip


async def export_user(door: Door, request: Request) -> Response:
    """GET /v1/users/{user_id}/export: all that is kept, once the lake holds it; sent as it is read."""
    user_id = user_id_of(request)
    await door.recorder.flush()
    await door.inbox.submit("drain", {})
    parts = await aside(export_parts, door, user_id)
    return Response(200, b"", [JSON, PRIVATE], parts)


def export_parts(door: Door, user_id: str) -> Iterator[bytes]:
    """A ``PersonExport`` in JSON, in parts of some 64 KB. It holds what was drained into the lake.

    Raises:
        NotFound: Nothing is kept of them. Told before the first part.
        StoreUnavailable: The lake cannot be read.
    """
    about = about_person(door, user_id)
    known = about or {"user_id": user_id, "anonymous_ids": []}
    past = door.past_of(user_id, known["anonymous_ids"])
    counts = {"n_lines": past.n_lines(), "n_answers": past.n_answers()}
    if about is None and not any(counts.values()):
        raise NotFound("user", user_id)
    return _gathered(_document({**known, **counts}, map(_line, past.lines()), _answers(past.answers())))


def _document(
    known: Mapping[str, Any], lines: Iterator[ExportedLine], answers: Iterator[ExportedAnswer]
) -> Iterator[bytes]:
    yield ENCODER.encode(known)[:-1] + b',"lines":['
    yield from _listed(lines)
    yield b'],"answers":['
    yield from _listed(answers)
    yield b"]}"


def _listed(rows: Iterator[Any]) -> Iterator[bytes]:
    comma = b""
    for row in rows:
        yield comma + ENCODER.encode(row)
        comma = b",\n"


def _gathered(pieces: Iterator[bytes]) -> Iterator[bytes]:
    part = bytearray()
    for piece in pieces:
        part += piece
        if len(part) >= _PART_BYTES:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


def _line(row: Mapping[str, Any]) -> ExportedLine:
    minor, currency = row["price_minor"], row["currency"]
    return ExportedLine(
        occurred_at=from_us(row["occurred_us"]),
        price=to_decimal(minor, currency) if minor >= 0 and currency else None,
        currency=currency,
        **{name: row[name] for name in _AS_SAID},
    )


def _answers(rows: Iterator[Mapping[str, Any]]) -> Iterator[ExportedAnswer]:
    """Rows of one answer stand together, by position."""
    for _, positions in groupby(rows, key=itemgetter("recommendation_id")):
        first, *more = positions
        yield ExportedAnswer(
            answered_at=from_us(first["answered_us"]),
            items=[_item(row) for row in (first, *more) if row["item_id"] is not None],
            seeds=json.loads(first["seeds"]),
            rules=json.loads(first["rules"]),
            **{name: first[name] for name in _AS_ASKED},
        )


def _item(row: Mapping[str, Any]) -> ExportedItem:
    score = row["score"]
    return ExportedItem(
        item_id=row["item_id"],
        position=row["position"],
        score=score if score == score else None,
        sources=json.loads(row["sources"]) if row["sources"] else {},
    )
