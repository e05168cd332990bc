"""Exploration: what is shown by chance, and that the logged chance is the true one."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest

from reranking.shop import Thing, judged, live_of, query, shelf_of
from shelfwise.domain import Slate
from shelfwise.reranking import ArrangeSettings, ExplorationSettings, RuleBook, parse_rule

SCORES = [1.0, 0.6, 0.0]


def slates(n: int, size: int, things: list[Thing] | None = None, **explore: Any) -> list[Slate]:
    shop = things or [Thing()] * len(SCORES)
    shelf, live, ranked = shelf_of(shop), live_of(shop), judged(SCORES)
    options = ArrangeSettings(exploration=ExplorationSettings(**explore))
    book = RuleBook.compile(settings=options, rng=np.random.default_rng(5))
    return [book.arrange(query(), ranked, live, shelf, size=size) for _ in range(n)]


def plackett_luce(order: tuple[int, ...], heat: float) -> list[float]:
    """The chance of each position, given those above; scores already span [0, 1]."""
    weight = [math.exp(score / heat) for score in SCORES]
    left, chances = sum(weight), []
    for row in order:
        chances.append(weight[row] / left)
        left -= weight[row]
    return chances


def test_plackett_luce_logs_the_chance_of_each_position_given_those_above() -> None:
    for slate in slates(50, 3, kind="plackett_luce", temperature=0.5):
        assert slate.propensity.tolist() == pytest.approx(
            plackett_luce(tuple(slate.item.tolist()), 0.5), rel=1e-5
        )


def test_plackett_luce_shows_each_order_as_often_as_it_says() -> None:
    n = 4_000
    seen = Counter(
        tuple(slate.item.tolist()) for slate in slates(n, 3, kind="plackett_luce", temperature=0.5)
    )
    for order in itertools.permutations(range(3)):
        chance = math.prod(plackett_luce(order, 0.5))
        error = math.sqrt(chance * (1 - chance) / n)
        assert abs(seen[order] / n - chance) < 4 * error  # wrong about once in 16,000 seeds; seed fixed


def test_epsilon_shows_the_best_except_for_its_share() -> None:
    n, epsilon = 4_000, 0.3
    shown = slates(n, 1, kind="epsilon", epsilon=epsilon)
    for row, chance in ((0, 1 - epsilon + epsilon / 3), (1, epsilon / 3), (2, epsilon / 3)):
        mine = [slate for slate in shown if slate.item[0] == row]
        assert {slate.propensity.tolist()[0] for slate in mine} == {np.float32(chance).item()}
        assert abs(len(mine) / n - chance) < 4 * math.sqrt(chance * (1 - chance) / n)


def test_the_last_item_left_is_no_choice() -> None:
    for slate in slates(20, 3, kind="epsilon", epsilon=1.0):
        assert slate.propensity[2] == pytest.approx(1.0)


def test_exploration_shows_one_of_a_group_all_the_same() -> None:
    things = [Thing(group_id="g"), Thing(group_id="g"), Thing()]
    for slate in slates(50, 3, things, kind="plackett_luce", temperature=5.0):
        assert len(slate) == 2
        assert 2 in slate.item


def test_a_pinned_position_is_certain() -> None:
    things = [Thing()] * 3
    pin = parse_rule({"rule_id": "p", "kind": "pin", "items": ["i2"]})
    options = ArrangeSettings(exploration=ExplorationSettings(kind="plackett_luce", temperature=1.0))
    book = RuleBook.compile([pin], settings=options, rng=np.random.default_rng(1))
    slate = book.arrange(query(), judged(SCORES), live_of(things), shelf_of(things), size=3)
    assert (slate.item[0], slate.propensity[0]) == (2, 1.0)
    assert slate.propensity[1] < 1.0


def test_the_same_dice_give_the_same_slates() -> None:
    first, second = (
        [slate.item.tolist() for slate in slates(20, 3, kind="plackett_luce", temperature=1.0)]
        for _ in range(2)
    )
    assert first == second
