"""The one read of a request: what is known of the person who asks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shelfwise.domain import NOBODY, PersonState
from shelfwise.features import join_states, unpack_state
from shelfwise.stores import StateStore

LINKS = b"l:"  # + person key -> msgpack list of anonymous ids that turned out to be this user


def read_person(state: StateStore, user_id: str | None, anonymous_id: str | None) -> PersonState:
    """The user, and the anonymous visitors who turned out to be them, as one person: one read, two if there are any."""
    if user_id is None and anonymous_id is None:
        return NOBODY
    visitors = [anonymous_id] if anonymous_id is not None else []
    if user_id is None:
        return _joined(state.get_many([_visitor(visitor) for visitor in visitors]))
    own = _user(user_id)
    links, *blobs = state.get_many([LINKS + own, own, *map(_visitor, visitors)])
    if links is not None:
        others = [visitor for visitor in _names(links) if visitor not in visitors]
        blobs += state.get_many([_visitor(visitor) for visitor in others]) if others else []
    return _joined(blobs)


def person_keys(state: StateStore, user_id: str) -> list[bytes]:
    """Under which keys the parts of a user lie: their own, then those of visitors who turned out to be them."""
    own = _user(user_id)
    links = state.get(LINKS + own)
    return [own, *map(_visitor, _names(links) if links is not None else ())]


_names = msgspec.msgpack.Decoder(list[str]).decode


def _joined(blobs: Sequence[bytes | None]) -> PersonState:
    known = [unpack_state(blob) for blob in blobs if blob is not None]
    return join_states(known) if len(known) > 1 else known[0] if known else NOBODY


def _user(user_id: str) -> bytes:
    return b"u:" + user_id.encode()


def _visitor(anonymous_id: str) -> bytes:
    return b"a:" + anonymous_id.encode()
