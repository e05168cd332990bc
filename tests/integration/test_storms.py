"""Promises under change: stock that flips, releases that are swapped, publishers that are killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.app import corner_shop
from tests.integration.live import Askers, Line, Server, percentile_ms, serving, sized, tell, within

from shelfwise import Shop
from shelfwise.stores.adapters.folder_releases import FolderReleases

pytestmark = pytest.mark.slow
STALE_S = 2.0  # a stock is live in every worker by then
ITEMS = [row["item_id"] for row in corner_shop.items()]
ASKED: list[dict[str, Any]] = [
    {"strategy": "auto"}, {"strategy": "trending"}, {"strategy": "similar", "items": ["br-1"]}, {"user_id": "stranger"},
    {"strategy": "buy_again"}, {"n": 60}, {"placement": "cart", "items": ["te-1"]},
]  # fmt: skip


class Stocks:
    """What was told of each item's stock, and when: an item is surely out from an acknowledged 0 to the next change."""

    def __init__(self) -> None:
        self._out_since: dict[str, float] = {}
        self._lock = threading.Lock()
        self.flips = 0

    def flip(self, line: Line, item: str, stock: int) -> None:
        with self._lock:
            self._out_since.pop(item, None)  # from now on it may be either
        assert line.ask("PATCH", f"/v1/items/{item}", {"stock": stock}).status == 200
        with self._lock:
            self.flips += 1
            if stock == 0:
                self._out_since[item] = time.monotonic()

    def out(self) -> dict[str, float]:
        with self._lock:
            return dict(self._out_since)


def test_what_is_out_of_stock_is_in_no_answer_two_seconds_later_however_stocks_flip(corner: Path) -> None:
    """R23: every item goes out for some seconds now and then, and flips as fast as it can be told in between."""
    stocks, chance = Stocks(), random.Random(23)
    ages: list[float] = []
    counted = {"answers": 0, "fallbacks": 0}

    def storm(line: Line, number: int) -> None:
        resting = stocks.out()
        free = [item for item in ITEMS[number::2] if time.monotonic() - resting.get(item, -9.0) > 3 * STALE_S]
        item = chance.choice(free or ITEMS[number::2])
        stocks.flip(line, item, 0)
        if chance.random() < 0.9:
            stocks.flip(line, item, 100)

    def ask(line: Line, number: int) -> None:
        hurry = {"x-request-deadline-ms": "0.01"} if chance.random() < 0.2 else {}
        before, begun = stocks.out(), time.monotonic()
        told = line.ask(
            "POST", "/v1/recommendations", {"user_id": f"p{number}", "n": 10, **chance.choice(ASKED)}, **hurry
        )
        after = stocks.out()
        counted["answers"] += 1
        assert told.status == 200, told.raw
        counted["fallbacks"] += told.body["degraded"] is not None
        ages.extend(
            begun - before[item] for item in told.items if item in before and after.get(item) == before[item]
        )

    with serving(corner) as server:
        lines = [server.line() for _ in range(5)]
        with Askers(storm, lines[:2]), Askers(ask, lines[2:]):
            time.sleep(sized(8.0, 120.0))
        oldest = max(ages, default=0.0)
        tell("R23", flips=stocks.flips, **counted, shown_while_out=len(ages), oldest_ms=oldest * 1e3)
        assert stocks.flips > 0 < counted["answers"]
        assert [age for age in ages if age > STALE_S] == []


def test_releases_swap_under_load_and_no_answer_is_lost(corner: Path) -> None:
    """R16."""
    quiet: list[float] = []
    swapping: list[float] = []
    hurried: list[bool] = []
    told = quiet

    def ask(line: Line, _: int) -> None:
        answer = line.recommend()
        assert (answer.status, len(answer.items)) == (200, 10)
        hurried.append(answer.body["degraded"] is not None)
        told.append(answer.seconds)
        time.sleep(0.01)

    with Shop.open(corner) as shop:
        other = corner_shop.another_release(shop)
    with serving(corner) as server:
        line, lines = server.line(), [server.line() for _ in range(3)]
        with Askers(ask, lines):
            _swap(line, other)
            _swap(line, server.champion)
            quiet.clear()
            time.sleep(sized(3.0, 20.0))
            before, told, swaps = _resident_mb(server), swapping, sized(6, 50)
            for number in range(swaps):
                _swap(line, server.champion if number % 2 else other)
        after = _resident_mb(server)
        p99s = percentile_ms(quiet, 99), percentile_ms(swapping, 99)
        tell("R16", swaps=swaps, answers=len(swapping), degraded=sum(hurried),
             p99_ms=p99s[0], p99_ms_while_swapping=p99s[1],
             p99_ratio=p99s[1] / p99s[0], worker_mb_before=before, worker_mb_after=after)  # fmt: skip
        assert after < before * 1.5 + 50


