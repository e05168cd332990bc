"""A world as compiled code reads it: the rules, the items, and what a week makes of them."""

from __future__ import annotations

from math import erfc, log, sqrt
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US
from shelfwise.simulation._calendar import day_of_year
from shelfwise.simulation._items import RELATED, TASTES, ItemTruth
from shelfwise.simulation._settings import WorldSettings

WEEK_DAYS = 7
QUANTITY_LIMIT = 10_000  # units of a line
MAX_POSITIONS = 128  # of a list
_YEAR_DAYS = 365.25


# Settings that shoppers live by; names and units are those of ``WorldSettings``. A record, not a tuple of many: it
# costs nothing to hand on, and compiles much faster. ``(2, ...)``: retail, wholesale.
RULES = np.dtype(
    [
        ("device_shares", "f8", (3,)),  # running sums
        ("second_device_share", "f8"),
        ("home_country_share", "f8"),
        ("login_rate", "f8"),
        ("taste_weight", "f8"),
        ("taste_noise", "f8"),
        ("drift", "f8"),
        ("brand_weight", "f8"),
        ("price_elasticity", "f8"),
        ("elasticity_sigma", "f8"),
        ("wholesale_share", "f8"),
        ("intent_shares", "f8", (2, 4)),
        ("browse_lists", "f8"),
        ("basket_medians", "f8", (2,)),
        ("basket_sigma", "f8"),
        ("basket_between_sigma", "f8"),
        ("max_needs", "i8"),
        ("focus", "f8"),
        ("staples", "i8"),
        ("staple_weights", "f8", (64,)),  # running sums
        ("staple_us", "i8"),
        ("staple_rates", "f8", (4,)),  # by intent
        ("complement_rate", "f8"),
        ("search_share", "f8"),
        ("direct_share", "f8"),
        ("list_size", "i8"),
        ("cascade", "?"),
        ("examined", "f8", (MAX_POSITIONS,)),  # chance of each position; the first is 1
        ("continue_unclicked", "f8"),
        ("continue_clicked", "f8"),
        ("notice_rates", "f8", (6,)),  # by list
        ("click_logit", "f8"),
        ("cart_logits", "f8", (4,)),  # by intent
        ("wholesale_cart_gain", "f8"),
        ("match_gain", "f8"),
        ("target_gain", "f8"),
        ("staple_gain", "f8"),
        ("complement_gain", "f8"),
        ("substitute_gain", "f8"),
        ("repeat_gain", "f8"),
        ("checkout_rates", "f8", (2, 4)),
        ("begin_rate", "f8"),
        ("quantity_medians", "f8", (2,)),
        ("quantity_sigma", "f8"),
        ("pace_us", "f8"),
    ],
    align=True,
)

# An item as choices read it; whole numbers are 64 bits wide, so that compiled code has one kind of them.
ITEMS = np.dtype(
    [
        ("category", "i8"),
        ("brand", "i8"),
        ("price_minor", "i8"),
        ("log_price", "f8"),  # log of price over reference
        ("stock", "i8"),
        ("born_us", "i8"),
        ("taste", "f8", (TASTES,)),
        ("complements", "i8", (RELATED,)),
        ("substitutes", "i8", (RELATED,)),
    ],
    align=True,
)


class Ground(NamedTuple):
    """What does not change with time. Items also stand sorted by category, ``order``, for drawing by weight."""

    seed: int
    rules: NDArray[np.void]  # (1,) RULES; an array, since a lone record is slow to hand to compiled code
    items: NDArray[np.void]  # (I,) ITEMS
    centre: NDArray[np.float64]  # (C, T) mean taste of a category, 1 long
    order: NDArray[np.int32]  # (I,) rows by category
    bounds: NDArray[np.int64]  # (C + 1,) where each category begins in it
    running: NDArray[np.float64]  # (I,) sums of weights of all time within the category, in that order
    categories: NDArray[np.float64]  # (C,) running sums over categories


class Week(NamedTuple):
    """What a week makes of the items: their pull and their weights in lists."""

    pull: NDArray[np.float64]  # (I,) appeal to everyone now: quality, season, age
    running: NDArray[np.float64]  # (I,) as in Ground, of this week
    categories: NDArray[np.float64]  # (C,)


def lay_ground(items: ItemTruth, settings: WorldSettings, seed: int) -> Ground:
    """A world's arrays, some of them drawn up from its items."""
    order = np.argsort(items.category, kind="stable").astype(np.int32)
    n_categories = int(items.category.max()) + 1
    bounds = np.searchsorted(items.category[order], np.arange(n_categories + 1)).astype(np.int64)
    running, categories = _running(items.popularity**settings.popularity_exponent, order, bounds)
    return Ground(
        seed=seed,
        rules=_rules(settings),
        items=_item_records(items),
        centre=_centres(items, n_categories),
        order=order,
        bounds=bounds,
        running=running,
        categories=categories,
    )


