"""All features of the house, joined. A new one is a line in a table of its family; every reader and page follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shelfwise.domain import InvalidField
from shelfwise.features._buckets import Fading, Rolling, shop_name
from shelfwise.features._declare import Declaration, Feature, Signal
from shelfwise.features._features_asked import CONTEXT, FITTED
from shelfwise.features._features_items import COUNTER_NAMES, ITEM, ITEM_COUNTS, ITEM_FADES
from shelfwise.features._features_people import (
    DECAYS,
    PAIR_COUNTS,
    SESSION,
    SHARED_DECAYS,
    USER,
    USER_COUNTS,
    USER_ITEM,
)

__all__ = [
    "BY_NAME", "COUNTER_NAMES", "DECAYS", "FEATURES", "ITEM_COUNTS", "ITEM_FADES", "ITEM_ROLLING", "PAIR_COUNTS",
    "SHARED_DECAYS", "USER_COUNTS", "feature_names", "features_for",
]  # fmt: skip

_TABLES: tuple[tuple[Declaration, ...], ...] = (ITEM, USER, SESSION, USER_ITEM, CONTEXT, FITTED)
FEATURES: tuple[Feature, ...] = tuple(one.feature() for table in _TABLES for one in table)
"""Every feature but the sources' signals, in the order rankers get them."""

BY_NAME = {feature.name: feature for feature in FEATURES}

_USED = {column for feature in FEATURES if feature.expr is not None for column in feature.expr.columns()}
ITEM_ROLLING: tuple[Rolling | Fading, ...] = (
    *(replace(one.rolling, summed=shop_name(one.name) in _USED) for one in ITEM_COUNTS),
    *(replace(one.fading, summed=shop_name(one.name) in _USED) for one in ITEM_FADES),
)
"""What the stream has to count: ``ItemCounters(ITEM_ROLLING, now_us)``."""


def feature_names(signals: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of all features for these source signals: three columns a signal, after all others."""
    return tuple(feature.name for feature in features_for(signals))


def features_for(signals: Sequence[str] = ()) -> tuple[Feature, ...]:
    """All features for these source signals. Raises InvalidField for a signal named like a feature."""
    clash = next((name for name in signals if name in BY_NAME), None)
    if clash is not None:
        raise InvalidField("signal", clash, "a name that no feature has")
    return (*FEATURES, *(feature for name in signals for feature in Signal(name).features()))
