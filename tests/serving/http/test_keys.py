"""Who may do what: a matrix of every route and every kind of caller, made from the table of routes."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.serving.http.shop import HttpShop, Served, an_event, is_problem, model, serve

from shelfwise.domain import InvalidField
from shelfwise.serving.http import ROUTES, make_key
from shelfwise.serving.http._keys import SCOPES, Caller, Keys, authorize
from shelfwise.serving.http._problems import Problem
from shelfwise.serving.http._router import Route, Router

KINDS = ("events:write", "recs:read", "catalog:write", "admin", "browser")

# What each kind of key opens, by hand. A new route must find its place here.
OPEN = {"GET /healthz", "GET /readyz", "GET /openapi.json", "GET /docs"}
SENDS = {"POST /v1/events", "POST /v1/segment"}
ASKS = {
    "POST /v1/recommendations", "GET /v1/recommendations", "POST /v1/recommendations/batch",
    "GET /v1/recommendations/{recommendation_id}/explanation", "GET /v1/items", "GET /v1/items/{item_id}",
    "GET /metrics",
}  # fmt: skip
STOCKS = {
    "POST /v1/items",
    "PUT /v1/items/{item_id}",
    "PATCH /v1/items/{item_id}",
    "DELETE /v1/items/{item_id}",
}
RULES_ALL = {
    "GET /v1/users/{user_id}", "DELETE /v1/users/{user_id}", "GET /v1/users/{user_id}/export",
    "PUT /v1/users/{user_id}/consent", "GET /v1/rules", "POST /v1/rules", "POST /v1/rules/preview",
    "GET /v1/rules/{rule_id}", "PUT /v1/rules/{rule_id}", "DELETE /v1/rules/{rule_id}", "GET /v1/releases",
    "PUT /v1/releases/champion", "POST /v1/releases/rollback", "GET /v1/releases/{release}", "GET /v1/keys",
    "POST /v1/keys", "DELETE /v1/keys/{key_id}",
}  # fmt: skip
OPENS = {
    "none": OPEN,
    "events:write": OPEN | SENDS,
    "browser": OPEN | {"POST /v1/events"},
    "recs:read": OPEN | ASKS,
    "catalog:write": OPEN | STOCKS,
    "admin": OPEN | SENDS | ASKS | STOCKS | RULES_ALL,
}


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_every_route_has_its_place_in_the_matrix() -> None:
    assert {name_of(route) for route in ROUTES} == OPENS["admin"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str]]]:
    """A server with a key of each kind."""
    shop = HttpShop(tmp_path_factory.mktemp("guarded"))
    shop.put_items()
    secrets = {}
    for kind in KINDS:
        key_id, secrets[kind], body = make_key(kind, [kind])
        put = {"op": "put", "kind": "keys", "key": key_id, "body": body, "if_match": "", "actor": "test"}
        shop.direct.submit("control", put)
    served = serve(shop.door(release=model(), allowed_origins=("https://shop.example",)))
    yield served, secrets
    served.stop()
    shop.close()


@pytest.mark.parametrize("kind", ["none", *KINDS])
@pytest.mark.parametrize("route", ROUTES, ids=name_of)
def test_a_key_opens_what_the_table_says_and_nothing_else(
    guarded: tuple[Served, dict[str, str]], route: Route, kind: str
) -> None:
    served, secrets = guarded
    headers = {"authorization": f"Bearer {secrets[kind]}"} if kind != "none" else {}
    address = route.path.replace("{", "").replace("}", "")
    response = served.call(route.method, address, headers=headers, json={} if route.takes else None)
    barred = response.status_code in (401, 403)
    assert barred == (name_of(route) not in OPENS[kind]), response.text
    if barred:
        is_problem(response, 401 if kind == "none" else 403)


def test_a_key_that_nobody_made_opens_nothing(guarded: tuple[Served, dict[str, str]]) -> None:
    served, secrets = guarded
    for secret in ("sw_made_up", secrets["admin"][:-1], secrets["admin"] + "x", "x"):
        response = served.get("/v1/keys", headers={"authorization": f"Bearer {secret}"})
        is_problem(response, 401)
        assert "Bearer" in response.headers["www-authenticate"]


def test_segment_and_browsers_may_send_a_key_as_basic_do(guarded: tuple[Served, dict[str, str]]) -> None:
    served, secrets = guarded
    name = base64.b64encode(f"{secrets['events:write']}:".encode()).decode()
    sent = served.post("/v1/events", an_event("basic-1"), headers={"authorization": f"Basic {name}"})
    assert sent.status_code == 202
    password = base64.b64encode(f"me:{secrets['admin']}".encode()).decode()
    assert served.get("/v1/keys", headers={"authorization": f"Basic {password}"}).status_code == 200
    is_problem(served.get("/v1/keys", headers={"authorization": "Basic not-base64!"}), 401)


def test_a_key_is_made_used_and_dead_within_five_seconds_of_its_end(
    guarded: tuple[Served, dict[str, str]],
) -> None:
    served, secrets = guarded
    admin = {"authorization": f"Bearer {secrets['admin']}"}
    made = served.post("/v1/keys", {"name": "till", "scopes": ["recs:read"]}, headers=admin)
    assert made.status_code == 201
    key = made.json()
    use = {"authorization": f"Bearer {key['secret']}"}
    until = time.monotonic() + 60
    while served.get("/v1/items/i1", headers=use).status_code != 200:
        assert time.monotonic() < until
    listed = served.get("/v1/keys", headers=admin)
    assert key["key_id"] in [one["key_id"] for one in listed.json()["items"]]
    assert key["secret"] not in listed.text
    assert "digest" not in listed.text
    assert served.call("DELETE", f"/v1/keys/{key['key_id']}", headers=admin).status_code == 204
    until = time.monotonic() + 60
    while served.get("/v1/items/i1", headers=use).status_code != 401:
        assert time.monotonic() < until


def test_a_secret_is_kept_nowhere(guarded: tuple[Served, dict[str, str]]) -> None:
    served, secrets = guarded
    kept = str(served.door.control.documents("keys")) + str(served.door.control.audit())
    assert not any(secret in kept for secret in secrets.values())


@pytest.mark.parametrize("origin", ["https://shop.example", None])
def test_a_page_of_the_list_may_send_with_the_browser_key(
    guarded: tuple[Served, dict[str, str]], origin: str | None
) -> None:
    served, secrets = guarded
    headers = {"authorization": f"Bearer {secrets['browser']}"} | ({"origin": origin} if origin else {})
    response = served.post("/v1/events", an_event(f"page-{origin}"), headers=headers)
    assert response.status_code == 202
    assert response.headers.get("access-control-allow-origin") == origin


def test_a_page_of_elsewhere_may_not(guarded: tuple[Served, dict[str, str]]) -> None:
    served, secrets = guarded
    headers = {"authorization": f"Bearer {secrets['browser']}", "origin": "https://evil.example"}
    response = served.post("/v1/events", an_event("evil"), headers=headers)
    is_problem(response, 403, "https://evil.example")
    assert "access-control-allow-origin" not in response.headers


def test_a_preflight_is_granted_for_events_from_the_list_alone(
    guarded: tuple[Served, dict[str, str]],
) -> None:
    served, _ = guarded
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    good = served.call("OPTIONS", "/v1/events", headers={"origin": "https://shop.example", **asks})
    assert good.status_code == 204
    assert good.headers["access-control-allow-origin"] == "https://shop.example"
    assert "authorization" in good.headers["access-control-allow-headers"]
    is_problem(served.call("OPTIONS", "/v1/events", headers={"origin": "https://evil.example", **asks}), 403)
    is_problem(served.call("OPTIONS", "/v1/items", headers={"origin": "https://shop.example", **asks}), 403)


# ---- while there is no key

LOCAL = Caller(None, "127.0.0.1:5000", "127.0.0.1:8080")


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:80", None])
def test_while_there_is_no_key_a_caller_on_this_machine_may_do_everything(host: str | None) -> None:
    caller = Caller(None, "127.0.0.1:5000", host)
    assert authorize(Keys({}), caller, "admin", loopback=True)[1] == frozenset(SCOPES)


@pytest.mark.parametrize(
    ("caller", "loopback"),
    [
        (LOCAL, False),  # the server listens to the world
        (Caller(None, "10.0.0.9:5000", "127.0.0.1:8080"), True),
        (Caller(None, "127.0.0.1:5000", "evil.example"), True),  # a name that was made to point here
        (Caller(None, "127.0.0.1:5000", "127.0.0.1.evil.example"), True),
    ],
)
def test_while_there_is_no_key_nobody_else_may_do_anything(caller: Caller, loopback: bool) -> None:
    for scope in SCOPES:
        with pytest.raises(Problem) as told:
            authorize(Keys({}), caller, scope, loopback=loopback)
        assert told.value.status == 401


def test_once_there_is_a_key_this_machine_needs_one_too(guarded: tuple[Served, dict[str, str]]) -> None:
    is_problem(guarded[0].get("/v1/items"), 401)


@pytest.mark.parametrize("scopes", [["root"], [], ["browser", "admin"]])
def test_a_key_for_what_does_not_exist_is_not_made(scopes: list[str]) -> None:
    with pytest.raises(InvalidField):
        make_key("x", scopes)


# ---- pages that are hung under a prefix


async def page(door: Any, request: Any) -> Any:
    from shelfwise.serving.http import Response

    return Response(200, f"page {request.path}".encode(), [("content-type", "text/html")])


@pytest.fixture(scope="module")
def with_pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HttpShop, Served]]:
    shop = HttpShop(tmp_path_factory.mktemp("pages"))
    shop.put_items()
    served = serve(shop.door(release=model(), mounts={"/": page, "/console": page}))
    yield shop, served
    served.stop()
    shop.close()


def test_pages_stand_under_their_prefix_and_beside_the_routes(with_pages: tuple[HttpShop, Served]) -> None:
    _, served = with_pages
    assert served.get("/").text == "page /"
    assert served.get("/console/rules").text == "page /console/rules"
    assert served.get("/healthz").json() == {"status": "ok"}
    is_problem(served.get("/v1/nothing"), 404)


def test_pages_are_not_posted_to_from_elsewhere(with_pages: tuple[HttpShop, Served]) -> None:
    _, served = with_pages
    host = f"127.0.0.1:{served.port}"
    assert (
        served.client.post("/cart", content=b"x=1", headers={"origin": f"http://{host}"}).status_code == 200
    )
    is_problem(served.client.post("/cart", content=b"x=1", headers={"origin": "https://evil.example"}), 403)


def test_pages_ask_for_a_key_once_there_is_one(with_pages: tuple[HttpShop, Served]) -> None:
    shop, served = with_pages
    key_id, secret, body = make_key("owner", ["admin"])
    put = {"op": "put", "kind": "keys", "key": key_id, "body": body, "if_match": "", "actor": "test"}
    shop.direct.submit("control", put)
    until = time.monotonic() + 60
    while served.get("/").status_code != 401:
        assert time.monotonic() < until
    assert "Basic" in served.get("/").headers["www-authenticate"]  # so that a browser asks
    password = base64.b64encode(f":{secret}".encode()).decode()
    assert served.get("/", headers={"authorization": f"Basic {password}"}).text == "page /"


def test_no_two_routes_are_one() -> None:
    names = [name_of(route) for route in ROUTES]
    assert len(names) == len(set(names))
    router = Router(ROUTES)
    for route in ROUTES:
        found, _ = router.find(route.method, route.path.replace("{", "").replace("}", ""))
        assert found is route
