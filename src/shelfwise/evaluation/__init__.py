"""Pure numbers on recommendations: ranking metrics, and how sure one may be of them. Arrays in, numbers out."""

from shelfwise.evaluation._beyond import catalogue_coverage, gini, novelty
from shelfwise.evaluation._intervals import Interval, bootstrap_mean, paired_bootstrap
from shelfwise.evaluation._ranking import (
    Truth,
    average_precision_at,
    dcg_discount,
    hit_rate_at,
    hits,
    ndcg_at,
    precision_at,
    recall_at,
    reciprocal_rank_at,
)

__all__ = [
    "Interval",
    "Truth",
    "average_precision_at",
    "bootstrap_mean",
    "catalogue_coverage",
    "dcg_discount",
    "gini",
    "hit_rate_at",
    "hits",
    "ndcg_at",
    "novelty",
    "paired_bootstrap",
    "precision_at",
    "recall_at",
    "reciprocal_rank_at",
]
