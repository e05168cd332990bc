"""Fits boosted trees with XGBoost and lays them out for the kernel that scores."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from shelfwise.domain import InvalidInput
from shelfwise.rankers.gradient_boosting.serve import Forest, GradientBoosting, load
from shelfwise.rankers.gradient_boosting.settings import GradientBoostingSettings

UNKNOWN = np.float32(-1e30)  # below every value: a matrix without holes fits in two thirds of the time


@dataclass(frozen=True, slots=True, eq=False)
class FittedTrees:
    """A booster and the names of its columns."""

    booster: xgb.Booster
    needs: tuple[str, ...]
    settings: GradientBoostingSettings

    def save(self, folder: Path) -> None:
        """Write the forest for serving and the booster in XGBoost's own open JSON. No pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        self.booster.save_model(str(folder / "model.json"))
        forest = forest_of(self.booster, n_features=len(self.needs))
        for name in ("feature", "threshold", "missing_right", "leaf"):
            np.save(folder / f"{name}.npy", getattr(forest, name), allow_pickle=False)
        about = {"needs": self.needs, "base": forest.base, "settings": self.settings.model_dump()}
        (folder / "ranker.json").write_text(json.dumps(about, indent=1))

    def ranker(self, folder: Path) -> GradientBoosting:
        """Save and load it as serving will."""
        self.save(folder)
        return load(folder)

    def importance(self) -> dict[str, float]:
        """Mean gain of the splits on each feature; 0 for one that no tree looks at."""
        gain: dict[str, Any] = self.booster.get_score(importance_type="gain")
        return {name: float(gain.get(f"f{i}", 0.0)) for i, name in enumerate(self.needs)}


def fit(
    features: NDArray[np.float32],
    label: NDArray[np.float32],
    query: NDArray[np.int32],
    *,
    needs: tuple[str, ...],
    settings: GradientBoostingSettings,
    weight: NDArray[np.float32] | None = None,
    n_threads: int = 0,
) -> FittedTrees:
    """Fit on judged rows.

    Args:
        features: ``(N, F)``, NaN where unknown.
        label: ``(N,)`` gain of each row, 0 for a miss.
        query: ``(N,)`` which slate a row belongs to, rising.
        needs: Names of the F columns.
        settings: Size and objective.
        weight: ``(Q,)`` per query for ``rank:ndcg``, ``(N,)`` per row for ``binary:logistic``.
        n_threads: 0 uses all cores.
    """
    if np.any(np.diff(query) < 0):
        raise InvalidInput("query is not rising; expected the rows of a query side by side")
    telling = varying(features)
    rows = xgb.QuantileDMatrix(
        without_holes(features, telling),
        label,
        weight=weight,
        qid=query if settings.objective == "rank:ndcg" else None,
        max_bin=settings.max_bins,
        nthread=n_threads or None,
    )
    booster = xgb.train(_parameters(settings, n_threads), rows, settings.n_trees)
    return FittedTrees(widened(booster, telling, len(needs)), needs, settings)


def varying(features: NDArray[np.float32]) -> NDArray[np.intp]:
    """Columns in which not all rows are the same, NaN being a value like others; the first where none varies."""
    found = np.flatnonzero([_varies(column) for column in features.T])
    return found if len(found) else np.zeros(1, np.intp)


def _varies(column: NDArray[np.float32]) -> bool:
    first = column[:1]
    return not np.all((column == first) | (np.isnan(column) & np.isnan(first)))


def without_holes(features: NDArray[np.float32], columns: NDArray[np.intp]) -> NDArray[np.float32]:
    """A copy of these columns with ``UNKNOWN`` for NaN."""
    told = features[:, columns]
    np.copyto(told, UNKNOWN, where=np.isnan(told))
    return told


def widened(booster: xgb.Booster, columns: NDArray[np.intp], n_features: int) -> xgb.Booster:
    """The same trees over all columns, of which they look at ``columns``; NaN goes left, where ``UNKNOWN`` went."""
    model = json.loads(booster.save_raw("json").decode())
    learner = model["learner"]
    learner["learner_model_param"]["num_feature"] = str(n_features)
    for tree in learner["gradient_booster"]["model"]["trees"]:
        tree["tree_param"]["num_feature"] = str(n_features)
        tree["split_indices"] = columns[tree["split_indices"]].tolist()
        tree["default_left"] = [1] * len(tree["default_left"])
    return xgb.Booster(model_file=bytearray(json.dumps(model).encode()))


def forest_of(booster: xgb.Booster, *, n_features: int) -> Forest:
    """Grow every tree out to a full one and lay it in heap order; the base is what the sums leave over."""
    trees = json.loads(booster.save_raw("json").decode())["learner"]["gradient_booster"]["model"]["trees"]
    depth = max(1, *(_depth(tree, 0) for tree in trees))
    laid = [_lay(tree, depth) for tree in trees]
    feature, threshold, missing_right, leaf = (np.stack(column) for column in zip(*laid, strict=True))
    bare = Forest.of(feature, threshold, missing_right, leaf, base=0.0)
    probe = np.zeros((1, n_features), np.float32)
    whole = booster.predict(xgb.DMatrix(probe, missing=np.nan), output_margin=True, validate_features=False)
    return Forest.of(
        feature, threshold, missing_right, leaf, base=float(whole[0]) - float(bare.score(probe)[0])
    )


def _parameters(settings: GradientBoostingSettings, n_threads: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "objective": settings.objective,
        "tree_method": "hist",
        "max_depth": settings.depth,
        "eta": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "subsample": settings.row_share,
        "colsample_bytree": settings.feature_share,
        "lambda": settings.l2,
        "max_bin": settings.max_bins,
        "seed": settings.seed,
        "nthread": n_threads or None,
    }
    if settings.objective == "rank:ndcg":
        pairs = {"lambdarank_pair_method": "topk", "lambdarank_num_pair_per_sample": settings.ndcg_at}
        return {**parameters, **pairs, "ndcg_exp_gain": False}
    return parameters


def _depth(tree: dict[str, Any], node: int) -> int:
    left = tree["left_children"][node]
    if left == -1:
        return 0
    return 1 + max(_depth(tree, left), _depth(tree, tree["right_children"][node]))


def _lay(tree: dict[str, Any], depth: int) -> tuple[NDArray[Any], ...]:
    """One tree as full columns: below an early leaf every test is a dummy and every leaf its value."""
    inner = 2**depth - 1
    feature, missing_right = np.zeros(inner, np.int16), np.zeros(inner, np.uint8)
    threshold, leaf = np.full(inner, np.inf, np.float32), np.zeros(inner + 1, np.float32)

    def grow(node: int, at: int, level: int) -> None:
        if tree["left_children"][node] == -1:
            span = 2 ** (depth - level)
            first = (at - (2**level - 1)) * span
            leaf[first : first + span] = tree["split_conditions"][node]
            return
        feature[at], threshold[at] = tree["split_indices"][node], tree["split_conditions"][node]
        missing_right[at] = not tree["default_left"][node]
        grow(tree["left_children"][node], 2 * at + 1, level + 1)
        grow(tree["right_children"][node], 2 * at + 2, level + 1)

    grow(0, 0, 0)
    return feature, threshold, missing_right, leaf
