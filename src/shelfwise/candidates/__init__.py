"""Sources of candidates. ``load_source`` is all that serving needs; the fits load when they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from shelfwise.candidates._protocol import CandidateSource, Proposal, Reasoner
from shelfwise.domain import Interactions, Registry, Shelf

__all__ = ["LOADERS", "CandidateSource", "Proposal", "Reasoner", "fit_source", "load_source"]


def _load_collaborative(folder: Path) -> CandidateSource:
    from shelfwise.candidates.collaborative.serve import load

    return load(folder)


def _load_similar(folder: Path) -> CandidateSource:
    from shelfwise.candidates.similar.serve import load

    return load(folder)


def _load_session(folder: Path) -> CandidateSource:
    from shelfwise.candidates.session.serve import load

    return load(folder)


def _load_complements(folder: Path) -> CandidateSource:
    from shelfwise.candidates.complements.serve import load

    return load(folder)


def _load_trending(folder: Path) -> CandidateSource:
    from shelfwise.candidates.trending.serve import load

    return load(folder)


def _load_buy_again(folder: Path) -> CandidateSource:
    from shelfwise.candidates.buy_again.serve import load

    return load(folder)


_LOADERS: Mapping[str, Callable[..., CandidateSource]] = {
    "collaborative": _load_collaborative,
    "similar": _load_similar,
    "session": _load_session,
    "complements": _load_complements,
    "trending": _load_trending,
    "buy_again": _load_buy_again,
}
LOADERS: Registry[CandidateSource] = Registry("source", _LOADERS)


def load_source(name: str, folder: Path) -> CandidateSource:
    """The source that a release keeps in ``folder``. Raises UnknownName, BadRelease."""
    return LOADERS.make(name, folder=folder)


def fit_source(
    name: str,
    interactions: Interactions,
    shelf: Shelf,
    *,
    as_of_us: int,
    settings: Mapping[str, Any] | None = None,
    warm: Any = None,
) -> Any:
    """Fit a source on what happened strictly before an instant. Raises UnknownName, NotTrained."""
    LOADERS.makers.get(name) or LOADERS.make(name)
    fit = import_module(f"shelfwise.candidates.{name}.train").fit
    kinds = vars(import_module(f"shelfwise.candidates.{name}.settings"))
    kind = next(k for k in kinds.values() if getattr(k, "__name__", "") == _class_name(name))
    return fit(_prepared(interactions, as_of_us), shelf, settings=kind(**(settings or {})), warm=warm)


@lru_cache(maxsize=1)  # all sources of one instant share what is prepared of it
def _prepared(interactions: Interactions, as_of_us: int) -> Any:
    from shelfwise.candidates._matrix import prepare

    return prepare(interactions, as_of_us)


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_")) + "Settings"
