"""When shoppers visit: at random given their rate, day by day, each day by itself. Compiled."""

from __future__ import annotations

from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, HOUR_US
from shelfwise.simulation._calendar import day_factors, gift_odds
from shelfwise.simulation._people import Rhythm
from shelfwise.simulation._random import FIRST, VISITS, fold, place, poisson, stream, uniform
from shelfwise.simulation._settings import WorldSettings
from shelfwise.simulation._telling import VISIT_LIMIT, session_of


class Schedule(NamedTuple):
    """Visits in the order of their starts."""

    session: NDArray[np.int64]  # (V,)
    start_us: NDArray[np.int64]  # (V,)
    gift_odds: NDArray[np.float64]  # (V,) of the day, for gift visits, against a usual one

    def between(self, start_us: int, end_us: int) -> Schedule:
        """Those that start in ``[start_us, end_us)``."""
        rows = slice(*np.searchsorted(self.start_us, (start_us, end_us)))
        return Schedule(self.session[rows], self.start_us[rows], self.gift_odds[rows])


def visits_on(settings: WorldSettings, seed: int, shoppers: range, rhythm: Rhythm, days: range) -> Schedule:
    """All visits that start on these days (since 1970, UTC)."""
    session, start = _visits(
        seed,
        shoppers.start,
        rhythm,
        days.start,
        day_factors(settings, days),
        np.cumsum(settings.hour_factors),
    )
    order = np.lexsort((session, start))
    session, start = session[order], start[order]
    return Schedule(session, start, gift_odds(settings, days)[start // DAY_US - days.start])


@nb.njit(cache=True)
def _visits(
    seed: int,
    first_shopper: int,
    rhythm: Rhythm,
    first_day: int,
    factors: NDArray[np.float64],
    hours: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    session, start = np.empty(1_024, np.int64), np.empty(1_024, np.int64)
    n = 0
    for row in range(len(rhythm.first_day)):
        begin = max(rhythm.first_day[row], first_day)
        end = min(rhythm.last_day[row] + 1, first_day + len(factors))
        if begin >= end:
            continue
        own = stream(seed, VISITS, first_shopper + row)
        for day in range(begin, end):
            key = fold(own, day)
            mean = rhythm.visits_per_day[row] * factors[day - first_day]
            count = poisson(uniform(key, FIRST), mean, VISIT_LIMIT - 1)
            if rhythm.arrives[row] and day == rhythm.first_day[row]:
                count += 1
            if n + count > len(session):
                session = np.concatenate((session, np.empty_like(session)))
                start = np.concatenate((start, np.empty_like(start)))
            for v in range(count):
                session[n] = session_of(first_shopper + row, day, v)
                hour = place(uniform(key, 1 + 2 * v), hours, 0, len(hours))
                start[n] = day * DAY_US + int((hour + uniform(key, 2 + 2 * v)) * HOUR_US)
                n += 1
    return session[:n], start[:n]
