"""The keeper's end of its Unix socket: one thread, groups of requests, replies after their commit.

Whatever arrived while the last group was worked on is the next group: at low load a group is one request and
nobody waits, at high load groups grow by themselves and share one durable commit.
"""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from shelfwise.domain import InvalidInput, ShelfwiseError, StoreUnavailable
from shelfwise.stores import Receipt
from shelfwise.stores.adapters.unix_inbox import Reply, error_of, frame, frames

Outcome = Receipt | ShelfwiseError | Future[Receipt]


class Request(msgspec.Struct, array_like=True):
    """One request as it lies in a frame: the payload is still encoded."""

    id: int
    command: str
    payload: msgspec.Raw


class Handler(Protocol):
    """Works on what arrives. ``commit`` is answered, ``fold`` follows the answers, ``tick`` keeps house."""

    def commit(self, requests: Sequence[tuple[str, msgspec.Raw]]) -> Sequence[Outcome]:
        """One outcome a request, in their order; durable when it returns. A Future is answered when done."""
        ...

    def fold(self) -> None: ...

    def tick(self) -> float:
        """Do what is due; seconds until something will be due again."""
        ...


class InboxServer:
    """Listens at ``path`` (readable by its owner only) until ``stop`` is called from any thread."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self._path, self._handler = path, handler
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = socket.socketpair()
        self._woken.setblocking(False)
        self._stopping = False
        self._later: list[tuple[_Peer, int, Future[Receipt]]] = []
        self._listener = _listen(path)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, self._drain_wake)

    def run(self, beat: Callable[[], None] = lambda: None) -> None:
        """Serve until stopped. ``beat`` is called once a round, for process figures and the like."""
        due_s = 0.0
        while not self._stopping:
            group = self._arrived(due_s)
            if group:
                self._answer(group)
                self._handler.fold()
            self._answer_later()
            due_s = self._handler.tick()
            beat()
        self._close()

    def stop(self) -> None:
        """Finish the round and return from ``run``."""
        self._stopping = True
        self.wake()

    def wake(self) -> None:
        """End the wait, from any thread."""
        with suppress(OSError):
            self._wake.send(b"\0")

    def _arrived(self, timeout_s: float) -> list[tuple[_Peer, Request]]:
        group: list[tuple[_Peer, Request]] = []
        for key, mask in self._selector.select(timeout_s):
            if isinstance(key.data, _Peer):
                group += self._serve(key.data, mask)
            else:
                key.data()
        return group

    def _serve(self, peer: _Peer, mask: int) -> list[tuple[_Peer, Request]]:
        try:
            if mask & selectors.EVENT_WRITE:
                peer.flush()
            requests = peer.receive() if mask & selectors.EVENT_READ else []
        except (OSError, ShelfwiseError, msgspec.DecodeError):
            self._drop(peer)
            return []
        self._watch(peer)
        return [(peer, request) for request in requests]

    def _answer(self, group: list[tuple[_Peer, Request]]) -> None:
        outcomes = self._handler.commit([(request.command, request.payload) for _, request in group])
        for (peer, request), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Future):
                outcome.add_done_callback(lambda _: self.wake())
                self._later.append((peer, request.id, outcome))
            else:
                self._reply(peer, request.id, outcome)

    def _answer_later(self) -> None:
        done = [entry for entry in self._later if entry[2].done()]
        if done:
            self._later = [entry for entry in self._later if not entry[2].done()]
        for peer, number, future in done:
            self._reply(peer, number, _outcome(future))

    def _reply(self, peer: _Peer, number: int, outcome: Receipt | ShelfwiseError) -> None:
        try:
            peer.send(frame(_reply_of(number, outcome)))
        except OSError:
            self._drop(peer)
        else:
            self._watch(peer)

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            link, _ = self._listener.accept()
            peer = _Peer(link)
            self._selector.register(link, peer.interest(), peer)

    def _watch(self, peer: _Peer) -> None:
        if not peer.gone and peer.interest() != self._selector.get_key(peer.link).events:
            self._selector.modify(peer.link, peer.interest(), peer)

    def _drop(self, peer: _Peer) -> None:
        if not peer.gone:
            peer.gone = True
            self._selector.unregister(peer.link)
            peer.link.close()

    def _drain_wake(self) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)

    def _close(self) -> None:
        peers = [key.data for key in self._selector.get_map().values() if isinstance(key.data, _Peer)]
        for peer in peers:
            self._drop(peer)
        for end in (self._listener, self._woken, self._wake):
            end.close()
        self._selector.close()
        self._path.unlink(missing_ok=True)


_READ_BYTES = 1 << 20
_ROUND_BYTES = 8 << 20  # a peer's share of one group; the rest waits in the kernel and slows its sender down
_UNREAD_BYTES = 64 << 20  # replies that a peer leaves unread before it is dropped


class _Peer:
    """One connection: bytes that came, bytes that must go."""

    def __init__(self, link: socket.socket) -> None:
        link.setblocking(False)
        self.link, self.gone = link, False
        self._came, self._going = bytearray(), bytearray()

    def interest(self) -> int:
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._going else 0)

    def receive(self) -> list[Request]:
        """All whole requests that are here. Raises ConnectionError if the peer hung up."""
        got = 0
        while got < _ROUND_BYTES:
            try:
                data = self.link.recv(_READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                raise ConnectionError("hung up")
            self._came += data
            got += len(data)
        return [_decode_request(body) for body in frames(self._came)]

    def send(self, data: bytes) -> None:
        if self.gone:
            return
        if len(self._going) > _UNREAD_BYTES:
            raise ConnectionError("reads no replies")
        self._going += data
        self.flush()

    def flush(self) -> None:
        with suppress(BlockingIOError):
            while self._going:
                del self._going[: self.link.send(self._going)]


_decode_request = msgspec.msgpack.Decoder(Request).decode


def _listen(path: Path) -> socket.socket:
    """Bind beside and move into place, so that a client never sees a socket that nobody listens at."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(beside))
    except OSError as trouble:
        listener.close()
        raise InvalidInput(f"socket path {str(path)!r} cannot be bound: {trouble}") from trouble
    beside.chmod(0o600)
    listener.listen(256)
    listener.setblocking(False)
    beside.rename(path)
    return listener


def _outcome(future: Future[Receipt]) -> Receipt | ShelfwiseError:
    trouble = future.exception()
    if trouble is None:
        return future.result()
    return trouble if isinstance(trouble, ShelfwiseError) else StoreUnavailable(repr(trouble))


def _reply_of(number: int, outcome: Receipt | ShelfwiseError) -> Reply:
    if isinstance(outcome, ShelfwiseError):
        return Reply(number, None, error_of(outcome))
    return Reply(number, outcome)
