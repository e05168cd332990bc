"""A thousand malformed requests: no 5xx, clear problems, little memory, and a server that goes on."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.serving.http.shop import HttpShop, Served, an_event, model, serve

from shelfwise.serving.http import ROUTES, make_key
from shelfwise.serving.http._router import Route

pytestmark = pytest.mark.slow
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str]]]:
    shop = HttpShop(tmp_path_factory.mktemp("fuzzed"))
    shop.put_items()
    key_id, secret, body = make_key("fuzz", ["admin"])
    put = {"op": "put", "kind": "keys", "key": key_id, "body": body, "if_match": "", "actor": "test"}
    shop.direct.submit("control", put)
    served = serve(shop.door(release=model()))
    yield served, {"authorization": f"Bearer {secret}"}
    served.stop()
    shop.close()


@pytest.fixture(scope="module")
def api(guarded: tuple[Served, dict[str, str]]) -> Any:
    served, headers = guarded
    return schemathesis.openapi.from_dict(served.get("/openapi.json", headers=headers).json())


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_whatever_the_description_allows_or_forbids_is_answered_as_described(
    route: Route, mode: GenerationMode, api: Any, guarded: tuple[Served, dict[str, str]]
) -> None:
    served, headers = guarded
    operation = api[route.path][route.method]
    if mode is GenerationMode.NEGATIVE and not (route.takes or route.query or "{" in route.path):
        pytest.skip("nothing can be wrong with it")

    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        response = case.call(base_url=f"http://127.0.0.1:{served.port}", headers=headers)
        case.validate_response(response, checks=CHECKS)

    run()


TEXTS = (
    "\x00", "\ud800", "x" * 300, "' OR 1=1 --", "<script>alert(1)</script>", "../../etc/passwd", "${jndi:ldap://x}",
    "%00", "\u202e", "NaN", "1e999", "-1", "[]", "{}", "null", "=cmd|'/c calc'!A1", "\n\r\n", "é" * 255, "😀" * 100,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *TEXTS, None, True, -1, 0, 10**18, 10**400, 1.5, [], {}, [[]], {"a": {"b": 1}}, [None] * 300,
)  # fmt: skip


def spoiled(rng: random.Random, body: Any) -> Any:
    """The body with something wrong in one place."""
    if isinstance(body, dict) and body and rng.random() < 0.8:
        name = rng.choice(list(body))
        if rng.random() < 0.15:
            return {**body, rng.choice(TEXTS): rng.choice(VALUES)}
        return {**body, name: spoiled(rng, body[name])}
    if isinstance(body, list) and body and rng.random() < 0.5:
        return [spoiled(rng, body[0]), *body[1:]]
    return rng.choice(VALUES)


BODIES: dict[str, tuple[str, Any]] = {
    "/v1/events": ("POST", an_event()),
    "/v1/segment": ("POST", {"type": "track", "event": "Product Viewed", "userId": "u", "properties": {}}),
    "/v1/recommendations": (
        "POST",
        {"n": 5, "items": ["i1"], "context": {"country": "GB"}, "filter": "price < 3"},
    ),
    "/v1/recommendations/batch": ("POST", {"queries": [{"n": 5}]}),
    "/v1/items": ("POST", {"items": [{"item_id": "f-1", "title": "x", "price": 1.0, "tags": ["a"]}]}),
    "/v1/items/i1": ("PATCH", {"stock": 3, "attributes": {"color": "red"}}),
    "/v1/items/f-2": ("PUT", {"title": "x", "category": ["a"], "available_from": "2011-01-01T00:00:00Z"}),
    "/v1/rules": ("POST", {"rule_id": "f", "kind": "boost", "where": "price < 3", "factor": 2.0}),
    "/v1/rules/preview": (
        "POST",
        {"rule": {"rule_id": "f", "kind": "pin", "items": ["i1"]}, "query": {"n": 3}},
    ),
    "/v1/releases/champion": ("PUT", {"release": "r-1"}),
    "/v1/users/f/consent": ("PUT", {"consent": "granted"}),
}


def requests(n: int, authorization: str) -> Iterator[bytes]:
    """Requests with something wrong: in a field, in the JSON, in the bytes, in the head."""
    rng = random.Random(11)
    for number in range(n):
        path, (method, body) = rng.choice(list(BODIES.items()))
        raw = json.dumps(spoiled(rng, body)).encode("utf-8", "surrogatepass")
        match number % 8:
            case 0:
                raw = raw[: rng.randrange(len(raw) + 1)]
            case 1:
                raw = bytes(rng.randrange(256) if rng.random() < 0.05 else byte for byte in raw)
            case 2:
                raw = b"[" * rng.choice((10, 1_000, 100_000)) + raw
            case 3:
                path += "?" + "".join(
                    rng.choice(("%00", "&n=", "=", "%ff", "a[]=1", "n=1&")) for _ in range(9)
                )
        kind = rng.choice(("application/json",) * 9 + ("text/xml",))
        head = [
            f"{method} {path} HTTP/1.1",
            "Host: x",
            f"Authorization: {authorization}",
            f"Content-Type: {kind}",
        ]
        if number % 50 == 7:
            head.append(rng.choice(("X-Request-Deadline-Ms: -5", 'If-Match: "a", "b"', "Accept: image/png")))
        yield ("\r\n".join([*head, f"Content-Length: {len(raw)}"]) + "\r\n\r\n").encode() + raw


def answer_to(port: int, request: bytes) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link:
        link.sendall(request)
        got = b""
        while b"\r\n\r\n" not in got or len(got) < _whole(got):
            more = link.recv(65_536)
            if not more:
                break
            got += more
    return int(got[9:12]), got


def _whole(got: bytes) -> int:
    head, _, _ = got.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(head) + 4 + int(line[15:])
    return len(head) + 4


def test_a_thousand_malformed_requests_are_problems_and_cost_no_memory(
    guarded: tuple[Served, dict[str, str]],
) -> None:
    served, headers = guarded
    me = psutil.Process()
    for request in requests(100, headers["authorization"]):
        answer_to(served.port, request)
    before = me.memory_info().rss
    seen: dict[int, int] = {}
    for request in requests(1_000, headers["authorization"]):
        status, body = answer_to(served.port, request)
        seen[status] = seen.get(status, 0) + 1
        assert status < 500, (request[:300], body[:500])
        if status >= 400:
            problem = json.loads(body.partition(b"\r\n\r\n")[2])
            assert problem["status"] == status
            assert problem["detail"]
    grown = me.memory_info().rss - before
    print(f"1,000 malformed requests: {dict(sorted(seen.items()))}, {grown / 2**20:+.1f} MB")
    assert grown < 50 << 20
    assert served.get("/healthz").status_code == 200


def test_a_slow_body_holds_nobody_else_up(guarded: tuple[Served, dict[str, str]]) -> None:
    served, headers = guarded
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {headers['authorization']}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    links = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(100)]
    for link in links:
        link.sendall(head.encode())
    response = served.get("/v1/recommendations?n=3", headers=headers)
    for link in links:
        link.close()
    assert response.status_code == 200
    assert response.json()["degraded"] is None
