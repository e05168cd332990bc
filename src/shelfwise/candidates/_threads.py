"""Shares of a loop over rows, each on a thread of its own. Kernels release the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

SHARES_PER_THREAD = 4  # so that a thread that was held up does not hold up the rest


def n_threads() -> int:
    """Processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # no such call on macOS and Windows
        return os.cpu_count() or 1


def in_shares(work: Callable[[int, int], object]) -> None:
    """Call ``work(share, n_shares)`` for each share; it does rows ``share, share + n_shares, ...``.

    Each row is written by one share only, so the outcome does not depend on their number or order.
    """
    threads = n_threads()
    n_shares = SHARES_PER_THREAD * threads
    if threads == 1:
        for share in range(n_shares):
            work(share, n_shares)
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, share, n_shares) for share in range(n_shares)]:
            done.result()
