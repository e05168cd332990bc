"""A world held against what it states and what it was set to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, HOUR_US
from shelfwise.simulation._calendar import day_factors
from shelfwise.simulation._mess import MessSettings
from shelfwise.simulation._settings import WorldSettings
from shelfwise.simulation._shopper import Slate
from shelfwise.simulation._tally import Tally, Visits
from shelfwise.simulation._traffic import DEVICES
from shelfwise.simulation._truth import Occasion, Truth

_FAR = 4.0  # standard errors: by chance once in 16,000 figures
_PUBLISHED = 0.5  # a published mean over shops says only so much of one of them


@dataclass(frozen=True, slots=True)
class Check:
    """A share that the world was set to, and what a run gave."""

    name: str
    stated: float
    measured: float
    n: int  # cases that it was measured on
    source: str  # where the stated figure comes from
    published: bool = False  # of other shops: expected near, not met

    @property
    def error(self) -> float:
        """Standard error of what is measured."""
        return math.sqrt(self.stated * (1 - self.stated) / self.n) if self.n else math.nan

    @property
    def away(self) -> float:
        """How far what is measured is from what is stated, in standard errors; NaN where chance has no part in it."""
        return abs(self.measured - self.stated) / self.error if self.error else math.nan

    @property
    def met(self) -> bool:
        """True if chance alone may have made the difference, or shops differ as much."""
        far = _PUBLISHED * self.stated if self.published else _FAR * self.error
        return abs(self.measured - self.stated) <= far


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """Reactions to slates beside the chances stated for them, as rates by position."""

    NAMES: ClassVar[tuple[str, ...]] = ("examined", "clicked", "put in the cart")

    n: int  # reactions
    happened: NDArray[np.float64]  # (3, K) share of reactions, by NAMES and position
    stated: NDArray[np.float64]  # (3, K) mean of the stated chances
    error: NDArray[np.float64]  # (3, K) standard error of ``happened`` about ``stated``

    @property
    def size(self) -> int:
        """Positions."""
        return int(self.stated.shape[1])

    @property
    def farthest(self) -> float:
        """The largest difference, in standard errors."""
        return float(np.max(np.abs(self.happened - self.stated) / np.maximum(self.error, 1e-12)))


def audit(truth: Truth, occasions: Sequence[Occasion], *, size: int = 10, draws: int = 2_000) -> Audit:
    """Let shoppers react to slates of popular items, and ask what the world says of the same.

    Args:
        truth: Of the world.
        occasions: Who looks, and what they are about: ``truth.occasions``.
        size: Positions of a slate.
        draws: Reactions to each slate.
    """
    rng = np.random.default_rng(truth.world.seed)
    popularity = truth.world.items.popularity
    share, size = popularity / popularity.sum(), min(size, int(np.count_nonzero(popularity)))
    happened, stated, variance = (np.zeros((3, size)) for _ in range(3))
    for one in occasions:
        slate = Slate(rng.choice(len(share), size, replace=False, p=share).astype(np.int32), one.list)
        happened += truth.tally(one.shopper, slate, one.context, draws)[:3]
        told = truth.chances(one.shopper, slate, one.context)
        chance = np.stack([told.examined, told.clicked, told.carted])
        stated += draws * chance
        variance += draws * chance * (1 - chance)
    n = max(draws * len(occasions), 1)
    return Audit(n, happened / n, stated / n, np.sqrt(variance) / n)


def checks(
    tally: Tally,
    settings: WorldSettings,
    *,
    start_us: int,
    end_us: int,
    shift_us: int = 0,
    whole: bool = True,
) -> tuple[Check, ...]:
    """Shares that can be read off a run, beside what they were set to.

    Args:
        tally: Of all events of the world's shoppers in ``[start_us, end_us)``, before anything spoils them.
        settings: Of the world, over all that time.
        start_us: Start of the run, in the world's time.
        end_us: Its end.
        shift_us: How far ahead of the world's time the tally's is.
        whole: False if the run was cut off: carts of visits under way say nothing then.
    """
    visits = tally.visits().earlier(shift_us).within(start_us, end_us)
    found = (*_of_devices(visits, settings), _of_home(visits, settings),
             *_of_days(visits, settings, start_us, end_us), _of_evenings(visits, settings))  # fmt: skip
    return (*found, *_of_carts(tally, settings)) if whole else found


def checks_on_the_way(befell: Mapping[str, int], n_events: int, settings: MessSettings) -> tuple[Check, ...]:
    """What befell a run's events on their way to the shop, beside the rates that were set.

    Args:
        befell: Events by ``BEFELL``.
        n_events: What shoppers did, before anything befell it.
        settings: The rates, over all the run.
    """
    n_sent = n_events + befell["robots"] - befell["lost"]
    rates = (
        ("faulty events", settings.bad_rate, befell["faulty"], n_events, "bad_rate"),
        ("late events", settings.late_rate, befell["late"], n_sent, "late_rate"),
        ("events sent twice", settings.duplicate_rate, befell["twice"], n_sent, "duplicate_rate"),
    )
    return tuple(
        Check(name, rate, _ratio(count, n), n, source) for name, rate, count, n, source in rates if rate
    )


def _of_devices(visits: Visits, settings: WorldSettings) -> list[Check]:
    """Of the first visit of each shopper, who keeps to a main device; a second one is one of the other two."""
    main, second = np.array(settings.device_shares), settings.second_device_share
    stated = main / main.sum() * (1 - second) + (1 - main / main.sum()) * second / 2
    device = visits.device[_first_visits(visits)]
    counted, n = np.bincount(device, minlength=len(DEVICES)), len(device)
    return [
        Check(
            f"first visits on {name}", float(stated[code]), _ratio(int(counted[code]), n), n, "device_shares"
        )
        for code, name in enumerate(DEVICES)
    ]


def _of_home(visits: Visits, settings: WorldSettings) -> Check:
    country = visits.country[_first_visits(visits)]
    share = _ratio(int(np.count_nonzero(country == 0)), len(country))
    return Check(
        "shoppers of the home country", settings.home_country_share, share, len(country), "home_country_share"
    )


def _first_visits(visits: Visits) -> NDArray[np.intp]:
    return np.unique(visits.shopper, return_index=True)[1]


def _of_days(visits: Visits, settings: WorldSettings, start_us: int, end_us: int) -> list[Check]:
    """Weekends against all days, where the run holds whole weeks of them."""
    days = np.arange(-(-start_us // DAY_US), end_us // DAY_US)
    days = days[: len(days) // 7 * 7]
    if len(days) == 0:
        return []
    weekend = (days + 3) % 7 >= 5  # 1970 began on a Thursday
    factors = day_factors(settings, days.tolist())
    day = visits.at_us // DAY_US
    day = day[(day >= days[0]) & (day <= days[-1])]
    share = _ratio(int(np.count_nonzero((day + 3) % 7 >= 5)), len(day))
    stated = float(factors[weekend].sum() / factors.sum())
    return [Check("visits on weekends", stated, share, len(day), "weekday_factors, month_factors, holidays")]


def _of_evenings(visits: Visits, settings: WorldSettings) -> Check:
    hours = np.array(settings.hour_factors)
    late = int(np.count_nonzero(visits.at_us // HOUR_US % 24 >= 18))
    n = len(visits.at_us)
    return Check(
        "visits from 18 to 24 h", float(hours[18:].sum() / hours.sum()), _ratio(late, n), n, "hour_factors"
    )


def _of_carts(tally: Tally, settings: WorldSettings) -> list[Check]:
    """What becomes of filled carts."""
    funnel = tally.funnel()
    unpaid, begun = funnel.carted - funnel.ordered, funnel.begun - funnel.ordered
    found = [Check("check-outs begun, of carts not paid for", settings.begin_rate, _ratio(begun, unpaid), unpaid,
                   "begin_rate")]  # fmt: skip
    if settings.wholesale_share == 0.0:
        left = _ratio(unpaid, funnel.carted)
        found.append(Check("filled carts left", 0.702, left, funnel.carted,
                           "Baymard Institute, mean of 50 studies", published=True))  # fmt: skip
    return found


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
