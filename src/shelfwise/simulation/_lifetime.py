"""What shoppers are truly worth to a shop: expected over all that may yet happen to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, PURCHASE, InvalidField
from shelfwise.simulation import _telling as telling
from shelfwise.simulation._calendar import day_factors, gift_odds
from shelfwise.simulation._ground import WEEK_DAYS
from shelfwise.simulation._random import LIFETIME, chance_of
from shelfwise.simulation._visits import room_for, walk

if TYPE_CHECKING:
    from shelfwise.simulation._world import World

_LINES = 1 << 16  # room for the paid lines of many visits
_NOON_US = DAY_US // 2


@dataclass(frozen=True, slots=True, eq=False)
class Lifetime:
    """Expected worth by shopper, without recommendations. Money in minor units."""

    visits: NDArray[np.float64]  # (U,) exact
    orders: NDArray[np.float64]  # (U,)
    revenue_minor: NDArray[np.float64]  # (U,)
    margin_minor: NDArray[np.float64]  # (U,)
    margin_error: NDArray[np.float64]  # (U,) standard error of the margin


def lifetime(world: World, start_us: int, days: int, *, shoppers: range, draws: int = 16) -> Lifetime:
    """What shoppers are worth in ``days`` from the day of ``start_us`` on.

    Visits are exact: rate, calendar and hazard of leaving are known. What a visit brings is the mean of ``draws``
    visits that do not happen in the traffic, spread over the expected ones. Who has left by then is worth nothing.
    """
    if draws < 2:
        raise InvalidField("draws", draws, "at least 2")
    first = start_us // DAY_US
    expected = expected_visits(world, range(first, first + days), shoppers)  # (U, D)
    total = expected.sum(axis=1)
    brought = _brought(world, _made_up(world, expected, first, shoppers, draws))  # (U, draws, 3)
    orders, revenue, margin = (brought.mean(axis=1) * total[:, None]).T
    error = brought[:, :, 2].std(axis=1, ddof=1) / np.sqrt(draws) * total
    return Lifetime(total, orders, revenue, margin, error)


def expected_visits(world: World, days: range, shoppers: range) -> NDArray[np.float64]:
    """``(U, D)`` visits of each day, of shoppers who have not left by the first; they may leave after any."""
    rhythm = world.rhythm(shoppers)
    day, since = np.asarray(days), np.maximum(rhythm.first_day, days.start)[:, None]
    stays = np.exp(-rhythm.hazard_per_day[:, None] * np.maximum(day - since, 0))
    mean = rhythm.visits_per_day[:, None] * day_factors(world.settings, days) * stays
    arrival = rhythm.arrives[:, None] & (day == rhythm.first_day[:, None])
    comes = (day >= since) & (rhythm.last_day >= days.start)[:, None]
    return np.where(comes, mean + arrival, 0.0)


def _made_up(
    world: World, expected: NDArray[np.float64], first: int, shoppers: range, draws: int
) -> NDArray[np.int64]:
    """``(U, draws)`` numbers of visits on days drawn in proportion to the expected ones, evenly spread."""
    sessions = np.empty((len(shoppers), draws), np.int64)
    for row, number in enumerate(shoppers):
        running = np.cumsum(expected[row])
        offset = chance_of(world.seed, LIFETIME, number)
        day = np.searchsorted(running, (np.arange(draws) + offset) / draws * running[-1], side="right")
        day = first + np.minimum(day, len(running) - 1)
        sessions[row] = telling.session_of(
            number, day, telling.VISIT_LIMIT
        )  # a number that no visit of a day reaches
    return sessions


def _brought(world: World, sessions: NDArray[np.int64]) -> NDArray[np.float64]:
    """``(..., 3)`` orders, revenue and margin of these visits."""
    each, back = np.unique(sessions, return_inverse=True)
    out = np.zeros((len(each), 3))
    week = telling.day_of_session(each) // WEEK_DAYS
    for number in np.unique(week):
        rows = np.flatnonzero(week == number)
        out[rows] = _brought_in_week(world, int(number), each[rows])
    return out[back.reshape(sessions.shape)]


def _brought_in_week(world: World, week: int, sessions: NDArray[np.int64]) -> NDArray[np.float64]:
    day = telling.day_of_session(sessions)
    odds = gift_odds(world.settings, day.tolist())
    room = room_for(world.settings.list_size, world.settings.max_needs)
    state, done, out = telling.new_state(_LINES + room, 1 << PURCHASE), 0, np.zeros((len(sessions), 3))
    weekly = world.week_of(week * WEEK_DAYS * DAY_US)
    while done < len(sessions):
        done = walk(world.ground, weekly, state, sessions, day * DAY_US + _NOON_US, odds, done, room)
        lines = state.lines[: state.used[0]]
        row = np.searchsorted(sessions, lines["session"])
        margin = lines["price_minor"] - world.items.cost_minor[lines["item"]]
        for column, worth in enumerate((lines["line"] == 0, lines["quantity"] * lines["price_minor"])):
            np.add.at(out[:, column], row, worth)
        np.add.at(out[:, 2], row, lines["quantity"] * margin)
    return out
