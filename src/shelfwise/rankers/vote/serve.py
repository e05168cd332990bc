"""Scores rows by a weighted sum of what each source says, each brought to [0, 1] within the query."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import BadRelease


@dataclass(frozen=True, slots=True, eq=False)
class Vote:
    """A ``Ranker`` that needs nothing but the sources: the second ranker, and the fallback of the first."""

    needs: tuple[str, ...]
    weight: NDArray[np.float32]  # (F,) at least 0
    name: str = "vote"

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(C, F) -> (C,)``, the weighted sum of the sources' shares, at most the sum of the weights."""
        return share_of_best(features) @ self.weight

    def explain(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Contribution of each source, ``(C, F + 1)``; a sum explains itself, and its base is 0."""
        parts = share_of_best(features) * self.weight
        return np.concatenate([parts, np.zeros((len(parts), 1), np.float32)], axis=1)


def share_of_best(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each column over its largest value in the query, in [0, 1]; a silent source says 0. ``(C, F) -> (C, F)``."""
    known = np.maximum(np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0), 0.0)
    best = known.max(axis=0, initial=0.0)
    return (known / np.where(best > 0, best, 1.0)).astype(np.float32, copy=False)


def load(folder: Path) -> Vote:
    """Read what ``train.save`` wrote."""
    about = json.loads((folder / "ranker.json").read_text())
    needs, weight = tuple(about["needs"]), np.array(about["weight"], np.float32)
    if weight.shape != (len(needs),) or not np.all(np.isfinite(weight)) or np.any(weight < 0):
        raise BadRelease(
            f"{folder}/ranker.json has weights {weight.tolist()}; expected {len(needs)} of at least 0"
        )
    return Vote(needs, weight)
