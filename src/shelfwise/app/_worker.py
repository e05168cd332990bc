"""Wires one worker: stores to read from, the keeper's inbox, the door, and the pages hung under it."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path

from shelfwise.app._clock import open_clock
from shelfwise.app._console import DoorApi, front_door, pages
from shelfwise.app._layout import LOOPBACK, Layout
from shelfwise.app._past import LakePast
from shelfwise.app._processes import process_gauges
from shelfwise.app._quality import quality_gauges
from shelfwise.app._stores import Readers, open_readers
from shelfwise.app.settings import ShopSettings, load_settings
from shelfwise.console import ONLINE_RETAIL, make_console
from shelfwise.domain import Answer, Clock
from shelfwise.reranking import ArrangeSettings
from shelfwise.serving.http import App, AsyncInbox, Door, DoorSettings, make_app, rehearse
from shelfwise.stores.adapters.folder_releases import FolderReleases
from shelfwise.stores.adapters.mapped_live import MappedLive
from shelfwise.stores.adapters.shelf_reader import CatalogueShelf
from shelfwise.stores.adapters.sqlite_catalogue import SqliteCatalogue
from shelfwise.stores.adapters.sqlite_log import SqliteLog
from shelfwise.stores.adapters.unix_inbox import AsyncUnixInbox
from shelfwise.streaming import find_answer


def prepare(folder: Path) -> None:
    """Load what every worker needs, once, before they are forked. Raises StoreUnavailable. No store stays open."""
    layout = Layout(folder)
    catalogue = SqliteCatalogue(layout.catalogue, read_only=True)
    try:
        rehearse(
            FolderReleases(layout.releases),
            CatalogueShelf(catalogue).shelf(),
            MappedLive(layout.live / "items"),
            open_clock(folder, load_settings(folder).clock)(),
        )
    finally:
        catalogue.close()


def make_worker(folder: Path, worker: int) -> App:
    """The application of one worker process. Raises StoreUnavailable until the keeper has made the stores."""
    layout = Layout(folder)
    settings = load_settings(folder)
    readers = open_readers(layout)
    clock = open_clock(folder, settings.clock)
    door = make_door(layout, settings, readers, clock, AsyncUnixInbox(layout.socket), worker=worker)
    if settings.serve.console:
        console = make_console(
            DoorApi(door),
            clock,
            new_id=lambda: secrets.token_urlsafe(12),
            name=settings.shop.name,
            credit=ONLINE_RETAIL if (layout.folder / "demo").exists() else None,
        )
        door.mounts = {"/shop": pages(console), "/": front_door}
    return make_app(door)


def make_door(
    layout: Layout,
    settings: ShopSettings,
    readers: Readers,
    clock: Clock,
    inbox: AsyncInbox,
    *,
    worker: int = 0,
) -> Door:
    """The door over these stores."""
    log = cache(lambda: SqliteLog(layout.log, read_only=True))  # answers go without it

    def logged(recommendation_id: str) -> Answer | None:
        return find_answer(readers.state, log(), recommendation_id)

    return Door(
        inbox=inbox,
        state=readers.state,
        catalogue=readers.catalogue,
        board=readers.board,
        live=readers.live,
        control=readers.control,
        releases=readers.releases,
        shelf_reader=readers.shelf_reader,
        find_answer=logged,
        past_of=lambda user_id, anonymous_ids: LakePast(layout.lake, user_id, anonymous_ids),
        clock=clock,
        settings=door_settings(settings),
        placements=settings.placements,
        metrics_folder=layout.live / "metrics",
        worker=worker,
        gauges=lambda: {**process_gauges(layout), **quality_gauges(layout)},
        arrange=ArrangeSettings(**settings.reranking),
    )


def door_settings(settings: ShopSettings) -> DoorSettings:
    """The door's part of the settings."""
    return DoorSettings(
        currency=settings.shop.currency,
        vector_size=settings.shop.vector_size,
        country=settings.shop.country,
        deadline_ms=settings.serve.deadline_ms,
        queue_limit=settings.serve.queue_limit,
        allowed_origins=settings.serve.allowed_origins,
        loopback=settings.serve.host in LOOPBACK,
    )
