"""What is true of the items of a simulated shop, as columns by item row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ItemTruth:
    """Items as parallel columns; row *i* of each speaks of item row *i*. Scenarios ``replace`` columns."""

    category: NDArray[np.int32]  # (I,) code
    brand: NDArray[np.int32]  # (I,) code
    group: NDArray[np.int32]  # (I,) product that variants share
    price_minor: NDArray[np.int64]  # (I,) asked now, per unit
    reference_minor: NDArray[np.int64]  # (I,) what shoppers hold for its usual price
    cost_minor: NDArray[np.int64]  # (I,)
    stock: NDArray[np.int64]  # (I,) units; -1 not tracked; 0 cannot be put into a cart
    popularity: NDArray[np.float64]  # (I,) weight in the shop's lists, heavy tailed, above 0
    quality: NDArray[np.float64]  # (I,) appeal to everyone, log-odds
    season: NDArray[np.float64]  # (I,) day of the year of its season's peak; -1 none
    born_us: NDArray[np.int64]  # (I,) first on sale
    life_days: NDArray[np.float64]  # (I,) days until it has declined to half; inf never
    taste: NDArray[np.float32]  # (I, T) what it is like
    complements: NDArray[np.int32]  # (I, M) rows bought with it; -1 padding
    substitutes: NDArray[np.int32]  # (I, M) rows bought in its place; -1 padding

    def __len__(self) -> int:
        return len(self.category)

    @classmethod
    def synthetic(cls, n_items: int, *, seed: int = 7, start_us: int = 0) -> ItemTruth:
        """A made-up catalogue of any size."""
        raise NotImplementedError
