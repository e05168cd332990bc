"""Settings of the cross-sell source."""

from __future__ import annotations

from pydantic import Field

from shelfwise.candidates._settings import ListSettings

PRIVACY_FLOOR = 5  # distinct buyers behind every pair: no list may tell what a few people bought


class ComplementsSettings(ListSettings):
    """Items bought in one basket more often than chance."""

    min_buyers: int = Field(PRIVACY_FLOOR, ge=PRIVACY_FLOOR)
    """Distinct people behind a pair. Never below 5; more is steadier and shorter."""

    window_days: float | None = Field(365.0, gt=0.0)
    """Older baskets are left out; None keeps all."""

    half_life_days: float | None = Field(120.0, gt=0.0)
    """Ageing of baskets."""

    size_power: float = Field(0.5, ge=0.0, le=1.0)
    """A basket of n items counts ``n ** -size_power``: in a big one, two items say less of each other."""

    popularity_power: float = Field(0.5, ge=0.0, le=1.0)
    """Pairs are divided by ``(count_i * count_j) ** this``: 1 is the lift, which loves rare pairs; 0.5 the cosine;
    0 the plain count, which loves best sellers."""

    shrink: float = Field(5.0, ge=0.0)
    """Doubt: n buyers of a pair count ``n / (n + shrink)``."""

    likeness_penalty: float = Field(0.5, ge=0.0, le=1.0)
    """Share lost by a pair of items with the same text: two mugs are alternatives, not a set."""

    apart_power: float = Field(0.5, ge=0.0, le=2.0)
    """Pairs are multiplied by ``(buyers in one basket / people who bought both at any time) ** this``: what the same
    people buy on different days replaces rather than completes."""
