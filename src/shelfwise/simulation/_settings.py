"""Every parameter of a simulated shop, with its unit and where its default comes from."""

from __future__ import annotations

from shelfwise.domain import Settings


class WorldSettings(Settings):
    """How shoppers of a simulated shop come, look, choose and leave."""
