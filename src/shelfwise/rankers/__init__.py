"""Judges of candidates. ``load_ranker`` is all that serving needs; the fits load their libraries when called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shelfwise.domain import Registry
from shelfwise.rankers._importance import importance
from shelfwise.rankers._protocol import Ranker

__all__ = ["FITTERS", "RANKERS", "Ranker", "fit_ranker", "importance", "load_ranker"]


def _load_gradient_boosting(folder: Path) -> Ranker:
    from shelfwise.rankers.gradient_boosting.serve import load

    return load(folder)


def _load_vote(folder: Path) -> Ranker:
    from shelfwise.rankers.vote.serve import load

    return load(folder)


def _fit_gradient_boosting(*rows: Any, settings: Mapping[str, Any], **more: Any) -> Any:
    from shelfwise.rankers.gradient_boosting.settings import GradientBoostingSettings
    from shelfwise.rankers.gradient_boosting.train import fit

    return fit(*rows, settings=GradientBoostingSettings(**settings), **more)


def _fit_vote(*rows: Any, settings: Mapping[str, Any], **more: Any) -> Any:
    from shelfwise.rankers.vote.settings import VoteSettings
    from shelfwise.rankers.vote.train import fit

    return fit(*rows, settings=VoteSettings(**settings), **more)


_LOADERS: Mapping[str, Callable[..., Ranker]] = {
    "gradient_boosting": _load_gradient_boosting,
    "vote": _load_vote,
}
RANKERS: Registry[Ranker] = Registry("ranker", _LOADERS)
FITTERS: Registry[Any] = Registry("ranker", {"gradient_boosting": _fit_gradient_boosting, "vote": _fit_vote})


def load_ranker(name: str, folder: Path) -> Ranker:
    """The ranker that a release keeps in ``folder``. Raises UnknownName, BadRelease."""
    return RANKERS.make(name, folder=folder)


def fit_ranker(name: str, features: Any, label: Any, query: Any, **more: Any) -> Any:
    """Fit the ranker called ``name``; see its ``train.fit`` for the arguments."""
    return FITTERS.makers[name](features, label, query, **more)
