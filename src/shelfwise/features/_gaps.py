"""What no batch engine computes, and why: its nature, theirs to build, or ours to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shelfwise.features._bases import LIKENESS
from shelfwise.features._declare import Feature

State = Literal["never", "not_yet", "todo"]


@dataclass(frozen=True, slots=True)
class Gap:
    """A feature that batch engines leave out."""

    feature: str
    state: State
    reason: str


def gaps(features: Sequence[Feature]) -> list[Gap]:
    """A gap for each feature without SQL."""
    return [Gap(feature.name, *_why(feature)) for feature in features if not feature.sql]


def _why(feature: Feature) -> tuple[State, str]:
    if feature.name in LIKENESS:
        return "never", "vectors and edges belong to a release; training asks them as the request does"
    if feature.entity == "source":
        return "never", "it exists when a source is asked, and training asks it"
    return (
        "todo",
        "rows of a training set do not tell what the shopper looked at",
    )
