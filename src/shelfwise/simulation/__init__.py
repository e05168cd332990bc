"""A shop with known tastes that emits real events and answers real slates. Pure: arrays in, arrays out."""

from shelfwise.simulation._calibrate import (
    KNOBS,
    WHOLESALE,
    FittedWorld,
    bent_power_law,
    fit_world,
    simulated_year,
)
from shelfwise.simulation._checks import Audit, Check, audit, checks, checks_on_the_way
from shelfwise.simulation._items import ItemTruth
from shelfwise.simulation._lifetime import Lifetime
from shelfwise.simulation._mess import FAULTS, Arrivals, MessSettings, Queue, arrivals
from shelfwise.simulation._realism import BAR, Compared, compared, month_distance, worst
from shelfwise.simulation._report import DATA_CREDIT, Report, Years, render_report
from shelfwise.simulation._scenarios import (
    Act,
    Change,
    Scenario,
    acts,
    chosen,
    parse_scenario,
    staged,
)
from shelfwise.simulation._settings import WorldSettings
from shelfwise.simulation._shopper import Ask, Context, Outbox, Response, Shopper, Slate, Visit
from shelfwise.simulation._statistics import (
    Purchases,
    ShopStatistics,
    Spread,
    gini,
    month_share,
    order_intervals,
    shop_statistics,
    spread,
    total_variation,
    zipf_slope,
)
from shelfwise.simulation._structure import complements_of, seasons_of
from shelfwise.simulation._tally import ByPosition, Funnel, Tally, Visits
from shelfwise.simulation._traffic import (
    COUNTRIES,
    DEVICES,
    DTYPES,
    INTENTS,
    LISTS,
    Traffic,
    in_time_order,
    stacked,
)
from shelfwise.simulation._truth import Chances, Occasion, Policy, Truth
from shelfwise.simulation._world import World

__all__ = [
    "Act",
    "acts",
    "Arrivals",
    "arrivals",
    "Ask",
    "Audit",
    "audit",
    "BAR",
    "bent_power_law",
    "ByPosition",
    "Chances",
    "Change",
    "Check",
    "checks",
    "checks_on_the_way",
    "chosen",
    "Compared",
    "compared",
    "complements_of",
    "Context",
    "COUNTRIES",
    "DATA_CREDIT",
    "DEVICES",
    "DTYPES",
    "FAULTS",
    "fit_world",
    "FittedWorld",
    "Funnel",
    "gini",
    "in_time_order",
    "INTENTS",
    "ItemTruth",
    "KNOBS",
    "Lifetime",
    "LISTS",
    "MessSettings",
    "month_distance",
    "month_share",
    "Occasion",
    "order_intervals",
    "Outbox",
    "parse_scenario",
    "Policy",
    "Purchases",
    "Queue",
    "render_report",
    "Report",
    "Response",
    "Scenario",
    "seasons_of",
    "shop_statistics",
    "Shopper",
    "ShopStatistics",
    "simulated_year",
    "Slate",
    "Spread",
    "spread",
    "stacked",
    "staged",
    "Tally",
    "total_variation",
    "Traffic",
    "Truth",
    "Visit",
    "Visits",
    "WHOLESALE",
    "World",
    "WorldSettings",
    "worst",
    "Years",
    "zipf_slope",
]
