"""The repeat model: its facts by hand, its fit at the lowest point, and rhythms that it must see."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.candidates.asking import items, propose
from tests.world import DAY, NOW_US, Row, history, live_items, person, shelf_of

from shelfwise.candidates import BuyAgain, fit_source
from shelfwise.candidates._history import digest
from shelfwise.candidates._matrix import pair_days
from shelfwise.candidates.buy_again.serve import RHYTHM, BuyAgainSource, rhythm
from shelfwise.candidates.buy_again.train import history_of_days, item_facts, logistic


def loss(facts: np.ndarray, label: np.ndarray, beta: np.ndarray, prior: np.ndarray, ridge: float) -> float:
    pull = np.full(facts.shape[1], ridge)
    pull[0] = 1e-3
    margin = facts @ beta
    return float((np.logaddexp(0, margin) - label * margin).sum() + 0.5 * pull @ (beta - prior) ** 2)


@given(
    seed=st.integers(0, 10_000), spread=st.sampled_from([0.1, 1.0, 30.0]), ridge=st.sampled_from([0.1, 10.0])
)
@settings(max_examples=40, deadline=None)
def test_the_fit_is_where_the_loss_has_no_slope(seed: int, spread: float, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    facts = np.column_stack([np.ones(200), rng.normal(0, spread, (200, 4))]).astype(np.float32)
    label = rng.random(200) < 1 / (1 + np.exp(-facts[:, 1] / spread))
    prior = rng.normal(0, 1, 5)
    beta = logistic(facts, label, prior=prior, ridge=ridge).astype(np.float64)
    least = loss(facts.astype(float), label, beta, prior, ridge)
    for step in 1e-2 * np.concatenate([np.eye(5), -np.eye(5)]):
        assert loss(facts.astype(float), label, beta + step, prior, ridge) > least - 1e-3


def test_from_a_prior_far_off_the_fit_comes_back(rng: np.random.Generator) -> None:
    # A full Newton step from here leaps to coefficients of 1e4 and more, and stays there.
    facts = np.column_stack([np.ones(400), 40 + rng.normal(0, 5, 400)]).astype(np.float32)
    label = rng.random(400) < 0.1
    beta = logistic(facts, label, prior=np.array([-1.0, 1.0]), ridge=10.0)
    assert np.abs(beta).max() < 60
    near = logistic(facts, label, prior=np.array([-1.0, 0.0]), ridge=10.0)
    chance = 1 / (1 + np.exp(-(facts @ near)))
    assert chance.mean() == pytest.approx(label.mean(), abs=0.01)


@pytest.mark.parametrize("answer", [False, True])
def test_where_all_answers_are_alike_the_weights_stay_small(answer: bool, rng: np.random.Generator) -> None:
    facts = np.column_stack([np.ones(5_000), rng.normal(0, 1, (5_000, 3))]).astype(np.float32)
    beta = logistic(facts, np.full(5_000, answer), prior=np.zeros(4), ridge=10.0)
    assert np.abs(beta[1:]).max() < 1
    assert 3 < np.abs(beta[0]) < 20


def test_without_an_example_the_prior_stands() -> None:
    prior = np.array([-1.0, 0.5])
    beta = logistic(np.empty((0, 2), np.float32), np.empty(0, np.bool_), prior=prior, ridge=10.0)
    assert beta == pytest.approx(prior)


def test_facts_are_those_counted_by_hand() -> None:
    # Three visits: 40 days ago (0 and 1), 30 days ago (0), 10 days ago (1 and 2).
    rows = [(0, 40), (1, 40), (0, 30), (1, 10), (2, 10)]
    seen = digest(person([(item, NOW_US - days * DAY) for item, days in rows]).lines)
    known = np.full(2, 20.0, np.float32), np.array([-1, -2], np.float32), np.array([3, 4], np.float32)
    found, facts = rhythm(seen.item, seen.place, seen.at_us, seen.event, NOW_US, *known)
    fact = dict(zip(RHYTHM, facts[found.tolist().index(0)].tolist(), strict=True))
    assert sorted(found.tolist()) == [0, 1]  # 2 is newer than the fit
    gap = (40 - 30 + 20) / 2
    aged = {life: math.log(2 ** (-40 / life) + 2 ** (-30 / life) + 0.01) for life in (14, 365)}
    due = math.log(31 / (gap + 1))
    expected = {
        "one": 1, "days": math.log(2), "last": math.log(31), "aged_14": aged[14], "aged_365": aged[365],
        "due": due, "late": abs(due), "share": 2 / 3, "skipped": math.log(2), "item_rate": -1, "item_now": 3,
        "visit": math.log(11 / (15 + 1)),
    }  # fmt: skip
    for name, value in expected.items():
        assert fact[name] == pytest.approx(value, abs=1e-5), name


def test_a_history_of_days_and_one_of_lines_have_the_same_facts(rng: np.random.Generator) -> None:
    rows = [(int(rng.integers(6)), NOW_US - int(rng.integers(1, 90)) * DAY) for _ in range(40)]
    days = pair_days(history([Row(0, item, at_us) for item, at_us in rows], n_items=6))
    known = item_facts(days, NOW_US)
    results = []
    for seen in (digest(person(rows).lines), history_of_days(days.item, days.at_us)):
        found, facts = rhythm(seen.item, seen.place, seen.at_us, seen.event, NOW_US, *known)
        results.append(facts[np.argsort(found)])
    assert results[0] == pytest.approx(results[1])


def test_item_facts_by_hand() -> None:
    rows = [Row(0, 0, NOW_US - 30 * DAY), Row(0, 0, NOW_US - 20 * DAY), Row(1, 0, NOW_US - 14 * DAY)]
    gap, rate, now = item_facts(pair_days(history(rows, n_items=2)), NOW_US)
    assert gap == pytest.approx([math.exp((math.log(11) + math.log(31)) / 2) - 1, 30.0], rel=1e-5)
    assert rate == pytest.approx([math.log(2 / 5), math.log(1 / 3)], rel=1e-5)
    assert now == pytest.approx([math.log(1000.01), math.log(0.01)], rel=1e-5)


def test_of_real_like_rhythms_the_weights_are_small_and_what_is_due_leads(rng: np.random.Generator) -> None:
    source = _grocer(rng)
    assert np.isfinite(source.coefficient).all()
    assert np.abs(source.coefficient).max() < 15
    # Milk (0) comes weekly, a lamp (30) once.
    state = person([(0, NOW_US - days * DAY) for days in (7, 14, 21, 28)] + [(30, NOW_US - 20 * DAY)])
    found = propose(source, state, live=live_items(60))
    assert items(found) == [0, 30]
    assert found.score[0] > found.score[1] + 1


def test_chances_are_about_as_often_true_as_they_say(rng: np.random.Generator) -> None:
    frame = _grocer_rows(rng)
    cut = NOW_US - 14 * DAY
    before = [row for row in frame if row.at_us < cut]
    after = {(row.user, row.item) for row in frame if row.at_us >= cut}
    model = BuyAgain().fit(
        {"user_id": [r.user for r in before], "item_id": [r.item for r in before],
         "occurred_at": [r.at_us for r in before]}
    )  # fmt: skip
    found = model.recommend(list({row.user for row in before}), n=60)
    pairs = zip(found["user_id"].to_pylist(), found["item_id"].to_pylist(), strict=True)
    true = np.array([pair in after for pair in pairs])
    chance = np.asarray(found["score"])
    assert chance.mean() == pytest.approx(true.mean(), rel=0.35)
    likely = chance > np.quantile(chance, 0.8)
    assert true[likely].mean() > 2 * true[~likely].mean()


def test_a_shop_of_one_purchase_each_falls_back_on_the_prior() -> None:
    rows = [Row(user, user % 3, NOW_US - (user + 1) * DAY) for user in range(20)]
    source = fit_source("buy_again", history(rows, n_items=3), shelf_of("abc"), as_of_us=NOW_US)
    assert items(propose(source, person([(1, NOW_US - 5 * DAY)]), live=live_items(3))) == [1]


def _grocer_rows(rng: np.random.Generator) -> list[Row]:
    """200 households over 300 days: staples 0..9 come every 7 to 16 days, 30..59 once or twice."""
    rows = []
    for user in range(200):
        for item in rng.choice(10, 4, replace=False):
            day = rng.uniform(0, 20)
            while day < 300:
                rows.append(Row(user, int(item), NOW_US - int(day * DAY) - 1))
                day += rng.gamma(9.0, (7 + item) / 9.0)
        rows += [
            Row(user, int(item), NOW_US - int(rng.uniform(0, 300) * DAY) - 1)
            for item in rng.integers(30, 60, 6)
        ]
    return rows


def _grocer(rng: np.random.Generator) -> BuyAgainSource:
    source = fit_source(
        "buy_again", history(_grocer_rows(rng), n_items=60), shelf_of(["x"] * 60), as_of_us=NOW_US
    )
    assert isinstance(source, BuyAgainSource)
    return source
