"""Who writes: the keeper of a running server, or this process while no server runs."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shelfwise.app._layout import Layout
from shelfwise.app._stores import Readers, Writers, open_readers, open_writers, readers_of
from shelfwise.app.settings import ShopSettings
from shelfwise.domain import Clock, StoreUnavailable
from shelfwise.stores import Inbox
from shelfwise.streaming import DirectInbox, Keeper, KeeperSettings, KeeperStores, SeenIds


@dataclass(slots=True)
class OpenInbox:
    """A way to write, and how to let go of it."""

    inbox: Inbox
    close: Callable[[], None]
    readers: Readers  # over the keeper's own handles where this process is the keeper


def open_inbox(layout: Layout, settings: ShopSettings, clock: Clock) -> OpenInbox:
    """The keeper's socket if a server runs, else a keeper in this process. Raises StoreUnavailable."""
    lock = try_lock(layout)
    if lock is None:
        from shelfwise.stores.adapters.unix_inbox import UnixInbox

        client = UnixInbox(layout.socket)
        return OpenInbox(client, client.close, open_readers(layout))
    writers = open_writers(layout)
    direct = DirectInbox(Keeper(keeper_stores(layout, writers, clock), keeper_settings(settings)))
    readers = readers_of(layout, writers)

    def close() -> None:
        direct.close()
        close_writers(writers)
        os.close(lock)

    return OpenInbox(direct, close, readers)


def try_lock(layout: Layout) -> int | None:
    """The file that makes this process the keeper, held until it is closed; None if another process has it."""
    layout.make()
    file = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


@contextmanager
def held_lock(layout: Layout) -> Iterator[int]:
    """The lock, for as long as a block runs. Raises StoreUnavailable if another process has it."""
    lock = try_lock(layout)
    if lock is None:
        raise StoreUnavailable(f"{layout.folder} is in use by another process (a running server?)")
    try:
        yield lock
    finally:
        os.close(lock)


def keeper_stores(layout: Layout, writers: Writers, clock: Clock) -> KeeperStores:
    """What the keeper is handed. Live columns are made anew from the catalogue, so a torn file never matters."""
    from shelfwise.stores.adapters.mapped_live import MappedLive

    return KeeperStores(
        log=writers.log,
        state=writers.state,
        catalogue=writers.catalogue,
        live=MappedLive.rebuilt(writers.live_path, writers.catalogue.since(0)),
        lake=writers.lake,
        control=writers.control,
        releases=writers.releases,
        board=writers.board,
        seen=SeenIds(layout.folder / "data" / "seen"),
        clock=clock,
        backup=lambda target: copy_shop(layout, writers, target),
    )


def keeper_settings(settings: ShopSettings) -> KeeperSettings:
    """The keeper's part of the settings."""
    return KeeperSettings(log_days=settings.keep.log_days, counted_origins=settings.training.origins)


def close_writers(writers: Writers) -> None:
    """Close what the keeper had open, the log last."""
    for store in (writers.state, writers.catalogue, writers.control, writers.log):
        store.close()


def copy_shop(layout: Layout, writers: Writers, target: Path) -> list[str]:
    """A copy of the shop that is a shop folder itself. The keeper's thread is in here: nothing is written meanwhile.

    The state store is left out: it is a fold of lake and log, and is rebuilt when the copy is opened.
    """
    copy = Layout(target)
    copy.make()
    writers.log.copy_to(copy.log)
    writers.catalogue.copy_to(copy.catalogue)
    writers.control.copy_to(copy.control)
    for source, goal in ((layout.lake, copy.lake), (layout.releases, copy.releases)):
        if source.exists():
            shutil.copytree(source, goal, dirs_exist_ok=True)
    for name in ("shelfwise.toml", "clock.json"):
        if (layout.folder / name).exists():
            shutil.copy2(layout.folder / name, target / name)
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
