"""Answers: their rows in the lake, and how the one of an id is found again in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from shelfwise.domain import DAY_US, Answer
from shelfwise.stores import EventLog, Position, StateStore

POINTERS = (
    b"r:"  # + bucket + "/" + a name of the batch -> [position before its group, number of the batch in it]
)
_BUCKET = 9  # characters that ids of one bucket share: their time in hex without its last two digits, 256 ms

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
    shown = np.array([len(answer.items) for answer in answers], np.int64)
    rows = np.maximum(shown, 1)
    owner = np.repeat(np.arange(len(answers)), rows)
    first = np.cumsum(rows) - rows
    said = {name: list(map(get, answers)) for name, get in _OF_ANSWER.items()}
    columns: dict[str, Any] = {
        **{
            name: pa.array(values, ANSWERS.field(name).type).take(pa.array(owner))
            for name, values in said.items()
        },
        **{name: list(chain.from_iterable(map(get, answers))) for name, get in _OF_POSITION.items()},
        "position": np.where(shown[owner] > 0, np.arange(len(owner)) - first[owner] + 1, 0),
    }
    return pa.table({field.name: columns[field.name] for field in ANSWERS}, schema=ANSWERS)


def pointers(payloads: Sequence[bytes], before: Position) -> dict[bytes, bytes | None]:
    """Where batches appended after ``before`` stand, under the times of their answers."""
    found: dict[bytes, bytes | None] = {}
    for number, payload in enumerate(payloads):
        name, value = f"/{before}.{number}".encode(), _encode((before, number))
        for bucket in {answer.recommendation_id[:_BUCKET] for answer in _decode_ids(payload)}:
            found[POINTERS + bucket.encode() + name] = value
    return found


def find_answer(state: StateStore, event_log: EventLog, recommendation_id: str) -> Answer | None:
    """The answer of an id, as it was logged; None if there is none, or the log has let it go."""
    for _, blob in state.scan(POINTERS + recommendation_id[:_BUCKET].encode() + b"/"):
        before, number = _decode_pointer(blob)
        entries = event_log.read("answers", before, limit=number + 1)
        answer = _among(entries[number].blob, recommendation_id) if number < len(entries) else None
        if answer is not None:
            return answer
    return None


def old_pointers(state: StateStore, before_us: int, *, limit: int) -> list[bytes]:
    """Keys of batches from before an instant: ids begin with their time, 11 hex digits of milliseconds."""
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
_decode_pointer = msgspec.msgpack.Decoder(tuple[Position, int]).decode
_encode = msgspec.msgpack.Encoder().encode
_text = msgspec.json.Encoder().encode  # bytes, which Arrow takes for text


def _among(payload: bytes, recommendation_id: str) -> Answer | None:
    """The answer of an id in a batch."""
    ids = [answer.recommendation_id for answer in _decode_ids(payload)]
    return decode_answers(payload)[ids.index(recommendation_id)] if recommendation_id in ids else None


_NOTHING = (None,)
_OF_ANSWER: Mapping[str, Callable[[Answer], Any]] = {
    **{
        name: attrgetter(name)
        for name in (
            "recommendation_id", "answered_us", "user_id", "anonymous_id", "session_id", "placement", "strategy",
            "release", "seen", "filter",
        )
    },
    "day": lambda answer: answer.answered_us // DAY_US,
    "seeds": lambda answer: _text(answer.seeds),
    "rules": lambda answer: _text(answer.rules),
    "variants": lambda answer: _text(answer.variants),
    "missing": lambda answer: _text(answer.missing),
    "degraded_level": lambda answer: answer.degraded and answer.degraded.level,
    "degraded_reason": lambda answer: answer.degraded and answer.degraded.reason,
    "device": attrgetter("context.device"),
    "country": attrgetter("context.country"),
}  # fmt: skip
_OF_POSITION: Mapping[str, Callable[[Answer], Iterable[Any]]] = {
    "item_id": lambda answer: answer.items or _NOTHING,
    "score": lambda answer: answer.scores or _NOTHING,
    "propensity": lambda answer: answer.propensities or _NOTHING,
    "sources": lambda answer: map(_text, answer.sources) if answer.sources else _NOTHING,
}
