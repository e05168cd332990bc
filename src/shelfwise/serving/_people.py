"""The one read of a request: what is known of the person who asks."""

from __future__ import annotations

import msgspec

from shelfwise.domain import NOBODY, PersonState
from shelfwise.features import join_states, unpack_state
from shelfwise.stores import StateStore

LINKS = b"l:"  # + person key -> msgpack list of anonymous ids that turned out to be this user


def read_person(state: StateStore, user_id: str | None, anonymous_id: str | None) -> PersonState:
    """The user, and the anonymous visitors who turned out to be them, as one person."""
    keys = person_keys(state, user_id, anonymous_id)
    if not keys:
        return NOBODY
    known = [unpack_state(blob) for blob in state.get_many(keys) if blob is not None]
    return join_states(known) if known else NOBODY


def person_keys(state: StateStore, user_id: str | None, anonymous_id: str | None) -> list[bytes]:
    """Under which keys the parts of this person lie."""
    anonymous = [anonymous_id] if anonymous_id is not None else []
    if user_id is None:
        return [b"a:" + visitor.encode() for visitor in anonymous]
    own = b"u:" + user_id.encode()
    links = state.get(LINKS + own)
    if links is not None:
        anonymous += [visitor for visitor in msgspec.msgpack.decode(links) if visitor != anonymous_id]
    return [own, *(b"a:" + visitor.encode() for visitor in anonymous)]
