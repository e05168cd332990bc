"""What sources that learn from behaviour have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from shelfwise.candidates._matrix import event_weights
from shelfwise.domain import Settings


class BehaviourSettings(Settings):
    """How much a day with an item counts, by the strongest thing done on it. A purchase counts 1."""

    cart_weight: float = Field(0.3, ge=0.0, le=1.0)
    """A day it went into the cart but was not bought."""

    wishlist_weight: float = Field(0.2, ge=0.0, le=1.0)
    """A day it was put on a list of wishes."""

    view_weight: float = Field(0.1, ge=0.0, le=1.0)
    """A day it was only looked at. In shops with many views per purchase, higher lets browsing drown buying."""

    def by_event(self) -> NDArray[np.float32]:
        """``(256,)`` weights by event code."""
        return event_weights(
            {
                "purchase": 1.0,
                "add_to_cart": self.cart_weight,
                "add_to_wishlist": self.wishlist_weight,
                "view_item": self.view_weight,
                "select_item": self.view_weight,
            }
        )


class ListSettings(BehaviourSettings):
    """A source that gathers ready lists of neighbours of some items."""

    neighbours: int = Field(100, ge=1, le=1_000)
    """Neighbours kept per item; the size of the release grows with it."""

    history: int = Field(60, ge=1, le=2_000)
    """Items of a person that are asked for their neighbours, the heaviest, where the query has no seeds."""

    history_half_life_days: float = Field(30.0, gt=0.0)
    """Ageing of that history."""
