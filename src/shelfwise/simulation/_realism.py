"""A simulated year beside a real one: which numbers are compared, and how far apart they may be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from shelfwise.simulation._statistics import MONTHS, ShopStatistics, Spread, total_variation

BAR = 0.15  # how far a simulated statistic may be from the real one, relative

_LOYALTY = {
    "share of items bought before": "repeat_share",
    "share of customers of one day": "once_share",
    "share back after half a year": "returning_share",
    "days with an order, each": "days_per_person",
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One number in three years.

    The first real year against the second is the noise floor: no world fitted to the first can be asked to be nearer.
    """

    group: str
    name: str
    fitted: float  # the real year that the world was fitted to
    real: float  # the real year after it; 0 if the number is itself a distance to that year
    simulated: float  # the same year of the world
    barred: bool = field(default=True, kw_only=True)  # False: told, not judged

    @property
    def off(self) -> float:
        """Simulated against the real second year, relative."""
        return self._against(self.simulated)

    @property
    def noise(self) -> float:
        """The real first year against the second, relative."""
        return self._against(self.fitted)

    @property
    def within(self) -> bool:
        """True if the simulated number is as near as the bar asks."""
        return abs(self.off) <= BAR

    def _against(self, value: float) -> float:
        return value / self.real - 1 if self.real else value


def compared(fitted: ShopStatistics, real: ShopStatistics, simulated: ShopStatistics) -> list[Compared]:
    """All that is compared, in the order of a report.

    A single month depends on where a fair or a sale fell: of the customers of Online Retail II, May held 17 % more of
    the orders in the second year than in the first. So months are told one by one, and judged by their mean distance
    and the height of their peak.
    """
    years = (fitted, real, simulated)
    rows = _spread_rows("Repeat interval", "days", *(year.interval_days for year in years))
    rows += _spread_rows("Basket", "items", *(year.basket_items for year in years))
    rows.append(Compared("Popularity", "Gini", *(year.gini for year in years)))
    rows.append(Compared("Popularity", "Zipf slope", *(year.zipf_slope for year in years)))
    rows += _month_rows(fitted, real, simulated)
    for name, of in _LOYALTY.items():
        rows.append(Compared("Loyalty", name, *(getattr(year, of) for year in years), barred=False))
    return rows


def month_distance(left: ShopStatistics, right: ShopStatistics) -> float:
    """How far apart the months of two years are on average, weighted by their orders, relative.

    Twice the total variation distance: 0.15 says that months are off by 15 % in the mean.
    """
    return 2 * total_variation(left.month_share, right.month_share)


def _spread_rows(group: str, unit: str, fitted: Spread, real: Spread, simulated: Spread) -> list[Compared]:
    rows = [Compared(group, f"mean, {unit}", fitted.mean, real.mean, simulated.mean)]
    deciles = zip(fitted.deciles, real.deciles, simulated.deciles, strict=True)
    for place, three in enumerate(deciles, 1):
        name = "median" if place == 5 else f"decile {place}"
        rows.append(Compared(group, f"{name}, {unit}", *three))
    return rows


def _month_rows(fitted: ShopStatistics, real: ShopStatistics, simulated: ShopStatistics) -> list[Compared]:
    peak = [12 * max(year.month_share) for year in (fitted, real, simulated)]
    away = [month_distance(year, real) for year in (fitted, real, simulated)]
    rows = [Compared("Months", "mean distance", *away), Compared("Months", "peak over mean", *peak)]
    shares = zip(MONTHS, fitted.month_share, real.month_share, simulated.month_share, strict=True)
    return rows + [
        Compared("Months", f"{name}, share of orders", *three, barred=False) for name, *three in shares
    ]


def worst(rows: list[Compared]) -> float:
    """The largest distance among what is judged; NaN if a number is missing."""
    off = [abs(row.off) for row in rows if row.barred]
    return math.nan if any(math.isnan(one) for one in off) else max(off)
