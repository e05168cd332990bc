"""The gate: a release goes live only if it beats the plain baselines, and does so about as well as the champion did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a release may go live, and why."""

    passed: bool
    reasons: tuple[str, ...]  # each a sentence


def decide(
    challenger: float,
    baselines: Mapping[str, float],
    champion_lift: float | None,
    *,
    tolerance: float,
) -> Verdict:
    """Compare NDCG on held-back time, and the lift over plain baselines with the champion's.

    The champion has seen the time on which the challenger is judged, so its own figure is of an earlier time, and one
    December is not another: figures of two times compare only as multiples of what is plain (``docs/decisions/0002``).

    Args:
        challenger: NDCG of the new release.
        baselines: NDCG of plain lists for the same people, by name; every one must be beaten.
        champion_lift: ``lift`` of the live release when it was judged; None if there is none yet.
        tolerance: Share by which the challenger's lift may fall short of it.
    """
    reached = lift(challenger, baselines)
    lost = [
        f"ndcg {challenger:.4f} does not beat {name} ({value:.4f})"
        for name, value in baselines.items()
        if challenger <= value
    ]
    if champion_lift is not None and reached < champion_lift * (1 - tolerance):
        lost.append(
            f"ndcg {challenger:.4f} is {reached:.2f} times the best plain list, more than {tolerance:.0%} below "
            f"the champion's {champion_lift:.2f} times"
        )
    if lost:
        return Verdict(False, tuple(lost))
    beaten = ", ".join(f"{name} {value:.4f}" for name, value in baselines.items())
    above = "no champion yet" if champion_lift is None else f"champion {champion_lift:.2f} times"
    return Verdict(
        True, (f"ndcg {challenger:.4f} beats {beaten}; {reached:.2f} times the best of them, {above}",)
    )


def withheld(verdict: Verdict, objections: Sequence[str]) -> Verdict:
    """The same verdict, or a refusal where what was learned from is not to be trusted."""
    if not objections:
        return verdict
    return Verdict(
        False, (*(f"data quality: {one}; the champion stays" for one in objections), *verdict.reasons)
    )


def lift(ndcg: float, baselines: Mapping[str, float]) -> float:
    """How many times the best plain list's NDCG; infinite where plain lists find nothing."""
    best = max(baselines.values(), default=0.0)
    return ndcg / best if best > 0 else float("inf")
