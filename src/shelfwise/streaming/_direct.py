"""The keeper without a socket: for the command line and ``Shop`` when no server runs."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import msgspec

from shelfwise.domain import ShelfwiseError
from shelfwise.stores import Receipt
from shelfwise.streaming._keeper import Keeper


class DirectInbox:
    """``Inbox`` that calls a keeper in this process. Any thread may submit; one at a time is served."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper, self._lock = keeper, threading.Lock()

    def submit(self, command: str, payload: Any) -> Receipt:
        """Hand it over and wait for the commit; the fold has followed when this returns."""
        encoded = _encode(payload)
        with self._lock:
            (outcome,) = self._keeper.commit([(command, encoded)])
            self._keeper.settle()
            self._keeper.fold()
            self._keeper.tick()
        if isinstance(outcome, Future):
            return outcome.result()
        if isinstance(outcome, ShelfwiseError):
            raise outcome
        return outcome

    def close(self) -> None:
        """Fold all, bring the lake up to date. Stores are closed by who opened them."""
        with self._lock:
            self._keeper.close()


_encode = msgspec.msgpack.Encoder().encode
