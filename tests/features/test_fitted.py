from __future__ import annotations

import numpy as np
import pytest

from shelfwise.domain import DAY_US, PURCHASE, VIEW, Coded, Interactions, Shelf
from shelfwise.features import FEATURES, base_columns, fit_features, fit_release

AS_OF = 1_000 * DAY_US


def shelf(category: list[int]) -> Shelf:
    ids = tuple(str(row) for row in range(len(category)))
    zero = np.zeros(len(category), np.int64)
    coded = {"category": Coded(np.array(category, np.int32), ("a", "b"))}
    return Shelf(
        1, ids, ids, ids, ids, coded, zero.astype(np.int16), zero, {name: at for at, name in enumerate(ids)}
    )


def history(*rows: tuple[int, int, int, int]) -> Interactions:
    """(user, item, days before AS_OF, price) of purchases."""
    user, item, ago, price = (np.array(column) for column in zip(*rows, strict=True))
    ones = np.ones(len(rows), np.int64)
    return Interactions(
        user.astype(np.int32), item.astype(np.int32), AS_OF - ago * DAY_US, (ones * PURCHASE).astype(np.uint8), ones,
        ones.astype(np.int32), price.astype(np.int64), 9, 4,
    )  # fmt: skip


def test_every_fitted_feature_is_fitted() -> None:
    made = fit_features(history((0, 0, 1, 5)), shelf([0, 0, 1, -1]), as_of_us=AS_OF)
    fitted = [feature.expr for feature in FEATURES if feature.freshness == "fitted" and feature.expr]
    assert {column for expr in fitted for column in expr.columns()} <= set(made)
    assert all(column.shape == (4,) and column.dtype == np.float32 for column in made.values())


def test_what_no_feature_needs_is_not_fitted() -> None:
    bought, items = history((0, 0, 1, 5)), shelf([0, 0, 1, -1])
    default = base_columns(("item__price__percentile", "item__price__band", "collaborative__score"))
    fit = fit_release(bought, items, as_of_us=AS_OF, wanted=default)
    assert (set(fit.columns), fit.relations) == ({"item__price__percentile"}, None)
    near = fit_release(bought, items, as_of_us=AS_OF, wanted=base_columns(("seeds__vector__mean",)))
    assert near.columns == {}
    assert near.relations is not None
    assert len(near.relations.community) == 4


def test_a_percentile_is_the_share_of_other_items_that_have_fewer_buyers() -> None:
    bought = history((0, 1, 5, 1), (1, 1, 5, 1), (1, 1, 4, 1), (0, 2, 3, 1), (0, 3, 100, 1), (1, 3, 100, 1))
    found = fit_features(bought, shelf([0] * 4), as_of_us=AS_OF)["item__purchase__percentile__90d"]
    assert found == pytest.approx(
        [0, 1, 1 / 2, 0]
    )  # buyers of 90 days: 0, 2, 1, 0; nothing ever happened to the first


def test_a_price_percentile_is_within_the_category_by_the_price_last_paid() -> None:
    bought = history((0, 0, 9, 900), (0, 0, 2, 100), (0, 1, 5, 200), (0, 2, 5, 50), (0, 3, 5, 0))
    found = fit_features(bought, shelf([0, 0, 1, 1]), as_of_us=AS_OF)["item__price__percentile"]
    assert found == pytest.approx([0, 1, 0, np.nan], nan_ok=True)


def test_a_typical_gap_is_the_median_of_at_least_five() -> None:
    days = [1, 3, 6, 10, 15, 21]  # gaps 2, 3, 4, 5, 6
    bought = history(
        *((0, 0, ago, 1) for ago in days), *((1, 1, ago, 1) for ago in days[:5]), (0, 2, 1, 1), (1, 2, 9, 1)
    )
    found = fit_features(bought, shelf([0] * 4), as_of_us=AS_OF)["item__purchase__typical_gap"]
    assert found == pytest.approx([4, np.nan, np.nan, np.nan], nan_ok=True)


def test_nothing_at_or_after_the_instant_and_no_view_is_read() -> None:
    bought = history((0, 0, 0, 5), (0, 1, 1, 5))
    viewed = Interactions(
        bought.user, bought.item, bought.at_us, np.full(2, VIEW, np.uint8), bought.order, bought.quantity,
        bought.price_minor, 9, 4,
    )  # fmt: skip
    assert fit_features(bought, shelf([0] * 4), as_of_us=AS_OF)["item__price__percentile"][0] != 0.5
    assert np.isnan(fit_features(bought, shelf([0] * 4), as_of_us=AS_OF)["item__price__percentile"][0])
    assert np.isnan(fit_features(viewed, shelf([0] * 4), as_of_us=AS_OF)["item__price__percentile"]).all()
