from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from shelfwise.domain import InvalidInput
from shelfwise.evaluation import (
    Truth,
    average_precision_at,
    bootstrap_mean,
    catalogue_coverage,
    gini,
    hit_rate_at,
    ndcg_at,
    novelty,
    paired_bootstrap,
    precision_at,
    recall_at,
    reciprocal_rank_at,
)


def test_metrics_of_one_list_by_hand() -> None:
    ranked = np.array([[7, 3, 9, 1]])
    truth = Truth.of([{3, 1, 5}])
    found = 1 / math.log2(3) + 1 / math.log2(5)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert ndcg_at(4, ranked, truth)[0] == pytest.approx(found / ideal)
    assert recall_at(4, ranked, truth)[0] == pytest.approx(2 / 3)
    assert precision_at(4, ranked, truth)[0] == pytest.approx(2 / 4)
    assert hit_rate_at(1, ranked, truth)[0] == 0
    assert reciprocal_rank_at(4, ranked, truth)[0] == pytest.approx(1 / 2)
    assert average_precision_at(4, ranked, truth)[0] == pytest.approx((1 / 2 + 2 / 4) / 3)


def test_the_ideal_holds_no_more_hits_than_there_are_relevant_items() -> None:
    assert ndcg_at(10, np.array([[4, 0, 1]]), Truth.of([{4}]))[0] == 1.0


def test_padding_never_hits() -> None:
    assert recall_at(3, np.array([[-1, -1, 0]]), Truth.of([{0}]))[0] == 1.0
    assert precision_at(3, np.array([[-1, -1, -1]]), Truth.of([{0}]))[0] == 0.0


def test_a_query_without_relevant_items_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="query 1 has no relevant item"):
        Truth.of([{1}, set()])


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_ndcg_agrees_with_scikit_learn(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    relevant = rng.random((5, 30)) < 0.2
    relevant[:, 0] = True
    score = rng.permuted(np.tile(np.arange(30.0), (5, 1)), axis=1)
    ranked = np.argsort(-score, axis=1)
    truth = Truth.of([set(np.flatnonzero(row).tolist()) for row in relevant])
    expected = ndcg_score(relevant.astype(float), score, k=k)
    assert ndcg_at(k, ranked, truth).mean() == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_moving_a_relevant_item_up_never_lowers_a_metric(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranked = rng.permutation(20)[None, :10]
    truth = Truth.of([{int(ranked[0, 6]), 19, 18}])
    better = ranked.copy()
    better[0, [2, 6]] = ranked[0, [6, 2]]
    if int(ranked[0, 2]) in truth.item:
        return
    for metric in (ndcg_at, recall_at, average_precision_at, reciprocal_rank_at, precision_at):
        assert metric(10, better, truth)[0] >= metric(10, ranked, truth)[0]
        assert metric(5, better, truth)[0] >= metric(5, ranked, truth)[0]


def test_relabelling_items_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    ranked = np.array([rng.permutation(40)[:10] for _ in range(6)])
    relevant = [set(rng.permutation(40)[:5].tolist()) for _ in range(6)]
    new_name = rng.permutation(40)
    renamed = Truth.of([{int(new_name[i]) for i in items} for items in relevant])
    assert np.array_equal(ndcg_at(10, ranked, Truth.of(relevant)), ndcg_at(10, new_name[ranked], renamed))


def test_coverage_novelty_and_gini_by_hand() -> None:
    ranked = np.array([[0, 1], [0, -1]])
    assert catalogue_coverage(ranked, 4) == 0.5
    assert novelty(ranked, np.array([0.5, 0.25, 0.1, 0.0])).tolist() == [1.5, 1.0]
    assert gini(np.array([1, 1, 1, 1])) == pytest.approx(0.0)
    assert gini(np.array([0, 0, 0, 4])) == pytest.approx(0.75)


def test_a_bootstrap_interval_holds_the_mean_and_shrinks_with_n() -> None:
    rng = np.random.default_rng(0)
    small, large = rng.random(50), rng.random(5_000)
    a, b = bootstrap_mean(small, rng), bootstrap_mean(large, rng)
    assert a.low < a.mean < a.high
    assert b.high - b.low < (a.high - a.low) / 5  # 1 / sqrt(100), with room
    # the normal interval of 5,000 uniform draws is 2 x 1.96 x sqrt(1/12/5000) = 0.016 wide
    assert b.high - b.low == pytest.approx(0.016, rel=0.1)


def test_a_planted_difference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(2_000)
    noise = rng.normal(0, 0.05, 2_000)
    assert paired_bootstrap(base + 0.01 + noise, base, rng).excludes_zero
    assert not paired_bootstrap(base + noise - noise.mean(), base, rng).excludes_zero
