"""The keeper's other commands: rules and keys, releases, dead letters, consent, erasure, backup."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal

import msgspec

from shelfwise.domain import InvalidField, InvalidInput, NoneBefore, NotFound, UnknownName
from shelfwise.stores import BOARD_NAMES, Receipt
from shelfwise.streaming._erase import Person, erase_from_lake, erase_from_log, signed
from shelfwise.streaming._lake import LakeSink
from shelfwise.streaming._people import opted
from shelfwise.streaming._settings import KeeperStores

CONSENT = "consent"  # documents of the control store: person key -> {"opted_out": bool, "at_us": int}
_CHAMPION, _PREVIOUS = "champion", "previous"


class Change(msgspec.Struct, kw_only=True):
    """The command ``control``: a document, or the alias ``champion`` of the releases."""

    op: Literal["put", "delete", "promote", "rollback"]
    actor: str
    kind: str = ""
    key: str = ""
    body: dict[str, Any] = {}
    if_match: str | None = None
    release: str = ""


class Letters(msgspec.Struct, kw_only=True):
    """One rejected row."""

    source: str
    row: Any = None
    field: str = ""
    value: Any = None
    rule: str = ""


class Consent(msgspec.Struct, kw_only=True):
    """The command ``consent``."""

    person: str
    opted_out: bool
    actor: str = "api"


class Erase(msgspec.Struct, kw_only=True):
    """The command ``erase``."""

    person: str


class Backup(msgspec.Struct, kw_only=True):
    """The command ``backup``: a folder that does not exist, or is empty."""

    folder: str


class Announce(msgspec.Struct, kw_only=True):
    """The command ``announce``: tell all processes that something changed outside the keeper."""

    name: str


class Commands:
    """Runs one command at a time, on the keeper's thread."""

    def __init__(self, stores: KeeperStores, lake: LakeSink) -> None:
        self._stores, self._lake = stores, lake
        self.opted_out = _opted_out(stores)

    def run(self, command: str, payload: bytes) -> Receipt | Future[Receipt]:
        """The receipt, at once or once it is done. Raises ShelfwiseError."""
        try:
            match command:
                case "control":
                    return Receipt(result=self._control(_decode(payload, Change)))
                case "dead_letters":
                    return self._bury(_decode(payload, list[Letters]))
                case "consent":
                    return self._consent(_decode(payload, Consent))
                case "erase":
                    return self._erase(Person(_decode(payload, Erase).person, self._stores.state))
                case "backup":
                    return self._backup(Path(_decode(payload, Backup).folder))
                case "announce":
                    return Receipt(result=self._stores.board.bump(_decode(payload, Announce).name))
                case _:
                    raise UnknownName("command", command, KNOWN)
        except msgspec.MsgspecError as trouble:
            raise InvalidInput(f"payload of {command!r} is malformed ({trouble})") from trouble

    def _control(self, change: Change) -> str | bool | None:
        if change.op in ("promote", "rollback"):
            return self._move(change)
        control, now_us = self._stores.control, self._stores.clock()
        if change.op == "put":
            result: str | bool = control.put(
                change.kind,
                change.key,
                change.body,
                if_match=change.if_match,
                actor=change.actor,
                at_us=now_us,
            )
        else:
            result = control.delete(
                change.kind, change.key, if_match=change.if_match, actor=change.actor, at_us=now_us
            )
        if change.kind in BOARD_NAMES:
            self._stores.board.bump(change.kind)
        return result

    def _move(self, change: Change) -> str:
        """Let ``champion`` stand on another release; every worker follows."""
        releases = self._stores.releases
        release = change.release if change.op == "promote" else releases.alias(_PREVIOUS)
        if release is None:
            raise NoneBefore(releases.alias(_CHAMPION))
        releases.move(_CHAMPION, release)
        self._stores.board.bump("release")
        return release

    def _bury(self, letters: list[Letters]) -> Receipt:
        rows = [msgspec.to_builtins(letter) for letter in letters]
        self._stores.control.add_dead_letters(rows, at_us=self._stores.clock())
        return Receipt(accepted=len(rows))

    def _consent(self, wish: Consent) -> Receipt:
        """Keep the wish where no rebuild loses it, then act on it, for their known anonymous visitors too."""
        person, now_us = Person(wish.person, self._stores.state), self._stores.clock()
        body = {"opted_out": wish.opted_out, "at_us": now_us}
        for key in person.people:
            self._stores.control.put(CONSENT, key, body, if_match=None, actor=wish.actor, at_us=now_us)
        apply_wishes(self._stores, dict.fromkeys(person.people, wish.opted_out))
        if wish.opted_out:
            self.opted_out.update(person.people)
        else:
            self.opted_out.difference_update(person.people)
        self._stores.board.bump("position")
        return Receipt(result=person.people)

    def _erase(self, person: Person) -> Future[Receipt]:
        """Out of online state now; out of the log and the lake on the lake's thread."""
        held = sum(blob is not None for blob in self._stores.state.get_many(person.keys))
        wishes = 0
        self._stores.state.commit(dict.fromkeys(person.keys), {})
        self._stores.board.bump("position")
        for key in person.people:
            wishes += self._stores.control.forget(CONSENT, key)
        self.opted_out.difference_update(person.people)
        return self._lake.do(lambda: self._erase_history(person, held, wishes))

    def _erase_history(self, person: Person, held: int, wishes: int) -> Receipt:
        self._lake.catch_up()
        log = erase_from_log(self._stores.log, person)
        rows = erase_from_lake(self._stores.lake, person)
        if not (held or wishes or rows or any(log.values())):
            raise NotFound("visitor" if person.user_id is None else "user", person.people[0][2:])
        report = {"people": len(person.people), "states": held, "lake_rows": rows}
        report |= {f"log_{name}": count for name, count in log.items()}
        return Receipt(result=signed(report, self._stores.control, self._stores.clock()))

    def _backup(self, folder: Path) -> Future[Receipt]:
        if folder.exists() and any(folder.iterdir()):
            raise InvalidField("folder", str(folder), "a folder that does not exist yet, or is empty")
        return self._lake.do(lambda: Receipt(result=self._stores.backup(folder)))


KNOWN = (
    "events", "items", "answers", "dead_letters", "control", "consent", "erase", "backup", "drain", "announce", "ping",
)  # fmt: skip


def apply_wishes(stores: KeeperStores, wishes: Mapping[str, bool]) -> None:
    """Mark the states of people who asked (not) to be left alone."""
    keys = [person.encode() for person in wishes]
    blobs = stores.state.get_many(keys)
    marked: dict[bytes, bytes | None] = {
        key: opted(blob, wish) for key, blob, wish in zip(keys, blobs, wishes.values(), strict=True)
    }
    stores.state.commit(marked, {})


def _opted_out(stores: KeeperStores) -> set[str]:
    found: set[str] = set()
    after = ""
    while page := stores.control.documents(CONSENT, after=after):
        found.update(person for person, body, _ in page if body["opted_out"])
        after = page[-1][0]
    return found


def _decode(payload: bytes, kind: Any) -> Any:
    return msgspec.msgpack.decode(payload, type=kind)
