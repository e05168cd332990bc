"""Sessions and identity: functions of the set of events, so any order, batching or repetition agrees.

The log keeps what the sender said; nothing here is stamped on an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import SESSION_GAP_US, Event, InvalidInput, PersonKey


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """Sessions of many people: ``number`` names the session of each row, ``start_us`` and ``end_us`` its span."""

    number: NDArray[np.int64]  # (N,) 0..S-1, by owner and then by start
    owner: NDArray[np.int64]  # (S,)
    start_us: NDArray[np.int64]  # (S,) instant of the first row
    end_us: NDArray[np.int64]  # (S,) instant of the last row

    def __len__(self) -> int:
        return len(self.start_us)


def sessions(owner: NDArray[np.int64], at_us: NDArray[np.int64], *, gap_us: int = SESSION_GAP_US) -> Sessions:
    """Cut each owner's rows into sessions: a pause longer than ``gap_us`` starts a new one.

    Args:
        owner: Whose row it is, ``(N,)``, any numbers. For one person hand in zeros.
        at_us: When, ``(N,)``, in any order.
        gap_us: The longest pause within a session; exactly as long still belongs to it.

    Returns:
        The same partition for the same rows in any order.

    Raises:
        InvalidInput: The columns differ in length, or the gap is negative.
    """
    if len(owner) != len(at_us) or gap_us < 0:
        raise InvalidInput(
            f"owner has {len(owner)} rows, at_us {len(at_us)}, gap {gap_us}; expected one length"
        )
    order = np.lexsort((at_us, owner))
    who, when = owner[order], at_us[order]
    starts = np.ones(len(order), np.bool_)  # (N,)
    starts[1:] = (who[1:] != who[:-1]) | (when[1:] - when[:-1] > gap_us)
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(starts) - 1
    last = np.append(starts[1:], True)[: len(order)]
    return Sessions(number, who[starts], when[starts], when[last])


class Link(NamedTuple):
    """An anonymous visitor turned out to be a user, at the first event that names both."""

    at_us: int
    user_id: str


def identity_links(events: Iterable[Event], known: Mapping[str, Link] | None = None) -> dict[str, Link]:
    """Which user each anonymous id belongs to: the one it was first seen with.

    A device that several people share belongs to whoever logged in first (at the same instant: the smaller id),
    so that nobody sees what another did before. What comes after a login carries its own ``user_id`` anyway.

    Args:
        events: In any order.
        known: Links found before; the result holds them too. Folding in parts gives what folding at once gives.
    """
    links = dict(known or {})
    for event in events:
        if event.user_id is None or event.anonymous_id is None:
            continue
        link = Link(event.occurred_us, event.user_id)
        links[event.anonymous_id] = min(link, links.get(event.anonymous_id, link))
    return links


def merge_links(one: Mapping[str, Link], other: Mapping[str, Link]) -> dict[str, Link]:
    """The links of both: commutative, associative, idempotent."""
    merged = dict(one)
    for anonymous_id, link in other.items():
        merged[anonymous_id] = min(link, merged.get(anonymous_id, link))
    return merged


def resolve(key: PersonKey, links: Mapping[str, Link]) -> PersonKey:
    """Whose history an event with this key belongs to, now that the links are known."""
    if not key.startswith("a:"):
        return key
    link = links.get(key[2:])
    return key if link is None else PersonKey(f"u:{link.user_id}")
