"""What a declaration implies: the view that makes a feature, and whose secret it could tell. Derived, not written."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from shelfwise.features._bases import ASKED_NUMBERS, CALENDAR, CATALOGUE, FITTED, LIKENESS, SHELF
from shelfwise.features._declare import Feature
from shelfwise.features._sql_people import VIEWS

Privacy = Literal["catalogue", "crowd", "question", "behaviour", "personal"]

PRIVACY: dict[Privacy, str] = {
    "catalogue": "what the shop says of its items: no person's secret",
    "crowd": "what all shoppers did together; an item with one buyer tells of that one",
    "question": "what was asked, with what and where from; kept with the logged answer only",
    "behaviour": "what one person did; erased with them",
    "personal": "what a person is; never kept by features, only read from the question",
}
"""Classes, the least secret first: a feature is of the most secret class of what it is made of."""

_TABLES = {
    **dict.fromkeys((*CATALOGUE, *SHELF), "items"),
    **dict.fromkeys(FITTED, "fitted"),
    **dict.fromkeys(CALENDAR, "calendar"),
    **dict.fromkeys(ASKED_NUMBERS, "asked"),
    **dict.fromkeys(LIKENESS, "relations"),
}
_SEEDS = "seeds"  # what the shopper looks at now


def owner(feature: Feature) -> str:
    """The views or tables that its columns are made in, the first named first; ``sources`` for their signals."""
    if feature.expr is None:
        return "sources"
    return ", ".join(dict.fromkeys(map(_maker, feature.expr.columns())))


def privacy(feature: Feature) -> Privacy:
    """The most secret class among its columns."""
    if feature.expr is None:
        return "behaviour"  # sources read the lines of the person
    told = {_secrecy(column) for column in feature.expr.columns()}
    return next(kind for kind in reversed(PRIVACY) if kind in told)


@cache
def _maker(column: str) -> str:
    """The first view that names a column, or the table that brings it."""
    if column in _TABLES:
        return _TABLES[column]
    if column.startswith(_SEEDS):
        return "asked"
    word = re.compile(rf"\b{column}\b")
    return next(view.name for view in VIEWS if word.search(view.query))


def _secrecy(column: str) -> Privacy:
    """Whatever is not known to be public counts as behaviour."""
    whose = column.partition("__")[0]
    if column.startswith("user__age__"):
        return "personal"
    if column in CATALOGUE or column in SHELF or column.startswith("item__title__"):
        return "catalogue"
    if whose in ("item", "shop"):
        return "crowd"
    return "question" if whose in ("context", _SEEDS) else "behaviour"
