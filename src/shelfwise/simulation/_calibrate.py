"""Fits a world to a year of real purchases: what kind of people come, never what they put together.

The fit sees the year's statistics (and in which order items sold), not its baskets. A damped Gauss-Newton search over
a handful of settings, each round a few simulated years with the same chance (common random numbers), so that a
difference between two of them is the setting's doing. Deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, HOUR_US, InvalidInput
from shelfwise.simulation._items import ItemTruth
from shelfwise.simulation._settings import WorldSettings
from shelfwise.simulation._statistics import Purchases, ShopStatistics, shop_statistics
from shelfwise.simulation._tally import Tally
from shelfwise.simulation._world import World

Told = Callable[[str], None]

# A shop of wholesale customers with a shopping list, who find nearly all that they look for; they have known the shop
# for up to four years, and new ones come as long as anyone looks.
WHOLESALE: Mapping[str, Any] = {
    "initial_share": 0.0,
    "churn_shape": 3.0,
    "wholesale_share": 1.0,
    "wholesale_intent_shares": (0.2, 0.6, 0.2, 0.0),
    "wholesale_cart_gain": 4.0,
    "wholesale_checkout_rate": 0.95,
    "click_logit": 0.0,
    "list_size": 10,
    "basket_between_sigma": 0.4,
    "staples": 40,
    "staple_skew": 0.5,
    "holidays": (),
}
HISTORY_DAYS, AHEAD_DAYS = 4 * 365, 2 * 365

_STEP = 0.15  # by which a knob's logarithm is turned to learn what it does; well above the noise of a year
_LONGEST = 0.6  # no knob's logarithm moves farther in one round
_RIDGE = 0.02  # keeps knobs that do nearly the same from running against each other
_SMALL = 0.35  # size of the simulated years from which the knobs' effects are learnt
_LEAST_ORDERS = 100  # below, deciles of intervals are noise
_SHOPPERS_EACH = 3.0  # first guess: people who know the shop for each one that orders in a year


@dataclass(frozen=True, slots=True)
class Knob:
    """A number that is searched for, by its logarithm."""

    name: str
    group: str  # of statistics that it is turned for
    start: float
    low: float
    high: float


KNOBS = (
    Knob("visits_per_week", "rhythm", 0.1, 0.001, 20.0),
    Knob("visit_shape", "rhythm", 1.3, 0.1, 20.0),
    Knob("churn_scale_weeks", "rhythm", 200.0, 1.0, 5_000.0),
    Knob("wholesale_basket_median", "basket", 22.0, 1.0, 190.0),
    Knob("basket_sigma", "basket", 0.7, 0.05, 2.5),
    Knob("browse_share", "basket", 0.2, 0.01, 0.7),
    Knob("head", "popularity", 0.3, 0.01, 2.0),
    Knob("tail", "popularity", 1.5, 0.05, 6.0),
    Knob("staple_rate", "loyalty", 0.3, 0.01, 0.95),
)
# Of each group one knob: groups hardly feel each other's, so one simulated year tells of all of a row at once
# (Curtis, Powell and Reid, "On the estimation of sparse Jacobian matrices", 1974).
_TURNED_TOGETHER = ((0, 3, 6, 8), (1, 4, 7), (2, 5))


@dataclass(frozen=True, slots=True, eq=False)
class FittedWorld:
    """A world that resembles a shop's year."""

    world: World
    shoppers: range
    statistics: ShopStatistics  # of the simulated year that was fitted
    error: float  # root mean square of the relative differences that were searched over


