"""A fork server, from outside: a process that has everything loaded, and forks who else would have to load it.

To import, to load a hundred compiled kernels and to touch a release takes seconds; to fork who did takes milliseconds,
and what was loaded is in memory once. What workers open (stores, sockets, an event loop) they open after the fork.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence

from shelfwise.app._children import Child, Forked

NUMBER_BYTES, PID_BYTES = 4, 8
_PATIENCE_S = 5.0  # to fork is all it does


class ForkServer:
    """Starts it, and asks it for processes.

    Args:
        name: What logs and metrics call it.
        command: Its command line, but for the numbers of files.
        files: Numbers of files that whom it forks take over, such as a listening socket, by flag.
    """

    def __init__(self, name: str, command: Sequence[str], **files: int) -> None:
        self._command, self._files = command, files
        self._calls: socket.socket | None = None
        self._alive, self._kept = os.pipe()  # the second end closes when this process ends: the forked see it
        self.child = Child(name, self._launch)

    def forks(self, name: str, number: int = 0) -> Child:
        """A process to be forked; it is told its number."""
        return Child(name, lambda _environment, ready: self._fork(number, ready))

    def _launch(self, environment: Mapping[str, str], ready: int) -> subprocess.Popen[bytes]:
        if self._calls is not None:
            self._calls.close()
        self._calls, theirs = socket.socketpair()
        self._calls.settimeout(_PATIENCE_S)
        files = {**self._files, "alive": self._alive, "calls": theirs.fileno(), "ready-fd": ready}
        flags = [part for name, fd in files.items() for part in (f"--{name}", str(fd))]
        with theirs:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*self._command, *flags], pass_fds=tuple(files.values()), env=dict(environment)
            )

    def _fork(self, number: int, ready: int) -> Forked | None:
        if not self.child.ready or self._calls is None:
            return None
        reader, life = os.pipe()
        try:
            socket.send_fds(self._calls, [number.to_bytes(NUMBER_BYTES)], [ready, life])
            pid = int.from_bytes(self._calls.recv(PID_BYTES))
        except OSError:
            pid = 0  # it is gone, which its own child will tell, or stuck
        finally:
            os.close(life)
        if pid == 0:
            os.close(reader)
            self._give_up()
            return None
        return Forked(pid, reader)

    def _give_up(self) -> None:
        if self.child.process is not None:
            self.child.process.kill()