def lay_week(ground: Ground, items: ItemTruth, settings: WorldSettings, day: int) -> Week:
    """The week that begins at ``day`` (since 1970), judged at its middle."""
    middle = day + WEEK_DAYS / 2
    age = np.maximum(middle - items.born_us / DAY_US, 0.0)  # (I,) days
    decline = -np.log(2.0) * age / items.life_days
    season = settings.season_gain * _bell(items.season, day_of_year(int(middle)), settings.season_days)
    grown = 1.0 - np.exp(-np.maximum(age, 0.5) / settings.growth_days)
    there = items.born_us < (day + WEEK_DAYS) * DAY_US
    weight = items.popularity**settings.popularity_exponent * grown * np.exp(decline + season) * there
    running, categories = _running(weight, ground.order, ground.bounds)
    return Week(items.quality + decline + season, running, categories)


@nb.njit(cache=True)
def are_rows(rows: NDArray[Any], n_items: int) -> bool:
    """Whether each is the row of an item."""
    found = True
    for row in rows:
        found &= 0 <= row < n_items
    return found


def mean_quantity(rules: Any, wholesale: int) -> float:
    """Expected units of a line: of a lognormal rounded up, ``sum over k >= 0 of P(X > k)``, within its limit."""
    median, sigma = float(rules["quantity_medians"][wholesale]), float(rules["quantity_sigma"])
    if sigma == 0.0:
        return float(np.ceil(median))
    beyond = (erfc((log(k) - log(median)) / sigma / sqrt(2.0)) / 2.0 for k in range(1, QUANTITY_LIMIT))
    return 1.0 + sum(beyond)


def _rules(settings: WorldSettings) -> NDArray[np.void]:
    rules = np.zeros(1, RULES)
    given = settings.model_dump()
    for name in RULES.names or ():
        if isinstance(given.get(name), float | int):
            rules[name] = given[name]
    rules["device_shares"] = np.cumsum(settings.device_shares)
    rules["intent_shares"] = [settings.intent_shares, settings.wholesale_intent_shares]
    rules["basket_medians"] = [settings.basket_median, settings.wholesale_basket_median]
    rules["staple_weights"] = np.cumsum(np.arange(1.0, 65.0) ** -settings.staple_skew)
    rules["staple_us"] = int(settings.staple_days * DAY_US)
    rules["staple_rates"] = [0.0, settings.staple_rate, settings.repurchase_staple_rate, 0.0]
    rules["cascade"] = settings.examination == "cascade"
    rules["examined"] = np.arange(1.0, MAX_POSITIONS + 1) ** -settings.position_bias
    rules["notice_rates"], rules["cart_logits"] = settings.notice_rates, settings.cart_logits
    rules["checkout_rates"] = [settings.checkout_rates, (settings.wholesale_checkout_rate,) * 4]
    rules["quantity_medians"] = [settings.quantity_median, settings.wholesale_quantity_median]
    rules["pace_us"] = settings.pace_s * 1e6
    return rules


def _item_records(items: ItemTruth) -> NDArray[np.void]:
    records = np.zeros(len(items), ITEMS)
    columns = items.columns()
    for name in ITEMS.names or ():
        if name != "log_price":
            records[name] = columns[name]
    records["log_price"] = np.log(items.price_minor / items.reference_minor)
    return records


def _centres(items: ItemTruth, n_categories: int) -> NDArray[np.float64]:
    total = np.zeros((n_categories, items.taste.shape[1]))
    np.add.at(total, items.category, items.taste)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.where(length > 0, length, 1.0), np.float64)


def _running(
    weight: NDArray[np.float64], order: NDArray[np.int32], bounds: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of weights that start anew in each category, and those of the categories."""
    total = np.concatenate([[0.0], np.cumsum(weight[order])])
    before = np.repeat(total[bounds[:-1]], np.diff(bounds))
    return total[1:] - before, np.cumsum(total[bounds[1:]] - total[bounds[:-1]])


def _bell(season: NDArray[np.float64], today: int, days: float) -> NDArray[np.float64]:
    """1 on an item's day, falling off as a bell round the year; 0 for items of the whole year."""
    apart = np.abs((season - today + _YEAR_DAYS / 2) % _YEAR_DAYS - _YEAR_DAYS / 2)
    return np.where(season < 0, 0.0, np.exp(-0.5 * (apart / days) ** 2))
