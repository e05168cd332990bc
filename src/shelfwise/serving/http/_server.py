"""The HTTP/1.1 server of a worker: asyncio's transports on one side, an RSGI application on the other, one thread.

Everything happens on the event loop that the application runs on. A server with threads of its own hands each request
over and back, which cost more than reading it (measured on two cores: 110 to 300 us of CPU an answer against 60).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Protocol, cast

from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._request import ENCODER, PRIVATE, PROBLEM
from shelfwise.serving.http._wire import MAX_HEAD, Chunks, Head, Malformed, read_head, write_head

log = logging.getLogger("shelfwise.http")

_NEVER = float("inf")
_CHUNKED = ("transfer-encoding", "chunked")
_UNREAD = 64 << 10  # bytes of a body that nobody asks for yet; above it the sender has to wait
_SWEEP_S = 1.0  # how often connections are looked through for those that are overdue
_SETTLE_S = 0.05  # at a stop: what was sent before it is read and answered


class Application(Protocol):
    """An RSGI application."""

    def __rsgi__(self, scope: Any, protocol: Any) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a connection may take."""

    idle_s: float = 75.0  # between two requests
    head_s: float = 10.0  # from the first byte of a request to the end of its head
    unread_s: float = 30.0  # with a response that the other end does not read
    linger_s: float = 2.0  # to read a response sent before its request was read to the end


class HttpServer:
    """Takes connections at a listening socket until it is stopped.

    Args:
        app: Answers each request; it must respond exactly once.
        patience: For slow and silent ends.
        limit: Connections at once; more are closed unanswered.
    """

    def __init__(self, app: Application, *, patience: Patience | None = None, limit: int = 8_192) -> None:
        self.app, self.patience, self.limit = app, patience or Patience(), limit
        self.connections: set[Connection] = set()
        self.is_stopping = False
        self.date = ""
        self._listening: asyncio.Server | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self, listener: socket.socket, *, backlog: int = 1_024) -> None:
        """Take requests from now on."""
        loop = asyncio.get_running_loop()
        self._note_date()
        self._listening = await loop.create_server(
            lambda: Connection(self, loop), sock=listener, backlog=backlog
        )
        self._sweeping = loop.create_task(self._sweep())

    async def stop(self, within_s: float = 5.0) -> None:
        """Take no more connections, answer what was sent, hang up."""
        self.is_stopping = True
        if self._listening is not None:
            self._listening.close()
        await asyncio.sleep(_SETTLE_S)
        for connection in list(self.connections):
            connection.retire()
        until = asyncio.get_running_loop().time() + within_s
        while self.connections and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()
        if self._sweeping is not None:
            self._sweeping.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._note_date()
            now = asyncio.get_running_loop().time()
            for connection in list(self.connections):
                if connection.due_s <= now:
                    connection.give_up()

    def _note_date(self) -> None:
        self.date = f"date: {formatdate(usegmt=True)}"


