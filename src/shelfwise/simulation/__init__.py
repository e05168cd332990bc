"""A shop with known tastes that emits real events and answers real slates. Pure: arrays in, arrays out."""

from shelfwise.simulation._items import ItemTruth
from shelfwise.simulation._settings import WorldSettings
from shelfwise.simulation._shopper import Ask, Context, Response, Shopper, Slate, Visit
from shelfwise.simulation._traffic import COUNTRIES, DEVICES, DTYPES, INTENTS, LISTS, Traffic, in_time_order
from shelfwise.simulation._world import World

__all__ = [
    "Ask",
    "COUNTRIES",
    "Context",
    "DEVICES",
    "DTYPES",
    "INTENTS",
    "ItemTruth",
    "LISTS",
    "Response",
    "Shopper",
    "Slate",
    "Traffic",
    "Visit",
    "World",
    "WorldSettings",
    "in_time_order",
]
