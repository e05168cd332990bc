"""Features of the question itself, and columns that a release carries."""

from __future__ import annotations

from shelfwise.features._declare import Asked, Declaration, Fitted

CONTEXT: tuple[Declaration, ...] = (
    Asked(
        name="context__hour", entity="context", meaning="hour of the day where the shopper is, UTC if not told",
        unit="hours", dtype="int64", low=0, high=23,
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

FITTED: tuple[Declaration, ...] = (
    Fitted("item__purchase__percentile__90d", "part of the other items with fewer buyers in 90 days", "fraction", 0, 1),
    Fitted(
        "item__price__percentile", "part of the other items of its category that were last sold for less", "fraction",
        0, 1, "newer than the release, or never sold",
    ),
    Fitted(
        "item__purchase__typical_gap", "median days between two purchases of it by one person", "days", 0, None,
        "newer than the release, or fewer than 5 repeats",
    ),
)  # fmt: skip
