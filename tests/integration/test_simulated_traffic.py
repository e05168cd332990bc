"""Simulated shoppers meet a real server: over HTTP, with keep-alive, in the open and in the closed loop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tests.app import corner_shop
from tests.app.closed_loop import check_that_events_join_the_answers_they_come_of, eager_story

from shelfwise import Shop
from shelfwise.domain import DAY_US
from shelfwise.stores.adapters.delta_lake import DeltaLake

pytestmark = pytest.mark.slow
STORY = {"shoppers": 600, "days": 2}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    folder = corner_shop.copied(shared, tmp_path_factory.mktemp("simulated") / "shop")
    command = [
        sys.executable,
        "-m",
        "shelfwise",
        "--shop",
        str(folder),
        "serve",
        "--port",
        "0",
        "--workers",
        "1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    yield folder, process.stdout.readline().split()[1]
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(timeout=60)


def lines(shop: Shop) -> pl.DataFrame:
    shop.drain()
    files = DeltaLake(shop.layout.lake).files("event_lines")
    return pl.concat([pl.read_parquet(file) for file in files]).filter(pl.col("origin") == "simulated")


def test_a_history_reaches_the_log_once_and_its_dirt_is_told(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    story = tmp_path / "dirty.toml"
    story.write_text(
        'name = "dirty"\nmeaning = "x"\n[mess]\n'
        "duplicate_rate = 0.1\nbad_rate = 0.1\nrobot_rate = 1.0\nrobot_pages = 5"
    )
    with Shop.open(folder) as shop:
        told = shop.simulate(str(story), to=address, **STORY)
        found = lines(shop)
        assert told["duplicates"] > 0
        assert told["rejected"] > 0
        assert found["event_id"].n_unique() == told["accepted"] > 100
        robots = found.filter(pl.col("person").str.contains("robot"))
        assert set(robots["bot"]) == {True, False}  # those that name themselves are known by it
        assert not found.filter(~pl.col("person").str.contains("robot"))["bot"].any()


def test_shoppers_react_to_the_servers_slates_as_it_happens(served: tuple[Path, str]) -> None:
    folder, address = served
    with Shop.open(folder) as shop:
        before = shop.clock()
        told = shop.simulate("steady", to=address, closed_loop=True, **STORY)
        after = shop.clock()
        found = lines(shop).filter(pl.col("recommendation_id").is_not_null())
        assert told["answers"] >= told["visits"] > 10
        assert {"view_item_list", "select_item", "view_item"} <= set(found["event"])
        clicked = found.filter(pl.col("event") == "view_item_list")
        assert clicked["occurred_us"].max() <= after + DAY_US
        assert clicked["occurred_us"].min() >= before - DAY_US


def test_all_that_comes_of_an_answer_joins_with_what_the_server_logged(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    with Shop.open(folder) as shop:
        told = shop.simulate(
            eager_story(tmp_path), to=address, closed_loop=True, seed=8, shoppers=2_000, days=2
        )
        assert told["rejected"] == 0
        assert told["funnel"]["ordered"] > 10
        check_that_events_join_the_answers_they_come_of(shop)
