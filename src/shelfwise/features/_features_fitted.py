"""Features that a release carries: of an item by its whole history, its title, its season, and the graph of items."""

from __future__ import annotations

from shelfwise.features._calendar import YEAR_DAYS
from shelfwise.features._declare import Asked, Declaration, Derived, Fitted
from shelfwise.features._expr import Binary, Col, Expr, Ln, Num

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

_FEW_SALES = "newer than the release, or fewer than 5 sales"


def _whole(value: Expr) -> Expr:
    """The largest whole number that is not larger."""
    return value - Binary("mod", value, Num(1.0))


STANDING: tuple[Declaration, ...] = (
    Fitted(
        "item__purchase__percentile_in_category__90d",
        "part of the other items of its category with fewer buyers in 90 days", "fraction", 0, 1,
        "newer than the release, or without a category",
    ),
    Fitted(
        "item__revenue__percentile__90d", "part of the other items that brought in less in 90 days", "fraction", 0, 1,
    ),
    Fitted(
        "item__price__log_spread", "standard deviation of the logarithm of the prices paid", "ln(ratio)", 0, None,
        _FEW_SALES,
    ),
    Derived(
        name="item__price__band", entity="item", unit="code", low=0, high=10, window="fit", freshness="fitted",
        meaning="tenth of its category's prices that it was last sold in, 10 for the dearest",
        null="newer than the release, or never sold", expr=_whole(Col("item__price__percentile") * 10.0),
    ),
)  # fmt: skip

_NO_TITLE = "newer than the release, or without a title"

TEXT: tuple[Declaration, ...] = (
    Fitted("item__title__length", "characters of the title", "characters", 0),
    Fitted("item__title__words", "words of the title", "words", 0),
    Fitted(
        "item__title__rarity",
        "mean over the title's words of ln((items + 1) / (items with the word in the title + 1))", "ln(ratio)", 0, None,
        _NO_TITLE,
    ),
    Fitted("item__title__digits_share", "part of the title's characters that are digits", "fraction", 0, 1, _NO_TITLE),
)  # fmt: skip

_NO_SEASON = "newer than the release, fewer than 5 sales, or less than 330 days of history"
_COS, _SIN = Col("item__season__cos"), Col("item__season__sin")
_YEAR_COS, _YEAR_SIN = Col("context__year_cos"), Col("context__year_sin")

SEASON: tuple[Declaration, ...] = (
    Fitted(
        "item__season__strength", "size of the yearly wave in the item's part of the shop's sales", "ratio", 0, 1,
        _NO_SEASON,
    ),
    Derived(
        name="item__season__now", entity="item", unit="ratio", low=-1, high=1, window="now", null=_NO_SEASON,
        meaning="where the item stands today on its yearly wave: its strength at the peak", freshness="request",
        expr=_COS * _YEAR_COS + _SIN * _YEAR_SIN,
    ),
    Derived(
        name="item__season__rise", entity="item", unit="ratio", low=-1, high=1, window="now", null=_NO_SEASON,
        meaning="how steeply its yearly wave rises today, negative where it falls", freshness="request",
        expr=_SIN * _YEAR_COS - _COS * _YEAR_SIN,
    ),
    Derived(
        name="item__season__peak_to", entity="item", unit="days", low=0, high=YEAR_DAYS, window="now", null=_NO_SEASON,
        meaning="days to the next peak of its yearly wave", freshness="request",
        expr=Binary("mod", Col("item__season__peak_day") - Col("context__year_day"), Num(YEAR_DAYS)),
    ),
    Fitted(
        "item__weekend__share_ratio", "its part of sales on Saturday and Sunday (UTC) by the shop's, pulled to 1",
        "ratio", 0, None, f"{_FEW_SALES}, or nothing is sold on weekends",
    ),
    Derived(
        name="item__weekend__now", entity="item", unit="ratio", low=0, window="now", freshness="request",
        meaning="that ratio on a weekend, 1 on other days",
        null=f"{_FEW_SALES}, or nothing is sold on weekends",
        expr=(Col("item__weekend__share_ratio") - 1.0) * Col("context__weekend") + 1.0,
    ),
)  # fmt: skip

GRAPH: tuple[Declaration, ...] = (
    Derived(
        name="item__graph__degree_log", entity="item", unit="ln(items)", low=0, window="fit", freshness="fitted",
        meaning="logarithm of 1 plus the items that at least 5 of its buyers bought too",
        null="the item is newer than the release", expr=Ln(Col("item__graph__degree") + 1.0),
    ),
    Fitted("item__graph__strength", "sum of the Jaccard indexes of its 40 strongest edges", "ratio", 0),
    Derived(
        name="item__graph__pagerank_log", entity="item", unit="ln(ratio)", window="fit", freshness="fitted",
        meaning="logarithm of its PageRank by the mean one", null="the item is newer than the release",
        expr=Ln(Col("item__graph__pagerank")),
    ),
    Fitted(
        "item__graph__clustering", "part of the pairs of its neighbours that are neighbours too", "fraction", 0, 1,
        "newer than the release, or fewer than 2 neighbours",
    ),
    Derived(
        name="item__graph__community_log", entity="item", unit="ln(items)", low=0, window="fit", freshness="fitted",
        meaning="logarithm of the items of its community", null="the item is newer than the release",
        expr=Ln(Col("item__graph__community_size")),
    ),
)  # fmt: skip

_UNTOUCHED = "nothing known was touched yet, or the item is newer than the release"
_UNSEEDED = "no seed is known, or the item is newer than the release"


def _near(name: str, meaning: str, unit: str, low: float, high: float | None = None) -> Asked:
    seeds = name.startswith("seeds")
    return Asked(
        name=name, entity="context" if seeds else "user_item", meaning=meaning, unit=unit, low=low, high=high,
        null=_UNSEEDED if seeds else _UNTOUCHED,
    )  # fmt: skip


LIKENESS: tuple[Declaration, ...] = (
    _near("user_item__vector__last", "cosine with the vector of the item touched last", "cosine", -1, 1),
    _near("user_item__vector__last5_max", "highest cosine with the last 5 distinct items touched", "cosine", -1, 1),
    _near("user_item__vector__mean", "cosine with the mean vector of the last 20 items touched", "cosine", -1, 1),
    _near("user_item__graph__jaccard", "sum of the Jaccard indexes of edges from the last 20 items", "ratio", 0),
    _near("user_item__graph__adamic_adar", "sum of Adamic-Adar over edges from the last 20 items", "ratio", 0),
    _near("user_item__graph__two_hop", "sum of Jaccard times Jaccard over ways of two edges from them", "ratio", 0),
    _near("user_item__community__share", "part of the last 20 items that are of its community", "fraction", 0, 1),
    _near("seeds__vector__mean", "cosine with the mean vector of the seeds", "cosine", -1, 1),
    _near("seeds__graph__jaccard", "sum of the Jaccard indexes of edges from the seeds", "ratio", 0),
    _near("seeds__graph__adamic_adar", "sum of Adamic-Adar over edges from the seeds", "ratio", 0),
    _near("seeds__community__share", "part of the seeds that are of its community", "fraction", 0, 1),
)  # fmt: skip
