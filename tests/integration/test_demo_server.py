"""A whole server as a shop runs it: ``shelfwise serve`` with two workers on the corner shop, asked over HTTP."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app import corner_shop
from tests.integration.live import HOME, PATIENCE_S, Line, Server, purchase, shared, within

from shelfwise import Shop

pytestmark = pytest.mark.slow
PROMISE_S = 2.0  # stock and price are live in every worker
PATIENT_MS = (
    "5000"  # on cores that others use too an answer may be late for reasons that are not the server's
)
ORIGIN = "https://corner.example"


class Served(Server):
    """With another release and a browser key, and a line to each of its workers."""

    def __init__(self, folder: Path) -> None:
        with Shop.open(folder) as shop:
            self.other = corner_shop.another_release(shop)
            self.browser = shop.add_key("web", scopes=["browser"])["secret"]
        super().__init__(folder, SHELFWISE__SERVE__DEADLINE_MS=PATIENT_MS)
        self.lines = self._a_line_to_each()

    def _a_line_to_each(self) -> tuple[Line, Line]:
        found: dict[int, Line] = {}
        until = time.monotonic() + PATIENCE_S
        while len(found) < 2 and time.monotonic() < until:
            line = self.line()
            found.setdefault(line.worker, line)
        assert sorted(found) == [0, 1]
        return found[0], found[1]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(corner_shop.copied(shared(tmp_path_factory), tmp_path_factory.mktemp("served") / "shop"))
    yield served
    served.end()


def test_both_workers_give_the_same_whole_answer_with_reasons(served: Served) -> None:
    first, second = (line.recommend() for line in served.lines)
    assert first.items == second.items
    assert first.headers["cache-control"] == "private, no-store"
    body = first.body
    assert (body["release"], body["degraded"], len(body["items"])) == (served.champion, None, 10)
    assert all(item["reasons"] and item["sources"] for item in body["items"])


def test_an_event_at_one_worker_changes_the_next_answers_of_both(served: Served) -> None:
    before = [line.recommend(user_id="newcomer").items for line in served.lines]
    sent = served.lines[0].ask("POST", "/v1/events", purchase("newcomer", "te-1", "te-3", event_id="n-1"))
    assert (sent.status, sent.body["accepted"]) == (202, 1)
    within(PROMISE_S, lambda: served.lines[0].recommend(user_id="newcomer").items != before[0])
    within(PROMISE_S, lambda: served.lines[1].recommend(user_id="newcomer").items != before[1])
    again = served.lines[1].ask("POST", "/v1/events", purchase("newcomer", "te-1", "te-3", event_id="n-1"))
    assert (again.body["accepted"], again.body["duplicates"]) == (0, 1)


def test_what_is_sold_out_is_in_no_answer_of_either_worker_after_two_seconds(served: Served) -> None:
    asked = [
        {"strategy": "auto"}, {"strategy": "trending"}, {"strategy": "similar"}, {"user_id": "stranger"},
        {"strategy": "buy_again"}, {"n": 60}, {"placement": "cart", "items": ["br-1"]},
    ]  # fmt: skip
    gone = served.lines[0].recommend().items[0]
    assert gone in served.lines[1].recommend().items
    patched = served.lines[1].ask("PATCH", f"/v1/items/{gone}", {"stock": 0})
    assert (patched.status, patched.body["stock"]) == (200, 0)
    for line in served.lines:
        within(PROMISE_S, lambda line=line: gone not in line.recommend(n=60).items)
    begun, answered = time.monotonic(), []
    while time.monotonic() - begun < PROMISE_S:
        for line in served.lines:
            answers = [line.recommend(**query) for query in asked]
            answers.append(line.ask("POST", "/v1/recommendations", HOME, **{"x-request-deadline-ms": "0.01"}))
            assert all(gone not in answer.items for answer in answers)
            answered.append(line.ask("GET", "/readyz").body["worker"])
    assert set(answered) == {0, 1}
    back = served.lines[0].ask("PATCH", f"/v1/items/{gone}", {"stock": 100})
    assert back.status == 200
    for line in served.lines:
        within(PROMISE_S, lambda line=line: gone in line.recommend(n=60).items)


def test_any_worker_explains_an_answer_of_the_other(served: Served) -> None:
    told = served.lines[0].recommend().body
    path = f"/v1/recommendations/{told['recommendation_id']}/explanation"
    within(PROMISE_S, lambda: served.lines[1].ask("GET", path).status == 200)
    why = served.lines[1].ask("GET", f"{path}?item_id=no-such-thing").body
    assert [item["item_id"] for item in why["items"]] == [item["item_id"] for item in told["items"]]
    assert why["why_not"]["reason"] == "unknown"
    first = why["items"][0]
    assert first["features"]
    assert first["propensity"] == 1.0


def test_a_browser_key_sends_events_from_listed_pages_and_nothing_else(served: Served) -> None:
    line = served.lines[0]
    key = {"authorization": f"Bearer {served.browser}"}
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    preflight = line.ask("OPTIONS", "/v1/events", origin=ORIGIN, authorization="", **asked)
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, ORIGIN)
    event = {"event": "view_item", "anonymous_id": "b1", "items": [{"item_id": "br-1"}]}
    event["occurred_at"] = corner_shop.NOW.isoformat()
    sent = line.ask("POST", "/v1/events", event, origin=ORIGIN, **key)
    assert (sent.status, sent.headers["access-control-allow-origin"]) == (202, ORIGIN)
    assert line.ask("POST", "/v1/events", event, origin="https://evil.example", **key).status == 403
    assert line.ask("POST", "/v1/recommendations", HOME, **key).status == 403
    assert line.ask("GET", "/v1/users/p1", **key).status == 403
    assert line.ask("POST", "/v1/recommendations", HOME, authorization="").status == 401


def test_who_refuses_is_neither_tracked_nor_personalised(served: Served) -> None:
    line, other = served.lines
    refused = line.ask("POST", "/v1/events", purchase("shy", "te-1", event_id="s-1", consent="denied"))
    assert refused.status == 202
    assert other.ask("GET", "/v1/users/shy").status == 404
    personal, stranger = line.recommend().items, line.recommend(user_id=None).items
    assert personal != stranger
    assert line.recommend(consent="denied").items == stranger
    assert line.ask("PUT", "/v1/users/p7/consent", {"consent": "denied"}).status == 204
    within(PROMISE_S, lambda: other.recommend(user_id="p7").items == stranger)
    n_lines = other.ask("GET", "/v1/users/p7").body["n_lines"]
    assert line.ask("POST", "/v1/events", purchase("p7", "te-1", event_id="o-1")).status == 202
    assert other.ask("GET", "/v1/users/p7").body["n_lines"] == n_lines


def test_metrics_of_any_worker_are_the_sums_of_all(served: Served) -> None:
    series = 'shelfwise_requests_total{route="recommendations",status="2xx"}'
    before = _metric(served.lines[0], series)
    for line in served.lines:
        for _ in range(10):
            line.recommend()
    for line in served.lines:
        within(PROMISE_S, lambda line=line: _metric(line, series) == before + 20)
    text = served.lines[0].ask("GET", "/metrics").raw.decode()
    assert "shelfwise_keeper_cpu_seconds" in text
    assert "shelfwise_worker_1_cpu_seconds" in text


def test_the_server_describes_itself(served: Served) -> None:
    told = served.lines[0].ask("GET", "/openapi.json").body
    assert told["openapi"].startswith("3.1")
    assert "/v1/recommendations" in told["paths"]
    assert served.lines[1].ask("GET", "/docs").status == 200
    assert served.lines[1].ask("GET", "/shop/").status == 200


def test_a_release_is_swapped_under_load_and_every_answer_is_whole(served: Served) -> None:
    told: list[tuple[int, str, Any]] = []
    stop = threading.Event()

    def shop_on(line: Line) -> None:
        while not stop.is_set():
            answer = line.recommend()
            told.append((answer.status, answer.body.get("release"), answer.body.get("degraded")))

    lines = [served.line() for _ in range(4)]
    threads = [threading.Thread(target=shop_on, args=(line,)) for line in lines]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    moved = served.lines[0].ask("PUT", "/v1/releases/champion", {"release": served.other})
    assert moved.status == 200, moved.raw
    for line in served.lines:
        within(PATIENCE_S, lambda line=line: line.recommend().body["release"] == served.other)
    back = served.lines[1].ask("POST", "/v1/releases/rollback")
    assert back.body == {"champion": served.champion}
    for line in served.lines:
        within(PATIENCE_S, lambda line=line: line.recommend().body["release"] == served.champion)
    stop.set()
    for thread in threads:
        thread.join()
    assert {status for status, _, _ in told} == {200}
    assert {release for _, release, _ in told} == {served.champion, served.other}
    assert [degraded for _, _, degraded in told if degraded is not None] == []


def test_a_backup_taken_while_a_server_runs_is_a_shop_that_answers_alike(
    served: Served, tmp_path: Path
) -> None:
    with Shop.open(served.folder) as shop:
        assert "shelfwise.toml" in shop.backup(tmp_path / "copy")
    want = served.lines[0].recommend(user_id="p3").items
    with Shop.open(tmp_path / "copy") as copy:
        assert [item["item_id"] for item in copy.recommend("p3")["items"]] == want


def test_a_server_told_to_stop_finishes_what_is_in_flight_and_keeps_what_it_accepted(served: Served) -> None:
    """Last: it ends the server."""
    acked: list[str] = []
    torn: list[BaseException] = []

    def send(line: Line, name: str) -> None:
        for number in range(10_000):
            event_id = f"{name}-{number}"
            try:
                answer = line.ask("POST", "/v1/events", purchase(f"last-{name}", "te-1", event_id=event_id))
            except http.client.IncompleteRead as trouble:
                torn.append(trouble)
                return
            except (OSError, http.client.HTTPException):
                return  # the connection was closed between two requests
            if answer.status == 202:
                acked.append(event_id)

    threads = [threading.Thread(target=send, args=(served.line(), name)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    served.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert served.process.wait(PATIENCE_S) == 0
    assert torn == []
    assert not (served.folder / "live" / "processes.json").exists()
    with Shop.open(served.folder) as shop:
        shop.drain()
        kept = sum(shop.export(f"last-{name}")["n_lines"] for name in ("a", "b"))
    assert kept >= len(acked) > 0


def _metric(line: Line, series: str) -> float:
    text = line.ask("GET", "/metrics").raw.decode()
    return next(float(row.rpartition(" ")[2]) for row in text.splitlines() if row.startswith(series))
