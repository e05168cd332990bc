"""A fork server, from inside: it has loaded what is needed, and forks whenever it is called.

Before a fork no store is open and no thread of ours runs.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
from typing import NamedTuple

from shelfwise.app._forkserver import NUMBER_BYTES, PID_BYTES

log = logging.getLogger("shelfwise.forkserver")


class Wanted(NamedTuple):
    """What who is forked is told."""

    number: int
    ready: int  # a file where it says that it is ready


def forked(calls: socket.socket) -> Wanted | None:
    """Fork for each call; returns in who is forked, and None once the caller is gone."""
    signal.signal(signal.SIGCHLD, lambda *_: _reap())
    while True:
        message, files, _, _ = socket.recv_fds(calls, NUMBER_BYTES, 2)
        if not message:
            return None
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return Wanted(
                int.from_bytes(message), files[0]
            )  # the other stays open as long as this process lives
        for fd in files:
            os.close(fd)
        calls.sendall(pid.to_bytes(PID_BYTES))


def _reap() -> None:
    """Take the exit status of those that ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        log.info("forked.ended", extra={"pid": pid, "code": os.waitstatus_to_exitcode(status)})


def tell_ready(number: int) -> None:
    """One byte through the pipe of who waits."""
    if number >= 0:
        os.write(number, b"1")
        os.close(number)


def is_over(alive: int) -> bool:
    """Whether the supervisor is gone: nothing is written to this pipe, it ends with it."""
    return bool(select.select([alive], [], [], 0)[0])
