"""``Inbox`` over a Unix socket: clients of the one keeper, for threads and for an event loop.

A frame is its length (u32, little-endian) and a msgpack array. Requests are ``[id, command, payload]``; replies
``[id, receipt, error]`` with ``error`` either nil or ``[class name, arguments]``. Replies carry the id of their
request, so many may be in flight over one connection.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from shelfwise import domain
from shelfwise.domain import ShelfwiseError, StoreUnavailable
from shelfwise.stores import Receipt

MAX_FRAME = 64 << 20  # bytes; 500 events of 200 lines are some 10 MB
_LENGTH = struct.Struct("<I")
_AWAY = "the keeper is away; expected it to listen at its socket"
_CUT = "the keeper went away before it answered; the outcome is unknown, the same event_ids may be sent again"

# Commands that last as long as the shop is large; all others are answered within ``timeout_s``.
_PATIENT = frozenset({"backup", "drain", "erase"})


class Reply(msgspec.Struct, array_like=True):
    """What comes back for the request of this id: a receipt, or an error as its class and arguments."""

    id: int
    receipt: Receipt | None = None
    error: tuple[str, tuple[Any, ...]] | None = None


def frame(message: Any) -> bytes:
    """One message with its length before it. Raises InvalidInput if it is too large."""
    body = _encoder.encode_into_frame(message)
    if len(body) - _LENGTH.size > MAX_FRAME:
        raise domain.InvalidInput(f"message has {len(body)} bytes; expected at most {MAX_FRAME}")
    return body


def frames(buffer: bytearray) -> Iterator[bytes]:
    """Whole messages at the head of ``buffer``; they are cut off it once the iterator is used up."""
    start, end = 0, len(buffer)
    with memoryview(buffer) as view:
        while end - start >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(buffer, start)
            if size > MAX_FRAME:
                raise StoreUnavailable(f"frame announces {size} bytes; expected at most {MAX_FRAME}")
            if end - start - _LENGTH.size < size:
                break
            start += _LENGTH.size + size
            yield bytes(view[start - size : start])
    if start:
        del buffer[:start]


def error_of(trouble: ShelfwiseError) -> tuple[str, tuple[Any, ...]]:
    """An error as it crosses the socket."""
    return type(trouble).__name__, trouble.args


def receipt_of(reply: Reply) -> Receipt:
    """The receipt of a reply. Raises the error that the keeper raised."""
    if reply.error is not None:
        name, args = reply.error
        kind = getattr(domain, name, ShelfwiseError)
        raise kind(*args)
    return reply.receipt or Receipt()


class UnixInbox:
    """For threads: one request at a time. Connects when first needed, and again after the keeper came back."""

    def __init__(self, path: Path, *, timeout_s: float = 30.0) -> None:
        self._path, self._timeout_s = str(path), timeout_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._next_id = 0

    def submit(self, command: str, payload: Any) -> Receipt:
        """Hand it over and wait for the commit. Raises StoreUnavailable at once if nobody listens."""
        with self._lock:
            self._next_id += 1
            message = frame((self._next_id, command, payload))
            link = self._socket or self._connected()
            try:
                link.settimeout(None if command in _PATIENT else self._timeout_s)
                link.sendall(message)
                return receipt_of(_decode_reply(_read_frame(link)))
            except OSError as trouble:
                self._drop()
                raise StoreUnavailable(_CUT) from trouble

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            self._drop()

    def _connected(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            link.connect(self._path)
        except OSError as trouble:
            link.close()
            raise StoreUnavailable(_AWAY) from trouble
        self._socket = link
        return link

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class AsyncUnixInbox:
    """For one event loop: many requests in flight over one connection, which mends itself.

    While the keeper is away every request fails at once; in the background it is looked for every 50 ms.
    """

    def __init__(self, path: Path, *, max_in_flight: int = 4_096, timeout_s: float = 10.0) -> None:
        self._path, self._max, self._timeout_s = str(path), max_in_flight, timeout_s
        self._link: _Link | None = None
        self._mender: asyncio.Task[None] | None = None
        self._next_id = 0

    async def connect(self) -> bool:
        """Start to keep a connection; True if the keeper answered the first knock."""
        if self._mender is None:
            await self._knock()
            self._mender = asyncio.get_running_loop().create_task(self._mend())
        return self._link is not None

    async def submit(self, command: str, payload: Any) -> Receipt:
        """Hand it over and wait for the commit.

        Raises StoreUnavailable at once if the keeper is away or ``max_in_flight`` requests wait for it, and as
        soon as it goes away with the request unanswered.
        """
        if self._mender is None:
            await self.connect()
        if self._link is None:
            raise StoreUnavailable(_AWAY)
        if len(self._link.waiting) >= self._max:
            raise StoreUnavailable(f"{self._max} requests wait for the keeper; expected fewer")
        self._next_id += 1
        message = frame((self._next_id, command, payload))
        return receipt_of(await self._link.ask(self._next_id, message, self._due(command)))

    async def aclose(self) -> None:
        """Hang up; what is in flight fails."""
        if self._mender is not None:
            self._mender.cancel()
            self._mender = None
        if self._link is not None:
            self._link.hang_up()
            self._link = None

    def _due(self, command: str) -> float:
        now = asyncio.get_running_loop().time()
        return float("inf") if command in _PATIENT else now + self._timeout_s

    async def _knock(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self._link = await loop.create_unix_connection(lambda: _Link(loop), self._path)
        except OSError:
            self._link = None

    async def _mend(self) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            if self._link is None:
                await asyncio.sleep(wait_s)
                await self._knock()
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                await self._link.lost_or_swept()
                if self._link.is_lost:
                    self._link, wait_s = None, _FIRST_WAIT_S


_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.05  # a knock at an absent socket costs microseconds
_SWEEP_S = 1.0  # how often overdue requests are looked for


class _Link(asyncio.Protocol):
    """One connection and the requests that wait on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.waiting: dict[int, tuple[asyncio.Future[Reply], float]] = {}
        self._loop, self._buffer = loop, bytearray()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None

    @property
    def is_lost(self) -> bool:
        return self._lost.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class, only by its methods

    def ask(self, number: int, message: bytes, due: float) -> asyncio.Future[Reply]:
        answer: asyncio.Future[Reply] = self._loop.create_future()
        if self._transport is None or self.is_lost:
            raise StoreUnavailable(_AWAY)
        self.waiting[number] = answer, due
        self._transport.write(message)
        return answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        for body in frames(self._buffer):
            reply = _decode_reply(body)
            answer, _ = self.waiting.pop(reply.id, (None, 0.0))
            if answer is not None and not answer.done():
                answer.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if not self._lost.done():
            self._lost.set_result(None)
        self._fail(_CUT, float("inf"))

    async def lost_or_swept(self) -> None:
        """Return when the connection is lost, or after a while in which overdue requests were failed."""
        await asyncio.wait([self._lost], timeout=_SWEEP_S)
        now = self._loop.time()
        self._fail("the keeper does not answer in time; the outcome is unknown", now)

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _fail(self, why: str, until: float) -> None:
        """Fail the requests that were due by then."""
        for number, (answer, due) in list(self.waiting.items()):
            if due <= until:
                del self.waiting[number]
                if not answer.done():
                    answer.set_exception(StoreUnavailable(why))


class _FrameEncoder:
    """Encodes behind the place of the length, so that a large payload is not copied."""

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()

    def encode_into_frame(self, message: Any) -> bytes:
        buffer = bytearray(_LENGTH.size)
        self._encoder.encode_into(message, buffer, _LENGTH.size)
        _LENGTH.pack_into(buffer, 0, len(buffer) - _LENGTH.size)
        return bytes(buffer)


_encoder = _FrameEncoder()
_decode_reply = msgspec.msgpack.Decoder(Reply).decode


def _read_frame(link: socket.socket) -> bytes:
    (size,) = _LENGTH.unpack(_read_exactly(link, _LENGTH.size))
    if size > MAX_FRAME:
        raise ConnectionError(f"frame announces {size} bytes")
    return _read_exactly(link, size)


def _read_exactly(link: socket.socket, size: int) -> bytes:
    """Raises ConnectionError if the other side hangs up before."""
    buffer = bytearray(size)
    view, got = memoryview(buffer), 0
    while got < size:
        n = link.recv_into(view[got:])
        if n == 0:
            raise ConnectionError("hung up")
        got += n
    return bytes(buffer)
