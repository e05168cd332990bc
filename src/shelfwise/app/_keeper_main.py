"""The keeper's process: ``python -m shelfwise.app._keeper_main SHOP --ready-fd N``. Started by ``_processes``."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from shelfwise.app._clock import open_clock
from shelfwise.app._keeping import close_writers, keeper_settings, keeper_stores, try_lock
from shelfwise.app._layout import Layout
from shelfwise.app._stores import open_writers
from shelfwise.app.settings import load_settings
from shelfwise.domain import StoreUnavailable
from shelfwise.stores.adapters.unix_inbox_server import InboxServer
from shelfwise.streaming import Keeper

log = logging.getLogger("shelfwise.keeper")

_LOCK_WAIT_S = 10.0  # a keeper that was told to stop may still be folding
# What is accepted has no cycles: it dies by its count. The cycle collector only looks through it in vain,
# measured a quarter of the keeper's time at its defaults.
_COLLECT_AFTER = 500_000


def main() -> int:
    """Keep the shop until SIGTERM, or until the process that started it is gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shop", type=Path)
    parser.add_argument("--ready-fd", type=int, default=-1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s keeper %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    layout = Layout(options.shop)
    lock = wait_for_lock(layout)
    try:
        run(layout, lambda: tell_ready(options.ready_fd))
    finally:
        os.close(lock)
    return 0


def run(layout: Layout, ready: Callable[[], None]) -> None:
    """Open everything, bring it up to date, and serve."""
    settings = load_settings(layout.folder)
    writers = open_writers(layout)
    stores = keeper_stores(layout, writers, open_clock(layout.folder, settings.clock))
    keeper = Keeper(stores, keeper_settings(settings))
    server = InboxServer(layout.socket, keeper)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us says when
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    ready()
    server.run(stop_with_parent(server.stop))
    keeper.close()
    close_writers(writers)


def wait_for_lock(layout: Layout) -> int:
    """The file that makes this process the keeper. Raises StoreUnavailable if another one keeps it."""
    until = time.monotonic() + _LOCK_WAIT_S
    while (lock := try_lock(layout)) is None:
        if time.monotonic() > until:
            raise StoreUnavailable(f"{layout.folder} is kept by another process")
        time.sleep(0.02)
    return lock


def tell_ready(number: int) -> None:
    """One byte through the pipe of who waits."""
    if number >= 0:
        os.write(number, b"1")
        os.close(number)


def stop_with_parent(stop: Callable[[], None]) -> Callable[[], None]:
    """A beat that stops the process once the one that started it is gone."""
    parent = os.getppid()

    def beat() -> None:
        if os.getppid() != parent:
            stop()

    return beat


if __name__ == "__main__":
    sys.exit(main())
