"""What is true of a shopper: a function of the seed and their number, worked out when asked for. Compiled."""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US
from shelfwise.simulation._ground import Ground
from shelfwise.simulation._items import TASTES
from shelfwise.simulation._random import (
    BRAND,
    DRIFTED,
    FIRST,
    PERSON,
    SECOND,
    STAPLE,
    TASTE,
    codes,
    exponential,
    fold,
    gamma,
    normal,
    place,
    stream,
    uniform,
)
from shelfwise.simulation._settings import WorldSettings
from shelfwise.simulation._traffic import COUNTRIES

FAVOURITES = 4
MAX_STAPLES = 64
_N_COUNTRIES = len(COUNTRIES)

# Counters of the stream PERSON.
_WHOLESALE, _DEVICE, _ABROAD, _COUNTRY, _ARRIVAL, _INITIAL, _LEAVING, _DRIFT = codes(range(8))
_ELASTICITY, _BASKET = codes((50, 51))  # normals: counters 100 to 103
_RATE, _HAZARD = codes((200, 201))  # folded: a gamma reads many


class Person(NamedTuple):
    """One shopper as compiled code carries them through a visit."""

    number: int
    wholesale: int  # 0 or 1
    elasticity: float  # log-odds lost as the log of the price grows by 1
    basket: float  # log of needs, above the median shopper's
    taste: NDArray[np.float64]  # (T,) appeal is its product with the item's taste
    favourites: NDArray[np.int64]  # (FAVOURITES,) category codes, the dearest first
    staples: NDArray[np.int64]  # (S,) item rows they buy again and again, now; -1 where there is none


class Rhythm(NamedTuple):
    """When shoppers come, as columns."""

    visits_per_day: NDArray[np.float64]  # (U,) while they still come
    hazard_per_day: NDArray[np.float64]  # (U,) of leaving for ever
    first_day: NDArray[np.int64]  # (U,) since 1970
    last_day: NDArray[np.int64]  # (U,) the last on which they may come
    arrives: NDArray[np.bool_]  # (U,) found the shop after it opened, and visits on the first day


def rhythm_of(settings: WorldSettings, seed: int, shoppers: range) -> Rhythm:
    """When these shoppers come and leave."""
    return Rhythm(
        *_rhythm(
            seed,
            shoppers.start,
            len(shoppers),
            settings.visit_shape,
            settings.visits_per_week / 7.0,
            settings.churn_shape,
            settings.churn_scale_weeks * 7.0,
            settings.opens_us // DAY_US,
            settings.initial_share,
            settings.arrival_days,
        )
    )


