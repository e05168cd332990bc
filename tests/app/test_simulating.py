"""Simulations: into files, into a shop, round the closed loop; what they say, refuse, and leave alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.closed_loop import check_that_events_join_the_answers_they_come_of, eager_story
from app.conftest import Run
from shelfwise import Shop
from shelfwise.app._clock import open_clock
from shelfwise.app._simulating import simulate
from shelfwise.app._simulating_items import history_of, wares_of
from shelfwise.app._simulating_plan import first_lines, load_scenario, scenario_names, times_of
from shelfwise.app._simulating_runs import Wishes
from shelfwise.app.settings import ClockSection
from shelfwise.domain import DAY_US, InvalidInput, UnknownName, from_us, to_us
from shelfwise.simulation import DTYPES, Scenario, Traffic, chosen
from shelfwise.stores.adapters.delta_lake import DeltaLake
from shelfwise.training._snapshot import Snapshot, take_snapshot

SMALL = {"shoppers": 600, "days": 2}
WEEK_US = 7 * DAY_US


def lake(shop: Shop) -> pl.DataFrame:
    shop.drain()
    return pl.concat([pl.read_parquet(file) for file in DeltaLake(shop.layout.lake).files("event_lines")])


def test_the_same_seed_is_the_same_file_and_another_is_another(shop: Shop, tmp_path: Path) -> None:
    story = "seasonal_turn"  # has a time of its own
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        shop.simulate(story, seed=seed, to=tmp_path / f"{name}.parquet", items=80, **SMALL)
    first, again, other = ((tmp_path / f"{name}.parquet").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_a_history_ends_now_says_that_it_is_simulated_and_moves_no_counter(shop: Shop) -> None:
    before = {name: column.copy() for name, column in shop.readers.live.view().counters.items()}
    told = shop.simulate("steady", **SMALL)
    assert told["origin"] == "simulated"
    assert told["accepted"] > 100
    assert told["duplicates"] > 0
    lines = lake(shop).filter(pl.col("origin") == "simulated")
    assert lines["event_id"].n_unique() == told["accepted"]
    assert set(lines["person"].str.slice(2, 6)) == {"sim-7-"}
    assert lines["occurred_us"].max() <= shop.clock()
    assert lines["occurred_us"].min() >= shop.clock() - 3 * DAY_US
    assert set(lines["item_id"].drop_nulls()) <= set(shop.readers.shelf_reader.shelf().item_id)
    after = shop.readers.live.view().counters
    for name in ("item__view_item__count__7d", "item__add_to_cart__count__7d", "item__purchase__count__7d"):
        assert after[name].tolist() == before[name].tolist()


def test_the_same_simulation_again_is_nothing_new(shop: Shop) -> None:
    story = {"seed": 5, "to": "shop", **SMALL}
    first = shop.simulate("flash_sale", **story)
    size = len(lake(shop))
    again = shop.simulate("flash_sale", **story)
    assert first["accepted"] > 100
    assert (again["accepted"], again["duplicates"]) == (0, first["accepted"] + first["duplicates"])
    assert len(lake(shop)) == size


def test_real_customers_get_the_same_answers_whatever_is_simulated(shop: Shop) -> None:
    def asked() -> list[list[str]]:
        return [[item["item_id"] for item in shop.recommend(user_id=f"p{n}", n=5)["items"]] for n in range(5)]

    before = asked()
    shop.simulate("bot_attack", **SMALL)
    assert asked() == before


def test_what_real_orders_hold_together_goes_together_in_the_world_whatever_was_simulated(shop: Shop) -> None:
    def complements() -> list[list[int]]:
        history = history_of(DeltaLake(shop.layout.lake).files("event_lines"))
        shelf, live = shop.readers.shelf_reader.shelf(), shop.readers.live.view()
        return wares_of(shelf, live, history, seed=7).truth.complements.tolist()

    real = complements()
    row_of = shop.readers.shelf_reader.shelf().row_of
    for aisle in (
        "br",
        "fr",
        "ch",
        "te",
        "so",
        "ca",
    ):  # the corner shop's even items go with their odd neighbours
        assert row_of[f"{aisle}-1"] in real[row_of[f"{aisle}-0"]]
        assert row_of[f"{aisle}-3"] in real[row_of[f"{aisle}-2"]]
    assert shop.simulate("flash_sale", shoppers=5_000, days=5)["events"]["purchase"] > 5
    shop.drain()
    assert complements() == real


def test_the_closed_loop_goes_round(folder: Path, tmp_path: Path) -> None:
    with Shop.open(folder) as shop:
        begun = shop.clock()
        page = tmp_path / "page.html"
        told = shop.simulate("steady", closed_loop=True, report=page, **SMALL)
        assert told["answers"] >= told["visits"] > 10
        assert told["simulator_cpu_s"] > 0 < told["engine_cpu_s"]
        lines = lake(shop).filter(pl.col("origin") == "simulated")
        shown = lines.filter(pl.col("recommendation_id").is_not_null())
        assert {"view_item_list", "select_item"} <= set(shown["event"])
        assert set(shown["placement"].drop_nulls()) <= {"home", "product", "cart"}
        assert "home" in set(shown["placement"])
        answer_id = shown["recommendation_id"][0]
        slate = shown.filter(
            (pl.col("event") == "view_item_list") & (pl.col("recommendation_id") == answer_id)
        )
        logged = shop.door.door.find_answer(answer_id)
        assert logged is not None
        assert set(slate["item_id"]) <= set(logged.items)
        assert (
            lines.filter(pl.col("recommendation_id").is_null()).height > 0
        )  # other browsing goes on beside it
        assert begun + 2 * DAY_US <= shop.clock() < begun + 3 * DAY_US  # the shop's time goes on from there
        for words in (
            "Simulated: no real shopper",
            "How far visits came",
            "Rates by position",
            "against its figures",
        ):
            assert words in page.read_text()
    with Shop.open(folder) as again:
        assert again.clock() >= begun + 2 * DAY_US


def test_all_that_comes_of_an_answer_joins_with_what_was_logged(folder: Path, tmp_path: Path) -> None:
    with Shop.open(folder) as shop:
        told = shop.simulate(eager_story(tmp_path), closed_loop=True, shoppers=2_000, days=2)
        assert told["rejected"] == 0
        assert told["funnel"]["ordered"] > 10
        check_that_events_join_the_answers_they_come_of(shop)


def test_what_cannot_be_delivered_is_not_recommended_until_the_story_turns(
    folder: Path, tmp_path: Path
) -> None:
    story = tmp_path / "outage.toml"
    story.write_text(
        'name = "outage"\nmeaning = "x"\n[[changes]]\nkind = "stock"\nfrom_day = 0\nuntil_day = 1\nshare = 0.5'
    )
    with Shop.open(folder) as shop:
        begun, stock = shop.clock(), shop.readers.live.view().stock.copy()
        shop.simulate(str(story), closed_loop=True, **SMALL)
        gone = chosen(load_scenario(str(story)).changes[0], len(stock), seed=7)
        shown = lake(shop).filter(
            pl.col("recommendation_id").is_not_null(), pl.col("event") == "view_item_list"
        )
        first_day = pl.col("occurred_us") < begun + DAY_US
        during, after = (set(shown.filter(day)["item_row"]) for day in (first_day, ~first_day))
        assert during
        assert not during & set(np.flatnonzero(gone).tolist())
        assert after & set(np.flatnonzero(gone).tolist())


def test_a_story_that_is_cut_short_leaves_the_shops_items_as_they_were(folder: Path) -> None:
    with Shop.open(folder) as shop:
        before = {name: getattr(shop.readers.live.view(), name).copy() for name in ("price_minor", "stock")}
        shop.simulate("flash_sale", closed_loop=True, shoppers=50, days=4.5)
        shop.simulate("supplier_outage", closed_loop=True, shoppers=50, days=4.5)
        for name, column in before.items():
            assert getattr(shop.readers.live.view(), name).tolist() == column.tolist()


def test_what_is_learned_from_is_the_same_whatever_is_simulated(shop: Shop) -> None:
    def learned() -> Snapshot:
        shop.drain()
        files = DeltaLake(shop.layout.lake).files("event_lines")
        return take_snapshot(files, n_items=60, origins=("real",), memory_mb=500, threads=1)

    before = learned()
    shop.simulate("steady", **SMALL)
    after = learned()
    assert after.key == before.key
    assert after.lines.tobytes() == before.lines.tobytes()


def test_the_closed_loop_needs_a_shop_with_a_time_of_its_own(shop: Shop, tmp_path: Path) -> None:
    own = shop.layout.settings.read_text()
    shop.layout.settings.write_text("\n".join(x for x in own.splitlines() if not x.startswith("start =")))
    with pytest.raises(InvalidInput, match=r"clock\.start"):
        Shop(shop.layout, Shop.open(shop.layout.folder).settings).simulate(closed_loop=True)
    with pytest.raises(InvalidInput, match="expected shop, or the address"):
        shop.simulate(closed_loop=True, to=tmp_path / "x.jsonl")


def test_made_up_items_are_given_to_the_shop(tmp_path: Path) -> None:
    with Shop.create(tmp_path / "new", name="New") as shop:
        told = shop.simulate("steady", items=50, **SMALL)
        assert told["items"] == len(shop.readers.shelf_reader.shelf()) == 50
        assert told["accepted"] > 0


def test_an_empty_shop_is_told_what_it_lacks(tmp_path: Path) -> None:
    with Shop.create(tmp_path / "new", name="New") as shop, pytest.raises(InvalidInput, match="0 items"):
        shop.simulate()


@pytest.mark.parametrize("story", scenario_names())
def test_every_story_has_a_page_with_funnel_positions_and_calibration(tmp_path: Path, story: str) -> None:
    page = tmp_path / "page.html"
    wishes = Wishes(story, shoppers=400, days=8, items=150, to=str(tmp_path / "a.parquet"), report=page)
    told = simulate(None, wishes)
    text = page.read_text()
    for title in (
        "How far visits came",
        "Clicks on what was shown",
        "Rates by position",
        "against its figures",
    ):
        assert title in text, title
    assert ("On the way to the shop" in text) == any(told["on_the_way"].values())
    befell = {name for name, count in told["on_the_way"].items() if count}
    assert befell >= {
        "bot_attack": {"robots"},
        "tracking_broken": {"lost"},
        "steady": {"late", "faulty", "twice"},
    }.get(story, set())


def test_no_more_lines_than_asked_for_and_no_torn_event(shop: Shop, tmp_path: Path) -> None:
    told = shop.simulate("steady", events=500, to=tmp_path / "a.jsonl", shoppers=2_000, days=3)
    assert 450 < told["lines"] <= 500


def test_whole_events_are_cut() -> None:
    columns = {name: np.zeros(6, dtype) for name, dtype in DTYPES.items()}
    columns["line"][:] = [0, 1, 2, 0, 1, 0]
    lines = Traffic(**columns)
    assert [len(first_lines(lines, limit)) for limit in (6, 5, 4, 3, 2)] == [6, 5, 3, 3, 0]


def test_a_story_with_a_season_is_moved_by_whole_weeks() -> None:
    story = Scenario(name="x", meaning="y", start="2011-09-20T00:00:00+00:00", days=10)
    now = to_us(from_us(1_700_000_000_000_000))
    world_us, shift_us = times_of(story, 10, begin_us=None, end_us=now)
    assert from_us(world_us).isoformat() == story.start
    assert shift_us % WEEK_US == 0
    assert now - WEEK_US < world_us + shift_us + 10 * DAY_US <= now
    world_us, shift_us = times_of(story, 10, begin_us=now, end_us=None)
    assert shift_us % WEEK_US == 0
    assert now <= world_us + shift_us < now + WEEK_US


def test_a_story_without_a_season_begins_or_ends_at_the_shops_time() -> None:
    story = Scenario(name="x", meaning="y", days=10)
    assert times_of(story, 2, begin_us=50 * DAY_US, end_us=None) == (50 * DAY_US, 0)
    assert times_of(story, 2, begin_us=None, end_us=50 * DAY_US) == (48 * DAY_US, 0)


def test_all_stories_are_found_by_name() -> None:
    assert scenario_names()[0] == "steady"
    assert len(scenario_names()) == 8
    with pytest.raises(UnknownName, match="did you mean 'flash_sale'"):
        load_scenario("flash_sail")
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_scenario("nowhere.toml")


def test_a_clock_is_moved_for_every_process(tmp_path: Path) -> None:
    from shelfwise.app._clock import move_clock

    times = ClockSection(start=from_us(10 * DAY_US))
    open_clock(tmp_path, times)
    move_clock(tmp_path, times, 20 * DAY_US)
    assert 0 <= open_clock(tmp_path, times)() - 20 * DAY_US < DAY_US


def test_the_command_writes_a_file_without_a_shop(run: Run, tmp_path: Path) -> None:
    said = run(
        "simulate", "--items", 60, "--shoppers", 100, "--days", 2, "--to", tmp_path / "a.jsonl", "--json",
        shop=tmp_path / "nowhere",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert said.json["lines"] > 0
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert {row["origin"] for row in rows} == {"simulated"}
    items = [json.loads(line) for line in (tmp_path / "a-items.jsonl").read_text().splitlines()]
    assert len(items) == 60


def test_the_command_tells_what_it_cannot_do(run: Run, tmp_path: Path) -> None:
    assert run("simulate", "--to", tmp_path / "a.jsonl", shop=tmp_path / "nowhere").code == 4
    said = run("simulate", "--items", 5, "--to", "somewhere", shop=tmp_path / "nowhere")
    assert (said.code, "expected shop, http://HOST:PORT" in said.err) == (3, True)
    said = run(
        "simulate", "--scenario", "stedy", "--items", 5, "--to", tmp_path / "a.jsonl", shop=tmp_path / "no"
    )
    assert (said.code, "did you mean 'steady'" in said.err) == (4, True)
    assert "flash_sale: " in run("simulate", "--scenario", "list").out
