"""All features of the house, joined. A new one is a line in a table of its family; every reader and page follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from shelfwise.domain import InvalidField, UnknownName
from shelfwise.features._buckets import Fading, Rolling, shop_name
from shelfwise.features._declare import Declaration, Feature, Signal
from shelfwise.features._features_asked import CALENDAR_DAY, CONTEXT, SHOPPER
from shelfwise.features._features_catalogue import OFFER, PLACE
from shelfwise.features._features_fitted import FITTED, GRAPH, LIKENESS, SEASON, STANDING, TEXT
from shelfwise.features._features_items import COUNTER_NAMES, ITEM, ITEM_COUNTS, ITEM_FADES, POPULARITY
from shelfwise.features._features_people import (
    DECAYS,
    HABITS,
    PAIR_COUNTS,
    PAIR_WINDOWS,
    SESSION,
    SHARED_DECAYS,
    USER,
    USER_COUNTS,
    USER_ITEM,
)

__all__ = [
    "BY_NAME", "COUNTER_NAMES", "DECAYS", "FAMILIES", "FAMILY_OF", "FEATURES", "ITEM_COUNTS", "ITEM_FADES",
    "ITEM_ROLLING", "PAIR_COUNTS", "SHARED_DECAYS", "USER_COUNTS", "base_columns", "feature_names", "features_for",
]  # fmt: skip

_TABLES: dict[str, tuple[Declaration, ...]] = {
    "items": ITEM, "people": USER, "sessions": SESSION, "pairs": USER_ITEM, "context": CONTEXT, "fits": FITTED,
    "popularity": POPULARITY, "habits": HABITS, "pair_windows": PAIR_WINDOWS, "shopper": SHOPPER,
    "calendar": CALENDAR_DAY, "offer": OFFER, "place": PLACE, "standing": STANDING, "text": TEXT, "season": SEASON,
    "graph": GRAPH, "likeness": LIKENESS,
}  # fmt: skip
FAMILIES: Mapping[str, tuple[Feature, ...]] = {
    family: tuple(one.feature() for one in table) for family, table in _TABLES.items()
}
"""Features by family; a training may choose which ones its ranker gets."""

FEATURES: tuple[Feature, ...] = tuple(feature for table in FAMILIES.values() for feature in table)
"""Every feature but the sources' signals, in the order rankers get them."""

BY_NAME = {feature.name: feature for feature in FEATURES}
FAMILY_OF = {feature.name: family for family, table in FAMILIES.items() for feature in table}


def base_columns(names: Collection[str]) -> frozenset[str]:
    """What these features are made of; names of signals add nothing."""
    chosen = (BY_NAME[name].expr for name in names if name in BY_NAME)
    return frozenset(column for expr in chosen if expr is not None for column in expr.columns())


_USED = base_columns(BY_NAME)
ITEM_ROLLING: tuple[Rolling | Fading, ...] = (
    *(replace(one.rolling, summed=shop_name(one.name) in _USED) for one in ITEM_COUNTS),
    *(replace(one.fading, summed=shop_name(one.name) in _USED) for one in ITEM_FADES),
)
"""What the stream has to count: ``ItemCounters(ITEM_ROLLING, now_us)``."""


def feature_names(signals: Sequence[str] = (), chosen: Collection[str] | None = None) -> tuple[str, ...]:
    """Names of the chosen features, all if not given, and of source signals: three columns each, last.

    ``chosen`` are names of families and of single features; the order stays that of the tables.
    Raises UnknownName for one that there is not; InvalidField for a signal named like a feature.
    """
    return tuple(feature.name for feature in features_for(signals, chosen))


def features_for(signals: Sequence[str] = (), chosen: Collection[str] | None = None) -> tuple[Feature, ...]:
    """The chosen features, all if not given, and those of source signals. Raises as ``feature_names``."""
    unknown = next((name for name in chosen or () if name not in FAMILIES and name not in BY_NAME), None)
    if unknown is not None:
        raise UnknownName("feature or family of features", unknown, (*FAMILIES, *BY_NAME))
    clash = next((name for name in signals if name in BY_NAME), None)
    if clash is not None:
        raise InvalidField("signal", clash, "a name that no feature has")
    own = (
        feature
        for family, table in FAMILIES.items()
        for feature in table
        if chosen is None or family in chosen or feature.name in chosen
    )
    return (*own, *(feature for name in signals for feature in Signal(name).features()))