def fit_world(
    items: ItemTruth,
    purchases: Purchases,
    *,
    start_us: int,
    end_us: int,
    base: Mapping[str, Any] = WHOLESALE,
    seed: int = 7,
    rounds: int = 4,
    polish: int = 4,
    told: Told = lambda _: None,
) -> FittedWorld:
    """The world whose year is most like a real one.

    Args:
        items: The shop's items; their popularity is replaced by a law of two parameters over the ranks in which they
            sold.
        purchases: Of customers, ``item`` being rows of ``items``; only the window is looked at.
        start_us: Start of the year that is fitted; the world opens four years before.
        end_us: Its end. The world has new customers for two years more.
        base: Settings that are not searched for.
        seed: Of the world.
        rounds: In each, four small simulated years tell what the knobs do, and all are turned.
        polish: Full-size years after that, with the effects learnt last.
        told: Is told of each year.

    Raises:
        InvalidInput: Too few purchases to speak of a rhythm.
    """
    year = purchases.within(start_us, end_us)
    real = shop_statistics(year)
    if real.n_orders < _LEAST_ORDERS or not np.isfinite(_differences(real, real)).all():
        raise InvalidInput(
            f"{real.n_orders} orders; expected {_LEAST_ORDERS} or more, some by the same customers"
        )
    shop = _Shop(
        items, _ranks(year, len(items)), _fixed(base, year, start_us, end_us), start_us, end_us, seed
    )
    guess = _first_guess(real)
    effects = np.zeros((_N_DIFFERENCES, len(KNOBS)))
    for number in range(rounds):
        found = shop.year(guess, _SMALL)
        effects = _effects(shop, guess, real, found)
        told(f"small year {number + 1}: off by {_error(real, found):.3f}")
        guess = _better(guess, effects, real, found, _SMALL)
    tried: list[tuple[float, _Guess, ShopStatistics]] = []
    for number in range(polish + 1):
        found = shop.year(guess, 1.0)
        tried.append((_error(real, found), guess, found))
        told(f"full year {number + 1}: off by {tried[-1][0]:.3f}")
        guess = _better(guess, effects, real, found, 1.0)
    error, guess, found = min(tried, key=lambda one: one[0])
    return FittedWorld(shop.world(guess), range(round(guess.shoppers)), found, error)


@dataclass(frozen=True, slots=True, eq=False)
class _Guess:
    """Where the search stands."""

    knobs: NDArray[np.float64]  # (P,) logarithms
    months: NDArray[np.float64]  # (12,) factors
    shoppers: float


@dataclass(frozen=True, slots=True, eq=False)
class _Shop:
    """What stays as it is while guesses change."""

    items: ItemTruth
    rank: NDArray[np.int64]  # (I,) of an item among those that sold, best first, from 0
    fixed: Mapping[str, Any]
    start_us: int
    end_us: int
    seed: int

    def world(self, guess: _Guess) -> World:
        """The world of a guess."""
        value = dict(zip((knob.name for knob in KNOBS), np.exp(guess.knobs).tolist(), strict=True))
        popularity = bent_power_law(self.rank, head=value.pop("head"), tail=value.pop("tail"))
        browse, usual = value.pop("browse_share"), self.fixed["wholesale_intent_shares"][1:]
        intents = (browse, *((1 - browse) * share / sum(usual) for share in usual))
        settings = {
            **self.fixed,
            **value,
            "wholesale_intent_shares": intents,
            "month_factors": tuple(guess.months),
        }
        return World.grow(
            replace(self.items, popularity=popularity), WorldSettings(**settings), seed=self.seed
        )

    def year(self, guess: _Guess, size: float) -> ShopStatistics:
        """Its year, with a share of the shoppers."""
        return simulated_year(
            self.world(guess), range(round(size * guess.shoppers)), self.start_us, self.end_us
        )


def simulated_year(world: World, shoppers: range, start_us: int, end_us: int) -> ShopStatistics:
    """What a world's shoppers buy in ``[start_us, end_us)``, in open loop."""
    tally = Tally()
    for lines in world.traffic(start_us, end_us, shoppers=shoppers, only=("purchase",)):
        tally.add(lines)
    return shop_statistics(tally.purchases().within(start_us, end_us))


def bent_power_law(rank: NDArray[np.int64], *, head: float, tail: float) -> NDArray[np.float64]:
    """Popularity by rank, ``(N + 1 - r)^tail / r^head`` with r from 1, scaled to a mean of 1.

    Zipf's law bends down where the items end; two exponents tell how steep the best sellers are and how thin the end.

    Source: Martinez-Mekler et al., "Universality of rank-ordering distributions in the arts and sciences", PLoS ONE
    2009.
    """
    log = tail * np.log(len(rank) - rank) - head * np.log(rank + 1.0)
    weight: NDArray[np.float64] = np.exp(log - log.max())
    return weight / weight.mean()


