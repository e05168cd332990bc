"""The SQL of what no event tells: the fit that a row is joined with, the columns that it takes from tables."""

from __future__ import annotations

from shelfwise.domain import DAY_US
from shelfwise.features._bases import CALENDAR, CATALOGUE, FITTED, SHELF
from shelfwise.features._sql import View, when

LOCAL = "(r.as_of_us + CAST(COALESCE(r.offset_minutes, 0) AS BIGINT) * 60000000)"
"""The wall clock of the shopper of row ``r``, in microseconds."""

FITS_AT = View("fits_at", ("instants", "fitted"), """SELECT i.as_of_us, MAX(f.fit_us) AS fit_us
FROM instants i JOIN (SELECT DISTINCT fit_us FROM fitted) f ON f.fit_us <= i.as_of_us
GROUP BY i.as_of_us""")  # fmt: skip
"""For each instant asked for the newest fit before it: a release is trained on what happened before its own instant."""

_SIGNED_IN = when("r.person >= 'u:' AND r.person < 'u;'")  # keys are "u:" and "a:" with an id


def _past(name: str) -> str:
    """A column of the catalogue once it is known: an instant when it has passed, what may change since it was read."""
    known = f"t.{name} < r.as_of_us" if name.endswith("_us") else "t.known_us <= r.as_of_us"
    return f"CASE WHEN {known} THEN t.{name} END"


COLUMNS = (
    "CAST(COALESCE(r.device_code, 0) AS BIGINT) AS context__device",
    "CAST(COALESCE(r.placement_code, 0) AS BIGINT) AS context__placement",
    "CAST(COALESCE(r.referrer_code, 0) AS BIGINT) AS context__referrer",
    f"{_SIGNED_IN} AS context__signed_in",
    "r.age_years AS user__age__years",
    *(f"{_past(name)} AS {name}" for name in CATALOGUE),
    *(f"t.{name}" for name in SHELF),
    *(f"f.{name}" for name in FITTED),
    *(f"k.{name}" for name in CALENDAR),
)
"""Columns of the wide row ``r``, its item ``t``, its fit ``f`` and its day ``k``."""

JOINS = f"""LEFT JOIN fits_at x ON x.as_of_us = r.as_of_us
LEFT JOIN fitted f ON f.fit_us = x.fit_us AND f.item_row = r.item_row
LEFT JOIN calendar k ON k.country = COALESCE(r.country, '')
  AND k.local_day = CAST(FLOOR(CAST({LOCAL} AS DOUBLE) / CAST({DAY_US} AS DOUBLE)) AS BIGINT)"""
JOINED = ("fits_at", "fitted", "calendar")
