"""Features: declared once, read by the batch engine, the stream and the request; the three agree to the digit."""

from shelfwise.features._counters import PREFIX as COUNTERS_PREFIX
from shelfwise.features._counters import ItemCounters, Rolling
from shelfwise.features._effects import EFFECT, line_effects
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

__all__ = [
    "COUNTERS_PREFIX",
    "DEVICE_CODES",
    "EFFECT",
    "EVENT_LINES",
    "ItemCounters",
    "Rolling",
    "device_code",
    "event_hash",
    "event_lines",
    "fold_people",
    "history_lines",
    "join_states",
    "line_effects",
    "merge_state",
    "pack_state",
    "unpack_state",
]
