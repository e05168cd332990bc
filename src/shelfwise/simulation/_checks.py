"""A world held against what it states and what it was set to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Check:
    """A figure that the world was set to, and what a run gave."""

    name: str
    stated: float
    measured: float
    share: bool  # a share of something, 0 to 1; otherwise a number
    source: str  # where the stated figure comes from


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """Reactions to slates beside the chances stated for them, as rates by position."""

    NAMES: ClassVar[tuple[str, ...]] = ("examined", "clicked", "put in the cart")

    n: int  # reactions
    happened: NDArray[np.float64]  # (3, K) share of reactions, by NAMES and position
    stated: NDArray[np.float64]  # (3, K) mean of the stated chances
    error: NDArray[np.float64]  # (3, K) standard error of ``happened`` about ``stated``

    @property
    def size(self) -> int:
        """Positions."""
        return self.stated.shape[1]

    @property
    def farthest(self) -> float:
        """The largest difference, in standard errors."""
        return float(np.max(np.abs(self.happened - self.stated) / np.maximum(self.error, 1e-12)))
