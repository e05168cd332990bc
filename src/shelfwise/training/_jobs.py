"""A training is a list of jobs: each needs things by name and makes things by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
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
    told: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Run jobs in their order; everything given and made, by name.

    Args:
        jobs: Steps; each may need what is given or what a job before it makes.
        given: What is there at the start.
        told: Called after each job with its name and seconds.

    Raises:
        InvalidInput: A job needs something that nothing before it makes.
    """
    _check(jobs, given)
    have = dict(given)
    for job in jobs:
        begun = time.perf_counter()
        made = job.run(*(have[name] for name in job.needs))
        have.update(zip(job.makes, made if len(job.makes) > 1 else (made,), strict=True))
        if told is not None:
            told(job.name, time.perf_counter() - begun)
    return have


def _check(jobs: Sequence[Job], given: Mapping[str, Any]) -> None:
    known = set(given)
    for job in jobs:
        absent = [name for name in job.needs if name not in known]
        if absent:
            raise InvalidInput(f"job {job.name!r} needs {absent}; expected a job before it to make them")
        known |= set(job.makes)