def _swap(line: Line, release: str) -> None:
    assert line.ask("PUT", "/v1/releases/champion", {"release": release}).status == 200
    within(60.0, lambda: line.recommend().body["release"] == release)
    time.sleep(0.1)


def _resident_mb(server: Server) -> float:
    workers = [pid for name, pid in server.processes().items() if name.startswith("worker")]
    return sum(psutil.Process(pid).memory_info().rss for pid in workers) / 1e6 / len(workers)


PUBLISHER = """
import sys
from pathlib import Path
import numpy as np, shutil
from shelfwise import Shop
with Shop.open(sys.argv[1]) as shop:
    champion = shop.readers.releases.open(shop.readers.releases.alias("champion"))
    number = int(sys.argv[2])
    beside = shop.layout.cache / f"published-{number}"
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(champion, beside)
    (beside / "manifest.json").unlink()
    np.save(beside / "packed.npy", np.roll(np.load(beside / "packed.npy"), number + 1))
    print("going", flush=True)
    release = shop.readers.releases.publish(beside, metrics={}, trained={})
    print("published", flush=True)
    shop.promote(release)
    print("promoted", flush=True)
"""


def test_a_publisher_killed_at_any_moment_leaves_whole_answers_and_a_whole_champion(corner: Path) -> None:
    """R3, the publisher."""
    chance, stages = random.Random(3), {"going": 0, "published": 0, "promoted": 0}
    seen: set[str] = set()
    counted = {"answers": 0}

    def ask(line: Line, _: int) -> None:
        answer = line.recommend()
        assert (answer.status, len(answer.items)) == (200, 10)
        seen.add(answer.body["release"])
        counted["answers"] += 1
        time.sleep(0.005)

    with serving(corner) as server, Askers(ask, [server.line() for _ in range(2)]):
        kills = sized(6, 50)
        for number in range(kills):
            with subprocess.Popen(
                [sys.executable, "-c", PUBLISHER, str(corner), str(number)], stdout=subprocess.PIPE, text=True
            ) as publisher:
                assert publisher.stdout is not None
                wanted = chance.choice(("going", "published"))
                while publisher.stdout.readline().strip() != wanted:
                    assert publisher.poll() is None
                time.sleep(chance.uniform(0.0, 0.2))
                publisher.send_signal(signal.SIGKILL)
                stages[[wanted, *publisher.stdout.read().split()][-1]] += 1
            _is_whole(corner)
        line = server.line()
        within(
            60.0,
            lambda: line.recommend().body["release"] == FolderReleases(corner / "releases").alias("champion"),
        )
    tell(
        "R3",
        kills=kills,
        **{f"killed_when_{stage}": count for stage, count in stages.items()},
        **counted,
        releases=len(seen),
    )
    registry = FolderReleases(corner / "releases")
    for release in seen:
        registry.open(release)  # every file of it is there and has its checksum


def _is_whole(corner: Path) -> None:
    """The champion can be opened, with every checksum right."""
    registry = FolderReleases(corner / "releases")
    champion = registry.alias("champion")
    assert champion is not None
    registry.open(champion)


def test_a_trainer_killed_at_any_moment_leaves_whole_answers_and_the_champion(corner: Path) -> None:
    """R3, the trainer."""
    chance, counted = random.Random(4), {"answers": 0}

    def ask(line: Line, _: int) -> None:
        answer = line.recommend()
        assert (answer.status, len(answer.items)) == (200, 10)
        counted["answers"] += 1
        time.sleep(0.02)

    with serving(corner) as server, Askers(ask, [server.line()]):
        kills = sized(2, 12)
        for _ in range(kills):
            with subprocess.Popen(
                [sys.executable, "-m", "shelfwise", "--shop", str(corner), "train", "--json"],
                stdout=subprocess.DEVNULL,
            ) as trainer:
                time.sleep(chance.uniform(2.0, 15.0))
                trainer.send_signal(signal.SIGKILL)
            _is_whole(corner)
    tell("R3, training", kills=kills, **counted)
