"""A shop whose data goes bad: it is told, measured, and no release is made of it."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from app import corner_shop
from app.conftest import Run
from shelfwise import Shop
from shelfwise.app._quality import quality_gauges
from shelfwise.serving.http import exposition


def spoil(shop: Shop) -> None:
    """A day of orders with prices in cents where units were expected."""
    rows = [
        {**row, "event_id": f"late-{number}", "order_id": f"late-{number}", "price": "250.00"}
        for number, row in enumerate(corner_shop.events(1)[-40:])
    ]
    when = (corner_shop.NOW - corner_shop.timedelta(hours=2)).isoformat()
    shop.import_events(pl.DataFrame([{**row, "occurred_at": when} for row in rows]))


def test_a_good_shop_passes_every_check(shop: Shop) -> None:
    rows = shop.check_features()
    assert [(row["check"], row["subject"], row["told"]) for row in rows if not row["ok"]] == []
    assert len({row["check"] for row in rows}) > 8


def test_bad_data_stops_a_release_and_keeps_the_champion(shop: Shop) -> None:
    before = shop.releases()[0]["release"]
    spoil(shop)
    report = shop.train()
    assert (report["passed"], report["release"]) == (False, None)
    assert "data quality: unit of price_minor" in report["verdict"][0]
    assert "the champion stays" in report["verdict"][0]
    assert shop.release("champion")["release"] == before


def test_the_gate_can_be_switched_off(folder: Path) -> None:
    with Shop.open(folder, overrides={"features": {"gate": False}}) as shop:
        spoil(shop)
        assert not any("data quality" in reason for reason in shop.train()["verdict"])


def test_the_command_tells_what_fails_and_writes_a_page(run: Run, folder: Path, tmp_path: Path) -> None:
    with Shop.open(folder) as shop:
        spoil(shop)
    said = run("features", "check", "--html", tmp_path / "q.html", shop=folder)
    assert said.code == 1
    assert "price_minor" in said.out
    page = (tmp_path / "q.html").read_text()
    assert "no release goes live, the champion stays" in page


def test_what_was_found_is_told_as_metrics(shop: Shop) -> None:
    assert quality_gauges(shop.layout) == {}
    spoil(shop)
    shop.check_features()
    gauges = quality_gauges(shop.layout)
    assert gauges["shelfwise_quality_critical_failures"] >= 1
    text = exposition(shop.layout.live / "metrics", gauges)
    families = re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)
    assert len(families) == len(set(families))
    assert {"shelfwise_quality_checks", "shelfwise_quality_checked_timestamp_seconds"} <= set(families)


@pytest.mark.parametrize(
    "engine", ["duckdb", pytest.param("spark", marks=[pytest.mark.spark, pytest.mark.slow])]
)
def test_a_batch_engine_computes_what_the_request_would(engine: str, shop: Shop) -> None:
    if engine == "spark":
        pytest.importorskip("pyspark", reason="pyspark is not installed: make spark")
    (live,) = shop.features(user_id="p1", items=["br-1"])
    (made,) = shop.features(user_id="p1", items=["br-1"], engine=engine)  # type: ignore[arg-type]
    assert made["item_id"] == "br-1"
    same = [
        name for name in made if name in live and name.startswith(("item__purchase__count", "user__purchase"))
    ]
    assert len(same) > 10
    for name in same:
        assert (
            made[name] == pytest.approx(live[name], rel=1e-6)
            if made[name] is not None
            else live[name] is None
        )
