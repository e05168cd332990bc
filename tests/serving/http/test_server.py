from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import pytest
import uvloop

from shelfwise.serving.http import HttpServer, Patience

GET = b"GET /%d HTTP/1.1\r\nhost: shop\r\n\r\n"
POST = b"POST /%d HTTP/1.1\r\nhost: shop\r\ncontent-length: %d\r\n\r\n"
LAST = b"GET /1 HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n"
MANY, LARGE = 9, 4 << 20  # parts, bytes of one: more than the system takes unread
DATE = re.compile(rb"date: [^\r]*\r\n")


class Echo:
    """Says what it was asked; takes its time at /slow, reads no body at /deaf, says nothing at /mute."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.made = 0

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.path == "/mute":
            return
        if scope.path.startswith("/parts"):
            await protocol.response_parts(200, [], self.parts(scope.path))
            return
        if scope.path == "/slow":
            await asyncio.sleep(0.2)
        try:
            body = await protocol() if scope.path != "/deaf" else b""
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        protocol.response_bytes(200, [], f"{scope.method} {scope.path} {len(body)}".encode())

    async def parts(self, path: str) -> AsyncIterator[bytes]:
        """Three parts; at /parts/torn it ends before its time, at /parts/large there are more than fit a buffer."""
        for number in range(MANY if path.endswith("large") else 3):
            self.made = number + 1
            yield b"%d" % number * (LARGE if path.endswith("large") else 1)
            if path.endswith("torn"):
                raise ValueError("no more")


Scene = Callable[[HttpServer, int], Awaitable[Any]]


def served(scene: Scene, **more: Any) -> Any:
    """What a scene sees of a server of its own."""

    async def run() -> Any:
        listener = socket.create_server(("127.0.0.1", 0))
        server = HttpServer(Echo(), **more)
        await server.start(listener)
        try:
            return await scene(server, listener.getsockname()[1])
        finally:
            await server.stop(1.0)

    return uvloop.run(run())


async def talk(port: int, *sent: bytes, pause_s: float = 0.0, end: bool = True) -> bytes:
    """All that comes back until the server hangs up, without the dates."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in sent:
        writer.write(part)
        await asyncio.sleep(pause_s)
    if end:
        writer.write_eof()
    got = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return DATE.sub(b"", got)


def told(*texts: str, last: bool = True) -> bytes:
    heads = [f"HTTP/1.1 200 OK\r\ncontent-length: {len(text)}\r\n" for text in texts]
    close = ["" for _ in texts[:-1]] + ["connection: close\r\n" if last else ""]
    return "".join(
        f"{head}{more}\r\n{text}" for head, more, text in zip(heads, close, texts, strict=True)
    ).encode()


def test_requests_in_one_piece_are_answered_in_order() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        return await talk(port, GET % 0 + POST % (2, 3) + b"abc" + LAST, end=False)

    assert served(scene) == told("GET /0 0", "POST /2 3", "GET /1 0")


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_request_is_the_same_however_it_arrives(step: int) -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        fields = b"host: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n"
        whole = b"POST /1 HTTP/1.1\r\n" + fields + b"\r\n3\r\nabc\r\n0\r\n\r\n"
        parts = [whole[at : at + step] for at in range(0, len(whole), step)]
        return await talk(port, *parts, pause_s=0.0005, end=False)

    assert served(scene) == told("POST /1 3")


def test_a_large_body_passes_through_a_small_window() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        top = b"POST /1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 900000\r\n\r\n"
        return await talk(port, top, b"x" * 900_000)

    assert served(scene) == told("POST /1 900000")


def test_a_body_that_waits_is_asked_for() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        asks = b"POST /1 HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: 2\r\n\r\n"
        return await talk(port, asks, b"ab", pause_s=0.05, end=False)

    assert served(scene) == b"HTTP/1.1 100 Continue\r\n\r\n" + told("POST /1 2")


