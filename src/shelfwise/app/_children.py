"""Processes that a supervisor looks after: started, watched through pipes, started again when they die."""

from __future__ import annotations

import logging
import math
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

log = logging.getLogger("shelfwise.serve")

_YOUNG_S = 1.0  # who was ready for less is started again only after a pause
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


class Process(Protocol):
    """A running process, ours or the fork server's."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


class Forked:
    """A process whose parent is another of our children: it lives as long as its end of a pipe is open."""

    UNKNOWN = -1  # only a parent is told an exit status

    def __init__(self, pid: int, life: int) -> None:
        self.pid, self._life = pid, life

    def fileno(self) -> int:
        """Readable once the process is gone; -1 when that was noticed."""
        return self._life

    def poll(self) -> int | None:
        """None while it lives."""
        if self._life >= 0 and select.select([self._life], [], [], 0)[0]:
            os.close(self._life)
            self._life = -1
        return None if self._life >= 0 else self.UNKNOWN

    def wait(self, timeout: float | None = None) -> int:
        """Raises TimeoutExpired if it still lives after so many seconds."""
        if self._life >= 0:
            select.select([self._life], [], [], timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return self.UNKNOWN

    def terminate(self) -> None:
        """SIGTERM, if it lives."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, if it lives."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


@dataclass(slots=True, eq=False)
class Child:
    """One process and its restarts.

    Attributes:
        name: What logs and metrics call it.
        launch: Starts it in this environment; it writes a byte to the given pipe once it is ready. None: not now.
    """

    name: str
    launch: Callable[[Mapping[str, str], int], Process | None]
    process: Process | None = None
    ready_from: int = -1  # the end of the pipe where it says that it is ready
    ready: bool = False
    ready_at: float = math.inf  # monotonic
    pause_s: float = 0.0
    restarts: int = 0
    due_at: float = field(default_factory=time.monotonic)

    @property
    def is_due(self) -> bool:
        """Whether it does not run and may be started."""
        return self.process is None and time.monotonic() >= self.due_at

    def start(self, environment: Mapping[str, str]) -> None:
        """Run it, if that is possible now."""
        reader, writer = os.pipe()
        self.process = self.launch(environment, writer)
        os.close(writer)
        self.ready_from, self.ready, self.ready_at = reader, False, math.inf
        if self.process is None:
            self._again()

    def look(self) -> None:
        """Notice that it is ready, or that it died."""
        if self.process is None:
            return
        if self.ready_from >= 0 and select.select([self.ready_from], [], [], 0)[0]:
            self.ready, self.ready_at = os.read(self.ready_from, 1) == b"1", time.monotonic()
            self._forget_pipe()
        code = self.process.poll()
        if code is not None:
            self._again()
            self.restarts += 1
            log.warning("process.died", extra={"child": self.name, "code": code, "again_in_s": self.pause_s})

    def watched(self) -> list[int]:
        """Files that become readable when there is something to look at."""
        life = self.process.fileno() if isinstance(self.process, Forked) else -1
        return [fd for fd in (self.ready_from, life) if fd >= 0]

    def _again(self) -> None:
        now = time.monotonic()
        young = not self.ready or now - self.ready_at < _YOUNG_S
        self.pause_s = min(max(2 * self.pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S) if young else 0.0
        self.due_at = now + self.pause_s
        self.process, self.ready = None, False
        self._forget_pipe()

    def _forget_pipe(self) -> None:
        if self.ready_from >= 0:
            os.close(self.ready_from)
            self.ready_from = -1


def stop(children: Sequence[Child], until: float) -> None:
    """SIGTERM, wait, SIGKILL."""
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
