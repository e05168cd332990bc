"""Settings of the gradient boosting ranker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shelfwise.domain import Settings


class GradientBoostingSettings(Settings):
    """XGBoost trees over the assembled features."""

    objective: Literal["rank:ndcg", "binary:logistic"] = "binary:logistic"
    """``rank:ndcg`` is LambdaMART: pairs of one query, weighted by what swapping them does to NDCG. It gains 0.003
    where bought items are shown again, loses 0.005 where they are not, and takes twice as long to fit.
    ``binary:logistic`` learns a chance per row; it weighs heavy buyers more."""

    n_trees: int = Field(150, ge=1, le=2_000)
    """More fit closer; scoring time grows in proportion (some 0.15 ms a 100 trees of depth 6 for 120 rows)."""

    depth: int = Field(6, ge=1, le=8)
    """Deeper trees join more features; scoring time grows by the level, memory doubles with each. 5 costs 0.002 of
    NDCG, 4 costs 0.006."""

    learning_rate: float = Field(0.07, gt=0.0, le=1.0)
    """Lower needs more trees and overfits less."""

    min_child_weight: float = Field(20.0, ge=0.0)
    """Smallest sum of hessians in a leaf; raise it where labels are noisy."""

    row_share: float = Field(0.5, gt=0.0, le=1.0)
    """Rows each tree sees."""

    feature_share: float = Field(0.25, gt=0.0, le=1.0)
    """Features each tree sees."""

    l2: float = Field(5.0, ge=0.0)
    """Shrinks leaf values."""

    max_bins: int = Field(64, ge=16, le=1_024)
    """Histogram bins per feature; fewer are faster."""

    ndcg_at: int = Field(10, ge=1, le=1_000)
    """Cut-off that LambdaMART's weights look at (``rank:ndcg`` only)."""

    seed: int = Field(0, ge=0)
    """Makes a fit repeatable."""
