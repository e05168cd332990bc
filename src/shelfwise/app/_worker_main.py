"""A worker's process: ``python -m shelfwise.app._worker_main SHOP --worker N --fd SOCKET --target module:maker``.

One event loop, at the listening socket that it inherits: connections wait in it while a worker is replaced.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from shelfwise.app._keeper_main import tell_ready
from shelfwise.domain import StoreUnavailable
from shelfwise.serving.http import HttpServer

_STORES_WAIT_S = 60.0  # the keeper of a new shop makes the stores first
_BACKLOG = 1024
# An answer dies by its count once it is handed over; until then the collector would look through it in vain, measured a
# tenth of a worker's time at its defaults.
_COLLECT_AFTER = 50_000
_LOOK_S = 0.5  # how often it is looked whether the parent lives


def main() -> int:
    """Answer until SIGTERM, or until the process that started it is gone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("shop", type=Path)
    parser.add_argument("--worker", type=int, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--ready-fd", type=int, default=-1)
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, format=f"%(asctime)s worker-{options.worker} %(levelname)s %(message)s"
    )
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    app = made(options.target, options.shop, options.worker)
    _call(app, "__rsgi_init__", loop)
    gc.collect()
    gc.freeze()  # what is loaded now stays; the collector need not look at it again
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    loop.run_until_complete(serve(app, options.fd, options.ready_fd))
    _call(app, "__rsgi_del__", loop)
    return 0


async def serve(app: Any, fd: int, ready_fd: int) -> None:
    """Take requests until told to stop; those in flight are finished."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us says when
    loop.add_signal_handler(signal.SIGTERM, told.set)
    watching = loop.create_task(_stop_with_parent(told))
    server = HttpServer(app)
    await server.start(socket.socket(fileno=fd), backlog=_BACKLOG)
    tell_ready(ready_fd)
    await told.wait()
    await server.stop()
    watching.cancel()


def made(target: str, shop: Path, worker: int) -> Any:
    """The application, once there are stores to open. Raises StoreUnavailable."""
    module, _, name = target.partition(":")
    make = getattr(importlib.import_module(module), name)
    until = time.monotonic() + _STORES_WAIT_S
    while True:
        try:
            return make(shop, worker)
        except StoreUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


async def _stop_with_parent(told: asyncio.Event) -> None:
    parent = os.getppid()
    while os.getppid() == parent:
        await asyncio.sleep(_LOOK_S)
    told.set()


def _call(app: Any, name: str, loop: asyncio.AbstractEventLoop) -> None:
    hook = getattr(app, name, None)
    if hook is not None:
        hook(loop)


if __name__ == "__main__":
    sys.exit(main())
