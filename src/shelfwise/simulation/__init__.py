"""A shop with known tastes that emits real events and answers real slates. Pure: arrays in, arrays out."""

from shelfwise.simulation._items import ItemTruth
from shelfwise.simulation._mess import FAULTS, Arrivals, MessSettings, Queue, arrivals
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
from shelfwise.simulation._shopper import Ask, Context, Response, Shopper, Slate, Visit
from shelfwise.simulation._traffic import COUNTRIES, DEVICES, DTYPES, INTENTS, LISTS, Traffic, in_time_order
from shelfwise.simulation._world import World

__all__ = [
    "Act",
    "acts",
    "Arrivals",
    "arrivals",
    "Ask",
    "Change",
    "chosen",
    "Context",
    "COUNTRIES",
    "DEVICES",
    "DTYPES",
    "FAULTS",
    "in_time_order",
    "INTENTS",
    "ItemTruth",
    "LISTS",
    "MessSettings",
    "parse_scenario",
    "Queue",
    "Response",
    "Scenario",
    "Shopper",
    "Slate",
    "staged",
    "Traffic",
    "Visit",
    "World",
    "WorldSettings",
]
