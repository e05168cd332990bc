"""Settings of the session source."""

from __future__ import annotations

from pydantic import Field

from shelfwise.candidates._settings import BehaviourSettings


class SessionSettings(BehaviourSettings):
    """Sessions like this one, and what else was in them."""

    window_days: float | None = Field(60.0, gt=0.0)
    """Older sessions are left out; None keeps all."""

    half_life_days: float | None = Field(21.0, gt=0.0)
    """How fast a like session loses weight with age; None: all count alike."""

    sessions_per_item: int = Field(500, ge=1, le=100_000)
    """Sessions looked at per item of the query, the newest. Caps what a best seller costs."""

    neighbours: int = Field(200, ge=1, le=100_000)
    """Like sessions that vote. More smooth towards popularity."""

    size_power: float = Field(0.5, ge=0.0, le=1.0)
    """Sessions of n items match and vote with ``n ** -size_power``: 0.5 is the cosine, 0 lets big baskets shout."""

    rarity: float = Field(1.0, ge=0.0, le=1.0)
    """How much a shared rare item says more than a shared best seller: the power of its idf in a match."""

    vote_rarity: float = Field(0.0, ge=0.0, le=1.0)
    """The same for the items voted for: above 0 lifts the tail. Votes are multiplied by ``(1 + idf) ** this``."""

    match_decay: float = Field(0.0, ge=0.0, lt=1.0)
    """Share that a session's vote loses per step back to the newest item it shares with the query (at most 95 %).
    Clicks come in an order, so 0.1 suits them; a basket has none."""

    last: int = Field(60, ge=1, le=500)
    """Items of the query that are looked at, newest or heaviest."""

    history_half_life_days: float = Field(30.0, gt=0.0)
    """Without a session under way the person's history is asked, aged by this."""
