"""A shop that trains on every family of features: its release carries what they are made of, and serves with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from shelfwise import Shop
from shelfwise.app._features import champion_fits, lake_files
from shelfwise.app._quality import quality_gauges
from shelfwise.domain import BadRelease, Candidates, Query
from shelfwise.features import (
    FAMILIES,
    FEATURES,
    FITTED_COLUMNS,
    Assembler,
    DuckDB,
    Facts,
    Relations,
    base_columns,
    placement_code,
    training_features,
)
from shelfwise.serving import Release, read_person

from .corner_shop import NOW, copied

PEOPLE = tuple(f"p{number}" for number in range(0, 300, 20))


@pytest.fixture(scope="module")
def folder(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corner shop, trained once more with all families."""
    folder = copied(base, tmp_path_factory.mktemp("all") / "shop")
    text = (folder / "shelfwise.toml").read_text()
    families = ", ".join(f'"{family}"' for family in FAMILIES)
    (folder / "shelfwise.toml").write_text(text.replace("[training]", f"[training]\nfeatures = [{families}]"))
    with Shop.open(folder) as shop:
        report = shop.train()
        assert report["passed"], report["verdict"]
    return folder


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Shop]:
    """The same, opened again."""
    with Shop.open(folder) as shop:
        yield shop


def champion(shop: Shop) -> Path:
    return shop.readers.releases.open(shop.readers.releases.alias("champion") or "")


def test_a_release_of_all_families_is_served_whole(shop: Shop) -> None:
    answer = shop.recommend("p1", n=5)
    assert len(answer["items"]) == 5
    assert answer["degraded"] is None
    release = Release.open(champion(shop), shop.readers.shelf_reader.shelf())
    families = {
        family
        for family, table in FAMILIES.items()
        if {one.name for one in table} & set(release.assembler.needs)
    }
    assert families >= {
        "items", "people", "pairs", "fits", "popularity", "habits", "standing", "graph", "likeness"
    }  # fmt: skip


def test_features_that_were_constant_in_training_are_left_out_with_what_they_are_made_of(shop: Shop) -> None:
    trained = shop.release("champion")["trained"]
    needs = Release.open(champion(shop), shop.readers.shelf_reader.shelf()).assembler.needs
    assert not set(trained["constant"]) & set(needs)
    # No view was ever told, no price is known of the past, and all were asked at one hour of the week.
    assert {
        "user__view_item__count__7d", "item__stock__cover", "item__price__now_by_last", "context__hour"
    } <= set(trained["constant"])  # fmt: skip
    kept = {file.stem for file in (champion(shop) / "fitted").glob("*.npy")}
    assert kept == base_columns(needs) & set(FITTED_COLUMNS)


def test_a_batch_tells_of_the_served_shop_what_the_request_tells(shop: Shop) -> None:
    shelf, now_us, live = shop.readers.shelf_reader.shelf(), shop.clock(), shop.readers.live.view()
    fits, names = champion_fits(shop), [feature.name for feature in FEATURES if feature.sql]
    relations = Relations.of(
        {file.stem: np.load(file) for file in (champion(shop) / "relations").glob("*.npy")}
    )
    assembler = Assembler(names, (), next(iter(fits.values())), relations)
    item = np.arange(len(shelf), dtype=np.int32)
    nothing = np.zeros(len(item), np.float32)
    candidates = Candidates(item, nothing.astype(np.uint16), np.empty((len(item), 0), np.float32), nothing)
    request, country = [], []
    for user in PEOPLE:
        person = read_person(shop.readers.state, user, None)
        query = Query(size=10, asked_us=now_us, user_id=user, placement="home")
        request.append(assembler.assemble(query, person, live, shelf, candidates))
        country.append(person.country)
    n_rows = len(item) * len(PEOPLE)
    asked = pa.table(
        {
            "person": [f"u:{user}" for user in PEOPLE for _ in item],
            "item_row": pa.array(np.tile(item, len(PEOPLE))),
            "as_of_us": pa.array(np.full(n_rows, now_us)),
            "country": [one for one in country for _ in item],
            "placement_code": pa.array(np.full(n_rows, placement_code("home")), pa.int16()),
        }
    )
    with DuckDB() as engine:
        batch = training_features(engine, lake_files(shop), asked, facts=Facts(shelf, live, now_us, fits))
    matrix = np.concatenate(request).astype(np.float64)
    differing = [
        name
        for at, name in enumerate(names)
        if not np.allclose(
            batch[name].astype(np.float64), matrix[:, at], rtol=1e-6, atol=1e-7, equal_nan=True
        )
    ]
    assert differing == []
    told = [name for at, name in enumerate(names) if not np.isnan(matrix[:, at]).all()]
    assert {
        "item__stock__cover", "item__price__now_log", "item__graph__pagerank_log", "context__holiday"
    } <= set(told)  # fmt: skip


