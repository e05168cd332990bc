"""Settings of the buy-again source."""

from __future__ import annotations

from pydantic import Field

from shelfwise.domain import Settings


class BuyAgainSettings(Settings):
    """A person's own repeat rhythm."""

    horizon_days: float = Field(14.0, gt=0.0, le=365.0)
    """The chance that is learned: bought again within these days."""

    instants: int = Field(3, ge=1, le=24)
    """Past instants to learn from, a horizon apart. More is steadier and follows seasons less."""

    sample: int = Field(80_000, ge=1_000)
    """Pairs of person and item learned from, at most."""

    ridge: float = Field(10.0, gt=0.0)
    """Pulls the weights to the prior's; what a young shop lacks in data."""

    seed: int = Field(0, ge=0)
    """Makes the sample repeatable."""
