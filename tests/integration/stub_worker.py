"""A worker's application that says who it is and passes events on to the keeper."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import msgspec

from shelfwise.app._layout import Layout
from shelfwise.domain import Event, StoreUnavailable
from shelfwise.stores.adapters.unix_inbox import AsyncUnixInbox


class Stub:
    def __init__(self, folder: Path, worker: int) -> None:
        self.worker, self.inbox = worker, AsyncUnixInbox(Layout(folder).socket)

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self.inbox.connect())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.run_until_complete(self.inbox.aclose())

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        status, told = (
            200,
            {"worker": self.worker, "pid": os.getpid(), "port": os.environ["SHELFWISE__SERVE__PORT"]},
        )
        if scope.method == "POST":
            body = await protocol()
            try:
                receipt = await self.inbox.submit("events", msgspec.json.decode(body, type=list[Event]))
                status, told = 202, {"accepted": receipt.accepted}
            except StoreUnavailable as trouble:
                status, told = 503, {"why": str(trouble)}
        if scope.path == "/slow":
            await asyncio.sleep(1.0)
        protocol.response_bytes(status, [("content-type", "application/json")], json.dumps(told).encode())


def make_worker(folder: Path, worker: int) -> Stub:
    return Stub(folder, worker)
