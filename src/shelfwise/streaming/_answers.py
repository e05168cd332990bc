"""Answers: their rows in the lake, and how the one of an id is found again in the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from shelfwise.domain import DAY_US, Answer
from shelfwise.stores import EventLog, Position, StateStore

POINTERS = b"r:"  # + recommendation_id -> [position before its batches, number of the batch, place in it]

ANSWERS: pa.Schema = pa.schema(
    [
        pa.field("recommendation_id", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),  # from 1; 0 for an answer without items
        pa.field("answered_us", pa.int64(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),  # UTC
        pa.field("user_id", pa.string()),
        pa.field("anonymous_id", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("placement", pa.string(), nullable=False),
        pa.field("strategy", pa.string(), nullable=False),
        pa.field("release", pa.string(), nullable=False),
        pa.field("item_id", pa.string()),
        pa.field("score", pa.float64()),
        pa.field("propensity", pa.float64()),
        pa.field("sources", pa.string()),  # JSON: source -> its own score
        pa.field("seeds", pa.string(), nullable=False),  # JSON list
        pa.field("rules", pa.string(), nullable=False),  # JSON list
        pa.field("variants", pa.string(), nullable=False),  # JSON list
        pa.field("missing", pa.string(), nullable=False),  # JSON: source -> why it is not here
        pa.field("degraded_level", pa.string()),
        pa.field("degraded_reason", pa.string()),
        pa.field("device", pa.string()),
        pa.field("country", pa.string()),
        pa.field("seen", pa.string(), nullable=False),
        pa.field("filter", pa.string()),
    ]
)
"""One row a shown position. Features of positions stay in the log, for the days that it keeps."""


def answer_rows(answers: Sequence[Answer]) -> pa.Table:
    """Rows of the lake table ``answers``."""
    rows = [row for answer in answers for row in _rows(answer)]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(ANSWERS)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, ANSWERS, strict=True)], schema=ANSWERS
    )


def pointers(payloads: Sequence[bytes], before: Position) -> dict[bytes, bytes | None]:
    """Where the answers of batches appended after ``before`` stand."""
    found: dict[bytes, bytes | None] = {}
    for number, payload in enumerate(payloads):
        for place, answer in enumerate(_decode_ids(payload)):
            found[POINTERS + answer.recommendation_id.encode()] = _encode((before, number, place))
    return found


def find_answer(state: StateStore, event_log: EventLog, recommendation_id: str) -> Answer | None:
    """The answer of an id, as it was logged; None if there is none, or the log has let it go."""
    blob = state.get(POINTERS + recommendation_id.encode())
    if blob is None:
        return None
    before, number, place = _decode_pointer(blob)
    entries = event_log.read("answers", before, limit=number + 1)
    answers = decode_answers(entries[number].blob) if number < len(entries) else []
    answer = answers[place] if place < len(answers) else None
    return answer if answer is not None and answer.recommendation_id == recommendation_id else None


def old_pointers(state: StateStore, before_us: int, *, limit: int) -> list[bytes]:
    """Keys of answers from before an instant: ids begin with their time, 11 hex digits of milliseconds."""
    edge = POINTERS + f"{before_us // 1000:011x}".encode()
    found: list[bytes] = []
    for key, _ in state.scan(POINTERS):
        if key >= edge or len(found) == limit:
            break
        found.append(key)
    return found


class _Id(msgspec.Struct, array_like=True):
    """Only the first field: a tenth of the work of reading the whole."""

    recommendation_id: str


decode_answers = msgspec.msgpack.Decoder(list[Answer]).decode
_decode_ids = msgspec.msgpack.Decoder(list[_Id]).decode
_decode_pointer = msgspec.msgpack.Decoder(tuple[Position, int, int]).decode
_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


def _text(value: object) -> str:
    return _json(value).decode()


def _rows(answer: Answer) -> list[tuple[Any, ...]]:
    head = (answer.answered_us, answer.answered_us // DAY_US, answer.user_id, answer.anonymous_id, answer.session_id,
            answer.placement, answer.strategy, answer.release)  # fmt: skip
    degraded = (answer.degraded.level, answer.degraded.reason) if answer.degraded else (None, None)
    tail = (_text(answer.seeds), _text(answer.rules), _text(answer.variants), _text(answer.missing), *degraded,
            answer.context.device, answer.context.country, answer.seen, answer.filter)  # fmt: skip
    shown = zip(answer.items, answer.scores, answer.propensities, map(_text, answer.sources), strict=True)
    rows = [(answer.recommendation_id, place, *head, *one, *tail) for place, one in enumerate(shown, start=1)]
    return rows or [(answer.recommendation_id, 0, *head, None, None, None, None, *tail)]
