"""Whose turn it is: one request at a time does its work, in order of arrival, and few may wait.

The event loop would run requests in their order too, but unseen: nobody could say how long one had waited, nor how
many wait. Here one is worked on at a time, and before the next has its turn the loop looks for who came meanwhile:
connections in one round, their requests in another. So stamps of arrival are late by one request's work at most.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """A bounded queue in front of the work of one event loop."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._first: deque[asyncio.Future[None]] = deque()  # shoppers
        self._last: deque[asyncio.Future[None]] = (
            deque()
        )  # batches: one of their queries when no shopper waits
        self._taken = False

    def __len__(self) -> int:
        return len(self._first) + len(self._last)

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._first) >= self.limit

    def free(self) -> bool:
        """Take the turn at once if nobody has it and nobody waits: then there is nothing to await."""
        if self._taken:
            return False
        self._taken = True
        self._soon()
        return True

    async def wait(self, *, patient: bool = False) -> None:
        """Wait for a turn; it ends when the task next awaits anything."""
        if self.free():
            return
        turn = asyncio.get_running_loop().create_future()
        (self._last if patient else self._first).append(turn)
        await turn

    def _soon(self) -> None:
        """The next turn comes two rounds after this one."""
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._next)

    def _next(self) -> None:
        """Give the turn to the next who still wants it."""
        for waiting in (self._first, self._last):
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
                    self._soon()
                    return
        self._taken = False
