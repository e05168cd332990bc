"""Sources of candidates. ``load_source`` is all that serving needs; fits and estimators load when they are called.

A release holds six sources, fitted by ``fit_source``. The same methods stand alone as estimators over frames:
``ImplicitALS``, ``Ease``, ``ItemKNN``, ``SessionKNN``, ``ContentKNN``, ``Complements``, ``Trending``, ``BuyAgain``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from shelfwise.candidates._protocol import CandidateSource, FittedSource, Proposal, Reasoner
from shelfwise.domain import Interactions, Registry, Settings, Shelf

if TYPE_CHECKING:
    from shelfwise.candidates.estimators import (
        BuyAgain,
        Complements,
        ContentKNN,
        Ease,
        ImplicitALS,
        ItemKNN,
        SessionKNN,
        Trending,
    )

__all__ = [
    "FITTERS",
    "LOADERS",
    "BuyAgain",
    "CandidateSource",
    "Complements",
    "ContentKNN",
    "Ease",
    "FittedSource",
    "ImplicitALS",
    "ItemKNN",
    "Proposal",
    "Reasoner",
    "SessionKNN",
    "Trending",
    "fit_source",
    "load_source",
    "settings_of",
]


def load_source(name: str, folder: Path) -> FittedSource:
    """The source that a release keeps in ``folder``. Raises UnknownName, BadRelease."""
    return LOADERS.make(name, folder=folder)


def fit_source(
    name: str,
    interactions: Interactions,
    shelf: Shelf,
    *,
    as_of_us: int,
    settings: Mapping[str, Any] | Settings | None = None,
    warm: Any = None,
) -> FittedSource:
    """Fit a source on what happened strictly before an instant; ready to ask and to save.

    A history in which there is nothing to learn gives a source that proposes nothing. Several sources may be fitted at
    once, each on a thread of its own.

    Args:
        name: One of ``SOURCES``.
        interactions: Of many people, in any order; what several sources make of it is made once per instant.
        shelf: The items' texts and categories, at least as many as ``interactions.n_items``.
        as_of_us: Nothing at or after it is looked at.
        settings: Of this source; its defaults if not given.
        warm: An earlier fit of the same source, which may save time.

    Raises:
        UnknownName: No source has this name.
    """
    return FITTERS.make(
        name,
        prepared=_prepared(interactions, as_of_us),
        shelf=shelf,
        settings=settings if isinstance(settings, Settings) else settings_of(name, settings or {}),
        warm=warm,
    )


def settings_of(name: str, values: Mapping[str, Any]) -> Settings:
    """The checked settings of a source. Raises UnknownName, and pydantic's ValidationError (a ValueError)."""
    return SETTINGS.make(name, **values)


def _part(source: str, module: str, name: str) -> Callable[..., Any]:
    """What ``name`` makes in a module of a source, loaded at the first call."""

    def make(**arguments: Any) -> Any:
        return getattr(import_module(f"{__name__}.{source}.{module}"), name)(**arguments)

    return make


LOADERS: Registry[FittedSource] = Registry(
    "source",
    {
        "collaborative": _part("collaborative", "serve", "load"),
        "similar": _part("similar", "serve", "load"),
        "session": _part("session", "serve", "load"),
        "complements": _part("complements", "serve", "load"),
        "trending": _part("trending", "serve", "load"),
        "buy_again": _part("buy_again", "serve", "load"),
    },
)
FITTERS: Registry[FittedSource] = Registry(
    "source",
    {
        "collaborative": _part("collaborative", "train", "fit"),
        "similar": _part("similar", "train", "fit"),
        "session": _part("session", "train", "fit"),
        "complements": _part("complements", "train", "fit"),
        "trending": _part("trending", "train", "fit"),
        "buy_again": _part("buy_again", "train", "fit"),
    },
)
SETTINGS: Registry[Settings] = Registry(
    "source",
    {
        "collaborative": _part("collaborative", "settings", "CollaborativeSettings"),
        "similar": _part("similar", "settings", "SimilarSettings"),
        "session": _part("session", "settings", "SessionSettings"),
        "complements": _part("complements", "settings", "ComplementsSettings"),
        "trending": _part("trending", "settings", "TrendingSettings"),
        "buy_again": _part("buy_again", "settings", "BuyAgainSettings"),
    },
)

_ESTIMATORS = frozenset(
    ("ImplicitALS", "Ease", "ItemKNN", "SessionKNN", "ContentKNN", "Complements", "Trending", "BuyAgain")
)


def __getattr__(name: str) -> Any:
    """Estimators are loaded when first asked for: they need pyarrow and the fits, serving needs neither."""
    if name in _ESTIMATORS:
        return getattr(import_module(f"{__name__}.estimators"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_preparing = Lock()  # sources may be fitted on several threads; what they share is made once


def _prepared(interactions: Interactions, as_of_us: int) -> Any:
    with _preparing:
        return _prepare_once(interactions, as_of_us)


@lru_cache(maxsize=1)  # by identity: the six sources of one instant share what is prepared of its history
def _prepare_once(interactions: Interactions, as_of_us: int) -> Any:
    from shelfwise.candidates._matrix import prepare

    return prepare(interactions, as_of_us)