def test_the_computation_on_request_and_by_batch_tells_the_same(shop: Shop) -> None:
    items = ["br-1", "te-4", "so-7"]
    request, batch = (shop.features(user_id="p20", items=items, engine=engine) for engine in (None, "duckdb"))
    for asked, computed in zip(request, batch, strict=True):
        both = [name for name in asked if name in computed and name != "item_id"]
        assert len(both) > 100
        for name in both:
            assert (asked[name] is None) == (computed[name] is None), name
            assert computed[name] is None or computed[name] == pytest.approx(
                asked[name], rel=1e-5, abs=1e-6
            ), name


def test_the_checks_look_at_values_of_the_catalogue_and_of_the_release(shop: Shop) -> None:
    told = {row["subject"]: row["told"] for row in shop.check_features() if row["check"] == "range"}
    of_both = ("item__stock__cover", "item__price__now_log", "item__graph__pagerank_log")
    assert [name for name in of_both if "nothing" in told[name]] == []


@pytest.mark.parametrize("file", ["fitted/item__purchase__percentile__90d.npy", "relations/jaccard.npy"])
def test_a_changed_byte_of_a_fit_is_refused(folder: Path, tmp_path: Path, file: str) -> None:
    mine = Path(shutil.copytree(folder, tmp_path / "shop"))
    with Shop.open(mine) as shop:
        release = shop.readers.releases.alias("champion") or ""
        spoiled = champion(shop) / file
        body = bytearray(spoiled.read_bytes())
        body[-1] ^= 1
        spoiled.chmod(0o644)
        spoiled.write_bytes(body)
    with Shop.open(mine) as shop, pytest.raises(BadRelease, match=f"{file} has another content"):
        shop.readers.releases.open(release)


def test_answers_were_told_what_history_tells(shop: Shop, tmp_path: Path) -> None:
    for user in PEOPLE:
        shop.recommend(user, n=10)
    rows = shop.check_features(html=tmp_path / "page.html")
    skew = [row for row in rows if row["check"] == "skew"]
    assert len(skew) > 100
    assert [(row["subject"], row["told"]) for row in skew if row["value"]] == []
    assert "shown positions of the newest answers" in (tmp_path / "page.html").read_text()
    gauges = quality_gauges(shop.layout)
    assert gauges['shelfwise_feature_skew_share{feature="item__purchase__count__7d"}'] == 0.0


def test_of_whom_a_test_or_a_simulation_told_is_not_compared(shop: Shop) -> None:
    for user in PEOPLE:
        shop.recommend(user, n=10)
    seen = {
        "event": "purchase", "user_id": PEOPLE[1], "item_id": "br-1", "quantity": 1, "price": "2.50", "currency": "EUR",
        "order_id": "tried", "country": "DE", "origin": "test", "occurred_at": (NOW - timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    assert shop.import_events(pl.DataFrame([seen]))["accepted"] == 1
    shop.recommend(PEOPLE[1], n=10)
    skew = [row for row in shop.check_features() if row["check"] == "skew"]
    assert skew
    assert [row["subject"] for row in skew if not row["ok"]] == []


def test_what_an_answer_was_not_told_is_found(shop: Shop) -> None:
    for user in PEOPLE:
        shop.recommend(user, n=10)
    late = {
        "event": "purchase", "user_id": PEOPLE[0], "item_id": "br-1", "quantity": 1, "price": "2.50", "currency": "EUR",
        "order_id": "late", "country": "DE", "occurred_at": (NOW - timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    assert shop.import_events(pl.DataFrame([late]))["accepted"] == 1
    found = {row["subject"]: row for row in shop.check_features() if row["check"] == "skew" and not row["ok"]}
    assert found["user__purchase__recency"]["severity"] == "warning"  # of one in fourteen people
    assert "item__purchase__count__7d" not in found  # of one in sixty items
