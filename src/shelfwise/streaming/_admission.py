"""Which events of a group of batches are taken in: decided before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import MAX_BATCH, InvalidInput
from shelfwise.features import EventColumns, read_columns
from shelfwise.stores import Receipt
from shelfwise.streaming._digest import digests_of, encoded_batch
from shelfwise.streaming._seen import CONFLICT, DUPLICATE, NEW, SeenIds

MAX_EVENTS = 40 * MAX_BATCH  # of one batch from a bulk import; a request over HTTP has at most MAX_BATCH
_UNTRACKED = 3  # beside NEW, DUPLICATE and CONFLICT


@dataclass(frozen=True, slots=True)
class Batch:
    """What is taken of one batch."""

    blob: bytes  # for the log; empty if nothing is left
    receipt: Receipt


@dataclass(frozen=True, slots=True, eq=False)
class Admitted:
    """What is taken of some batches."""

    verdicts: list[Batch | InvalidInput]  # on each batch, in order
    events: EventColumns
    digests: NDArray[np.void]


class Admission:
    """Refuses what was accepted before, and what people who opted out did."""

    def __init__(self, seen: SeenIds, opted_out: AbstractSet[str]) -> None:
        self._seen, self._opted_out = seen, opted_out

    def admit(self, payloads: Sequence[bytes]) -> Admitted:
        """A verdict a payload; of one event in two batches the first is taken."""
        troubles: dict[int, InvalidInput] = {}
        try:
            events = _read(payloads)
        except InvalidInput:
            troubles = _troubles(payloads)
            payloads = [one for place, one in enumerate(payloads) if place not in troubles]
            events = _read(payloads)
        digests = digests_of(events, self._seen.seed)
        codes = self._codes(events, digests)
        new = codes == NEW
        verdicts = list[Batch | InvalidInput](_batches(payloads, events, codes))
        for place, trouble in troubles.items():  # in rising order: each finds those before it in their places
            verdicts.insert(place, trouble)
        return Admitted(verdicts, events.take(new), digests[new])

    def _codes(self, events: EventColumns, digests: NDArray[np.void]) -> NDArray[np.uint8]:
        codes = self._seen.check(digests)
        if self._opted_out:
            untracked = [self._is_untracked(user, visitor) for user, visitor in events.people()]
            codes[np.array(untracked, bool)] = _UNTRACKED
        return codes

    def _is_untracked(self, user: str | None, visitor: str | None) -> bool:
        return f"u:{user}" in self._opted_out or f"a:{visitor}" in self._opted_out


def _read(payloads: Sequence[bytes]) -> EventColumns:
    events = read_columns(payloads)
    most = int(np.bincount(events.batch).max(initial=0))
    if most > MAX_EVENTS:
        raise InvalidInput(f"batch has {most} events; expected at most {MAX_EVENTS}")
    return events


def _troubles(payloads: Sequence[bytes]) -> dict[int, InvalidInput]:
    """What is wrong with each payload that is no batch, by its place."""
    found: dict[int, InvalidInput] = {}
    for place, payload in enumerate(payloads):
        try:
            _read([payload])
        except InvalidInput as trouble:
            found[place] = trouble
    return found


def _batches(payloads: Sequence[bytes], events: EventColumns, codes: NDArray[np.uint8]) -> Iterator[Batch]:
    edges = np.searchsorted(events.batch, np.arange(len(payloads) + 1))
    for number, payload in enumerate(payloads):
        mine = codes[edges[number] : edges[number + 1]]
        if (mine == NEW).all():
            yield Batch(payload if len(mine) else b"", Receipt(accepted=len(mine)))
            continue
        receipt = Receipt(
            accepted=int((mine == NEW).sum()),
            duplicates=_places(mine == DUPLICATE),
            conflicts=_places(mine == CONFLICT),
            untracked=_places(mine == _UNTRACKED),
        )
        kept = events.take((events.batch == number) & (codes == NEW))
        yield Batch(encoded_batch(kept) if len(kept) else b"", receipt)


def _places(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(np.flatnonzero(mask).tolist())