def _ranks(year: Purchases, n_items: int) -> NDArray[np.int64]:
    sold = np.bincount(year.item, minlength=n_items)
    rank = np.empty(n_items, np.int64)
    rank[np.argsort(-sold, kind="stable")] = np.arange(n_items)
    return rank


def _fixed(base: Mapping[str, Any], year: Purchases, start_us: int, end_us: int) -> dict[str, Any]:
    """Settings that need no search: those given, when the world opens, and the hours and weekdays of the orders."""
    at_us = year.at_us[np.unique(year.order, return_index=True)[1]]
    weekday, hour = (at_us // DAY_US + 3) % 7, at_us // HOUR_US % 24  # 1970 began on a Thursday
    return {
        "opens_us": max(0, start_us - HISTORY_DAYS * DAY_US),
        "arrival_days": HISTORY_DAYS + (end_us - start_us) / DAY_US + AHEAD_DAYS,
        "weekday_factors": tuple((np.bincount(weekday, minlength=7) / len(at_us) * 7).tolist()),
        "hour_factors": tuple((np.bincount(hour, minlength=24) / len(at_us) * 24).tolist()),
        **base,
    }


def _first_guess(real: ShopStatistics) -> _Guess:
    months = np.maximum(12 * np.array(real.month_share), 1e-3)
    knobs = np.log([knob.start for knob in KNOBS])
    return _Guess(knobs, months, _SHOPPERS_EACH * real.n_persons)


def _effects(shop: _Shop, guess: _Guess, real: ShopStatistics, found: ShopStatistics) -> NDArray[np.float64]:
    """``(R, P)`` change of each difference as each knob's logarithm grows by 1; 0 between groups."""
    here, effects = _differences(real, found), np.zeros((_N_DIFFERENCES, len(KNOBS)))
    for row in _TURNED_TOGETHER:
        turned = guess.knobs.copy()
        turned[list(row)] += _STEP
        change = (_differences(real, shop.year(replace(guess, knobs=turned), _SMALL)) - here) / _STEP
        for knob in row:
            effects[:, knob] = np.where(_group_is(KNOBS[knob].group), change, 0.0)
    return effects


def _better(
    guess: _Guess, effects: NDArray[np.float64], real: ShopStatistics, found: ShopStatistics, size: float
) -> _Guess:
    """The next guess: knobs by least squares, months and shoppers in proportion."""
    square = effects.T @ effects
    square += _RIDGE * np.diag(np.diag(square)) + 1e-9 * np.eye(len(KNOBS))
    step = -np.linalg.solve(square, effects.T @ _differences(real, found))
    low, high = (np.log([getattr(knob, name) for knob in KNOBS]) for name in ("low", "high"))
    knobs = np.clip(guess.knobs + np.clip(step, -_LONGEST, _LONGEST), low, high)
    months = guess.months * np.array(real.month_share) / np.maximum(found.month_share, 1e-4)
    shoppers = guess.shoppers * real.n_persons * size / max(found.n_persons, 1)
    return _Guess(knobs, np.maximum(months * 12 / months.sum(), 1e-3), shoppers)


def _differences(real: ShopStatistics, found: ShopStatistics) -> NDArray[np.float64]:
    """``(R,)`` logarithms of simulated over real, by group in the order of ``_GROUPS``."""
    pairs = zip(_searched(real), _searched(found), strict=True)
    return np.array([np.log(max(abs(one), 1e-9) / max(abs(other), 1e-9)) for other, one in pairs])


def _searched(year: ShopStatistics) -> tuple[float, ...]:
    loyalty = (year.once_share, year.days_per_person, year.returning_share)
    rhythm = (year.interval_days.mean, *year.interval_days.deciles, *loyalty)
    basket = (year.basket_items.mean, *year.basket_items.deciles)
    return (*rhythm, *basket, year.gini, year.zipf_slope, year.repeat_share)


_GROUPS = ("rhythm",) * 13 + ("basket",) * 10 + ("popularity",) * 2 + ("loyalty",)
_N_DIFFERENCES = len(_GROUPS)


def _group_is(name: str) -> NDArray[np.bool_]:
    return np.array([group == name for group in _GROUPS])


def _error(real: ShopStatistics, found: ShopStatistics) -> float:
    return float(np.sqrt(np.mean(_differences(real, found) ** 2)))
