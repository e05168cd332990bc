from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.serving.http._wire import Chunks, Malformed, read_head, write_head

HOST = "Host: shop\r\n"


def head(first: str = "GET /a HTTP/1.1", fields: str = HOST) -> bytes:
    return f"{first}\r\n{fields}\r\n".encode("latin-1")


def test_a_head_is_read_into_method_path_query_and_fields() -> None:
    read = read_head(
        head("GET /v1/items/A%2FB%20c?n=5&q=%20 HTTP/1.1", HOST + "X-Request-Id: \t 7 \r\n"), "me:1"
    )
    assert (read.method, read.path, read.query_string) == ("GET", "/v1/items/A/B c", "n=5&q=%20")
    assert read.headers == {"host": "shop", "x-request-id": "7"}
    assert (read.client, read.authority, read.length, read.is_last) == ("me:1", "shop", 0, False)


def test_a_whole_address_names_the_host_too() -> None:
    read = read_head(head("GET http://other:80/a?b HTTP/1.1"))
    assert (read.path, read.query_string, read.authority) == ("/a", "b", "other:80")


def test_a_field_that_comes_twice_is_a_list() -> None:
    assert read_head(head(fields=HOST + "accept: a\r\nAccept: b\r\n")).headers["accept"] == "a, b"


@pytest.mark.parametrize(
    ("fields", "is_last"),
    [(HOST, False), (HOST + "Connection: Close\r\n", True), (HOST + "connection: keep-alive\r\n", False)],
)
def test_a_connection_is_kept_unless_told_otherwise(fields: str, is_last: bool) -> None:
    assert read_head(head(fields=fields)).is_last is is_last


def test_an_old_client_is_answered_once() -> None:
    assert read_head(head("GET / HTTP/1.0", "")).is_last


LENGTH, CHUNKED = "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (head("GET /"), 400),
        (head("GET  / HTTP/1.1"), 400),
        (head("GET / HTTP/1.1 "), 400),
        (head("G(T / HTTP/1.1"), 400),
        (head("GET /\xe9 HTTP/1.1"), 400),
        (head("GET shop HTTP/1.1"), 400),
        (head("CONNECT shop:80 HTTP/1.1"), 400),
        (head("PRI * HTTP/2.0"), 505),
        (head(fields=""), 400),  # no host
        (head(fields=HOST + HOST), 400),
        (head(fields=HOST + "no colon\r\n"), 400),
        (head(fields=HOST + "name : value\r\n"), 400),
        (head(fields=HOST + " folded: value\r\n"), 400),
        (head(fields=HOST + "a: b\rc: d\r\n"), 400),
        (head(fields=HOST + "a: b\nc: d\r\n"), 400),
        (head(fields=HOST + "a: \x00\r\n"), 400),
        (head(fields=HOST + LENGTH + CHUNKED), 400),
        (head(fields=HOST + LENGTH + LENGTH), 400),
        (head(fields=HOST + "Content-Length: +5\r\n"), 400),
        (head(fields=HOST + "Content-Length: 5, 5\r\n"), 400),
        (head(fields=HOST + "Content-Length: \xb2\r\n"), 400),
        (head(fields=HOST + "Transfer-Encoding: gzip, chunked\r\n"), 501),
        (head("POST / HTTP/1.0", CHUNKED), 400),
    ],
)
def test_what_two_readers_could_read_in_two_ways_is_refused(raw: bytes, status: int) -> None:
    with pytest.raises(Malformed) as wrong:
        read_head(raw)
    assert wrong.value.status == status


@given(
    parts=st.lists(st.binary(min_size=1, max_size=40)),
    trailer=st.sampled_from([b"", b"x: y\r\n"]),
    after=st.binary(max_size=9),
    step=st.integers(1, 50),
)
def test_a_body_in_chunks_is_the_same_however_it_arrives(
    parts: list[bytes], trailer: bytes, after: bytes, step: int
) -> None:
    sent = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer + b"\r\n"
    chunks, buffer, got = Chunks(), bytearray(), b""
    for at in range(0, len(sent), step):
        assert not chunks.is_whole
        buffer += sent[at : at + step]
        got += chunks.take(buffer)
    buffer += after
    assert chunks.is_whole
    assert (got, bytes(buffer)) == (b"".join(parts), after)


@pytest.mark.parametrize(
    "sent", [b"x\r\n", b"-1\r\n", b"5 5\r\n", b"2\r\nabcd", b"1" * 300, b"2\nab\r\n", b"123456789\r\n"]
)
def test_chunks_that_do_not_say_their_size_are_refused(sent: bytes) -> None:
    with pytest.raises(Malformed):
        Chunks().take(bytearray(sent))


def test_a_response_says_how_long_it_is_and_whether_it_is_the_last() -> None:
    top = write_head(200, [("etag", '"1"')], 3, date="date: now", is_last=True)
    assert (
        top == b'HTTP/1.1 200 OK\r\ndate: now\r\netag: "1"\r\ncontent-length: 3\r\nconnection: close\r\n\r\n'
    )
    assert b"length" not in write_head(204, [], 0, date="date: now", is_last=False)


@pytest.mark.parametrize("value", ["a\r\nset-cookie: x", "a\nb", "a\rb"])
def test_a_response_lets_nobody_add_fields(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        write_head(302, [("location", value)], 0, date="date: now", is_last=False)
