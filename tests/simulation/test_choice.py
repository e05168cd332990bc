from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulation.worlds import world

from shelfwise.simulation._choice import drawn, exact

HOME = 1
slates = st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1e6)), min_size=1, max_size=12)


def by_enumeration(rules: np.void, shown: int, click: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Goes through every way to look (0), examine (1) and click (2); slow and plain."""
    out = np.zeros((3, len(click)))
    for way in product(range(3), repeat=len(click)):
        chance, going = 1.0, rules["notice_rates"][shown]
        for k, what in enumerate(way):
            look = going if rules["cascade"] else rules["notice_rates"][shown] * rules["examined"][k]
            chance *= (1 - look, look * (1 - click[k]), look * click[k])[what]
            going = (0.0, rules["continue_unclicked"], rules["continue_clicked"])[what]
        clicked = np.array(way) == 2
        out[0] += chance * (np.array(way) >= 1)
        out[1] += chance * clicked
        out[2] += chance * clicked * weight / (1.0 + weight[clicked].sum())
    return out


@pytest.mark.parametrize("examination", ["position", "cascade"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e5])
def test_exact_chances_are_the_sum_over_all_sets_of_clicks(examination: str, scale: float) -> None:
    rng = np.random.default_rng(3)
    rules = world(examination).ground.rules[0]
    click, weight = rng.random(6), rng.lognormal(0.0, 1.5, 6) * scale
    click[2], weight[4] = 1.0, 0.0
    assert exact(rules, HOME, click, weight)[:3] == pytest.approx(
        by_enumeration(rules, HOME, click, weight), abs=1e-9
    )


def test_one_item_alone_is_chosen_against_the_outside_option() -> None:
    rules = world().ground.rules[0]
    chance = exact(rules, 0, np.array([1.0]), np.array([3.0]))  # no list: looked at for sure
    assert chance[:3, 0] == pytest.approx([1.0, 1.0, 0.75])


@pytest.mark.parametrize("examination", ["position", "cascade"])
@given(slate=slates)
@settings(max_examples=60, deadline=None)
def test_chances_are_chances_and_each_step_loses_some(
    examination: str, slate: list[tuple[float, float]]
) -> None:
    click, weight = (np.array(column) for column in zip(*slate, strict=True))
    examined, clicked, carted, _ = exact(world(examination).ground.rules[0], HOME, click, weight)
    assert (examined <= 1.0).all()
    assert (clicked <= examined).all()
    assert (carted <= clicked + 1e-9).all()
    assert (carted >= 0.0).all()
    assert carted.sum() <= 1.0 + 1e-9


@pytest.mark.parametrize("examination", ["position", "cascade"])
@given(slate=slates, k=st.integers(0, 11), factor=st.floats(1.0, 10.0))
@settings(max_examples=60, deadline=None)
def test_more_weight_never_lowers_the_own_chance_nor_raises_that_of_others(
    examination: str, slate: list[tuple[float, float]], k: int, factor: float
) -> None:
    rules = world(examination).ground.rules[0]
    click, weight = (np.array(column) for column in zip(*slate, strict=True))
    k %= len(click)
    more = weight.copy()
    more[k] *= factor
    change = exact(rules, HOME, click, more)[2] - exact(rules, HOME, click, weight)[2]
    assert change[k] >= -1e-9
    assert (np.delete(change, k) <= 1e-9).all()


@pytest.mark.parametrize("examination", ["position", "cascade"])
@given(slate=slates, key=st.integers(0, 2**63 - 1))
@settings(max_examples=60, deadline=None)
def test_only_what_was_clicked_goes_into_the_cart_and_one_item_at_most(
    examination: str, slate: list[tuple[float, float]], key: int
) -> None:
    click, weight = (np.array(column) for column in zip(*slate, strict=True))
    outcome = np.full(len(click), 9, np.int8)
    rows = np.arange(len(click), dtype=np.int32)
    chosen = drawn(world(examination).ground.rules[0], np.uint64(key), rows, HOME, click, weight, outcome)
    assert set(outcome.tolist()) <= {0, 1, 2}
    assert chosen == -1 or (outcome[chosen] == 2 and weight[chosen] > 0)


def test_who_stops_looking_in_a_cascade_sees_nothing_further_down() -> None:
    rules, rows = world("cascade").ground.rules[0], np.arange(8, dtype=np.int32)
    click, weight, outcome = np.full(8, 0.3), np.ones(8), np.zeros(8, np.int8)
    for key in range(500):
        drawn(rules, np.uint64(key), rows, HOME, click, weight, outcome)
        seen = outcome > 0
        assert (np.diff(seen.astype(int)) <= 0).all()
