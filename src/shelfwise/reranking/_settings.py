"""How slates are arranged when no rule says otherwise."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shelfwise.domain import Settings


class ExplorationSettings(Settings):
    """Showing now and then what the ranker would not, so that it can be learned whether it should."""

    kind: Literal["none", "epsilon", "plackett_luce"] = "none"
    """``none`` always shows the best. ``epsilon`` sometimes fills a position by chance.
    ``plackett_luce`` draws every position, likelier the higher an item stands."""

    epsilon: float = Field(0.05, ge=0.0, le=1.0)
    """Share of positions filled evenly at random from the pool. More learns faster and costs more now."""

    temperature: float = Field(0.05, gt=0.0, le=10.0)
    """Of Plackett-Luce, in units of the pool's whole range of relevance. Low keeps the order; high shuffles it."""


class ArrangeSettings(Settings):
    """Diversity by maximal marginal relevance, one of a group, exploration, and what counts as in the cart."""

    relevance_weight: float = Field(1.0, ge=0.0, le=1.0)
    """1 orders by score alone, 0 by novelty alone. Below 0.9 expect to lose accuracy for variety."""

    pool_size: int = Field(50, ge=1, le=1_000)
    """How many of the best candidates compete for each position. Cost grows with its square below weight 1."""

    collapse_groups: bool = True
    """Show one of several sizes and colours of a product (the best). Off shows each by its own merit."""

    cart_days: float = Field(7.0, ge=0.0, le=365.0)
    """How long an item put into the cart counts as still in it, and is not recommended. 0 looks only at
    what the question itself names."""

    exploration: ExplorationSettings = ExplorationSettings()
    """Off by default: every propensity is then 1."""
