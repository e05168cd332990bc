"""What a ranker goes by: each feature's part of all that it learned."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shelfwise.domain import BadRelease, UnknownName


def importance(name: str, folder: Path) -> dict[str, float]:
    """Each need of the ranker that a release keeps in ``folder``, with its share; shares add up to 1, or are all 0.

    Of trees the share of the loss that splits on it took off in the fit ("total gain"), of a vote that of the weights.
    Raises UnknownName, BadRelease.
    """
    if name not in _WEIGHTS:
        raise UnknownName("ranker", name, tuple(_WEIGHTS))
    try:
        about = json.loads((folder / "ranker.json").read_text())
        weight = _WEIGHTS[name](folder, about)
    except (OSError, ValueError, KeyError, IndexError) as trouble:
        raise BadRelease(f"{folder} cannot be read: {type(trouble).__name__}: {trouble}") from None
    total = float(weight.sum())
    shares = weight / total if total > 0 else np.zeros(len(weight))
    return dict(zip(about["needs"], shares.tolist(), strict=True))


def _gains(folder: Path, about: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Loss taken off by the splits on each column, over all trees."""
    trees = json.loads((folder / "model.json").read_text())["learner"]["gradient_booster"]["model"]["trees"]
    gain = np.zeros(len(about["needs"]))
    for tree in trees:
        splits = np.array(tree["left_children"]) >= 0
        np.add.at(gain, np.array(tree["split_indices"])[splits], np.array(tree["loss_changes"])[splits])
    return gain


def _votes(folder: Path, about: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:  # noqa: ARG001
    return np.abs(np.array(about["weight"], np.float64))


_WEIGHTS: Mapping[str, Callable[[Path, Mapping[str, Any]], np.ndarray[Any, np.dtype[np.float64]]]] = {
    "gradient_boosting": _gains, "vote": _votes,
}  # fmt: skip
