"""The command line: ``shelfwise``, or ``python -m shelfwise``."""

from __future__ import annotations

import os


def main() -> None:
    """Run a command.

    Linear algebra here is small, and what is large is divided among threads and processes by ourselves. A library that
    then starts threads of its own loses: on busy cores a product of 0.6 ms was seen to take 90. Read at its import.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from shelfwise.app.cli import main as run

    run()


if __name__ == "__main__":
    main()
