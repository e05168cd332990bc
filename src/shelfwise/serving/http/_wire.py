"""HTTP/1.1 as bytes: heads and chunks of requests, heads of responses. No socket, no clock.

Read strictly (RFC 9110, 9112): whatever two readers could understand in two ways is refused, so that no request hides
in another one behind a proxy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

MAX_HEAD = 32 << 10  # bytes of the first line and all fields
MAX_LENGTH_DIGITS = 18

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIRST = re.compile(rf"({_NAME}) ([!-~]+) HTTP/1\.([01])\r\n")
_FIELDS = re.compile(rf"(?:{_NAME}:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*\r\n")
_ONCE = frozenset({"content-length", "transfer-encoding", "host", "authorization", "content-type"})
_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_MAX_SIZE_LINE = 256  # bytes of the line that tells a chunk's size
_FIRST_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}
_BODILESS = frozenset({204, 304})


class Malformed(Exception):
    """What was sent is no request, or none that is taken here; ``args``: status, detail."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail)
        self.status, self.detail = status, detail


@dataclass(slots=True)
class Head:
    """All of a request but its body: an RSGI scope."""

    method: str
    path: str  # percent-escapes read
    query_string: str
    headers: Mapping[str, str]  # names in lower case
    client: str  # address of the other end
    length: int | None  # bytes of the body; None: it comes in chunks
    is_last: bool  # the connection is not kept after it
    waits: bool  # its body is sent only once it is asked for
    arrived_s: float  # monotonic: when the head was there
    takes_chunks: bool = True  # a response may come in chunks

    @property
    def authority(self) -> str | None:
        """By which name the server was called."""
        return self.headers.get("host")


def read_head(raw: bytes | bytearray, client: str = "", arrived_s: float = 0.0) -> Head:
    """From the first line to the empty one. Raises Malformed."""
    text = raw.decode("latin-1")
    first = _FIRST.match(text)
    if first is None:
        raise Malformed(
            505 if re.match(r"\S+ \S+ HTTP/[02-9]", text) else 400, "first line is no request line"
        )
    method, target, minor = first.groups()
    headers = _headers(text[first.end() :])
    path, query, host = _address(method, target)
    if host is not None:
        headers = {**headers, "host": host}
    if minor == "1" and "host" not in headers:
        raise Malformed(400, "there is no field 'host'")
    is_last = minor == "0" or "close" in headers.get("connection", "").lower()
    waits = headers.get("expect", "").lower() == "100-continue"
    length = _length(headers, minor)
    return Head(method, path, query, headers, client, length, is_last, waits, arrived_s, minor == "1")


def write_head(
    status: int, headers: Sequence[tuple[str, str]], length: int | None, *, date: str, is_last: bool
) -> bytes:
    """The head of a response; ``length`` None where there is no body by its nature (a response to HEAD)."""
    lines = [_FIRST_LINES[status], date]
    lines += [f"{name}: {value}" for name, value in headers]
    if length is not None and status not in _BODILESS:
        lines.append(f"content-length: {length}")
    if is_last:
        lines.append("connection: close")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise ValueError("a field of a response has a line break in it")
    return text.encode() + b"\r\n\r\n"


class Chunks:
    """Reads a body that comes in chunks out of a buffer, as far as it is there."""

    def __init__(self) -> None:
        self.is_whole = False
        self._left = 0  # bytes to come of the chunk
        self._within = False  # its line break is still to come

    def take(self, buffer: bytearray) -> bytes:
        """What has come of the body; cut off the buffer. Raises Malformed."""
        parts = []
        while not self.is_whole and (part := self._part(buffer)) is not None:
            parts.append(part)
        return b"".join(parts)

    def _part(self, buffer: bytearray) -> bytes | None:
        """A piece of a chunk; empty between two chunks, None if more must come first."""
        if self._left:
            part = bytes(buffer[: self._left])
            del buffer[: len(part)]
            self._left -= len(part)
            return part or None
        if self._within:
            return self._line_break(buffer)
        return self._size(buffer)

    def _line_break(self, buffer: bytearray) -> bytes | None:
        if len(buffer) < 2:
            return None
        if buffer[:2] != b"\r\n":
            raise Malformed(400, "a chunk is longer than it says")
        del buffer[:2]
        self._within = False
        return b""

    def _size(self, buffer: bytearray) -> bytes | None:
        end = buffer.find(b"\n", 0, _MAX_SIZE_LINE)
        if end < 0:
            if len(buffer) >= _MAX_SIZE_LINE:
                raise Malformed(400, "a chunk does not say its size")
            return None
        size = _SIZE.fullmatch(buffer, 0, end + 1)
        if size is None:
            raise Malformed(400, "a chunk does not say its size")
        self._left = int(size[1], 16)
        if self._left == 0:
            return self._end(buffer, end + 1)
        del size, buffer[: end + 1]
        self._within = True
        return b""

    def _end(self, buffer: bytearray, start: int) -> bytes | None:
        """The last chunk: nothing more, or fields that nobody asked for, then an empty line."""
        end = start if buffer[start : start + 2] == b"\r\n" else buffer.find(b"\r\n\r\n", start)
        if end < 0:
            if len(buffer) > MAX_HEAD:
                raise Malformed(431, f"fields after the body have more than {MAX_HEAD} bytes")
            return None
        del buffer[: end + (2 if end == start else 4)]
        self.is_whole = True
        return b""


@lru_cache(maxsize=64)
def _headers(fields: str) -> Mapping[str, str]:
    """Names in lower case. A caller tells the same with each request, so the last ones are remembered."""
    if _FIELDS.fullmatch(fields) is None:
        raise Malformed(400, "a field is not 'name: value'")
    headers: dict[str, str] = {}
    for field in fields[:-4].split("\r\n") if len(fields) > 2 else ():
        name, _, value = field.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if name in headers:
            if name in _ONCE:
                raise Malformed(400, f"field {name!r} comes twice")
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value
    return headers


def _address(method: str, target: str) -> tuple[str, str, str | None]:
    """Path and query. A whole address, as proxies get it, names the host too."""
    host = None
    if not target.startswith("/"):
        scheme, _, rest = target.partition("://")
        if scheme.lower() in ("http", "https") and rest:
            host, slash, path = rest.partition("/")
            target = slash + path or "/"
        elif not (target == "*" and method == "OPTIONS"):
            raise Malformed(400, "the address is no path")
    path, _, query = target.partition("#")[0].partition("?")
    return unquote(path, errors="replace") if "%" in path else path, query, host


def _length(headers: Mapping[str, str], minor: str) -> int | None:
    """Bytes of the body; None for one in chunks."""
    told, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if told is not None or minor == "0":
            raise Malformed(400, "a body in chunks has no other length, and comes with HTTP/1.1")
        if coding.lower() != "chunked":
            raise Malformed(501, "transfer-encoding is not 'chunked'")
        return None
    if told is None:
        return 0
    if not (told.isascii() and told.isdigit() and len(told) <= MAX_LENGTH_DIGITS):
        raise Malformed(400, "content-length is no whole number")
    return int(told)
