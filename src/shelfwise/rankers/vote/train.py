"""Learns the weights of the vote: a softmax over each slate, weights projected to be at least zero."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import InvalidInput
from shelfwise.rankers.vote.serve import Vote, share_of_best
from shelfwise.rankers.vote.settings import VoteSettings


@dataclass(frozen=True, slots=True, eq=False)
class FittedVote:
    """Learned weights."""

    vote: Vote

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns it votes over."""
        return self.vote.needs

    def save(self, folder: Path) -> None:
        """Write names and weights as JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {"needs": self.vote.needs, "weight": [float(w) for w in self.vote.weight]}
        (folder / "ranker.json").write_text(json.dumps(about, indent=1))

    def importance(self) -> dict[str, float]:
        """The weights."""
        return {name: float(w) for name, w in zip(self.vote.needs, self.vote.weight, strict=True)}


def fit(
    features: NDArray[np.float32],
    label: NDArray[np.float32],
    query: NDArray[np.int32],
    *,
    needs: tuple[str, ...],
    settings: VoteSettings,
    n_threads: int = 0,  # noqa: ARG001 - one thread does it
) -> FittedVote:
    """Weights that make the bought items of each slate likely under a softmax of the vote.

    Listwise loss (ListNet with one-hot gains, Cao et al., ICML 2007), accelerated projected gradient (Beck and
    Teboulle's FISTA, 2009): convex, so the answer does not depend on where it starts.
    """
    if np.any(np.diff(query) < 0):
        raise InvalidInput("query is not rising; expected the rows of a query side by side")
    start = np.flatnonzero(np.diff(query, prepend=query[:1] - 1))
    shares = np.concatenate([share_of_best(rows) for rows in np.split(features, start[1:])])
    weight = _descend(shares.astype(np.float64), label.astype(np.float64), start, settings)
    return FittedVote(Vote(needs, weight.astype(np.float32)))


def _descend(
    shares: NDArray[np.float64], label: NDArray[np.float64], start: NDArray[np.intp], settings: VoteSettings
) -> NDArray[np.float64]:
    size = np.diff(np.append(start, len(shares)))
    gains = np.repeat(np.maximum(np.add.reduceat(label, start), 1e-12), size)
    target = label / gains
    # Softmax cross-entropy is 1-smooth in logits that lie in [0, 1] per column: F bounds its curvature.
    step = 1.0 / (shares.shape[1] + settings.l2)
    weight = ahead = np.ones(shares.shape[1])
    momentum = 1.0
    for _ in range(settings.n_steps):
        logit = shares @ ahead
        e = np.exp(logit - np.repeat(np.maximum.reduceat(logit, start), size))
        chance = e / np.repeat(np.add.reduceat(e, start), size)
        gradient = shares.T @ (chance - target) / len(start) + settings.l2 * ahead
        better = np.maximum(ahead - step * gradient, 0.0)
        faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = better + (momentum - 1) / faster * (better - weight)
        weight, momentum = better, faster
    return weight
