"""What a set of lists does to the catalogue: how much of it is seen, how evenly, how unexpectedly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def catalogue_coverage(ranked: NDArray[np.integer], n_items: int) -> float:
    """Share of the catalogue that appears in at least one list, in [0, 1]."""
    return len(np.unique(ranked[ranked >= 0])) / max(n_items, 1)


def novelty(ranked: NDArray[np.integer], popularity: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean self-information of each list in bits, ``(B,)``; ``popularity`` is the share of users per item, ``(I,)``.

    Items nobody had count as if one half user had had them. NaN for an empty list.
    Source: Zhou et al., "Solving the apparent diversity-accuracy dilemma", PNAS 2010.
    """
    smallest = popularity[popularity > 0].min(initial=1.0) / 2
    bits = -np.log2(np.maximum(popularity, smallest))
    shown = ranked >= 0
    total = np.where(shown, bits[ranked], 0.0).sum(axis=1)
    count = shown.sum(axis=1)
    return np.divide(total, count, out=np.full(len(ranked), np.nan), where=count > 0)


def gini(counts: NDArray[np.integer]) -> float:
    """Inequality of exposure over all items: 0 all alike, towards 1 one item has it all."""
    ordered = np.sort(counts.astype(np.float64))
    total = ordered.sum()
    if total == 0:
        return 0.0
    rank = np.arange(1, len(ordered) + 1)
    return float((2 * rank - len(ordered) - 1) @ ordered / (len(ordered) * total))
