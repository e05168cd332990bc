"""Settings of the trending source."""

from __future__ import annotations

from pydantic import Field

from shelfwise.domain import Settings

PRIVACY_FLOOR = 5  # distinct people behind every listed item: a list may not tell what a few did


class TrendingSettings(Settings):
    """What sells now: over all, in the shopper's country, in the categories at hand."""

    half_life_days: float = Field(7.0, gt=0.0)
    """Ageing of purchases. Shorter follows fashion, longer is steadier."""

    first_half_life_days: float = Field(5.0, gt=0.0)
    """Ageing of people's first purchases of an item: what wins new buyers."""

    min_people: int = Field(PRIVACY_FLOOR, ge=PRIVACY_FLOOR)
    """Distinct people behind an item before it may trend, over all or in a country. Never below 5."""

    live: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the live seven-day counters in the score, where there are any; the rest is the fit's."""

    first: float = Field(0.3, ge=0.0, le=1.0)
    """Share of first-time buyers in the score, against all buyers."""

    viewed: float = Field(0.1, ge=0.0, le=1.0)
    """Share of viewers in the live part, against buyers, where views are counted."""

    live_doubt: float = Field(200.0, ge=0.0)
    """Buyers of the last seven days, over all items, at which the live counters get half their share: doubt about few."""

    viewed_doubt: float = Field(4_000.0, ge=0.0)
    """The same for viewers: people look some twenty times as often as they buy, and anybody can look."""

    country: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the shopper's country in the score, where enough people bought there."""

    country_doubt: float = Field(200.0, ge=0.0)
    """Purchases of all countries that are added to those of one, in the shop's proportions: doubt about small ones."""

    category: float = Field(2.0, ge=0.0)
    """How much the categories at hand lift their items: one that all seeds share multiplies by ``1 + this``."""

    history_half_life_days: float = Field(30.0, gt=0.0)
    """Ageing of a person's history, which tells their categories where the query has no seeds."""
