"""The gate: a release goes live only if it beats the plain baselines and is not worse than the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a release may go live, and why."""

    passed: bool
    reasons: tuple[str, ...]  # each a sentence


def decide(
    challenger: float,
    baselines: Mapping[str, float],
    champion: float | None,
    *,
    tolerance: float,
) -> Verdict:
    """Compare NDCG on the same held-back time.

    Args:
        challenger: The new release.
        baselines: Plain lists by name; every one must be beaten.
        champion: The live release on the same people, None if there is none yet.
        tolerance: Share by which the challenger may fall short of the champion.
    """
    lost = [
        f"ndcg {challenger:.4f} does not beat {name} ({value:.4f})"
        for name, value in baselines.items()
        if challenger <= value
    ]
    if champion is not None and challenger < champion * (1 - tolerance):
        lost.append(f"ndcg {challenger:.4f} is more than {tolerance:.0%} below the champion's {champion:.4f}")
    if lost:
        return Verdict(False, tuple(lost))
    beaten = ", ".join(f"{name} {value:.4f}" for name, value in baselines.items())
    above = "no champion yet" if champion is None else f"champion {champion:.4f}"
    return Verdict(True, (f"ndcg {challenger:.4f} beats {beaten}; {above}",))
