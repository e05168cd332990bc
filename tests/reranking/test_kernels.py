"""The kernels once more with bounds checks on: a wrong length there is a crash anywhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranking.shop import Thing, shelf_of
from shelfwise.domain import CART, EVENT_CODES, LINE, PURCHASE
from shelfwise.reranking import ItemLikeness
from shelfwise.reranking._kernels import (
    BEST,
    best_of,
    choose,
    mark_among,
    relevance_of,
    spread_of,
    still_in_cart,
)


@pytest.mark.slow  # compiles every kernel anew
def test_no_kernel_reads_beyond_its_columns(tmp_path: Path) -> None:
    code = """
import numpy as np, numba
from reranking.shop import Thing, judged, live_of, query, shelf_of
from shelfwise.domain import NOBODY
from shelfwise.reranking import ArrangeSettings, ExplorationSettings, RuleBook, parse_rule
assert numba.config.BOUNDSCHECK
things = [Thing(brand=f"b{n % 3}", group_id=f"g{n % 7}", category=("A", f"c{n % 2}"), title=f"red thing {n}",
                stock=n - 1, regions=frozenset({"GB"}) if n % 5 == 0 else None) for n in range(20)]
shelf, live = shelf_of(things), live_of(things)
rows = np.arange(-2, 30, dtype=np.int32)
rules = [parse_rule(dict(rule_id="a", kind="cap", limit=2, per="brand")),
         parse_rule(dict(rule_id="b", kind="pin", items=["i3", "i4"], positions=[1, 30]))]
for kind in ("none", "epsilon", "plackett_luce"):
    options = ArrangeSettings(relevance_weight=0.5, pool_size=7, exploration=ExplorationSettings(kind=kind))
    for book in (RuleBook.compile(settings=options), RuleBook.compile(rules, settings=options)):
        book.permit(query(seeds=[0]), NOBODY, live, shelf, rows)
        for size in (1, 10, 100):
            book.arrange(query(), judged(list(range(20))), live, shelf, size=size)
RuleBook.compile().arrange(query(), judged(list(range(20))), live, shelf, size=10)
print("fine")
"""
    tests = Path(__file__).parents[1]
    env = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(tests)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert (done.stdout.strip(), done.returncode) == ("fine", 0), done.stderr


@given(st.lists(st.integers(-3, 50), max_size=30), st.lists(st.integers(-3, 50), max_size=30))
def test_marking_agrees_with_sets(item: list[int], others: list[int]) -> None:
    marked = mark_among(np.array(item, np.int32), np.array(others, np.int32))
    assert marked.tolist() == [number >= 0 and number in others for number in item]


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=40))
def test_spread_is_the_standard_deviation(score: list[float]) -> None:
    column = np.array(score, np.float32)
    expected = float(column.astype(np.float64).std())
    assert spread_of(column) == pytest.approx(expected if len(set(score)) > 1 else 1.0, rel=1e-6, abs=1e-9)


def test_relevance_spans_zero_to_one_and_the_unscored_have_none() -> None:
    assert relevance_of(np.array([3, 2, -1, np.nan], np.float32)).tolist() == [1.0, 0.75, 0.0, 0.0]
    assert relevance_of(np.array([2, 2], np.float32)).tolist() == [1.0, 1.0]


REMOVED = EVENT_CODES["remove_from_cart"]
SCORE = st.one_of(st.integers(-3, 3).map(float), st.sampled_from([float("nan"), float("-inf"), 0.5]))


@given(
    st.lists(st.tuples(SCORE, st.integers(-1, 4)), max_size=30),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.3, 0.8, 1.0]),
    st.integers(1, 40),
)
def test_the_short_way_to_the_best_ends_where_the_long_way_does(
    rows: list[tuple[float, int]], size: int, weight: float, n_pool: int
) -> None:
    score = np.array([score for score, _ in rows], np.float32)
    code = np.array([code for _, code in rows], np.int32)
    item = np.arange(len(rows), dtype=np.int32)[::-1].copy()
    order = np.argsort(-score, kind="stable")
    things = [
        Thing(title=f"thing {n % 3} of {n % 5}", group_id=None if c < 0 else f"g{c}")
        for n, c in enumerate(code[::-1].tolist())
    ]
    likeness, shelf = ItemLikeness(), shelf_of(things)
    n_pool = min(max(n_pool, size), len(rows))
    pool = score[order[:n_pool]]
    picked, _ = choose(
        relevance_of(pool) if weight < 1.0 else pool.astype(np.float64), code[order][None], np.array([1], np.int32),
        np.zeros((1, len(rows)), np.int32), np.zeros(len(rows), np.bool_), likeness(shelf, item[order[:n_pool]]),
        weight, size, BEST, 1.0, 0.0, np.empty((0, 2)),
    )  # fmt: skip
    known = likeness.known(shelf, item)
    assert best_of(score, item, size, True, weight, n_pool, *known).tolist() == order[picked].tolist()


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(1, 5)), max_size=20), st.integers(0, 20))
def test_what_is_in_the_cart_was_put_there_last_of_all(rows: list[tuple[int, int]], n_recent: int) -> None:
    lines = np.zeros(len(rows), LINE)
    lines["item"], lines["event"] = [item for item, _ in rows], [event for _, event in rows]
    lines["at_us"] = np.arange(len(rows))[::-1]
    newest: dict[int, tuple[int, int]] = {}
    for place, (item, event) in enumerate(rows):
        if event in (CART, PURCHASE, REMOVED):
            newest.setdefault(item, (place, event))
    held = still_in_cart(lines, float(len(rows) - 1 - n_recent), REMOVED)
    expected = {
        item for item, (place, event) in newest.items() if event == CART and item >= 0 and place < n_recent
    }
    assert sorted(held.tolist()) == sorted(expected)
