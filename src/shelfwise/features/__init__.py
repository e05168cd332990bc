"""Features: declared once, read by the batch engine, the stream and the request; the three agree to the digit."""

from shelfwise.features._assemble import Assembler
from shelfwise.features._batch import ASKED, items_as_of, live_as_of, live_of, read_events, training_features
from shelfwise.features._counters import PREFIX as COUNTERS_PREFIX
from shelfwise.features._counters import ItemCounters, Rolling
from shelfwise.features._declare import Feature
from shelfwise.features._effects import EFFECT, line_effects
from shelfwise.features._engine import DuckDB, DuckDBSettings, Engine
from shelfwise.features._features import FEATURES, ITEM_COUNTS, feature_names, features_for
from shelfwise.features._fold import fold_people
from shelfwise.features._history import (
    DEVICE_CODES,
    device_code,
    event_hash,
    history_lines,
    join_states,
    merge_state,
    pack_state,
    unpack_state,
)
from shelfwise.features._lake import EVENT_LINES, event_lines
from shelfwise.features._sql import VIEWS, View, features_view

ITEM_ROLLING = tuple(one.rolling for one in ITEM_COUNTS)
"""What the stream has to count: ``ItemCounters(ITEM_ROLLING, now_us)``."""

__all__ = [
    "ASKED",
    "COUNTERS_PREFIX",
    "DEVICE_CODES",
    "EFFECT",
    "EVENT_LINES",
    "FEATURES",
    "ITEM_ROLLING",
    "VIEWS",
    "Assembler",
    "DuckDB",
    "DuckDBSettings",
    "Engine",
    "Feature",
    "ItemCounters",
    "Rolling",
    "View",
    "device_code",
    "event_hash",
    "event_lines",
    "feature_names",
    "features_for",
    "features_view",
    "fold_people",
    "history_lines",
    "items_as_of",
    "join_states",
    "line_effects",
    "live_as_of",
    "live_of",
    "merge_state",
    "pack_state",
    "read_events",
    "training_features",
    "unpack_state",
]
