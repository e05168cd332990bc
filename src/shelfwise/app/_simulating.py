"""Simulations: a story and its world on one side; a file, a shop or a running server on the other."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shelfwise.app._simulating_plan import load_scenario
from shelfwise.app._simulating_report import write_report
from shelfwise.app._simulating_runs import Run, Told, Wishes, closed_loop, open_loop
from shelfwise.domain import from_us
from shelfwise.simulation import Tally

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

_TELL_S = 0.2


def simulate(shop: Shop | None, wishes: Wishes, *, told: Told | None = None) -> dict[str, Any]:
    """Run a story.

    Args:
        shop: Whose catalogue the world grows around; None with made-up items that go to no shop.
        wishes: What was asked for.
        told: Is told how far it is, some times a second.

    Returns:
        What happened, what became of it, and how fast.

    Raises:
        InvalidInput, UnknownName: Something that was asked for makes no sense.
        NotTrained: The closed loop needs a release.
        StoreUnavailable: The server does not answer, or another process holds the shop.
    """
    begun = time.perf_counter()
    run = Run(shop, wishes, load_scenario(wishes.scenario), Tally(), _seldom(told))
    counts = closed_loop(run) if wishes.closed_loop else open_loop(run)
    seconds = time.perf_counter() - begun
    document = _document(run, counts) | {
        "seconds": round(seconds, 3),
        "lines_per_s": round(run.tally.n_lines / seconds),
    }
    if run.cpu_s is not None:
        own_s, engine_s = run.cpu_s
        document |= {"simulator_cpu_s": round(own_s, 3), "engine_cpu_s": round(engine_s, 3)}
        document["simulator_share"] = round(own_s / (own_s + engine_s), 4)
    if wishes.report is not None:
        write_report(wishes.report, run.made_plan, run.tally, run.befell)
    return document


def _seldom(told: Told | None) -> Told:
    """The same, told some times a second."""
    last_s = 0.0

    def tell(share: float) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if told is not None and now_s - last_s >= _TELL_S:
            last_s = now_s
            told(share)

    return tell


def _document(run: Run, counts: Counter[str]) -> dict[str, Any]:
    plan, tally, wishes = run.made_plan, run.tally, run.wishes
    return {
        "scenario": plan.scenario.name,
        "origin": "simulated",
        "seed": plan.seed,
        "shoppers": plan.shoppers,
        "items": len(plan.wares.truth),
        "closed_loop": wishes.closed_loop,
        "to": wishes.to,
        "from": from_us(plan.start_us).isoformat(),
        "until": from_us(plan.end_us).isoformat(),
        "lines": tally.n_lines,
        "events": tally.events(),
        "funnel": asdict(tally.funnel()),
        "on_the_way": dict(run.befell),
        **counts,
    }
