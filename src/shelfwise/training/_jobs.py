"""A training is a list of jobs: each needs things by name and makes things by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from shelfwise.domain import InvalidInput


@dataclass(frozen=True, slots=True)
class Job:
    """One step. ``run`` is called with what it ``needs``, in order, and returns what it ``makes``, in order."""

    name: str
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    run: Callable[..., Any]


def run_jobs(
    jobs: Sequence[Job],
    given: Mapping[str, Any],
    *,
    at_once: int = 1,
    told: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Run each job as soon as what it needs is made; everything given and made, by name.

    Args:
        jobs: Steps; each may need what is given or what a job before it makes. Of several that could run, the first
            goes first.
        given: What is there at the start.
        at_once: Most jobs that run at the same time, each on a thread.
        told: Called after each job with its name and seconds.

    Raises:
        InvalidInput: A job needs something that nothing before it makes.
    """
    _check(jobs, given)
    have, waiting = dict(given), list(jobs)
    running: dict[Future[tuple[Any, float]], Job] = {}
    with ThreadPoolExecutor(at_once) as pool:
        while waiting or running:
            ready = [job for job in waiting if have.keys() >= set(job.needs)]
            for job in ready[: at_once - len(running)]:
                waiting.remove(job)
                running[pool.submit(_timed, job, [have[name] for name in job.needs])] = job
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(done)
                made, seconds = done.result()
                have.update(zip(job.makes, made if len(job.makes) > 1 else (made,), strict=True))
                if told is not None:
                    told(job.name, seconds)
    return have


def _timed(job: Job, needs: Sequence[Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    return job.run(*needs), time.perf_counter() - begun


def _check(jobs: Sequence[Job], given: Mapping[str, Any]) -> None:
    known = set(given)
    for job in jobs:
        absent = [name for name in job.needs if name not in known]
        if absent:
            raise InvalidInput(f"job {job.name!r} needs {absent}; expected a job before it to make them")
        known |= set(job.makes)
