"""Promises about callers who mean no good, or do not know better: limits, slow senders, injections."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.app import corner_shop
from tests.integration.live import Line, Server, percentile_ms, serving, tell

pytestmark = pytest.mark.slow
AT = corner_shop.NOW.isoformat()
N_SLOW = 200
HANG_S = 5.0  # nothing takes as long, on loaded cores; what was seen is printed
SQL = (
    "' OR '1'='1",
    "'; DROP TABLE items; --",
    "1); DELETE FROM log; --",
    "' UNION SELECT secret FROM keys --",
    '" OR ""="',
    "\\'; SELECT pg_sleep(9); --",
    "x' AND randomblob(999999999) --",
    "%27%20OR%201=1",
    "*/ OR /*",
    "a' || load_extension('x') || '",
)
CODE = (
    "__import__('os').system('id')",
    "{{7*7}}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "$(id)",
    "`id`",
    "; cat /etc/passwd",
    "%s%s%s%n",
    "{0.__class__}",
    "constructor.constructor('1')()",
    "() { :; }; id",
    "!!python/object/apply:os.system [id]",
)
FORMS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "file:///etc/passwd",
    "http://169.254.169.254/",
    "\r\nx-evil: 1",
    "%0d%0ax-evil: 1",
    "*)(uid=*))(|(uid=*",
    '{"$gt": ""}',
    "\u202egnp.exe",
    "=cmd|'/c calc'!A0",
    "a" * 250,
    "\u0000",
    "price < price < price",
    "item_id in (" + "'a'," * 90 + "'a')",
    "(" * 200,
)
WRAPS = (
    "{}",
    " {}",
    "{} ",
    "a{}",
    "'{}",
    '"{}',
    "{}--",
    "({})",
    "{}\n",
    "price < 5 and {}",
    "{}\u00e9",
    "%{}",
    "\\{}",
)


def payloads() -> Iterator[str]:
    """520 of them."""
    for wrap, text in product(WRAPS, (*SQL, *CODE, *FORMS)):
        yield wrap.replace("{}", text)


def test_limits_are_kept_and_slow_senders_cost_others_nothing(corner: Path) -> None:
    """S5."""
    with serving(corner) as server:
        line = server.line()
        quiet = [line.recommend().seconds for _ in range(100)]
        slow = [_slow(server, number) for number in range(N_SLOW)]
        beside = [line.recommend() for _ in range(100)]
        statuses = {name: reply.status for name, reply in _too_much(line).items()}
        time.sleep(11.0)  # a head may take ten seconds
        left = sum(_is_open(one) for one in slow)
        tell(
            "S5",
            **{name.replace(" ", "_"): status for name, status in statuses.items()},
            slow_sockets=N_SLOW,
            left_after_11_s=left,
            p99_ms=percentile_ms(quiet, 99),
            p99_ms_beside=percentile_ms([one.seconds for one in beside], 99),
        )
        assert {one.status for one in beside} == {200}
        assert statuses == {
            "2 MB": 413,
            "501 events": 422,
            "n of 101": 422,
            "page of 201": 422,
            "9 KB address": 414,
            "gzip bomb": 415,
            "201 queries": 422,
            "deep": 400,
        }
        assert left == 0
        assert line.recommend().status == 200


def _too_much(line: Line) -> dict[str, Any]:
    event = {"event": "view_item", "occurred_at": AT, "user_id": "p1", "items": [{"item_id": "br-1"}]}
    query = {"user_id": "p1", "n": 5}
    bomb = gzip.compress(b" " * (100 << 20))
    assert len(bomb) < 1 << 20
    return {
        "501 events": line.ask("POST", "/v1/events", {"events": [event] * 501}),
        "n of 101": line.recommend(n=101),
        "page of 201": line.ask("GET", "/v1/rules?limit=201"),
        "9 KB address": line.ask("GET", "/v1/rules?cursor=" + "a" * 9_000),
        "gzip bomb": line.ask("POST", "/v1/events", bomb, **{"content-encoding": "gzip"}),
        "201 queries": line.ask("POST", "/v1/recommendations/batch", {"queries": [query] * 201}),
        "deep": line.ask("POST", "/v1/events", b"[" * 100_000),
        "2 MB": line.ask("POST", "/v1/events", b" " * (2 << 20)),
    }


def _slow(server: Server, number: int) -> socket.socket:
    """A sender that stops in the head of its request, or in its body."""
    host, _, port = server.host.rpartition(":")
    one = socket.create_connection((host, int(port)), timeout=30)
    head = f"POST /v1/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {server.admin}\r\n"
    head += "content-type: application/json\r\n"
    one.sendall(head.encode() + (b"content-length: 100\r\n\r\n{" if number % 8 == 0 else b"x-a: "))
    return one


def _is_open(one: socket.socket) -> bool:
    """Whether the server still waits for it; those that stopped in their bodies have five seconds more."""
    one.settimeout(6.0)
    try:
        while one.recv(4096):
            pass
    except TimeoutError:
        return True
    except OSError:
        pass
    return False


def test_no_text_is_ever_run(corner: Path) -> None:
    """S9: 500 texts in every place that takes one: nothing breaks, nothing hangs, nothing goes missing."""
    seconds: list[float] = []
    statuses: dict[int, int] = {}
    with serving(corner) as server:
        line = server.line()
        before = _counts(line)
        texts = list(payloads())
        for text in texts:
            for method, path, body in _asked(text):
                reply = line.ask(method, path, body)
                seconds.append(reply.seconds)
                statuses[reply.status] = statuses.get(reply.status, 0) + 1
                assert reply.status < 500, (text, method, path, reply.raw)
                assert reply.raw != b"49"
        after = _counts(line)
        assert line.recommend().status == 200
    tell(
        "S9",
        texts=len(texts),
        requests=len(seconds),
        slowest_ms=max(seconds) * 1e3,
        p99_ms=percentile_ms(seconds, 99),
        statuses=statuses,
    )
    assert after == before
    assert max(seconds) < HANG_S


def _asked(text: str) -> list[tuple[str, str, Any]]:
    in_path = quote(text, safe="")
    event = {
        "event": "search",
        "occurred_at": AT,
        "user_id": text,
        "session_id": text,
        "query": text,
        "context": {"region": text},
    }
    return [
        (
            "POST",
            "/v1/recommendations",
            {"user_id": text, "n": 3, "placement": "home", "items": [text], "exclude": [text]},
        ),
        ("POST", "/v1/recommendations", {"n": 3, "filter": text}),
        (
            "POST",
            "/v1/rules/preview",
            {"rule": {"rule_id": "x", "kind": "exclude", "where": text}, "query": {"n": 3}},
        ),
        ("POST", "/v1/events", event),
        ("GET", f"/v1/items/{in_path}", None),
        ("GET", f"/v1/users/{in_path}", None),
        ("GET", f"/v1/rules?cursor={in_path}", None),
    ]


def _counts(line: Line) -> dict[str, int]:
    rows = {
        name: line.ask("GET", f"/v1/{name}?limit=200").body["items"] for name in ("rules", "releases", "keys")
    }
    known = sum(line.ask("GET", f"/v1/items/{row['item_id']}").status == 200 for row in corner_shop.items())
    lines = sum(line.ask("GET", f"/v1/users/p{number}").body["n_lines"] for number in range(20))
    return {**{name: len(found) for name, found in rows.items()}, "items": known, "lines": lines}
