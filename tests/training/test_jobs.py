from __future__ import annotations

from threading import Barrier, Event

import pytest

from shelfwise.domain import NotTrained
from shelfwise.training import Job, run_jobs


def test_jobs_that_need_nothing_of_each_other_run_at_once() -> None:
    both = Barrier(2, timeout=10)  # passed only by two at a time
    jobs = [Job(name, (), (name,), lambda: both.wait() >= 0) for name in ("one", "two")]
    jobs.append(Job("sum", ("one", "two"), ("sum",), lambda one, two: one + two))
    assert run_jobs(jobs, {}, at_once=2)["sum"] == 2


def test_no_more_jobs_run_at_once_than_allowed_and_the_first_goes_first() -> None:
    ran: list[str] = []
    jobs = [Job(name, (), (name,), lambda name=name: ran.append(name)) for name in "abc"]
    run_jobs(jobs, {})
    assert ran == ["a", "b", "c"]


def test_a_job_that_fails_fails_the_run_once_what_runs_beside_it_is_done() -> None:
    begun, ended = Event(), Event()

    def slow() -> None:
        begun.set()
        ended.set()

    def fail() -> None:
        begun.wait(10)
        raise NotTrained("nothing to learn from")

    after = Job("after", ("failed",), ("after",), lambda _: pytest.fail("ran on what was never made"))
    with pytest.raises(NotTrained, match="nothing to learn from"):
        run_jobs([Job("fail", (), ("failed",), fail), Job("slow", (), ("slow",), slow), after], {}, at_once=2)
    assert ended.is_set()
