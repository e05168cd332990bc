"""The page of a simulation."""

from __future__ import annotations

from pathlib import Path

from shelfwise.app._simulating_plan import Plan
from shelfwise.simulation import Check, Report, Tally, Truth, audit, checks, render_report

_OCCASIONS = 100  # slates whose stated chances are held against reactions


def write_report(path: Path, plan: Plan, tally: Tally) -> None:
    """Write what happened as one page of HTML, labelled as simulated."""
    first = plan.acts[0]
    truth = Truth(plan.world(first))
    people = range(plan.shoppers)
    occasions = truth.occasions(first.start_us, first.end_us, shoppers=people, limit=_OCCASIONS)
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
        audit=audit(truth, occasions) if occasions else None,
        checks=_checks(plan, tally, truth),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_report(told))


def _checks(plan: Plan, tally: Tally, truth: Truth) -> tuple[Check, ...]:
    """Figures that the world was set to; none where they change meanwhile, or where the run was cut short."""
    changes = any(act.world != plan.acts[0].world for act in plan.acts)
    if changes or plan.shift_us or plan.limit is not None:
        return ()
    return checks(tally, truth.world.settings, start_us=plan.start_us, end_us=plan.end_us)
