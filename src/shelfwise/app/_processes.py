"""The supervisor of ``shelfwise serve``: one keeper, W workers, a listening socket that outlives each of them.

It opens no store and loads no kernel. Keeper and workers are forked, each from a process that has loaded what they
take; these fork servers are fresh interpreters. A process that dies is started again for ever; at once if it had lived
for a while, else after a pause that grows to some seconds.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shelfwise.app._children import Child, stop
from shelfwise.app._errors import Misuse
from shelfwise.app._forkserver import ForkServer
from shelfwise.app._layout import LOOPBACK, Layout
from shelfwise.domain import ShelfwiseError, StoreUnavailable

log = logging.getLogger("shelfwise.serve")

TARGET = "shelfwise.app._worker:make_worker"

_BACKLOG = 1024
_LOOK_S = 1.0  # a death, a word of readiness and a stop end the wait at once
_SETTLE_S = 0.1  # a worker that was there before the keeper finds it within 50 ms
_WORKERS_DRAIN_S, _DRAIN_S = 6.0, 10.0  # of a stop: for the workers; for all


class Supervisor:
    """Starts, watches, restarts and stops the processes of one server."""

    def __init__(
        self, layout: Layout, keepers: ForkServer, host: str, port: int, workers: int, *, target: str = TARGET
    ) -> None:
        self._layout, self._keepers, self.keeper = layout, keepers, keepers.forks("keeper")
        self._listener = listen(host, port)
        self.address = _address(host, self._listener.getsockname()[1])
        self._environment = child_environment(host, self._listener.getsockname()[1], workers)
        command = [*_python("_worker_main", layout.folder), "--target", target]
        self._forkserver = ForkServer("forkserver", command, listener=self._listener.fileno())
        self.workers = [self._forkserver.forks(f"worker-{number}", number) for number in range(workers)]
        self._stopping = False

    @property
    def children(self) -> list[Child]:
        """Those that others need first."""
        return [self._keepers.child, self._forkserver.child, self.keeper, *self.workers]

    @property
    def is_ready(self) -> bool:
        """True while the keeper and all workers have said so."""
        return all(child.ready for child in self.children)

    def step(self) -> None:
        """Look after every process once."""
        for child in self.children:
            child.look()
            if child.is_due and self._may_start(child):
                child.start(self._environment)
                self._note()

    def _may_start(self, child: Child) -> bool:
        if child is self.keeper:
            needed = self._keepers.child
        elif child in self.workers:
            needed = self._forkserver.child
        else:
            return not self._stopping
        return not self._stopping and needed.ready

    def run(self, ready: Any = None) -> None:
        """Until ``stop`` is called. ``ready`` is called when all processes answer for the first time."""
        told = False
        while not self._stopping:
            self.step()
            if not told and self.is_ready:
                told = True
                time.sleep(_SETTLE_S)
                if ready is not None:
                    ready()
            self._wait()
        self._stop_all()

    def stop(self) -> None:
        """Let ``run`` end: workers finish what is in flight, then the keeper folds what it accepted."""
        self._stopping = True

    def _wait(self) -> None:
        """Until a process says something or dies, one is due to be started again, or a while has passed."""
        pipes = [fd for child in self.children for fd in child.watched()]
        waiting = [child for child in self.children if child.process is None and self._may_start(child)]
        due = [child.due_at - time.monotonic() for child in waiting]
        select.select([*pipes, _wake_from()], [], [], max(0.0, min([_LOOK_S, *due])))
        _drain_wakes()

    def _stop_all(self) -> None:
        until = time.monotonic() + _DRAIN_S
        self._listener.close()
        stop(self.workers, time.monotonic() + _WORKERS_DRAIN_S)
        stop([self.keeper, self._keepers.child, self._forkserver.child], until)
        self._processes_file.unlink(missing_ok=True)

    @property
    def _processes_file(self) -> Path:
        return self._layout.live / "processes.json"

    def _note(self) -> None:
        """Who runs, for ``/metrics``."""
        alive = {child.name: child.process.pid for child in self.children if child.process is not None}
        beside = self._processes_file.with_suffix(".tmp")
        beside.write_text(json.dumps({"supervisor": os.getpid(), **alive}))
        beside.replace(self._processes_file)


def serve(
    folder: Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    target: str = TARGET,
    since: float | None = None,
) -> int:
    """Serve the shop until SIGTERM or Ctrl-C; the exit code. Prints ``ready URL seconds=S`` once all answer."""
    started = time.monotonic() if since is None else since
    layout = Layout(folder).require_current()
    layout.make()
    keepers = ForkServer("keeper-forkserver", _python("_keeper_main", layout.folder))
    keepers.child.start(os.environ)  # it takes longest, so it goes first
    try:
        host, port, workers = _where(layout, overrides)
        require_key(layout, host)
        supervisor = Supervisor(layout, keepers, host, port, workers, target=target)
    except ShelfwiseError:
        stop([keepers.child], time.monotonic() + _DRAIN_S)
        raise
    logging.basicConfig(level=logging.INFO, format="%(asctime)s serve %(levelname)s %(message)s")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop())
    _wake_on_signals()

    def ready() -> None:
        print(f"ready {supervisor.address} seconds={time.monotonic() - started:.1f}", flush=True)

    supervisor.run(ready)
    return 0


def require_key(layout: Layout, host: str) -> None:
    """Raises Misuse where others than this machine could ask, and no key keeps them out."""
    if host in LOOPBACK or has_key(layout):
        return
    raise Misuse(
        f"host is {host!r} and there is no API key; expected one of {', '.join(LOOPBACK)}, or a key first: "
        f"shelfwise --shop {layout.folder} keys add NAME --scope recs:read"
    )


def has_key(layout: Layout) -> bool:
    """Whether a key can be read: a store that cannot be is as good as none."""
    from shelfwise.stores.adapters.sql_control import SqlControl

    try:
        return bool(SqlControl(layout.control, read_only=True).documents("keys", limit=1))
    except StoreUnavailable:
        return False


def process_seconds(layout: Layout) -> dict[str, float]:
    """CPU seconds of each process of the running server, by its name; empty where the system does not tell."""
    try:
        processes: dict[str, int] = json.loads((layout.live / "processes.json").read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    found = {name: _cpu_seconds(pid) for name, pid in processes.items()}
    return {name: seconds for name, seconds in found.items() if seconds is not None}


def process_gauges(layout: Layout) -> dict[str, float]:
    """The same as metrics: ``shelfwise_keeper_cpu_seconds`` and so on."""
    seconds = process_seconds(layout)
    return {f"shelfwise_{name.replace('-', '_')}_cpu_seconds": value for name, value in seconds.items()}


def listen(host: str, port: int) -> socket.socket:
    """The socket that all workers share. Raises StoreUnavailable if the address is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as trouble:
        listener.close()
        raise StoreUnavailable(f"address {host}:{port} cannot be listened at ({trouble})") from trouble
    listener.listen(_BACKLOG)
    listener.setblocking(False)
    listener.set_inheritable(True)
    return listener


