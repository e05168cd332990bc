from __future__ import annotations

import numba as nb
import numpy as np
import pytest

from shelfwise.simulation._random import PERSON, gamma, gumbel, normal, place, poisson, stream, uniform

N = 200_000


@nb.njit
def _draws(seed: int) -> np.ndarray:
    out = np.empty((6, N))
    for n in range(N):
        key = stream(seed, PERSON, n)
        out[0, n] = uniform(key, n % 7)
        out[1, n] = normal(key, 1)
        out[2, n] = gumbel(key, 9)
        out[3, n] = gamma(key, 0.5)
        out[4, n] = gamma(key, 3.0)
        out[5, n] = poisson(uniform(key, 20), 1.7, 60)
    return out


@pytest.fixture(scope="module")
def draws() -> np.ndarray:
    return np.asarray(_draws(7))


@pytest.mark.parametrize(
    ("row", "mean", "variance"),
    [
        (0, 0.5, 1 / 12),
        (1, 0.0, 1.0),
        (2, 0.5772156649, np.pi**2 / 6),  # Euler's constant
        (3, 0.5, 0.5),
        (4, 3.0, 3.0),
        (5, 1.7, 1.7),
    ],
)
def test_draws_have_the_moments_of_their_distribution(
    draws: np.ndarray, row: int, mean: float, variance: float
) -> None:
    assert abs(draws[row].mean() - mean) < 4 * np.sqrt(variance / N)
    assert draws[row].var() == pytest.approx(variance, rel=0.04)


def test_uniforms_are_spread_evenly(draws: np.ndarray) -> None:
    counts = np.histogram(draws[0], bins=100, range=(0, 1))[0]
    chi_squared = ((counts - N / 100) ** 2 / (N / 100)).sum()
    assert chi_squared < 99 + 4 * np.sqrt(2 * 99)


def test_draws_of_neighbours_have_nothing_to_do_with_each_other(draws: np.ndarray) -> None:
    assert abs(np.corrcoef(draws[0, 1:], draws[0, :-1])[0, 1]) < 4 / np.sqrt(N)


def test_a_draw_depends_on_the_seed(draws: np.ndarray) -> None:
    assert not np.any(_draws(8)[0] == draws[0])


def test_places_are_drawn_in_proportion_to_weight() -> None:
    running = np.array([1.0, 1.0, 4.0, 5.0])  # weights 1, 0, 3, 1
    chance = (np.arange(1_000) + 0.5) / 1_000
    places = [place(c, running, 0, 4) for c in chance]
    assert np.bincount(places, minlength=4).tolist() == [200, 0, 600, 200]
