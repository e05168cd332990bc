"""Compiles the kernels that training and answering need, by training a toy shop: ``python -m shelfwise.app._warm``.

Compiled kernels are kept on disk, so a machine pays for this once. The demo runs it beside its import, on the core that
would otherwise idle, and twice: with all sources, and with one alone, which soon comes to what ranks and arranges.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq

from shelfwise.app._layout import Layout
from shelfwise.app._training import workshop_of
from shelfwise.app.settings import ShopSettings
from shelfwise.domain import DAY_US, SOURCES, Context, Event, EventLine, Item
from shelfwise.features import event_lines
from shelfwise.stores import StoredItem
from shelfwise.stores.adapters.folder_releases import FolderReleases
from shelfwise.stores.adapters.shelf_reader import CatalogueShelf
from shelfwise.training import TrainingSettings, train

N_ITEMS, N_PEOPLE, N_DAYS = 60, 80, 80
NOW_US = 1_300_000_000_000_000


def main(sources: Sequence[str] = SOURCES) -> None:
    """Train the toy with these sources and throw it away."""
    rng = np.random.default_rng(0)
    items = [_item(row) for row in range(N_ITEMS)]
    shelf = CatalogueShelf(cast(Any, SimpleNamespace(generation=lambda: 1, since=lambda _: items))).shelf()
    settings = ShopSettings(
        training=TrainingSettings(window_days=7, n_windows=3, max_people=50, memory_mb=300),
        rankers={"gradient_boosting": {"n_trees": 4}},
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.parquet"
        pq.write_table(event_lines(_events(rng), shelf.row_of.__getitem__), path)
        workshop = workshop_of(
            Layout(Path(folder)),
            settings,
            lake=cast(Any, SimpleNamespace(files=lambda _: [str(path)])),
            shelf=shelf,
            registry=FolderReleases(Path(folder) / "releases"),
            now_us=NOW_US,
            judge_only=True,
            sources=sources,
            strategies=sources,
        )
        train(workshop)


def _item(row: int) -> StoredItem:
    item = Item(
        item_id=f"i{row}",
        title=f"Red item {row % 7} of kind {row % 5}",
        category=(f"c{row % 4}",),
        price_minor=100 + row,
        currency="EUR",
    )
    return StoredItem(item=item, row=row, etag="", updated_us=0, retired=False, first_seen_us=0)


def _events(rng: np.random.Generator) -> Sequence[Event]:
    """Baskets of two tastes, some of them again and again."""
    events = []
    for number in range(N_PEOPLE * 12):
        person = number % N_PEOPLE
        liked = rng.choice(N_ITEMS // 2, 4, replace=False) + (person % 2) * (N_ITEMS // 2)
        at_us = NOW_US - int(rng.integers(0, N_DAYS * DAY_US))
        lines = tuple(EventLine(f"i{row}", 1, 100 + int(row), "EUR") for row in liked)
        events.append(
            Event(
                event_id=f"e{number}",
                event="purchase",
                occurred_us=at_us,
                received_us=at_us,
                user_id=f"u{person}",
                lines=lines,
                order_id=f"o{number}",
                context=Context(country="DE"),
            )
        )
    return events


if __name__ == "__main__":
    main(sys.argv[1:] or SOURCES)
