"""Settings of the vote."""

from __future__ import annotations

from pydantic import Field

from shelfwise.domain import Settings


class VoteSettings(Settings):
    """Weighted vote over what the sources say, with learned weights that are never negative."""

    l2: float = Field(1e-3, gt=0.0)
    """Pulls weights to zero; raise it where few outcomes are known."""

    n_steps: int = Field(200, ge=1, le=10_000)
    """Steps of projected gradient; the problem is convex, more only polish."""
