"""Opens the stores of a shop: the only place that knows adapters by name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from shelfwise.app._layout import Layout
from shelfwise.stores import (
    Board,
    Catalogue,
    ControlStore,
    Lake,
    LiveColumns,
    ReleaseRegistry,
    ShelfReader,
    StateStore,
)

if TYPE_CHECKING:
    from shelfwise.stores.adapters.lmdb_state import LmdbState
    from shelfwise.stores.adapters.sql_control import SqlControl
    from shelfwise.stores.adapters.sqlite_catalogue import SqliteCatalogue
    from shelfwise.stores.adapters.sqlite_log import SqliteLog

_WRITERS = (
    "delta_lake",
    "folder_releases",
    "lmdb_state",
    "mapped_board",
    "mapped_live",
    "sql_control",
    "sqlite_catalogue",
    "sqlite_log",
)


@dataclass(frozen=True, slots=True)
class Readers:
    """What a process that only reads has open: workers, training."""

    state: StateStore
    catalogue: Catalogue
    control: ControlStore
    releases: ReleaseRegistry
    board: Board
    live: LiveColumns
    shelf_reader: ShelfReader


@dataclass(frozen=True, slots=True)
class Writers:
    """What the keeper has open, and nobody else."""

    log: SqliteLog
    state: LmdbState
    catalogue: SqliteCatalogue
    control: SqlControl
    lake: Lake
    releases: ReleaseRegistry
    board: Board
    live_path: Path


def open_readers(layout: Layout) -> Readers:
    """Read-only handles. Raises StoreUnavailable if the keeper has never run here."""
    from shelfwise.stores.adapters.folder_releases import FolderReleases
    from shelfwise.stores.adapters.lmdb_state import LmdbState
    from shelfwise.stores.adapters.mapped_board import MappedBoard
    from shelfwise.stores.adapters.mapped_live import MappedLive
    from shelfwise.stores.adapters.shelf_reader import CatalogueShelf
    from shelfwise.stores.adapters.sql_control import SqlControl
    from shelfwise.stores.adapters.sqlite_catalogue import SqliteCatalogue

    catalogue = SqliteCatalogue(layout.catalogue, read_only=True)
    return Readers(
        state=LmdbState(layout.state, read_only=True),
        catalogue=catalogue,
        control=SqlControl(layout.control, read_only=True),
        releases=FolderReleases(layout.releases),
        board=MappedBoard(layout.board, read_only=True),
        live=MappedLive(layout.live / "items"),
        shelf_reader=CatalogueShelf(catalogue),
    )


def readers_of(layout: Layout, writers: Writers) -> Readers:
    """The same over the writer's own handles: one process opens a store once."""
    from shelfwise.stores.adapters.mapped_live import MappedLive
    from shelfwise.stores.adapters.shelf_reader import CatalogueShelf

    return Readers(
        state=writers.state,
        catalogue=writers.catalogue,
        control=writers.control,
        releases=writers.releases,
        board=writers.board,
        live=MappedLive(layout.live / "items"),
        shelf_reader=CatalogueShelf(writers.catalogue),
    )


def load_writers() -> None:
    """Import what ``open_writers`` opens, and open nothing."""
    for name in _WRITERS:
        import_module(f"shelfwise.stores.adapters.{name}")


def open_writers(layout: Layout) -> Writers:
    """Handles of the one writer, who holds the lock."""
    from shelfwise.stores.adapters.delta_lake import DeltaLake
    from shelfwise.stores.adapters.folder_releases import FolderReleases
    from shelfwise.stores.adapters.lmdb_state import LmdbState
    from shelfwise.stores.adapters.mapped_board import MappedBoard
    from shelfwise.stores.adapters.sql_control import SqlControl
    from shelfwise.stores.adapters.sqlite_catalogue import SqliteCatalogue
    from shelfwise.stores.adapters.sqlite_log import SqliteLog

    layout.make()
    return Writers(
        log=SqliteLog(layout.log),
        state=LmdbState(layout.state),
        catalogue=SqliteCatalogue(layout.catalogue),
        control=SqlControl(layout.control),
        lake=DeltaLake(layout.lake),
        releases=FolderReleases(layout.releases),
        board=MappedBoard(layout.board),
        live_path=layout.live / "items",
    )
