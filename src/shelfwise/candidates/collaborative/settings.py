"""Settings of the collaborative source."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from shelfwise.candidates._settings import BehaviourSettings
from shelfwise.domain import Settings


class MemorySettings(Settings):
    """One factorisation: how far it remembers, and how it is fitted."""

    half_life_days: float | None = Field(60.0, gt=0.0)
    """A day's weight halves with each. Short follows the season, long knows the taste; None never forgets."""

    factors: int = Field(64, ge=1, le=512)
    """Width of the vectors. More hold finer taste, need more data, and cost time at each request in proportion."""

    regularization: float = Field(20.0, gt=0.0)
    """Pulls vectors towards 0. Higher is closer to popularity."""

    alpha: float = Field(3.0, gt=0.0)
    """How much more a day with an item counts than one without. Higher trusts each purchase more."""

    base: float = Field(0.0, ge=0.0, le=1.0)
    """Confidence of a wish, however old: 1 is ``1 + alpha * w`` of the paper, where an old purchase stays a yes;
    0 lets it fade into "unknown"."""

    smallest: float = Field(5e-3, ge=0.0)
    """Weights up to this are left out of the fit, which it speeds up; in folding in a person every weight counts."""

    iterations: int = Field(8, ge=1, le=100)
    """Sweeps over persons and items from a cold start."""

    warm_iterations: int = Field(3, ge=1, le=100)
    """Sweeps when an earlier fit of the same shop is at hand."""

    steps: int = Field(3, ge=1, le=100)
    """Conjugate gradient steps per row and sweep."""


class CollaborativeSettings(BehaviourSettings):
    """Implicit-feedback factorisation with two memories, and item neighbours."""

    short: MemorySettings = MemorySettings(half_life_days=14.0, factors=32)
    """What people want these weeks."""

    long: MemorySettings = MemorySettings(half_life_days=60.0)
    """What people want in general."""

    neighbours: int = Field(50, ge=1, le=1_000)
    """Neighbours kept per item; the size of the release and a part of the request grow with it."""

    neighbour_half_life_days: float | None = Field(180.0, gt=0.0)
    """Ageing of purchases from which item neighbours are counted."""

    k1: float = Field(1.2, ge=0.0)
    """BM25: how soon a further day with the same item adds nothing."""

    b: float = Field(0.75, ge=0.0, le=1.0)
    """BM25: how much people who touch many items are discounted, 0 not at all."""

    query_half_life_days: float = Field(90.0, gt=0.0)
    """Ageing of a person's own history when its neighbours vote."""

    history: int = Field(100, ge=1, le=2_000)
    """Items of a person that are folded in, the heaviest ones. The request's time grows with it."""

    fold_steps: int = Field(6, ge=1, le=50)
    """Conjugate gradient steps at the request."""

    seed_weight: float = Field(1.0, ge=0.0)
    """What a seed (the item looked at, or in the cart) weighs beside a purchase of today."""

    blend: tuple[float, float, float] = (2.0, 1.0, 0.2)
    """Weights of short memory, long memory and neighbours in the score, each relative to its best item."""

    seed: int = Field(0, ge=0)
    """Makes a fit repeatable."""

    @model_validator(mode="after")
    def _blend_is_not_empty(self) -> Self:
        if min(self.blend) < 0 or sum(self.blend) <= 0:
            raise ValueError(f"blend is {self.blend}; expected weights of at least 0, one above it")
        return self
