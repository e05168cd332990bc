"""The page of a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shelfwise.app._simulating_plan import Plan
from shelfwise.simulation import (
    LISTS,
    Check,
    Report,
    Tally,
    Truth,
    audit,
    checks,
    checks_on_the_way,
    render_report,
)

_OCCASIONS = 100  # slates whose stated chances are held against reactions


def write_report(path: Path, plan: Plan, tally: Tally, befell: Mapping[str, int]) -> None:
    """Write what happened as one page of HTML, labelled as simulated.

    Args:
        path: The file.
        plan: What was run.
        tally: What shoppers did.
        befell: What became of it on the way to the shop.
    """
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
        befell=befell,
        funnel=tally.funnel(),
        lists={name: tally.by_position(name) for name in LISTS[1:]},
        audit=audit(truth, occasions) if occasions else None,
        checks=(*_of_the_world(plan, tally), *_of_the_way(plan, tally, befell)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_report(told))


def _of_the_world(plan: Plan, tally: Tally) -> tuple[Check, ...]:
    """Figures that the world was set to; what a story changes meanwhile is left out."""
    at_us = tally.visits().at_us
    if len(at_us) == 0:
        return ()
    cut = plan.limit is not None
    end_us = int(at_us.max()) - plan.shift_us if cut else plan.acts[-1].end_us
    first, *others = (
        checks(
            tally, plan.world(act).settings, start_us=plan.world_us, end_us=end_us, shift_us=plan.shift_us,
            whole=not cut,
        )
        for act in plan.acts
    )  # fmt: skip
    return tuple(check for check in first if all(check in other for other in others))


def _of_the_way(plan: Plan, tally: Tally, befell: Mapping[str, int]) -> tuple[Check, ...]:
    """Rates of the mess; none where a story changes them."""
    rates = plan.acts[0].mess
    if any(act.mess != rates for act in plan.acts):
        return ()
    return checks_on_the_way(befell, tally.n_events, rates)
