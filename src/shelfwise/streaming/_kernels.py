"""What the keeper has compiled, loaded before anybody waits for it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from shelfwise.domain import MINUTE_US, Event, EventLine
from shelfwise.features import ITEM_ROLLING, ItemCounters, fold_people, history_lines, read_columns
from shelfwise.stores import START
from shelfwise.streaming._digest import digests_of
from shelfwise.streaming._seen import SeenIds

_PURCHASE = Event(
    event_id="", event="purchase", occurred_us=0, received_us=0, user_id="", lines=(EventLine(""),)
)


def load_kernels() -> None:
    """One purchase through everything that is compiled; nothing of it stays."""
    events = read_columns([msgspec.msgpack.encode([_PURCHASE])])
    with TemporaryDirectory() as folder:
        seen = SeenIds(Path(folder), smallest=16)
        digests = digests_of(events, seen.seed)
        seen.check(digests)
        seen.remember(digests, at_us=0, position=START)
        seen.close()
    lines, owner = history_lines(events, lambda _: 0)
    _, effects = fold_people([None], events, np.zeros(1, np.int64), lines, owner)
    counters = ItemCounters(ITEM_ROLLING, 0)
    counters.add_effects(effects)
    counters.advance(MINUTE_US)
    counters.columns()
