"""The keeper's process: ``python -m shelfwise.app._keeper_main SHOP --ready-fd N``; with ``--calls N`` its fork server.

To import and to load what is compiled takes most of the time until a keeper is ready, so a server's keepers are forked
from a process that did. Whoever keeps opens the stores, after the fork.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from shelfwise.app._clock import open_clock
from shelfwise.app._forked import forked, is_over, tell_ready
from shelfwise.app._keeping import close_writers, held_lock, keeper_settings, keeper_stores, try_lock
from shelfwise.app._layout import Layout
from shelfwise.app._lean import without_blas
from shelfwise.app._stores import load_writers, open_writers
from shelfwise.app.settings import load_settings
from shelfwise.domain import ShelfwiseError, StoreUnavailable
from shelfwise.stores.adapters.unix_inbox_server import InboxServer
from shelfwise.streaming import Keeper, load_kernels

log = logging.getLogger("shelfwise.keeper")

_LOCK_WAIT_S = 10.0  # a keeper that was told to stop may still be folding
_STAND_BY_S = 5.0  # who answers after this is not about to stop
# What is accepted has no cycles: it dies by its count. The cycle collector only looks through it in vain,
# measured a quarter of the keeper's time at its defaults.
_COLLECT_AFTER = 500_000


def main() -> int:
    """Keep the shop until SIGTERM or until who started this is gone, or fork who does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shop", type=Path)
    for name in ("ready-fd", "alive", "calls"):
        parser.add_argument(f"--{name}", type=int, default=-1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s keeper %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us says when
    without_blas()
    if options.calls < 0:
        return keep(Layout(options.shop), Told(options.ready_fd), orphaned())
    load()
    tell_ready(options.ready_fd)
    with socket.socket(fileno=options.calls) as calls:
        wanted = forked(calls)
    if wanted is None:
        return 0
    return keep(Layout(options.shop), Told(wanted.ready), lambda: is_over(options.alive))


def load() -> None:
    """Everything that a keeper takes but its stores."""
    load_writers()
    load_kernels()
    gc.collect()
    gc.freeze()


def keep(layout: Layout, told: Told, over: Callable[[], bool]) -> int:
    """Wait for the lock, then keep the shop; the exit code."""
    lock = wait_for_lock(layout, told, over)
    try:
        run(layout, told, over=over)
    except (
        ShelfwiseError
    ) as trouble:  # for an operator to mend: a line, not a trace, each time it is tried again
        log.error("keeper.stopped: %s", trouble)
        return 5
    finally:
        os.close(lock)
    return 0


def stream(folder: Path) -> int:
    """Keep the shop until SIGTERM or Ctrl-C, as a process of its own beside ``serve``; the exit code.

    Raises StoreUnavailable if another process keeps it.
    """
    layout = Layout(folder).require_current()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s keeper %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with held_lock(layout):
        signal.signal(signal.SIGINT, lambda *_: signal.raise_signal(signal.SIGTERM))
        run(layout, lambda: print(f"ready {layout.socket}", flush=True), over=lambda: False)
    return 0


def run(layout: Layout, ready: Callable[[], None], *, over: Callable[[], bool]) -> None:
    """Open everything, bring it up to date, and serve.

    Args:
        layout: Whose lock this process holds.
        ready: Called once requests are taken.
        over: Asked once a round: whether to stop, since who wanted a keeper is gone.
    """
    settings = load_settings(layout.folder)
    writers = open_writers(layout)
    stores = keeper_stores(layout, writers, open_clock(layout.folder, settings.clock))
    keeper = Keeper(stores, keeper_settings(settings))
    server = InboxServer(layout.socket, keeper)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    ready()
    server.run(lambda: server.stop() if over() else None)
    keeper.close()
    close_writers(writers)


def wait_for_lock(layout: Layout, stand_by: Callable[[], None], over: Callable[[], bool]) -> int:
    """The file that makes this process the keeper.

    While another process answers at the socket (``shelfwise stream``), ``stand_by`` is called and this one waits
    to take over. Raises StoreUnavailable if another process has the lock and does not answer.
    """
    begun = time.monotonic()
    while (lock := try_lock(layout)) is None:
        if over():
            raise SystemExit(0)
        waited_s = time.monotonic() - begun
        if waited_s > _STAND_BY_S and answers(layout.socket):
            stand_by()
            begun = time.monotonic() - _STAND_BY_S
            time.sleep(0.2)
        elif waited_s > _LOCK_WAIT_S:
            raise StoreUnavailable(f"{layout.folder} is kept by another process")
        time.sleep(0.02)
    return lock


def answers(path: Path) -> bool:
    """Whether a process listens at a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


class Told:
    """Says once that all is ready."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self) -> None:
        """Through the pipe of who waits."""
        tell_ready(self._number)
        self._number = -1


def orphaned() -> Callable[[], bool]:
    """Whether the process that started this one is gone."""
    parent = os.getppid()
    return lambda: os.getppid() != parent


if __name__ == "__main__":
    sys.exit(main())
