"""What changes while shoppers ask: releases, shelf, queue, clock. Nobody is turned away, nobody waits for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.serving.http.shop import HttpShop, Served, is_problem, model, serve
from tests.serving.made import made_history, make_release
from tests.serving.small import Ranker

ASK = "/v1/recommendations?n=5&user_id=u"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[HttpShop]:
    shop = HttpShop(tmp_path / "shop")
    shop.put_items(80)
    yield shop
    shop.close()


def publish(shop: HttpShop, folder: Path, *, packed: int) -> str:
    """A release like the others but for its last resort, so that its content and name differ."""
    shop.folder.mkdir(exist_ok=True)
    fresh = shop.folder / f"made-{packed}"
    shutil.copytree(folder, fresh)
    np.save(fresh / "packed.npy", np.arange(packed, packed + 20, dtype=np.int32))
    return shop.releases.publish(fresh, metrics={}, trained={})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.serving.http.shop import CatalogueShelf

    base = HttpShop(tmp_path_factory.mktemp("base"))
    base.put_items(80)
    shelf = CatalogueShelf(base.catalogue).shelf()
    folder = make_release(tmp_path_factory.mktemp("made") / "release", shelf, made_history(80, 60))
    base.close()
    return folder


class Shoppers:
    """Ask without pause on some threads; what came back."""

    def __init__(self, port: int, n: int = 3) -> None:
        self.answers: list[tuple[float, int, dict[str, Any]]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(port, who)) for who in range(n)]
        for thread in self._threads:
            thread.start()

    def leave(self) -> list[tuple[float, int, dict[str, Any]]]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.answers

    def _ask(self, port: int, who: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=180) as client:
            while not self._stop.is_set():
                begun = time.perf_counter()
                response = client.get(f"{ASK}{who}")
                self.answers.append((time.perf_counter() - begun, response.status_code, response.json()))


def promote(served: Served, release: str) -> None:
    response = served.call("PUT", "/v1/releases/champion", json={"release": release})
    assert response.json() == {"champion": release}


def wait_for(served: Served, release: str, limit_s: float = 180.0) -> None:
    until = time.monotonic() + limit_s
    while served.get("/readyz").json()["release"] != release:
        assert time.monotonic() < until, served.get("/readyz").text
        time.sleep(0.02)


def test_a_release_is_swapped_between_two_requests(shop: HttpShop, made: Path) -> None:
    first, second = publish(shop, made, packed=0), publish(shop, made, packed=40)
    shop.releases.move("champion", first)
    served = serve(shop.door(deadline_ms=10_000))  # what a swap loses is asked, not how fast the machine is
    wait_for(served, first)
    shoppers = Shoppers(served.port)
    for release in (second, first, second):
        promote(served, release)
        wait_for(served, release)
        assert served.get(f"{ASK}1").json()["release"] == release
    answers = shoppers.leave()
    assert served.post("/v1/releases/rollback").json() == {"champion": first}
    wait_for(served, first)
    listed = served.get("/v1/releases").json()["items"]
    champion = served.get("/v1/releases/champion").json()
    assert champion == served.get(f"/v1/releases/{first}").json()
    is_problem(served.get("/v1/releases/challenger"), 404)
    served.stop()
    assert {release["release"] for release in listed} == {first, second}
    assert {status for _, status, _ in answers} == {200}
    assert [(took, body["degraded"]) for took, _, body in answers if body["degraded"]] == []
    assert {body["release"] for _, _, body in answers} == {first, second}
    print(f"{len(answers)} answers over 3 swaps, slowest {1e3 * max(took for took, _, _ in answers):.0f} ms")


def test_a_release_that_does_not_open_leaves_the_old_one_and_says_so(shop: HttpShop, made: Path) -> None:
    good = publish(shop, made, packed=0)
    (newer := shutil.copytree(made, shop.folder / "newer") / "settings.json").write_text(
        json.dumps({"layout": 99})
    )
    bad = shop.releases.publish(newer.parent, metrics={}, trained={})
    shop.releases.move("champion", good)
    served = serve(shop.door())
    wait_for(served, good)
    promote(served, bad)
    until = time.monotonic() + 60
    while served.get("/readyz").json()["trouble"] is None:
        assert time.monotonic() < until
    ready = served.get("/readyz").json()
    answer = served.get(f"{ASK}1").json()
    served.stop()
    assert ready["release"] == good
    assert "layout 99; expected 1" in ready["trouble"]
    assert (answer["release"], answer["degraded"]) == (good, None)


def test_a_shop_without_release_answers_and_takes_its_first_one_in(shop: HttpShop, made: Path) -> None:
    served = serve(shop.door())
    before = served.get(f"{ASK}1")
    assert before.status_code == 200
    assert before.json()["degraded"]["reason"] == "there is no release yet; run: shelfwise train"
    assert served.get("/readyz").json()["release"] is None
    first = publish(shop, made, packed=0)
    promote(served, first)
    wait_for(served, first)
    assert served.get(f"{ASK}1").json()["degraded"] is None
    served.stop()


def test_a_new_item_is_on_the_shelf_within_a_second(shop: HttpShop) -> None:
    served = serve(shop.door(release=model()))
    served.call("PUT", "/v1/items/brand-new", json={"title": "New", "price": 1.0, "currency": "GBP"})
    until = time.monotonic() + 60
    asked = "/v1/recommendations?n=3&filter=item_id = 'brand-new'"
    while not served.get(asked).json()["items"]:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert [item["item_id"] for item in served.get(asked).json()["items"]] == ["brand-new"]
    served.stop()


def test_while_the_keeper_is_away_answers_go_on_and_writes_are_told_to_come_again(shop: HttpShop) -> None:
    served = serve(shop.door(release=model()))
    shop.inbox.away = True
    answers = [served.get(f"{ASK}1") for _ in range(20)]
    refused = served.post(
        "/v1/events", {"event": "search", "occurred_at": "2011-10-30T18:00:00Z", "user_id": "x"}
    )
    item = served.call("PATCH", "/v1/items/i1", json={"stock": 1})
    shop.inbox.away = False
    taken = served.post(
        "/v1/events", {"event": "search", "occurred_at": "2011-10-30T18:00:00Z", "user_id": "x"}
    )
    ids = [answer.json()["recommendation_id"] for answer in answers]
    until = time.monotonic() + 60  # what was answered meanwhile is logged once it is back
    while any(served.door.find_answer(one) is None for one in ids):
        assert time.monotonic() < until
        time.sleep(0.02)
    served.stop()
    assert {answer.status_code for answer in answers} == {200}
    assert is_problem(refused, 503)
    assert refused.headers["retry-after"] == "1"
    is_problem(item, 503)
    assert taken.json()["accepted"] == 1


def test_a_full_queue_turns_the_next_away_at_once_and_says_when_to_come_again(shop: HttpShop) -> None:
    door = shop.door(release=model(), queue_limit=4)
    door.pipeline = replace(door.pipeline, release=replace(door.pipeline.release, ranker=Slow(0.2)))  # type: ignore[type-var,union-attr]
    served = serve(door)
    got = asyncio.run(at_once(served.port, 30))
    served.stop()
    statuses = [response.status_code for response in got]
    assert set(statuses) == {200, 503}
    assert statuses.count(503) > 10
    for response in got:
        if response.status_code == 503:
            is_problem(response, 503, "requests wait")
            assert response.headers["retry-after"] == "1"
    assert "refused_total" in served_metrics(door)


def test_who_waited_too_long_gets_a_lesser_answer_in_time(shop: HttpShop) -> None:
    """By a clock that only judging moves: 3 s of a deadline of 10. However slow the machine is, nothing changes."""
    door = shop.door(release=model(), deadline_ms=10_000.0)
    clock = Clock(time.monotonic())
    door.now_s = clock
    door.pipeline = replace(door.pipeline, release=replace(door.pipeline.release, ranker=Judging(clock)))  # type: ignore[type-var,union-attr]
    served, begun_s = serve(door), time.monotonic()
    answers = all_at_once(served.port, 20)
    took_s = time.monotonic() - begun_s
    served.stop()
    late = [answer["degraded"] for answer in answers if answer["degraded"]]
    assert len(late) >= 10  # the fourth is too late already
    assert {one["reason"] for one in late} == {"no time left"}
    assert clock.passed_s <= 10.0 + took_s  # nobody who was judged got their answer after the deadline


class Clock:
    """Stands still until it is told that time went by."""

    def __init__(self, now_s: float) -> None:
        self._begun_s, self.passed_s = now_s, 0.0

    def __call__(self) -> float:
        return self._begun_s + self.passed_s


class Judging(Ranker):
    """Judges, which takes 3 s by a clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(())
        self._clock = clock

    def score(self, features: Any) -> Any:
        self._clock.passed_s += 3.0
        return super().score(features)


class Slow(Ranker):
    """Judges after a while."""

    def __init__(self, takes_s: float) -> None:
        super().__init__(())
        self._takes_s = takes_s

    def score(self, features: Any) -> Any:
        time.sleep(self._takes_s)
        return super().score(features)


def all_at_once(port: int, n: int) -> list[dict[str, Any]]:
    """Answers to requests that were all sent before the first was read."""
    lines = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(n)]
    for line in lines:
        line.connect()
    for who, line in enumerate(lines):
        line.request("GET", f"{ASK}{who}")
    answers = [json.loads(line.getresponse().read()) for line in lines]
    for line in lines:
        line.close()
    return answers


async def at_once(port: int, n: int) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=n)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=20) as client:
        await asyncio.gather(*(client.get("/healthz") for _ in range(n)))  # connected
        return list(await asyncio.gather(*(client.get(f"{ASK}{who}") for who in range(n))))


def served_metrics(door: Any) -> str:
    from shelfwise.serving.http import exposition

    text = exposition(door.metrics_folder, {})
    line = next(line for line in text.splitlines() if line.startswith("shelfwise_requests_refused_total"))
    return line if not line.endswith(" 0") else ""