def child_environment(host: str, port: int, workers: int) -> dict[str, str]:
    """Flags of the command line as the children see them: through the environment, like any setting."""
    given = {"HOST": json.dumps(host), "PORT": str(port), "WORKERS": str(workers)}
    return {**os.environ, **{f"SHELFWISE__SERVE__{key}": value for key, value in given.items()}}


def _where(layout: Layout, overrides: Mapping[str, Any] | None) -> tuple[str, int, int]:
    from shelfwise.app.settings import load_settings

    settings = load_settings(layout.folder, overrides=overrides).serve
    return settings.host, settings.port, settings.workers


def _python(module: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", f"shelfwise.app.{module}", str(folder)]


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _cpu_seconds(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# A signal (of a child's death, of a stop) ends the wait: the interpreter writes it to this pipe.
_wakes: list[int] = []


def _wake_on_signals() -> None:
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(_wake_pipe()[1], warn_on_full_buffer=False)


def _wake_pipe() -> list[int]:
    if not _wakes:
        _wakes.extend(os.pipe())
        for end in _wakes:
            os.set_blocking(end, False)
    return _wakes


def _wake_from() -> int:
    return _wake_pipe()[0]


def _drain_wakes() -> None:
    try:
        os.read(_wake_from(), 4096)
    except BlockingIOError:
        return
