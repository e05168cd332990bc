"""The fold of events into the states of people: a set function, so replays and any batching change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import no_lines
from shelfwise.features import EFFECT, ORIGINS, EventColumns, fold_people, pack_state, unpack_state
from shelfwise.stores import StateStore

LINKS = b"l:"  # + a user's key -> msgpack list of anonymous ids that turned out to be this user, sorted
MAX_LINKS = 50  # anonymous ids of one user; the first in the order of text stay, whatever came first
_KNOWN_LINKS = 200_000  # pairs remembered so that the store is not asked for each event again


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch of events changes: state values, and rows for the items' counters."""

    changes: dict[bytes, bytes | None]
    effects: NDArray[np.void]  # (E,) of dtype EFFECT


class PeopleFold:
    """Reads what is known, adds a batch, says what to write. Writes nothing itself."""

    def __init__(self, state: StateStore, *, counted_origins: Sequence[str]) -> None:
        self._state = state
        self._counted = np.array([origin in counted_origins for origin in ORIGINS])
        self._known_links: set[tuple[str, str]] = set()

    def fold(self, events: EventColumns, lines: NDArray[np.void], owner: NDArray[np.int64]) -> Folded:
        """A batch folded into what the store holds now; ``lines`` are those of ``events[owner]``."""
        keys, person = _people(events)
        before = self._state.get_many(keys)
        blobs = list(before)
        counts = self._counts(events)
        effects = [np.empty(0, EFFECT)]
        for wanted in (False, True):  # uncounted first; mostly there are none
            if np.any(counts == wanted):
                fresh, rows = _fold_some(blobs, events, person, lines, owner, counts == wanted)
                blobs = [old if new is None else new for old, new in zip(blobs, fresh, strict=True)]
                effects += [rows] if wanted else []
        changes: dict[bytes, bytes | None] = {
            key: blob for key, blob, old in zip(keys, blobs, before, strict=True) if blob is not old
        }
        return Folded(changes | self._links(events), np.concatenate(effects))

    def forget_links(self) -> None:
        """Look at the store again: what was said to be written was not."""
        self._known_links.clear()

    def _counts(self, events: EventColumns) -> NDArray[np.bool_]:
        """Bots and tests move no counter."""
        return self._counted[events.origin] & ~events.bots()

    def _links(self, events: EventColumns) -> dict[bytes, bytes | None]:
        """Anonymous visitors that are new to their user."""
        fresh: dict[str, set[str]] = {}
        for pair in events.links() - self._known_links:
            fresh.setdefault(pair[0], set()).add(pair[1])
            self._known_links.add(pair)
        if len(self._known_links) > _KNOWN_LINKS:
            self._known_links.clear()
        keys = [links_key(user) for user in fresh]
        held = self._state.get_many(keys) if keys else []
        changes: dict[bytes, bytes | None] = {}
        for key, blob, visitors in zip(keys, held, fresh.values(), strict=True):
            links = linked(blob)
            joined = sorted({*links, *visitors})[:MAX_LINKS]
            if joined != links:
                changes[key] = msgspec.msgpack.encode(joined)
        return changes


def links_key(user_id: str) -> bytes:
    """Where the anonymous ids of a user stand."""
    return LINKS + b"u:" + user_id.encode()


def linked(blob: bytes | None) -> list[str]:
    """Anonymous ids in a blob of links."""
    return [] if blob is None else msgspec.msgpack.decode(blob, type=list[str])


def opted(blob: bytes | None, opted_out: bool) -> bytes:
    """The state of someone who asks (not) to be left alone; their history is forgotten with the wish."""
    state = unpack_state(blob)
    lines = no_lines() if opted_out else state.lines
    return pack_state(replace(state, lines=lines, opted_out=opted_out, version=state.version + 1))


def _people(events: EventColumns) -> tuple[list[bytes], NDArray[np.int64]]:
    """Keys of all people of a batch, each once, in the store's order, and for each event the index of its person."""
    each = events.person_keys()
    keys = sorted(set(each))
    index = dict(zip(keys, range(len(keys)), strict=True))
    return keys, np.array([index[key] for key in each], np.int64)


def _fold_some(
    blobs: list[bytes | None],
    events: EventColumns,
    person: NDArray[np.int64],
    lines: NDArray[np.void],
    owner: NDArray[np.int64],
    wanted: NDArray[np.bool_],
) -> tuple[list[bytes | None], NDArray[np.void]]:
    """Fold only the events that are marked."""
    if wanted.all():
        return fold_people(blobs, events, person, lines, owner)
    place, mine = np.cumsum(wanted) - 1, wanted[owner]  # place: of an event among the wanted
    return fold_people(blobs, events.take(wanted), person[wanted], lines[mine], place[owner[mine]])
