from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from shelfwise.domain import InvalidField, InvalidInput
from shelfwise.simulation import ItemTruth


@pytest.fixture(scope="module")
def items() -> ItemTruth:
    return ItemTruth.synthetic(2_000)


def test_the_same_seed_is_the_same_catalogue(items: ItemTruth) -> None:
    again, other = ItemTruth.synthetic(2_000), ItemTruth.synthetic(2_000, seed=8)
    assert all(np.array_equal(column, again.columns()[name]) for name, column in items.columns().items())
    assert not np.array_equal(items.price_minor, other.price_minor)


def test_popularity_falls_as_a_power_of_the_rank() -> None:
    popularity = np.sort(ItemTruth.synthetic(1_000, zipf_exponent=1.3).popularity)[::-1]
    slope = np.polyfit(np.log(np.arange(1, 1_001)), np.log(popularity), 1)[0]
    assert slope == pytest.approx(-1.3)


def test_no_item_is_related_to_itself_or_twice_to_another(items: ItemTruth) -> None:
    for related in (items.complements, items.substitutes):
        assert not (related == np.arange(len(items))[:, None]).any()
        ordered = np.sort(related, axis=1)
        assert not ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any()


def test_substitutes_are_of_the_own_category_and_complements_of_another(items: ItemTruth) -> None:
    substitutes, complements = items.substitutes, items.complements
    own = items.category[:, None]
    assert (items.category[substitutes] == own)[substitutes >= 0].all()
    assert (items.category[complements] != own)[complements >= 0].all()


def test_variants_of_a_product_share_its_category(items: ItemTruth) -> None:
    for group in np.unique(items.group)[:200]:
        assert len(np.unique(items.category[items.group == group])) == 1


def test_what_is_known_of_a_real_catalogue_stands() -> None:
    category, price = np.array([0, 1, 1], np.int32), np.array([100, 250, 999])
    items = ItemTruth.of(category=category, price_minor=price, stock=np.array([0, 5, -1]))
    assert items.price_minor.tolist() == items.reference_minor.tolist() == [100, 250, 999]
    assert items.stock.tolist() == [0, 5, -1]
    assert (items.cost_minor < items.price_minor).all()


def test_a_column_that_items_do_not_have_is_refused() -> None:
    with pytest.raises(InvalidField, match="colour"):
        ItemTruth.of(category=np.zeros(2, np.int32), price_minor=np.ones(2, np.int64), colour=np.zeros(2))


def test_an_item_without_a_price_is_refused(items: ItemTruth) -> None:
    with pytest.raises(InvalidField, match="price_minor is 0"):
        dataclasses.replace(items, price_minor=np.zeros(len(items), np.int64))


def test_columns_of_unequal_length_are_refused(items: ItemTruth) -> None:
    with pytest.raises(InvalidInput, match="lengths"):
        dataclasses.replace(items, stock=np.zeros(3, np.int64))
