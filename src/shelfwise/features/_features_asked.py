"""Features of the question itself: what was asked with, the shopper who asks, the calendar of their day."""

from __future__ import annotations

from shelfwise.features._declare import Asked, Declaration, Derived
from shelfwise.features._expr import Binary, Col, Expr, Num

CONTEXT: tuple[Declaration, ...] = (
    Asked(
        name="context__hour", entity="context", meaning="hour of the day where the shopper is, UTC if not told",
        unit="hours", dtype="int64", low=0, high=23, batch=True,
    ),
    Asked(
        name="context__weekday", entity="context", meaning="day of the week there, 0 is Monday", unit="days",
        dtype="int64", low=0, high=6, batch=True,
    ),
    Asked(
        name="context__device", entity="context", meaning="code of the device, 0 unknown", unit="code",
        dtype="int64", low=0, high=255, batch=True,
    ),
    Asked(
        name="context__seeds", entity="context", meaning="items looked at or held in the cart", unit="items",
        dtype="int64", low=0,
    ),
    Asked(
        name="seeds__category__share", entity="context", unit="fraction", low=0, high=1,
        meaning="part of those items that share this item's category", null="no such items, or it has no category",
    ),
    Asked(
        name="seeds__brand__share", entity="context", unit="fraction", low=0, high=1,
        meaning="part of those items that share this item's brand", null="no such items, or it has no brand",
    ),
    Asked(
        name="seeds__price__log_difference", entity="context", unit="ln(ratio)",
        meaning="price last paid for the item against their mean", null="no such items, or no prices",
    ),
)  # fmt: skip

_NO_AGE = "the shopper's age was not told"
_AGE = Col("user__age__years")
_BANDS = (18, 25, 35, 45, 55, 65)  # years at which an age band begins


def _reached(value: Expr, edges: tuple[int, ...]) -> Expr:
    """How many of the edges a value reaches."""
    reached: Expr = Binary(">=", value, Num(edges[0]))
    for edge in edges[1:]:
        reached = reached + Binary(">=", value, Num(edge))
    return reached


SHOPPER: tuple[Declaration, ...] = (
    Asked(
        name="user__age__years", entity="user", meaning="age of the shopper, where the shop tells it", unit="years",
        low=0, high=150, null=_NO_AGE, batch=True,
    ),
    Derived(
        name="user__age__band", entity="user", unit="code", low=0, high=len(_BANDS), window="now", null=_NO_AGE,
        meaning=f"how many of the ages {', '.join(map(str, _BANDS))} the shopper has reached",
        freshness="request", expr=_reached(_AGE, _BANDS),
    ),
    Derived(
        name="user_item__age__above_least", entity="user_item", unit="years", window="now", freshness="request",
        meaning="age of the shopper by the age that the item is for, 0 for all", expr=_AGE - Col("item__age__least"),
        null=f"{_NO_AGE}, or the item is not on the shelf",
    ),
    Asked(
        name="context__placement", entity="context", unit="code", dtype="int64", low=0, high=255, batch=True,
        meaning="class of the place on the site: 1 home, 2 item, 3 cart, 4 category, 5 search, 6 checkout, 7 email, "
        "8 account, 255 another, 0 not told",
    ),
    Asked(
        name="context__referrer", entity="context", unit="code", dtype="int64", low=0, high=255, batch=True,
        meaning="class of where the shopper came from: 1 search, 2 social, 3 mail, 4 paid, 255 another, 0 not told",
    ),
    Asked(
        name="context__signed_in", entity="context", unit="flag", dtype="int64", low=0, high=1, batch=True,
        meaning="1 for a shopper known by name, 0 for a visitor",
    ),
)  # fmt: skip


def _day(name: str, meaning: str, unit: str, low: float, high: float, null: str | None = None) -> Asked:
    return Asked(
        name=f"context__{name}", entity="context", meaning=meaning, unit=unit, low=low, high=high, null=null, batch=True
    )  # fmt: skip


_NO_HOLIDAYS = "the country is not told, or its holidays are not known"

CALENDAR_DAY: tuple[Declaration, ...] = (
    _day("month", "month where the shopper is", "months", 1, 12),
    _day("month_day", "day of the month there", "days", 1, 31),
    _day("year_week", "ISO week of the year there", "weeks", 1, 53),
    _day("year_day", "day of the year there, from 0", "days", 0, 365),
    _day("year_sin", "sine of the year's angle, 0 on the first of January", "sine", -1, 1),
    _day("year_cos", "cosine of the year's angle", "cosine", -1, 1),
    _day("weekend", "1 on a day of the country's weekend, Saturday and Sunday if not told", "flag", 0, 1),
    _day("payday__to", "days to the next last working day of a month, 0 on it", "days", 0, 35),
    _day("payday__since", "days since the last one", "days", 0, 35),
    _day("holiday", "1 on a public holiday of the country", "flag", 0, 1, _NO_HOLIDAYS),
    _day("holiday__to", "days to the next public holiday, 0 on it", "days", 0, 100, _NO_HOLIDAYS),
    _day("holiday__since", "days since the last public holiday", "days", 0, 100, _NO_HOLIDAYS),
)
