"""Vectors of items and texts, through the doors, in what a training makes of them: likeness and cold start."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app import corner_shop
from app.conftest import Run
from shelfwise import Shop
from shelfwise.app._vectors import narrowed, training_shelf, with_vectors
from shelfwise.domain import InvalidInput
from shelfwise.features import unit
from shelfwise.training import take_snapshot

WIDTH = 8


def looks_of(item_id: str) -> list[float]:
    """Things of one aisle look alike."""
    aisle = [name[:2].lower() for name in corner_shop.AISLES].index(item_id.partition("-")[0])
    noise = np.random.default_rng(int(item_id.partition("-")[2])).normal(scale=0.1, size=WIDTH)
    return [float(value) for value in np.eye(WIDTH)[aisle] + noise]


def pictured() -> list[dict[str, object]]:
    return [{**row, "vector": looks_of(row["item_id"])} for row in corner_shop.items()]


@pytest.mark.parametrize("format", ["jsonl", "parquet", "csv"])
def test_a_feed_brings_vectors_and_one_of_another_size_is_named(
    run: Run, folder: Path, tmp_path: Path, format: str
) -> None:
    rows = [*pictured(), {**corner_shop.items()[0], "item_id": "br-99", "vector": [1.0, 2.0]}]
    file = tmp_path / f"items.{format}"
    if format == "jsonl":
        kept = [
            {**row, "price": float(str(row["price"])), "category": str(row["category"]).split(" > ")}
            for row in rows
        ]
        file.write_text("\n".join(json.dumps(row) for row in kept))
    elif format == "parquet":
        pl.DataFrame(rows).write_parquet(file)
    else:
        flat = [{**row, "vector": " ".join(map(str, row["vector"]))} for row in rows]  # type: ignore[call-overload]
        pl.DataFrame(flat).write_csv(file)
    told = run("import", "items", file, "--json", shop=folder).json
    assert (told["accepted"], told["rejected"]) == (60, 1)
    (refused,) = told["rejections"]
    assert (refused["row"], refused["field"]) == (61, "vector")
    assert (refused["value"], refused["rule"]) == ("2 numbers", "8 numbers, as the others have")
    with Shop.open(folder) as shop:
        shelf = training_shelf(shop)
        assert shelf.vector.shape == (60, WIDTH)
        row = shelf.row_of["te-3"]
        np.testing.assert_allclose(
            shelf.vector[row], unit(np.array([looks_of("te-3")], np.float32))[0], atol=1e-6
        )


def test_a_new_thing_that_looks_like_others_is_found_by_its_looks_alone(shop: Shop) -> None:
    fresh = {"item_id": "new-1", "title": "xqzw", "vector": looks_of("te-50")}  # no word of it is another's
    shop.import_items(pl.DataFrame(pictured()))
    shop.import_items(pl.DataFrame([fresh]))
    assert shop.train()["release"]
    like = shop.recommend(items=["new-1"], strategy="similar", placement="product", n=5)["items"]
    assert {one["item_id"].partition("-")[0] for one in like} == {"te"}
    near = {row["item_id"] for row in shop.recommend(items=["te-1"], strategy="similar", n=30)["items"]}
    assert "new-1" in near  # and it is proposed, though nobody ever met it


def test_likeness_features_know_what_nobody_bought_by_its_looks(shop: Shop) -> None:
    from shelfwise.features import LIKENESS_COLUMNS, fit_release

    shop.import_items(
        pl.DataFrame([*pictured(), {"item_id": "new-1", "title": "x", "vector": looks_of("te-50")}])
    )
    shelf, now_us = training_shelf(shop), shop.clock()
    from shelfwise.app._features import lake_files

    snapshot = take_snapshot(
        lake_files(shop), n_items=len(shelf), origins=("real",), memory_mb=300, threads=1
    )
    made = fit_release(
        snapshot.interactions(before_us=now_us), shelf, as_of_us=now_us, wanted=set(LIKENESS_COLUMNS)
    )
    assert made.relations is not None
    vector = made.relations.vector
    cosine = vector @ vector[shelf.row_of["new-1"]]
    nearest = [shelf.item_id[row] for row in np.argsort(-cosine)[1:11]]
    assert {item.partition("-")[0] for item in nearest} == {"te"}
    assert np.linalg.norm(vector, axis=1) == pytest.approx(np.ones(len(shelf)), abs=1e-5)


def test_a_text_encoder_gives_items_vectors_and_a_wrong_folder_stops_the_training(
    folder: Path, tmp_path: Path
) -> None:
    words = {"bread": [1, 0], "tea": [0, 1], "number": [0, 0], "loved": [0.2, 0.1]}
    (folder / "words").mkdir()
    lines = "\n".join(f"{word} {one} {two}" for word, (one, two) in words.items())
    (folder / "words" / "vectors.txt").write_text(lines)
    with Shop.open(folder, overrides={"features": {"text_encoder": "words"}}) as shop:
        shelf = training_shelf(shop)
        one, other = shelf.row_of["br-1"], shelf.row_of["te-1"]
        assert shelf.vector[one] @ shelf.vector[shelf.row_of["br-7"]] == pytest.approx(1.0)
        assert shelf.vector[one] @ shelf.vector[other] == pytest.approx(0.0)
        assert not shelf.vector[shelf.row_of["so-1"]].any()
        reviewed = {**corner_shop.items()[0], "attributes.reviews": "loved this tea"}  # as text, if given
        shop.import_items(pl.DataFrame([reviewed]))
        assert training_shelf(shop).vector[shelf.row_of["br-0"]] @ shelf.vector[other] > 0.3
    gone = {"features": {"text_encoder": str(tmp_path / "gone")}}
    with Shop.open(folder, overrides=gone) as shop, pytest.raises(InvalidInput, match="gone is no folder"):
        shop.train()


def test_without_vectors_and_texts_the_shelf_stays_as_it_is(shop: Shop) -> None:
    shelf = shop.readers.shelf_reader.shelf()
    assert with_vectors(shelf, shop.readers.catalogue, encoder=None) is shelf


def test_narrowing_keeps_cosines_of_rows_that_lie_in_few_directions() -> None:
    rng = np.random.default_rng(0)
    rows = unit((rng.normal(size=(200, 5)) @ rng.normal(size=(5, 300))).astype(np.float32))
    short = narrowed(rows, 16)
    assert short.shape == (200, 16)
    np.testing.assert_allclose(short @ short.T, rows @ rows.T, atol=1e-4)
