"""The entrance of the room: two verbs, permit and arrange."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import NOBODY, Candidates, LiveItems, PersonState, Query, Shelf, Slate


class Eligibility(Protocol):
    """Says which items may be shown to this person now. Drops; does not judge or reorder."""

    def permit(
        self,
        query: Query,
        person: PersonState,
        live: LiveItems,
        shelf: Shelf,
        item: NDArray[np.int32],
    ) -> NDArray[np.bool_]:
        """``(C,)`` item rows -> ``(C,)`` True where it may be shown: stock, hidden, availability, region, age,
        cart, excludes, filter, seen policy, exclude and include rules."""
        ...


class Arranger(Protocol):
    """Chooses the slate. Reorders and drops; does not change a ranker's score, except by stated rules."""

    def arrange(
        self,
        query: Query,
        ranked: Candidates,
        live: LiveItems,
        shelf: Shelf,
        *,
        size: int,
        person: PersonState = NOBODY,
    ) -> Slate:
        """The best slate of at most ``size``: boosts and buries, one of a group, caps, MMR, pins and slots.

        ``person`` is whom pinned items must be permitted for: they need not be among the candidates.
        """
        ...
