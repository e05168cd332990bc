"""PSI and KS against mathematics and scipy, and how much of them is luck."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shelfwise.domain import DAY_US
from shelfwise.features import FEATURES, ks, psi
from shelfwise.features._drift import drifts, ks_luck, psi_luck, window_us

NUMBERS = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=60)
STEADY = next(feature for feature in FEATURES if feature.name == "item__purchase__count__7d")


def test_psi_by_hand() -> None:
    # edges between 1..10: each bin holds a tenth then; now half is in the first, half in the last; half a row is 0.05
    then, now = np.arange(1.0, 11), np.array([1.0] * 5 + [10.0] * 5)
    two, eight = (0.5 - 0.1) * np.log(0.5 / 0.1), (0.05 - 0.1) * np.log(0.05 / 0.1)
    assert psi(then, now)[0] == pytest.approx(2 * two + 8 * eight)


def test_psi_of_two_normals_is_the_square_of_their_distance() -> None:
    # symmetric KL of N(0,1) and N(0.3,1) is 0.3 ** 2; ten bins lose little of it (0.0920 of 5,000 each, published)
    rng = np.random.default_rng(7)
    found = [psi(rng.normal(0, 1, 5_000), rng.normal(0.3, 1, 5_000))[0] for _ in range(40)]
    assert np.mean(found) == pytest.approx(0.09, abs=0.005)


def test_values_that_all_move_by_a_hair_have_not_moved() -> None:
    shares = np.random.default_rng(5).poisson(1.2, 300) / 500
    assert psi(shares, shares * 1.03)[0] == 0
    assert psi(np.zeros(50), np.full(50, 0.01))[0] == 0
    assert psi(np.zeros(50), np.ones(50))[0] > 1


def test_what_becomes_absent_moves_it() -> None:
    then = np.arange(100.0)
    assert psi(then, then)[0] == 0
    assert psi(then, np.where(then < 50, np.nan, then))[0] > 1


@given(NUMBERS, NUMBERS)
def test_ks_is_that_of_scipy_and_psi_is_never_negative(one: list[float], two: list[float]) -> None:
    left, right = np.array(one), np.array(two)
    told = [values[~np.isnan(values)] for values in (left, right)]
    expected = stats.ks_2samp(*told).statistic if all(map(len, told)) else 0.0
    assert ks(left, right) == pytest.approx(expected, abs=1e-12)
    assert psi(left, right)[0] >= 0


@pytest.mark.parametrize("bins", [2, 5, 10, 11])
def test_the_luck_of_psi_is_a_quantile_of_chi_square(bins: int) -> None:
    quantile = stats.chi2.ppf(stats.norm.cdf(5.0), bins - 1)
    assert (
        1 <= psi_luck(bins, 300, 200) / ((1 / 300 + 1 / 200) * quantile) < 1.2
    )  # never the stricter of the two


def test_two_draws_of_one_population_stay_under_their_luck() -> None:
    rng = np.random.default_rng(3)
    for n_then, n_now in ((40, 60), (200, 200), (2_000, 500)):
        for _ in range(100):
            one, two = rng.poisson(2, n_then).astype(float), rng.poisson(2, n_now).astype(float)
            moved, bins = psi(one, two)
            assert moved < max(0.25, psi_luck(bins, n_then, n_now))
            assert ks(one, two) < ks_luck(n_then, n_now)


def test_a_column_times_a_hundred_has_moved() -> None:
    rng = np.random.default_rng(4)
    price = rng.lognormal(3, 1, 400)
    (drift,) = drifts([STEADY], {STEADY.name: price}, {STEADY.name: price * 100}, known_us=60 * DAY_US)
    assert drift.moved
    assert (drift.mean_now, drift.n_now) == (pytest.approx(100 * drift.mean_then), 400)


def test_a_window_that_was_not_full_yet_has_grown_by_itself() -> None:
    (drift,) = drifts([STEADY], {STEADY.name: np.zeros(99)}, {STEADY.name: np.ones(99)}, known_us=6 * DAY_US)
    assert not drift.moved
    assert drift.why_not == "its window was not full"


def test_what_is_told_of_all_history_is_not_judged_while_history_is_young() -> None:
    feature = next(one for one in FEATURES if one.name == "user__purchase__basket__all")
    columns = [{feature.name: np.zeros(99)}, {feature.name: np.ones(99)}]
    young, old = (
        drifts([feature], *columns, known_us=days * DAY_US, passed_us=7 * DAY_US)[0] for days in (69, 71)
    )
    assert (young.why_not, young.moved, old.moved) == ("history was young", False, True)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("item__age", "it grows with time"),
        ("user__purchase__orders__all", "it grows with time"),
        ("context__weekday", "it tells of the question"),
        ("item__purchase__count_share__1d", "a single day is judged by its volume"),
        ("user__purchase__basket__all", None),
        ("user__purchase__recency", None),
        ("item__price__log", None),
    ],
)
def test_what_grows_by_nature_is_no_drift(name: str, why: str | None) -> None:
    feature = next(one for one in FEATURES if one.name == name)
    (drift,) = drifts([feature], {name: np.zeros(99)}, {name: np.ones(99)}, known_us=10**18)
    assert (drift.why_not, drift.moved) == (why, why is None)


def test_a_window_is_as_wide_as_its_name_says() -> None:
    names = ("1h", "30d", "7d_30d", "14d_351d_ago", "half_7d", "all", "session")
    found = [window_us(name) / DAY_US for name in names]
    assert found == [pytest.approx(1 / 24), 30, 30, 365, 21, 0, 0]
