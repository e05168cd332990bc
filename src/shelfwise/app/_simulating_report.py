"""The page of a simulation."""

from __future__ import annotations

from pathlib import Path

from shelfwise.app._simulating_plan import Plan
from shelfwise.simulation import Report, Tally, render_report


def write_report(path: Path, plan: Plan, tally: Tally) -> None:
    """Write what happened as one page of HTML, labelled as simulated."""
    told = Report(
        scenario=plan.scenario.name,
        meaning=plan.scenario.meaning,
        seed=plan.seed,
        shoppers=plan.shoppers,
        n_items=len(plan.wares.truth),
        start_us=plan.start_us,
        end_us=plan.end_us,
        n_lines=tally.n_lines,
        events=tally.events(),
        funnel=tally.funnel(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_report(told))
