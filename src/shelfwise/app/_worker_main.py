"""The fork server's process: ``python -m shelfwise.app._worker_main SHOP --target module:maker`` and file numbers.

It loads what answering takes, and is forked for each worker: one event loop, at the listening socket that all inherit.
Connections wait in it while a worker is replaced. Before a fork no store is open and no thread of ours runs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from shelfwise.app._forked import forked, tell_ready
from shelfwise.app._lean import without_blas
from shelfwise.domain import ShelfwiseError, StoreUnavailable
from shelfwise.serving.http import HttpServer

log = logging.getLogger("shelfwise.forkserver")

_STORES_WAIT_S = 60.0  # the keeper of a new shop makes the stores first
_BACKLOG = 1024
# An answer dies by its count once it is handed over; until then the collector would look through it in vain, measured a
# tenth of a worker's time at its defaults.
_COLLECT_AFTER = 50_000


def main() -> int:
    """Fork workers until the supervisor is gone, or be one until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shop", type=Path)
    parser.add_argument("--target", required=True)
    for name in ("listener", "alive", "calls", "ready-fd"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    _log_as("forkserver")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us says when
    make = prepared(options.target, options.shop)
    tell_ready(options.ready_fd)
    with socket.socket(fileno=options.calls) as calls:
        wanted = forked(calls)
    if wanted is None:
        return 0
    _log_as(f"worker-{wanted.number}")
    work(lambda: made(make, options.shop, wanted.number), options.listener, options.alive, wanted.ready)
    return 0


def prepared(target: str, shop: Path) -> Callable[[Path, int], Any]:
    """The maker of applications, after its module has loaded what they all need: ``prepare``, if it has one."""
    without_blas()
    module, _, name = target.partition(":")
    loaded = importlib.import_module(module)
    try:
        getattr(loaded, "prepare", lambda _: None)(shop)
    except (
        ShelfwiseError
    ) as trouble:  # a new shop, or a release that does not open: workers say what is wrong
        log.info("forkserver.unprepared", extra={"reason": str(trouble)})
    gc.collect()
    gc.freeze()  # what is loaded now stays: the collector need not look at it again, nor copy its pages by marking it
    return getattr(loaded, name)


def work(make: Callable[[], Any], listener: int, alive: int, ready: int) -> None:
    """Answer until SIGTERM, or until the supervisor is gone."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    app = make()
    _call(app, "__rsgi_init__", loop)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    loop.run_until_complete(serve(app, listener, alive, ready))
    _call(app, "__rsgi_del__", loop)


async def serve(app: Any, listener: int, alive: int, ready: int) -> None:
    """Take requests until told to stop; those in flight are finished."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_reader(alive, told.set)  # nothing is written to it: it ends with the supervisor
    server = HttpServer(app)
    await server.start(socket.socket(fileno=listener), backlog=_BACKLOG)
    tell_ready(ready)
    await told.wait()
    loop.remove_reader(alive)
    await server.stop()


def made(make: Callable[[Path, int], Any], shop: Path, worker: int) -> Any:
    """The application, once there are stores to open. Raises StoreUnavailable."""
    until = time.monotonic() + _STORES_WAIT_S
    while True:
        try:
            return make(shop, worker)
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def _log_as(name: str) -> None:
    logging.basicConfig(
        level=logging.INFO, format=f"%(asctime)s {name} %(levelname)s %(message)s", force=True
    )


def _call(app: Any, name: str, loop: asyncio.AbstractEventLoop) -> None:
    hook = getattr(app, name, None)
    if hook is not None:
        hook(loop)


if __name__ == "__main__":
    sys.exit(main())
