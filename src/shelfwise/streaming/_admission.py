"""Which events of a group of batches are taken in: decided before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import MAX_BATCH, Event, InvalidInput
from shelfwise.stores import Receipt
from shelfwise.streaming._digest import DIGEST, digest_batch, without
from shelfwise.streaming._seen import CONFLICT, DUPLICATE, NEW, SeenIds

MAX_EVENTS = 40 * MAX_BATCH  # of one batch from a bulk import; a request over HTTP has at most MAX_BATCH
_UNTRACKED = 3  # beside NEW, DUPLICATE and CONFLICT


@dataclass(frozen=True, slots=True)
class Batch:
    """What is taken of one batch."""

    blob: bytes  # for the log; empty if nothing is left
    events: list[Event]
    digests: NDArray[np.void]
    receipt: Receipt


class Admission:
    """Refuses what was accepted before, and what people who opted out did."""

    def __init__(self, seen: SeenIds, opted_out: AbstractSet[str]) -> None:
        self._seen, self._opted_out = seen, opted_out

    def admit(self, payloads: Sequence[bytes]) -> list[Batch | InvalidInput]:
        """One verdict a payload, in order; of one event in two batches the first is taken."""
        decoded = [self._decoded(payload) for payload in payloads]
        good = [events for events in decoded if isinstance(events, list)]
        digests = [
            digest_batch(payload, self._seen.seed)
            for payload, events in zip(payloads, decoded, strict=True)
            if isinstance(events, list)
        ]
        codes = self._codes(good, digests)
        batches = iter(
            [_batch(*parts) for parts in zip(_good(payloads, decoded), good, digests, codes, strict=True)]
        )
        return [next(batches) if isinstance(events, list) else events for events in decoded]

    def _decoded(self, payload: bytes) -> list[Event] | InvalidInput:
        try:
            events = _decode(payload)
        except msgspec.DecodeError as trouble:
            return InvalidInput(f"batch of events is no list of events ({trouble})")
        if len(events) > MAX_EVENTS:
            return InvalidInput(f"batch has {len(events)} events; expected at most {MAX_EVENTS}")
        return events

    def _codes(self, batches: list[list[Event]], digests: list[NDArray[np.void]]) -> list[NDArray[np.uint8]]:
        if not batches:
            return []
        codes = self._seen.check(np.concatenate(digests) if len(digests) > 1 else digests[0])
        if self._opted_out:
            untracked = [self._is_untracked(event) for events in batches for event in events]
            codes[np.array(untracked, bool)] = _UNTRACKED
        return np.split(codes, np.cumsum([len(events) for events in batches])[:-1])

    def _is_untracked(self, event: Event) -> bool:
        return f"u:{event.user_id}" in self._opted_out or f"a:{event.anonymous_id}" in self._opted_out


def digests_of(batches: Sequence[Batch]) -> NDArray[np.void]:
    """Digests of all events taken."""
    return np.concatenate([np.empty(0, DIGEST), *(batch.digests for batch in batches)])


def _batch(payload: bytes, events: list[Event], digests: NDArray[np.void], codes: NDArray[np.uint8]) -> Batch:
    new = codes == NEW
    if new.all():
        return Batch(payload if events else b"", events, digests, Receipt(accepted=len(events)))
    receipt = Receipt(
        accepted=int(new.sum()),
        duplicates=_places(codes == DUPLICATE),
        conflicts=_places(codes == CONFLICT),
        untracked=_places(codes == _UNTRACKED),
    )
    kept = [event for event, is_new in zip(events, new.tolist(), strict=True) if is_new]
    return Batch(without(payload, digests, new) if kept else b"", kept, digests[new], receipt)


def _good(payloads: Sequence[bytes], decoded: list[list[Event] | InvalidInput]) -> list[bytes]:
    return [payload for payload, events in zip(payloads, decoded, strict=True) if isinstance(events, list)]


def _places(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(mask).tolist())


_decode = msgspec.msgpack.Decoder(list[Event]).decode