def test_who_has_said_all_is_still_answered() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        return await talk(port, b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")

    assert served(scene) == told("GET /slow 0")


def test_an_answer_before_the_body_was_read_is_the_last_and_arrives() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        deaf = b"POST /deaf HTTP/1.1\r\nhost: a\r\ncontent-length: 5000000\r\n\r\n"
        return await talk(port, deaf, b"x" * 100_000, b"x" * 100_000, pause_s=0.05)

    assert served(scene) == told("POST /deaf 0")


def test_a_body_nobody_wanted_is_skipped_if_it_is_there() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        deaf = b"POST /deaf HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"
        return await talk(port, deaf + LAST, end=False)

    assert served(scene) == told("POST /deaf 0", "GET /1 0")


def test_who_goes_away_within_a_body_ends_its_request() -> None:
    async def scene(server: HttpServer, port: int) -> tuple[bytes, int]:
        got = await talk(port, POST % (1, 10) + b"abc")
        return got, server.app.cancelled  # type: ignore[attr-defined]

    assert served(scene) == (b"", 1)


def test_an_application_that_says_nothing_costs_only_its_connection() -> None:
    async def scene(_: HttpServer, port: int) -> tuple[bytes, bytes]:
        silence = await talk(port, b"GET /mute HTTP/1.1\r\nhost: a\r\n\r\n", end=False)
        return silence, await talk(port, LAST, end=False)

    assert served(scene) == (b"", told("GET /1 0"))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 40_000, 431),
        (b"GET / HT", 408),
    ],
)
def test_what_is_no_request_is_told_and_ends_the_connection(sent: bytes, status: int) -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        return await talk(port, sent, end=False)

    got = served(scene, patience=Patience(head_s=0.1, linger_s=0.1))
    assert got.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in got


def test_a_silent_connection_is_closed() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        return await talk(port, end=False)

    assert served(scene, patience=Patience(idle_s=0.1)) == b""


def test_more_connections_than_allowed_are_closed_and_the_others_served() -> None:
    async def scene(_: HttpServer, port: int) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.05)
        try:
            refused = await talk(port, GET % 0, end=False)
        except ConnectionError:
            refused = b""
        writer.write(LAST)
        return refused, DATE.sub(b"", await reader.read())

    assert served(scene, limit=1) == (b"", told("GET /1 0"))


def test_a_server_told_to_stop_answers_what_was_sent_and_hangs_up() -> None:
    async def scene(server: HttpServer, port: int) -> tuple[bytes, bytes]:
        idle, _ = await asyncio.open_connection("127.0.0.1", port)
        asked = asyncio.create_task(talk(port, b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n", end=False))
        await asyncio.sleep(0.05)
        await server.stop(2.0)
        return await asked, await idle.read()

    assert served(scene) == (told("GET /slow 0"), b"")


PARTS = b"GET /parts HTTP/1.1\r\nhost: shop\r\n\r\n"


def test_a_body_made_on_the_way_comes_in_chunks_and_the_connection_is_kept() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        return await talk(port, PARTS + LAST)

    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    assert served(scene) == head + b"1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n0\r\n\r\n" + told("GET /1 0")


def test_an_old_client_gets_a_body_made_on_the_way_until_the_connection_ends() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        return await talk(port, b"GET /parts HTTP/1.0\r\n\r\n")

    assert served(scene) == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n012"


def test_a_body_that_cannot_be_made_to_its_end_is_cut() -> None:
    async def scene(_: HttpServer, port: int) -> bytes:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        return await talk(port, PARTS.replace(b"/parts", b"/parts/torn"))

    assert not served(scene).endswith(b"0\r\n\r\n")


def test_a_body_is_made_no_faster_than_it_is_read() -> None:
    async def scene(server: HttpServer, port: int) -> tuple[int, int]:
        echo = cast(Echo, server.app)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 10)
        writer.write(PARTS.replace(b"/parts", b"/parts/large") + LAST)
        await asyncio.sleep(0.3)
        made, size = echo.made, len(await reader.read())
        writer.close()
        return made, size

    made, size = served(scene)
    assert made < MANY
    assert size > MANY * LARGE


def test_who_does_not_read_a_body_in_time_is_hung_up_on() -> None:
    async def scene(server: HttpServer, port: int) -> int:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 10)
        writer.write(PARTS.replace(b"/parts", b"/parts/large"))
        await asyncio.sleep(1.5)
        left = len(server.connections)
        writer.close()
        return left

    assert served(scene, patience=Patience(unread_s=0.1)) == 0
