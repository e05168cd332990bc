"""Base columns that no count of events gives: each kind declared once, with where its readers find it.

========== ======================================== ===================================================
kind       at the request                           in SQL
========== ======================================== ===================================================
ASKED      the question                             ``asked``: a row carries what it was asked with
CALENDAR   ``calendar_row`` of the shopper's day    ``calendar``, by country and local day
CATALOGUE  live columns and the shelf, by item row  ``items``
SHELF      ``shelf_numbers``, by item row           ``items``
FITTED     columns of the release, by item row      ``fitted``, by item row: the newest fit before the question
LIKENESS   vectors and edges of the release         none: they belong to a fit and to the lines of a person
========== ======================================== ===================================================

The first two are numbers of the question, the others rows of the candidates. Expressions combine all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, HOUR_US, MINUTE_US, LiveItems, PersonState, Query, Shelf
from shelfwise.features._calendar import CALENDAR, UNKNOWN, calendar_row
from shelfwise.features._history import device_code

__all__ = [
    "ASKED_NUMBERS", "CALENDAR", "CATALOGUE", "FITTED", "LEAST", "LIKENESS", "SHELF", "asked_numbers",
    "calendar_numbers", "catalogue_columns", "local_day", "placement_code", "referrer_code",
]  # fmt: skip

ASKED_NUMBERS = (
    "context__hour", "context__weekday", "context__device", "context__seeds", "context__placement",
    "context__referrer", "context__signed_in", "user__age__years",
)  # fmt: skip
"""Numbers of the question, in the order of ``asked_numbers``."""

CATALOGUE = (
    "item__catalogue__price", "item__catalogue__list_price", "item__catalogue__cost", "item__catalogue__stock",
    "item__catalogue__first_us",
)  # fmt: skip
"""What the catalogue says of an item now: money in minor units, pieces, an instant."""

LEAST: Mapping[str, int] = {name: int(name.endswith("_us")) for name in CATALOGUE}
"""Values below it are none: -1 is unknown money or stock; an instant of 0 is none."""

SHELF = (
    "item__category__depth", "item__category__size", "item__brand__size", "item__group__size",
    "item__attributes__count", "item__tags__count", "item__regions__count", "item__image__present",
    "item__age__least",
)  # fmt: skip
"""What the shelf says of an item: changes when the catalogue does."""

FITTED = (
    "item__purchase__percentile__90d", "item__price__percentile", "item__purchase__typical_gap",
    "item__purchase__percentile_in_category__90d", "item__revenue__percentile__90d", "item__price__log_spread",
    "item__title__length", "item__title__words", "item__title__rarity", "item__title__digits_share",
    "item__season__strength", "item__season__peak_day", "item__season__cos", "item__season__sin",
    "item__weekend__share_ratio",
    "item__graph__degree", "item__graph__strength", "item__graph__pagerank", "item__graph__clustering",
    "item__graph__community_size",
)  # fmt: skip
"""Columns that a release carries, by item row."""

LIKENESS = (
    "user_item__vector__last", "user_item__vector__last5_max", "user_item__vector__mean",
    "user_item__graph__jaccard", "user_item__graph__adamic_adar", "user_item__graph__two_hop",
    "user_item__community__share",
    "seeds__vector__mean", "seeds__graph__jaccard", "seeds__graph__adamic_adar", "seeds__community__share",
)  # fmt: skip
"""How near an item is to those that a person touched last and to the seeds, in the order of ``read_likeness``."""

_PLACEMENTS = {
    "home": 1, "item": 2, "product": 2, "cart": 3, "category": 4, "search": 5, "checkout": 6, "email": 7, "account": 8,
}  # fmt: skip
_SEARCH, _SOCIAL, _MAIL, _PAID, _OTHER = 1, 2, 3, 4, 255
_REFERRERS = {
    _PAID: ("gclid=", "utm_medium=cpc", "doubleclick.", "adservice", "/ads"),
    _MAIL: ("mail", "newsletter", "utm_medium=email"),
    _SEARCH: ("google.", "bing.", "duckduckgo.", "yahoo.", "ecosia.", "baidu.", "yandex.", "search"),
    _SOCIAL: ("facebook.", "instagram.", "tiktok.", "twitter.", "x.com", "t.co/", "pinterest.", "youtube.", "reddit.",
              "linkedin.", "social"),
}  # fmt: skip


def placement_code(placement: str | None) -> int:
    """Class of a place on the site by the first word of its name: 0 not told, 255 another."""
    if not placement:
        return 0
    return _PLACEMENTS.get(placement.lower().replace("-", "_").split("_")[0], _OTHER)


@lru_cache(maxsize=4096)
def referrer_code(referrer: str | None) -> int:
    """Class of where a shopper came from: 0 not told, 1 search, 2 social, 3 mail, 4 paid, 255 another."""
    text = (referrer or "").lower()
    if not text:
        return 0
    return next((code for code, words in _REFERRERS.items() if any(word in text for word in words)), _OTHER)


def local_day(query: Query) -> int:
    """Days since 1970-01-01 where the shopper is, UTC if not told."""
    return (query.asked_us + (query.context.offset_minutes or 0) * MINUTE_US) // DAY_US


def asked_numbers(query: Query) -> tuple[float, ...]:
    """``ASKED_NUMBERS`` of a question."""
    context = query.context
    local_us = query.asked_us + (context.offset_minutes or 0) * MINUTE_US
    return (
        local_us % DAY_US // HOUR_US,
        (local_us // DAY_US + 3) % 7,  # 1970-01-01 was a Thursday
        device_code(context.device),
        len(query.seeds),
        placement_code(query.placement),
        referrer_code(context.referrer),
        query.user_id is not None,
        np.nan if context.age is None else context.age,
    )


def calendar_numbers(query: Query, person: PersonState) -> NDArray[np.float64]:
    """``CALENDAR`` of the shopper's day, in the country they ask from or were last seen in."""
    return calendar_row(query.context.country or person.country or UNKNOWN, local_day(query))


def catalogue_columns(live: LiveItems | None, shelf: Shelf) -> dict[str, NDArray[np.int64]]:
    """``CATALOGUE`` by item row, in place: a value below ``LEAST`` is none. Without live columns only the shelf's."""
    *offered, first = CATALOGUE
    if live is None:
        return {first: shelf.first_seen_us}
    columns = (live.price_minor, live.list_price_minor, live.cost_minor, live.stock)
    return {**dict(zip(offered, columns, strict=True)), first: shelf.first_seen_us}
