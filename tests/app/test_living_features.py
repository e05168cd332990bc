"""The list of features tells what they are in this shop now: examples, absence, worth to the ranker in use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.conftest import Run
from shelfwise import Shop
from shelfwise.app._features import lake_files, open_engine
from shelfwise.app._living import PER_PERSON, living
from shelfwise.domain import Context
from shelfwise.features import FEATURES, QualitySettings, draw_pairs, read_events


def test_the_list_tells_live_examples_and_shares_that_add_up_to_one(run: Run, folder: Path) -> None:
    rows = run("features", "list", "--json", shop=folder).json
    told = {row["name"]: row for row in rows}
    assert set(told) > {one.name for one in FEATURES}  # and columns of signals
    assert told["context__month"]["example"] == 4  # the shop stands in April
    assert told["item__catalogue__age"]["example"] is not None
    shares = [row["importance"] for row in rows if row["importance"] is not None]
    assert sum(shares) == pytest.approx(1.0)
    assert {row["privacy"] for row in rows} == {"catalogue", "crowd", "question", "behaviour", "personal"}


def test_values_are_what_the_request_tells(shop: Shop) -> None:
    looked = living(shop, asked_with=[("home", Context())])
    with open_engine(shop, "duckdb") as engine:
        read_events(engine, lake_files(shop))
        pairs = draw_pairs(engine, shop.clock(), QualitySettings(pairs=300)).to_pylist()
    ids = shop.readers.shelf_reader.shelf().item_id
    assert len(pairs) == looked.people > 100
    for at in (0, 17, 50):  # the first item of each person is their own
        row = dict(zip(looked.names, looked.values[at * PER_PERSON].tolist(), strict=True))
        (asked,) = shop.features(user_id=pairs[at]["person"][2:], items=[ids[pairs[at]["item_row"]]])
        shared = [one.name for one in FEATURES if one.name in asked and asked[one.name] is not None]
        assert len(shared) > 40
        for name in shared:  # the clock goes on between the two
            assert row[name] == pytest.approx(asked[name], rel=1e-3, abs=1e-3), name


def test_the_page_fits_what_the_release_does_not_carry(
    run: Run, shop: Shop, folder: Path, tmp_path: Path
) -> None:
    assert living(shop, people=5).unfitted
    whole = living(shop, people=50, fit=True)
    assert whole.unfitted == frozenset()
    at = whole.names.index("item__graph__pagerank_log")
    assert not np.isnan(whole.values[:, at]).any()
    shop.close()
    assert run("features", "list", "--html", tmp_path / "page.html", shop=folder).code == 0
    page = (tmp_path / "page.html").read_text()
    assert "Not fitted" not in page
    assert page.count("<li id=") == len(whole.names)


def test_without_a_shop_or_a_release_declarations_are_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = run("features", "list", "--json").json
    assert [row["name"] for row in rows] == [one.name for one in FEATURES]
    assert {row["example"] for row in rows} == {None}
    Shop.create(tmp_path / "new").close()
    assert run("features", "list", "--json", shop=tmp_path / "new").json == rows
    assert run("features", "list", shop=tmp_path / "nowhere").code == 4
    assert json.dumps(rows)
