"""From a raw message or feed to a trusted event or item, with a verdict for every row.

The doors are light and loaded at once; what reads files (pyarrow, duckdb) is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from shelfwise.ingestion._derived import Link, Sessions, identity_links, merge_links, resolve, sessions
from shelfwise.ingestion._events import accept_events, content_id, event_body
from shelfwise.ingestion._items import accept_items, accept_patch
from shelfwise.ingestion._segment import accept_segment
from shelfwise.ingestion._sync import FullFeedSettings, SuspiciousFeed, retirements
from shelfwise.ingestion._verdicts import DeadLetter, ItemVerdicts, Rejection, Verdicts, dead_letters
from shelfwise.ingestion._wire import ContextIn, EventIn, EventsIn, ItemIn, ItemPatchIn, ItemsIn

if TYPE_CHECKING:
    from shelfwise.ingestion._files import Unreadable
    from shelfwise.ingestion._grouping import EventBatch
    from shelfwise.ingestion._read_events import EVENT_FORMATS, read_events, unused_event_columns
    from shelfwise.ingestion._read_items import ITEM_FORMATS, ItemBatch, read_items, unused_item_columns

__all__ = [
    "EVENT_FORMATS",
    "ITEM_FORMATS",
    "ContextIn",
    "DeadLetter",
    "EventBatch",
    "EventIn",
    "EventsIn",
    "FullFeedSettings",
    "ItemBatch",
    "ItemIn",
    "ItemPatchIn",
    "ItemVerdicts",
    "ItemsIn",
    "Link",
    "Rejection",
    "Sessions",
    "SuspiciousFeed",
    "Unreadable",
    "Verdicts",
    "accept_events",
    "accept_items",
    "accept_patch",
    "accept_segment",
    "content_id",
    "dead_letters",
    "event_body",
    "identity_links",
    "merge_links",
    "read_events",
    "read_items",
    "resolve",
    "retirements",
    "sessions",
    "unused_event_columns",
    "unused_item_columns",
]

_LAZY = {
    "EVENT_FORMATS": "_read_events",
    "EventBatch": "_grouping",
    "ITEM_FORMATS": "_read_items",
    "ItemBatch": "_read_items",
    "Unreadable": "_files",
    "read_events": "_read_events",
    "read_items": "_read_items",
    "unused_event_columns": "_read_events",
    "unused_item_columns": "_read_items",
}


def __getattr__(name: str) -> object:
    """The readers of files, when they are first asked for."""
    if name in _LAZY:
        return getattr(import_module(f"shelfwise.ingestion.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
