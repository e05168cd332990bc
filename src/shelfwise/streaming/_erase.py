"""Forget a person: out of online state, the log's blobs, and the lake.

The log is rewritten, not masked: each batch that names the person is replaced by one without them, under its own
position, so that no later rebuild can bring them back. Hashes of event ids stay (they name nobody), and so do counts
of items. Backups made before keep what they hold. Online state forgets at once; the bytes of pages that it no longer
uses stay in its file until they are used again.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shelfwise.domain import Answer, Event, InvalidField, InvalidInput, from_us
from shelfwise.stores import START, ControlStore, Entry, EventLog, Lake, Position, StateStore, Stream
from shelfwise.streaming._people import linked, links_key

_KEY = ("signing", "erase")  # kind and key of the control document that holds the secret
_ENTRIES = 256  # batches looked at and rewritten at once

Names = Callable[[Any], bool]


class Person:
    """Who is to be forgotten: a user with the anonymous visitors who turned out to be them, or one visitor."""

    def __init__(self, person: str, state: StateStore) -> None:
        kind, _, name = person.partition(":")
        if kind not in ("u", "a") or not name:
            raise InvalidField("person", person, "'u:' and a user_id, or 'a:' and an anonymous_id")
        self.user_id = name if kind == "u" else None
        known = linked(state.get(links_key(name))) if kind == "u" else [name]
        self.anonymous_ids = frozenset(known)

    @property
    def keys(self) -> list[bytes]:
        """Their keys in the state store."""
        keys = [b"a:" + visitor.encode() for visitor in sorted(self.anonymous_ids)]
        if self.user_id is not None:
            keys += [b"u:" + self.user_id.encode(), links_key(self.user_id)]
        return keys

    @property
    def people(self) -> list[str]:
        """Their person keys."""
        own = [f"u:{self.user_id}"] if self.user_id is not None else []
        return own + [f"a:{visitor}" for visitor in sorted(self.anonymous_ids)]

    def is_named_by(self, one: Event | Answer) -> bool:
        """Whether an event or answer is theirs."""
        mine = self.user_id is not None and one.user_id == self.user_id
        return mine or (one.user_id is None and one.anonymous_id in self.anonymous_ids)

    def needles(self) -> list[bytes]:
        """Bytes that any batch that names them must contain."""
        own = [self.user_id] if self.user_id is not None else []
        return [name.encode() for name in (*own, *self.anonymous_ids)]

    def predicate(self) -> str:
        """Their rows in a lake table, in SQL."""
        own = [f"user_id = {_quoted(self.user_id)}"] if self.user_id is not None else []
        visitors = ", ".join(_quoted(visitor) for visitor in sorted(self.anonymous_ids))
        some = [f"(user_id IS NULL AND anonymous_id IN ({visitors}))"] if visitors else []
        return " OR ".join(own + some)


def signed(report: Mapping[str, Any], control: ControlStore, now_us: int) -> dict[str, Any]:
    """The report with its instant and a signature by the shop's own key. It names nobody."""
    told = {**report, "erased_at": from_us(now_us).isoformat()}
    return {**told, "signature": _signature(told, _signing_key(control, now_us))}


def is_own_report(report: Mapping[str, Any], control: ControlStore) -> bool:
    """Whether this shop made the report, and nobody changed it since. Raises InvalidInput for one without signature."""
    told = {name: value for name, value in report.items() if name != "signature"}
    signature, key = report.get("signature"), control.get(*_KEY)
    if not isinstance(signature, str):
        raise InvalidInput(f"signature is {signature!r}; expected that of an erasure's report")
    return key is not None and hmac.compare_digest(signature, _signature(told, key[0]["secret"]))


def _signing_key(control: ControlStore, now_us: int) -> str:
    """Made when it is first needed; it moves with the shop."""
    held = control.get(*_KEY)
    if held is None:
        body = {"secret": secrets.token_hex(32)}
        control.put(*_KEY, body, if_match="", actor="erase", at_us=now_us)
        return body["secret"]
    return str(held[0]["secret"])


def _signature(told: Mapping[str, Any], secret: str) -> str:
    """HMAC-SHA256 over the report's JSON with sorted names."""
    return hmac.new(bytes.fromhex(secret), msgspec.json.encode(told, order="sorted"), "sha256").hexdigest()


def erase_from_log(event_log: EventLog, person: Person) -> dict[str, int]:
    """Rewrite the batches that name them; how many events and answers went."""
    return {
        "events": _erase_stream(event_log, "events", person, list[Event]),
        "answers": _erase_stream(event_log, "answers", person, list[Answer]),
    }


def erase_from_lake(lake: Lake, person: Person) -> int:
    """How many rows went."""
    return sum(
        lake.delete(table, person.predicate()) for table in ("event_lines", "answers") if lake.files(table)
    )


def _erase_stream(event_log: EventLog, stream: Stream, person: Person, kind: Any) -> int:
    decode, gone = msgspec.msgpack.Decoder(kind).decode, 0
    for entries in _some(event_log, stream):
        rewritten: dict[Position, bytes] = {}
        for entry in entries:
            if any(needle in entry.blob for needle in person.needles()):
                said = decode(entry.blob)
                kept = [one for one in said if not person.is_named_by(one)]
                if len(kept) < len(said):
                    rewritten[entry.position] = msgspec.msgpack.encode(kept)
                    gone += len(said) - len(kept)
        if rewritten:
            event_log.rewrite(stream, rewritten)
    return gone


def _some(event_log: EventLog, stream: Stream) -> Iterator[Sequence[Entry]]:
    after = START
    while entries := event_log.read(stream, after, limit=_ENTRIES):
        yield entries
        after = entries[-1].position


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