@nb.njit(cache=True)
def _rhythm(
    seed: int,
    start: int,
    count: int,
    visit_shape: float,
    visits_per_day: float,
    churn_shape: float,
    churn_scale_days: float,
    opens: int,
    initial_share: float,
    arrival_days: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    rate, hazard = np.empty(count), np.empty(count)
    first, last = np.empty(count, np.int64), np.empty(count, np.int64)
    arrives = np.empty(count, np.bool_)
    for row in range(count):
        key = stream(seed, PERSON, start + row)
        rate[row] = visits_per_day * gamma(fold(key, _RATE), visit_shape) / visit_shape
        hazard[row] = max(gamma(fold(key, _HAZARD), churn_shape) / churn_scale_days, 1e-12)
        arrives[row] = uniform(key, _INITIAL) >= initial_share
        first[row] = opens + (int(uniform(key, _ARRIVAL) * arrival_days) if arrives[row] else 0)
        last[row] = first[row] + int(min(exponential(key, _LEAVING) / hazard[row], 1e6))
    return rate, hazard, first, last, arrives


@nb.njit(cache=True)
def person_of(ground: Ground, number: int, at_us: int) -> Person:
    """The latents of a shopper at an instant."""
    rules = ground.rules[0]
    key = stream(ground.seed, PERSON, number)
    drifted = uniform(key, _DRIFT) < rules.drift
    taste_key = stream(ground.seed, DRIFTED if drifted else TASTE, number)
    favourites = np.empty(FAVOURITES, np.int64)
    for n in range(FAVOURITES):
        favourites[n] = place(uniform(taste_key, n), ground.categories, 0, len(ground.categories))
    staples = np.empty(rules.staples, np.int64)
    for n in range(len(staples)):
        staples[n] = _staple(ground, favourites, number, n, at_us)
    return Person(
        number,
        is_wholesale(ground, number),
        rules.price_elasticity * math.exp(rules.elasticity_sigma * normal(key, _ELASTICITY)),
        rules.basket_between_sigma * normal(key, _BASKET),
        _taste(ground, taste_key, favourites),
        favourites,
        staples,
    )


@nb.njit(cache=True)
def _taste(ground: Ground, key: np.uint64, favourites: NDArray[np.int64]) -> NDArray[np.float64]:
    """Towards the centres of the favourite categories, the dearer the more, and a part of one's own.

    Of length ``taste_weight * sqrt(T)`` in the mean, so that it gives items, about 1 long, a spread of
    ``taste_weight`` where directions are at random.
    """
    rules = ground.rules[0]
    taste, told = np.empty(TASTES), 0.0
    for t in range(TASTES):
        pull = 0.0
        for n in range(FAVOURITES):
            pull += ground.centre[favourites[n], t] / (n + 1.0)
        taste[t] = pull
        told += pull * pull
    told = math.sqrt(max(told, 1e-12))
    for t in range(TASTES):
        of_favourites = taste[t] / told * math.sqrt(float(TASTES)) * math.sqrt(1.0 - rules.taste_noise)
        own = normal(key, 10 + t) * math.sqrt(rules.taste_noise)
        taste[t] = rules.taste_weight * (of_favourites + own)
    return taste


@nb.njit(cache=True)
def _staple(ground: Ground, favourites: NDArray[np.int64], number: int, slot: int, at_us: int) -> int:
    """The regular item of a slot: kept for ``staple_days``, each slot from another day on; -1 if not yet on sale."""
    key = fold(stream(ground.seed, STAPLE, number), slot)
    period = ground.rules[0].staple_us
    phase = int(uniform(key, FIRST) * period)
    epoch = (at_us + phase) // period
    key = fold(key, epoch)
    category = favourites[int(uniform(key, FIRST) * FAVOURITES)]
    item = drawn_item(ground, category, uniform(key, SECOND), ground.running)
    began = epoch * period - phase
    return item if ground.items[item].born_us <= began else -1


@nb.njit(cache=True)
def drawn_item(ground: Ground, category: int, chance: float, running: NDArray[np.float64]) -> int:
    """An item of a category, by weight."""
    row = place(chance, running, ground.bounds[category], ground.bounds[category + 1])
    return int(ground.order[row])


@nb.njit(cache=True)
def brand_gain(ground: Ground, number: int, brand: int) -> float:
    """What a shopper makes of a brand, log-odds."""
    if ground.rules[0].brand_weight == 0.0:
        return 0.0
    return ground.rules[0].brand_weight * normal(stream(ground.seed, BRAND, number), brand)


@nb.njit(cache=True)
def is_wholesale(ground: Ground, number: int) -> int:
    """1 if they buy for their own shop, else 0."""
    return (
        1 if uniform(stream(ground.seed, PERSON, number), _WHOLESALE) < ground.rules[0].wholesale_share else 0
    )


@nb.njit(cache=True)
def main_device(ground: Ground, number: int) -> int:
    """Place in DEVICES."""
    chance = uniform(stream(ground.seed, PERSON, number), _DEVICE)
    return place(chance, ground.rules[0].device_shares, 0, len(ground.rules[0].device_shares))


@nb.njit(cache=True)
def country_of(ground: Ground, number: int) -> int:
    """Place in COUNTRIES: the first is home; those abroad fall off as 1/rank."""
    key = stream(ground.seed, PERSON, number)
    if uniform(key, _ABROAD) < ground.rules[0].home_country_share:
        return 0
    return int(min(float(_N_COUNTRIES) ** uniform(key, _COUNTRY), _N_COUNTRIES - 1.0))
