"""The entrance of the room."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Ranker(Protocol):
    """Judges items. Gives each a score; does not reorder or drop any."""

    @property
    def name(self) -> str:
        """The name it is made by."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Feature names, in the order of the columns it expects."""
        ...

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(C, F) -> (C,)``, higher is better."""
        ...

    def explain(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Exact Shapley contributions ``(C, F + 1)``; the last is the base. Rows sum to ``score``."""
        ...