class Connection(asyncio.Protocol):
    """One connection: a request at a time, the next once it is answered. The RSGI protocol of that request."""

    def __init__(self, server: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        self.due_s = _NEVER  # by the loop's clock: when patience ends
        self._server, self._loop = server, loop
        self._buffer = bytearray()
        self._head: Head | None = None  # of the request in flight
        self._left: int | Chunks = 0  # of its body
        self._more: asyncio.Future[None] | None = None  # who waits for more of it
        self._room: asyncio.Future[None] | None = None  # who waits to write more
        self._task: asyncio.Task[None] | None = None
        self._is_lingering = self._is_paused = self._is_full = self._has_ended = False

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class, only by its methods
        if len(self._server.connections) >= self._server.limit:
            self._transport.abort()
            return
        self._server.connections.add(self)
        self._client = _address(transport.get_extra_info("peername"))
        self.due_s = self._loop.time() + self._server.patience.idle_s

    def data_received(self, data: bytes) -> None:
        if self._is_lingering:
            return
        self._buffer += data
        if self._head is None:
            self._begin()
        elif self._more is not None:
            self._wake()
        elif len(self._buffer) > _UNREAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The other end sends no more; it may still read."""
        self._wake(has_ended=True)
        return self._head is not None and not self._is_lingering

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._server.connections.discard(self)
        self.due_s = _NEVER
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._wake(has_ended=True)

    def pause_writing(self) -> None:
        self._is_full = True
        self.due_s = self._loop.time() + self._server.patience.unread_s

    def resume_writing(self) -> None:
        self._is_full = False
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._settle()

    # What the server tells.

    def retire(self) -> None:
        """Hang up, after the response if one is owed."""
        if self._head is None and not self._is_lingering:
            self._transport.close()

    def give_up(self) -> None:
        """Patience has ended."""
        if self._head is None and self._buffer and not self._is_lingering:
            self._refuse(408, "the head of the request did not come in time")
        else:
            self.abort()

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()

    # What the application asks and tells: RSGI.

    async def __call__(self) -> bytes:
        """The whole body."""
        self._ask_for_body()
        part = self._taken()
        return part if self._is_read() else part + b"".join([part async for part in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body, as it comes."""
        self._ask_for_body()
        while True:
            part = self._taken()
            if part:
                yield part
            if self._is_read():
                return
            if not part:
                await self._wait()

    def response_empty(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Respond without a body."""
        is_head = self._head is not None and self._head.method == "HEAD"
        self._respond(status, headers, b"", None if is_head else 0)

    def response_bytes(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Respond."""
        self._respond(status, headers, body, len(body))

    async def response_parts(
        self, status: int, headers: Sequence[tuple[str, str]], parts: AsyncIterator[bytes]
    ) -> None:
        """Respond with a body that is made as fast as the other end reads. If making it fails, the response is cut."""
        head = self._head
        if head is None or self._transport.is_closing():
            return
        is_read = self._is_read() or self._skipped()
        is_last = head.is_last or self._server.is_stopping or self._has_ended or not is_read
        fields = [*headers, _CHUNKED] if head.takes_chunks else headers
        self._transport.write(write_head(status, fields, None, date=self._server.date, is_last=is_last))
        async for part in parts:
            if not await self._has_room():
                return
            self._transport.write(_chunk(part) if head.takes_chunks else part)
        if head.takes_chunks:
            self._transport.write(_chunk(b""))
        self._responded(is_last=is_last or self._server.is_stopping, is_read=is_read)

    # Requests.

    def _begin(self) -> None:
        """Take the next request if its head is here."""
        if self._head is not None or self._is_full or self._transport.is_closing():
            return
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end < 0:
            self._wait_for_head()
            return
        try:
            head = read_head(self._buffer[: end + 4], self._client, time.monotonic())
        except Malformed as wrong:
            self._refuse(wrong.status, wrong.detail)
            return
        del self._buffer[: end + 4]
        self._head, self._left = head, Chunks() if head.length is None else head.length
        self.due_s = _NEVER
        self._task = self._loop.create_task(self._answer(head))  # the loop itself holds tasks weakly

    def _wait_for_head(self) -> None:
        if self._buffer[:2] == b"\r\n":  # some send a line break after a body (RFC 9112, 2.2)
            del self._buffer[:2]
        if len(self._buffer) >= MAX_HEAD:
            self._refuse(431, f"the head of the request has more than {MAX_HEAD} bytes")
        elif self._has_ended:
            self._transport.close()
        else:
            patience = self._server.patience
            wait_s = patience.head_s if self._buffer else patience.idle_s
            self.due_s = min(self.due_s, self._loop.time() + wait_s)

    async def _answer(self, head: Head) -> None:
        try:
            await self._server.app.__rsgi__(head, self)
        finally:
            if self._head is head:  # it did not respond
                self.abort()

    def _respond(
        self, status: int, headers: Sequence[tuple[str, str]], body: bytes, length: int | None
    ) -> None:
        head = self._head
        if head is None or self._transport.is_closing():
            self._head = None
            return
        is_read = self._is_read() or self._skipped()
        is_last = head.is_last or self._server.is_stopping or self._has_ended or not is_read
        top = write_head(status, headers, length, date=self._server.date, is_last=is_last)
        self._transport.write(top + body)
        self._responded(is_last=is_last, is_read=is_read)

    def _responded(self, *, is_last: bool, is_read: bool) -> None:
        self._head = None
        if is_last:
            self._hang_up(is_read=is_read)
        else:
            self._settle()

    async def _has_room(self) -> bool:
        """Once the other end has read enough for more; False if it went away."""
        if self._is_full and not self._transport.is_closing():
            self._room = self._loop.create_future()
            await self._room
            self._room, self.due_s = None, _NEVER
        return not self._transport.is_closing()

    def _settle(self) -> None:
        """Between two requests."""
        if self._head is not None or self._is_lingering or self._is_full:
            return
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        self.due_s = self._loop.time() + self._server.patience.idle_s
        if self._buffer:
            self._loop.call_soon(self._begin)

    def _hang_up(self, *, is_read: bool) -> None:
        """Close. With input unread that would reset the connection under the response, so wait until it was read."""
        if is_read or self._has_ended:
            self._transport.close()
            return
        self._is_lingering = True
        self._buffer.clear()
        self.due_s = self._loop.time() + self._server.patience.linger_s
        if self._is_paused:
            self._transport.resume_reading()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _refuse(self, status: int, detail: str) -> None:
        """A problem of the wire: told, and the end."""
        body = ENCODER.encode(Problem(status, detail).document(""))
        top = write_head(status, [PROBLEM, PRIVATE], len(body), date=self._server.date, is_last=True)
        self._transport.write(top + body)
        self._hang_up(is_read=False)

    # Bodies.

    def _ask_for_body(self) -> None:
        if self._head is None or not self._head.waits:
            return
        self._head.waits = False
        if not self._buffer and not self._is_read():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _is_read(self) -> bool:
        """Whether no more of the body is to come."""
        return self._left.is_whole if isinstance(self._left, Chunks) else self._left == 0

    def _taken(self) -> bytes:
        """What has come of the body."""
        try:
            return self._cut()
        except Malformed as wrong:
            raise Problem(wrong.status, wrong.detail) from None
        finally:
            if self._is_paused and len(self._buffer) <= _UNREAD:
                self._is_paused = False
                self._transport.resume_reading()

    def _cut(self) -> bytes:
        if isinstance(self._left, Chunks):
            return self._left.take(self._buffer)
        part = bytes(self._buffer[: self._left])
        del self._buffer[: len(part)]
        self._left -= len(part)
        return part

    def _skipped(self) -> bool:
        """Throw away what has come of a body nobody asked for; whether that was all of it."""
        if self._head is not None and self._head.waits:
            return False  # it may or may not be sent
        try:
            self._cut()
        except Malformed:
            return False
        return self._is_read()

    def _wake(self, *, has_ended: bool = False) -> None:
        """Tell who waits for more of a body that it came, or that no more will come."""
        self._has_ended = self._has_ended or has_ended
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    async def _wait(self) -> None:
        """Until more has come. Raises CancelledError if the other end went away: there is nobody to answer."""
        if self._has_ended:
            raise asyncio.CancelledError
        self._more = self._loop.create_future()
        try:
            await self._more
        finally:
            self._more = None


def _chunk(part: bytes) -> bytes:
    """A piece of a body; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(part), part)


def _address(peer: Any) -> str:
    """As RSGI tells it: ``127.0.0.1:5000``, ``[::1]:5000``, ``unix``."""
    if not isinstance(peer, tuple):
        return "unix"
    host, port = peer[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
