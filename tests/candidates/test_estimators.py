"""What all estimators have in common: the field's verbs over the caller's own ids and frames."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.candidates.test_release_files import ESTIMATORS, each_estimator, fit, frame

import shelfwise.candidates as room
from shelfwise.candidates import BuyAgain, Ease, ImplicitALS, ItemKNN, Trending
from shelfwise.candidates.estimators import Estimator, ItemToItem
from shelfwise.domain import InvalidField, InvalidInput, NotTrained

each_item_to_item = pytest.mark.parametrize(
    "model", [one for one in ESTIMATORS if isinstance(one, ItemToItem)], ids=lambda one: type(one).__name__
)


@each_estimator
def test_a_list_is_ranked_from_one_and_names_known_items_once(
    model: Estimator, rng: np.random.Generator
) -> None:
    found = fit(model, rng).recommend(["3", "7"], n=4, exclude_seen=False)
    assert found.column_names == ["user_id", "item_id", "score", "rank"]
    for user in ("3", "7"):
        mine = found.filter(pa.compute.equal(found["user_id"], user))
        assert 0 < mine.num_rows <= 4
        assert mine["rank"].to_pylist() == list(range(1, mine.num_rows + 1))
        assert np.all(np.diff(mine["score"].to_numpy()) <= 0)
        assert len(set(mine["item_id"].to_pylist())) == mine.num_rows


@each_estimator
def test_seen_items_are_left_out_or_kept_as_told(model: Estimator, rng: np.random.Generator) -> None:
    told, fitted = frame(np.random.default_rng(7)), fit(model, rng)
    seen = {item for user, item in zip(told["user_id"], told["item_id"], strict=True) if user == "5"}
    assert not seen & set(fitted.recommend(["5"], n=50, exclude_seen=True)["item_id"].to_pylist())
    if not isinstance(model, BuyAgain):
        kept = fitted.recommend(["5"], n=50, exclude_seen=False)
        left = fitted.recommend(["5"], n=50, exclude_seen=True)
        expected = [item for item in kept["item_id"].to_pylist() if item not in seen]
        assert left["item_id"].to_pylist() == expected


@each_estimator
def test_unknown_users_get_no_rows(model: Estimator, rng: np.random.Generator) -> None:
    fitted = fit(model, rng)
    found = fitted.recommend(["nobody", "3"], exclude_seen=False)
    assert set(found["user_id"].to_pylist()) == {"3"}
    assert fitted.recommend([]).num_rows == 0


@each_estimator
def test_saved_and_loaded_it_answers_the_same(
    model: Estimator, rng: np.random.Generator, tmp_path: Path
) -> None:
    fitted = fit(model, rng)
    fitted.save(tmp_path)
    loaded = type(model).load(tmp_path)
    assert loaded.get_params() == model.get_params()
    users = [str(k) for k in range(30)]
    assert loaded.recommend(users, exclude_seen=False).equals(fitted.recommend(users, exclude_seen=False))


@each_estimator
def test_before_a_fit_it_says_so(model: Estimator) -> None:
    with pytest.raises(NotTrained, match="call fit first"):
        type(model)().recommend([1])


@each_item_to_item
def test_next_items_leave_out_the_session_unless_told_to_repeat(
    model: ItemToItem, rng: np.random.Generator
) -> None:
    fitted = fit(model, rng)
    found = fitted.next_items([["1", "no such", "2"], [], ["no such"]], n=5)
    assert set(found["session"].to_pylist()) <= {0}
    assert not {"1", "2"} & set(found["item_id"].to_pylist())
    one = fitted.similar_items(["1", "no such"], n=3)  # type: ignore[attr-defined]
    assert one.column_names == ["item_id", "similar_id", "score", "rank"]
    assert set(one["item_id"].to_pylist()) <= {"1"}


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table, dict], ids=["polars", "arrow", "dict"])
def test_any_frame_will_do(make: Any) -> None:
    columns = {"user_id": [1, 1, 2, 2, 3], "item_id": ["a", "b", "a", "b", "a"]}
    found = ItemKNN(shrink=0.0).fit(make(columns)).recommend([3])
    assert found["item_id"].to_pylist() == ["b"]
    assert found["score"].to_pylist() == pytest.approx([2 / 6**0.5])


def test_categories_large_text_and_instants_with_a_zone_are_read() -> None:
    at = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 1, 3)]
    told = pl.DataFrame({"user_id": ["u", "u", "v", "v"], "item_id": ["a", "b", "a", "c"], "occurred_at": at})
    as_codes = told.with_columns(pl.col("item_id").cast(pl.Categorical))
    found = ItemKNN(shrink=0.0).fit(as_codes).recommend(["v"])
    assert found["item_id"].to_pylist() == ["b"]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"user": [1], "item_id": [1]}, "expected one called 'user_id'"),
        ({"user_id": [1]}, "expected one called 'item_id'"),
        ({"user_id": [1, None], "item_id": [1, 2]}, r"user_id\[1\] is None; expected an id"),
        ({"user_id": [1], "item_id": [2], "weight": [0.0]}, r"weight\[0\] is 0.0; expected a number above 0"),
        ({"user_id": [1], "item_id": [2], "weight": [float("nan")]}, "expected a number above 0"),
        ({"user_id": [1], "item_id": [2], "occurred_at": ["x"]}, "expected instants"),
        ({"user_id": [1], "item_id": [2], "occurred_at": [None]}, "expected"),
        ([1, 2], "expected columns by the Arrow C stream"),
    ],
)
def test_a_wrong_frame_is_refused_with_what_was_expected(columns: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        ItemKNN().fit(columns)


def test_ids_of_another_kind_than_the_fits_are_refused() -> None:
    model = ItemKNN().fit({"user_id": [1, 2], "item_id": [1, 1]})
    with pytest.raises(InvalidInput, match="expected int64, as in the fit"):
        model.recommend(["x"])


def test_parameters_are_bounded_and_keyword_only() -> None:
    with pytest.raises(ValueError, match="factors"):
        ImplicitALS(factors=0)
    with pytest.raises(ValueError, match="no_such"):
        Trending(no_such=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Ease(3)  # type: ignore[misc]


def test_the_seed_makes_a_fit_repeatable(rng: np.random.Generator) -> None:
    told = frame(rng)
    one, same, other = (ImplicitALS(factors=4, seed=seed).fit(told).item_factors for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_all_that_is_listed_is_there() -> None:
    for name in room.__all__:
        assert getattr(room, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = room.Nothing


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"factors": 0}, "factors is 0; expected a value greater than or equal to 1"),
        ({"factors": "many"}, "factors is 'many'; expected a valid integer"),
        ({"factorz": 8}, "factorz is 8; expected a parameter among factors, "),
    ],
)
def test_a_wrong_parameter_is_told_with_what_was_expected(params: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidField, match=f"^{re.escape(told)}"):
        ImplicitALS(**params)
