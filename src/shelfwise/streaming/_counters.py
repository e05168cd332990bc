"""Windowed counters of items: kept in memory, written to mapped columns, and safe in the state store.

Each commit of states carries the rows that it adds to the counters as a journal; now and then the counters
themselves are written and the journal is cut off. So states and counters always stand at the same position.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import MINUTE_US
from shelfwise.features import COUNTERS_PREFIX, EFFECT, ITEM_ROLLING, ItemCounters
from shelfwise.stores import LiveColumns, StateStore

JOURNAL = b"j:"  # + number of the commit, 8 bytes -> rows of dtype EFFECT


class CountersFold:
    """The items' counters and their journal."""

    def __init__(self, state: StateStore, live: LiveColumns, now_us: int) -> None:
        self._state, self._live = state, live
        self._counters = ItemCounters(ITEM_ROLLING, now_us)
        self._counters.load(state.scan(COUNTERS_PREFIX))
        self._journal = [key for key, _ in state.scan(JOURNAL)]
        for _, blob in state.scan(JOURNAL):
            self._counters.add_effects(np.frombuffer(blob, EFFECT))
        self._next = 1 + (_number(self._journal[-1]) if self._journal else 0)
        self._unsaved: dict[bytes, bytes | None] = {}  # dumped, but the store was away
        self._minute = -1
        self._stale = True

    def journal(self, effects: NDArray[np.void]) -> dict[bytes, bytes | None]:
        """What a commit of states must write beside them."""
        return {JOURNAL + self._next.to_bytes(8, "big"): effects.tobytes()} if len(effects) else {}

    def add(self, effects: NDArray[np.void], journal: Mapping[bytes, object]) -> None:
        """Count rows whose journal was committed."""
        if len(effects):
            self._journal += journal
            self._next += 1
            self._counters.add_effects(effects)
            self._stale = True

    def show(self, now_us: int) -> bool:
        """Move the windows to now and write the mapped columns; False if nothing can have changed."""
        if not self._stale and now_us // MINUTE_US == self._minute:
            return False
        self._counters.advance(now_us)
        self._live.write_counters(self._counters.columns())
        self._minute, self._stale = now_us // MINUTE_US, False
        return True

    def save(self) -> None:
        """Write the counters and cut the journal, in one transaction."""
        self._unsaved |= self._counters.dump()
        changes = self._unsaved | dict.fromkeys(self._journal)
        if changes:
            self._state.commit(changes, {})
            self._journal, self._unsaved = [], {}


def _number(key: bytes) -> int:
    return int.from_bytes(key[len(JOURNAL) :], "big")
