"""From a raw message or feed to a trusted event or item, with a verdict for every row."""

from shelfwise.ingestion._derived import identity_links, sessions
from shelfwise.ingestion._events import accept_events
from shelfwise.ingestion._items import accept_items, accept_patch
from shelfwise.ingestion._read_events import read_events
from shelfwise.ingestion._segment import accept_segment
from shelfwise.ingestion._sync import FullFeedSettings, SuspiciousFeed, retirements
from shelfwise.ingestion._verdicts import DeadLetter, ItemVerdicts, Rejection, Verdicts, dead_letters
from shelfwise.ingestion._wire import ContextIn, EventIn, EventsIn, ItemIn, ItemPatchIn, ItemsIn

__all__ = [
    "ContextIn",
    "DeadLetter",
    "EventIn",
    "EventsIn",
    "FullFeedSettings",
    "ItemIn",
    "ItemPatchIn",
    "ItemVerdicts",
    "ItemsIn",
    "Rejection",
    "SuspiciousFeed",
    "Verdicts",
    "accept_events",
    "accept_items",
    "accept_patch",
    "accept_segment",
    "dead_letters",
    "identity_links",
    "read_events",
    "retirements",
    "sessions",
]
