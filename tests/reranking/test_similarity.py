"""How alike items are, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from reranking.shop import Thing, shelf_of
from shelfwise.reranking import ItemLikeness


def like(one: Thing, other: Thing) -> float:
    both = ItemLikeness()(shelf_of([one, other]), np.arange(2, dtype=np.int32))
    assert both[0, 1] == both[1, 0]
    assert both[0, 0] == both[1, 1] == 1.0
    return float(both[0, 1])


def test_sizes_of_one_product_are_the_same() -> None:
    assert like(Thing(group_id="g", title="S"), Thing(group_id="g", title="XL")) == 1.0


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        (("Home", "Candles"), ("Home", "Candles"), 1.0),
        (("Home", "Candles"), ("Home", "Clocks"), 0.5),
        (("Home", "Candles", "Tall"), ("Home",), 1 / 3),
        (("Home",), ("Party",), 0.0),
        (("Candles", "Home"), ("Party", "Home"), 0.0),  # a name counts only under the same parent
    ],
)
def test_categories_are_as_alike_as_the_beginnings_of_their_paths(
    one: tuple[str, ...], other: tuple[str, ...], likeness: float
) -> None:
    assert like(Thing(category=one), Thing(category=other)) == pytest.approx(likeness)


def test_titles_are_as_alike_as_their_words() -> None:
    assert like(Thing(title="Red Mug"), Thing(title="blue mug")) == pytest.approx(1 / 3)  # one word of three


def test_only_what_both_have_counts() -> None:
    one = Thing(brand="A", category=("Home",), title="mug")
    assert like(one, Thing(brand="A")) == 1.0
    assert like(one, Thing(brand="A", category=("Party",))) == pytest.approx(
        0.2 / 0.6
    )  # brand 0.2, category 0.4
    assert like(one, Thing()) == 0.0
