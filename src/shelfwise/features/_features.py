"""All features of the house. A new one is a line in one of these tables; every reader and page follows.

The recipe (person-days by windows, first-time buyers, decayed rhythm of a person and an item, last year's same weeks)
was chosen on past windows of Online Retail II before the two that are held back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shelfwise.domain import DAY_US, InvalidField
from shelfwise.features._buckets import Fading, Rolling, shop_name
from shelfwise.features._declare import (
    Asked,
    Declaration,
    Derived,
    Feature,
    Fitted,
    Gap,
    ItemCount,
    ItemFade,
    PairCount,
    PairDecay,
    Rate,
    Recency,
    ShopShare,
    Signal,
    Trend,
    UserCount,
    log_ratio,
)
from shelfwise.features._expr import Col, Ln

# ------------------------------------------------------------------- items

VIEWS = {w: ItemCount("view_item", "count", w * DAY_US) for w in (1, 7, 30)}
VIEWERS = {w: ItemCount("view_item", "actors", w * DAY_US) for w in (7, 30)}
CARTS = {w: ItemCount("add_to_cart", "count", w * DAY_US) for w in (1, 7, 30)}
CARTERS = {w: ItemCount("add_to_cart", "actors", w * DAY_US) for w in (7, 30)}
SOLD = {w: ItemCount("purchase", "count", w * DAY_US) for w in (1, 7, 30, 90, 365)}
BUYERS = {w: ItemCount("purchase", "actors", w * DAY_US) for w in (3, 7, 14, 30, 90, 365)}
NEW_BUYERS = {w: ItemCount("purchase", "first_buyers", w * DAY_US) for w in (3, 7, 14, 30, 90, 365)}
PIECES = ItemCount("purchase", "quantity", 30 * DAY_US)
LOG_QUANTITY = ItemCount("purchase", "log_quantity", 90 * DAY_US)
LOG_PRICE = ItemCount("purchase", "log_price", 365 * DAY_US)
RETURNS = ItemCount("refund", "count", 90 * DAY_US)
# The fortnight that lay ahead a year ago, and the one before it: both known in full, both whole days.
SEASON = ItemCount("purchase", "actors", 14 * DAY_US, lag_us=351 * DAY_US)
SEASON_BEFORE = ItemCount("purchase", "actors", 14 * DAY_US, lag_us=365 * DAY_US)

FADING_BUYERS = {days: ItemFade("purchase", "actors", days) for days in (2, 7)}
FADING_NEW = ItemFade("purchase", "first_buyers", 5)

ITEM_FADES: tuple[ItemFade, ...] = (*FADING_BUYERS.values(), FADING_NEW)
"""What the stream weighs per item by age."""

ITEM_COUNTS: tuple[ItemCount, ...] = (
    *VIEWS.values(), *VIEWERS.values(), *CARTS.values(), *CARTERS.values(), *SOLD.values(), *BUYERS.values(),
    *NEW_BUYERS.values(), PIECES, LOG_QUANTITY, LOG_PRICE, RETURNS, SEASON, SEASON_BEFORE,
)  # fmt: skip
"""What the stream counts per item: base columns, each also a feature by its own name if a ranker needs it."""

_LAST_PRICE = Ln(Col("item__purchase__last_price"))
_MEAN_LOG_PRICE = LOG_PRICE.col / SOLD[365].col / 1000.0
_MEAN_LOG_QUANTITY = LOG_QUANTITY.col / SOLD[90].col / 1000.0

ITEM: tuple[Declaration, ...] = (
    VIEWS[1], VIEWS[7], VIEWS[30], CARTS[1], CARTS[7], CARTS[30], SOLD[1], SOLD[7], BUYERS[30], BUYERS[365],
    PIECES,
    ShopShare(VIEWERS[7]), ShopShare(CARTERS[7]), *(ShopShare(BUYERS[w]) for w in (3, 7, 14, 30, 90, 365)),
    *(ShopShare(NEW_BUYERS[w]) for w in (3, 7, 14, 30, 90)),
    ShopShare(SOLD[1]), *(ShopShare(one) for one in ITEM_FADES),
    Rate("first_buyers_of_buyers", NEW_BUYERS[7], BUYERS[7], 0.5, 2),
    Rate("first_buyers_of_buyers", NEW_BUYERS[30], BUYERS[30], 0.5, 2),
    Rate("carts_of_views", CARTS[30], VIEWS[30], 0.1, 20),
    Rate("buys_of_views", SOLD[30], VIEWS[30], 0.03, 50),
    Rate("returns_of_sales", RETURNS, SOLD[90], 0.02, 50),
    Trend(SOLD[1], SOLD[7]), Trend(BUYERS[7], BUYERS[30]), Trend(BUYERS[14], BUYERS[90]),
    Trend(BUYERS[30], BUYERS[90]), Trend(BUYERS[30], BUYERS[365]), Trend(VIEWERS[7], VIEWERS[30]),
    ShopShare(SEASON), ShopShare(SEASON_BEFORE),
    Recency("item", "", "first"), Recency("item", "purchase"),
    Derived(
        name="item__purchase__rebuy_rate__365d", entity="item", unit="fraction", low=0, window="365d",
        meaning="share of person-days with a purchase on which it was bought again, (all - first + 1) / (all + 4)",
        expr=(BUYERS[365].col - NEW_BUYERS[365].col + 1.0) / (BUYERS[365].col + 4.0),
    ),
    Derived(
        name="item__purchase__season_ratio__365d", entity="item", unit="ratio", low=0, window="365d",
        meaning="last year's coming fortnight by the mean fortnight of the year: (season + 1) / (year / 26 + 1)",
        expr=(SEASON.col + 1.0) / (BUYERS[365].col / 26.0 + 1.0),
    ),
    Derived(
        name="item__purchase__season_trend__365d", entity="item", unit="ratio", low=0, window="379d",
        meaning="last year's coming fortnight by the one before it, each plus 1",
        expr=(SEASON.col + 1.0) / (SEASON_BEFORE.col + 1.0),
    ),
    Derived(
        name="item__purchase__season_lift__30d", entity="item", unit="ratio", low=0, window="365d",
        null="nothing was counted in the shop",
        meaning="per mille of last year's coming fortnight by per mille of the last 30 days plus 0.05",
        expr=(SEASON.col * 1000.0 / Col("shop__purchase__actors__14d_351d_ago"))
        / (BUYERS[30].col * 1000.0 / Col("shop__purchase__actors__30d") + 0.05),
    ),
    Derived(
        name="item__price__log", entity="item", unit="ln(minor units)", null="never sold, or free",
        meaning="logarithm of the price last paid for one piece", expr=_LAST_PRICE,
    ),
    Derived(
        name="item__price__discount__365d", entity="item", unit="ln(ratio)", null="not sold within a year",
        meaning="price last paid against the mean paid in the year, as a logarithm", window="365d",
        expr=_LAST_PRICE - _MEAN_LOG_PRICE,
    ),
    Derived(
        name="item__quantity__log_mean__90d", entity="item", unit="ln(pieces)", null="not sold within 90 days",
        meaning="mean logarithm of the pieces bought at once", window="90d", expr=_MEAN_LOG_QUANTITY,
    ),
)  # fmt: skip

# ------------------------------------------------------------------ people

ORDERS = {w: UserCount("purchase", "orders", w and w * DAY_US) for w in (None, 30, 90, 365)}
BOUGHT = UserCount("purchase", "count")
USER_COUNTS: tuple[UserCount, ...] = (
    *ORDERS.values(), BOUGHT,
    *(UserCount("view_item", "count", w and w * DAY_US) for w in (None, 1, 7, 30)),
    *(UserCount("add_to_cart", "count", w * DAY_US) for w in (7, 30)), UserCount("refund", "count"),
)  # fmt: skip

_NEVER_BOUGHT = "nothing bought yet"
_ITEMS, _REPEATED = Col("user__purchase__items__all"), Col("user__purchase__repeated_items__all")
_USER_LOG_PRICE = Col("user__purchase__log_price__all") / Col("user__purchase__priced__all")
_USER_LOG_QUANTITY = Col("user__purchase__log_quantity__all") / BOUGHT.col

USER: tuple[Declaration, ...] = (
    *USER_COUNTS,
    Recency("user", ""), Recency("user", "", "first"),
    Recency("user", "purchase"), Recency("user", "purchase", "first"),
    Gap("user", ORDERS[None].name), Gap("user", ORDERS[None].name, overdue=True),
    Derived(
        name="user__purchase__items__all", entity="user", meaning="distinct items bought", unit="items",
        dtype="int64", low=0, expr=_ITEMS,
    ),
    Derived(
        name="user__purchase__repeated_share__all", entity="user", unit="fraction", low=0, high=1, null=_NEVER_BOUGHT,
        meaning="part of the items bought that were bought on more than one day", expr=_REPEATED / _ITEMS,
    ),
    Derived(
        name="user__purchase__new_share__all", entity="user", unit="fraction", low=0, high=1, null=_NEVER_BOUGHT,
        meaning="distinct items by lines bought: 1 for who never buys a thing twice", expr=_ITEMS / BOUGHT.col,
    ),
    Derived(
        name="user__purchase__basket__all", entity="user", unit="lines", low=0, null=_NEVER_BOUGHT,
        meaning="mean lines of an order", expr=BOUGHT.col / ORDERS[None].col,
    ),
    Derived(
        name="user__purchase__log_spend__all", entity="user", unit="ln(minor units)", null=_NEVER_BOUGHT,
        meaning="logarithm of the mean spend of an order",
        expr=log_ratio(Col("user__purchase__spend__all"), ORDERS[None].col),
    ),
    Derived(
        name="user__price__log_mean__all", entity="user", unit="ln(minor units)", null=_NEVER_BOUGHT,
        meaning="mean logarithm of the price of one piece bought", expr=_USER_LOG_PRICE,
    ),
    Derived(
        name="user__quantity__log_mean__all", entity="user", unit="ln(pieces)", null=_NEVER_BOUGHT,
        meaning="mean logarithm of the pieces bought at once", expr=_USER_LOG_QUANTITY,
    ),
)  # fmt: skip

SESSION: tuple[Declaration, ...] = (
    Derived(
        name="session__all__events", entity="session", meaning="events of the running session", unit="events",
        dtype="int64", low=0, window="session", expr=Col("session__all__events"),
    ),
    Derived(
        name="session__view_item__count", entity="session", meaning="lines of view_item in the running session",
        unit="lines", dtype="int64", low=0, window="session", expr=Col("session__view_item__count"),
    ),
    Derived(
        name="session__add_to_cart__count", entity="session", unit="lines", dtype="int64", low=0, window="session",
        meaning="lines of add_to_cart in the running session", expr=Col("session__add_to_cart__count"),
    ),
    Recency("session", "", "first"),
)  # fmt: skip

# ------------------------------------------------------- a person and an item

PAIR_COUNTS: tuple[PairCount, ...] = (
    PairCount("view_item"), PairCount("view_item", 7 * DAY_US), PairCount("add_to_cart"),
    PairCount("purchase"), PairCount("refund"),
)  # fmt: skip
SHARED_DECAYS = (30, 90)  # half-lives whose sums over all items of a person are kept too
DECAYS = {days: PairDecay(days) for days in (14, 30, 90, 365)}

_DAYS = Col("user_item__purchase__days__all")
_PIECES = Col("user_item__purchase__quantity__all")
_NEVER = "never bought by this person"

USER_ITEM: tuple[Declaration, ...] = (
    *PAIR_COUNTS, *DECAYS.values(),
    *(
        Derived(
            name=f"user_item__purchase__decay_share__{days}d", entity="user_item", unit="fraction", low=0, high=1,
            null=_NEVER_BOUGHT, meaning=f"this item's part of the person's decayed days ({days} days' half-life)",
            expr=DECAYS[days].col / Col(f"user__purchase__decay__{days}d"),
        )
        for days in SHARED_DECAYS
    ),
    Derived(
        name="user_item__purchase__days__all", entity="user_item", unit="days", dtype="int64", low=0,
        meaning="days on which the person bought it", expr=_DAYS,
    ),
    Recency("user_item", "purchase"), Recency("user_item", "purchase", "first"), Recency("user_item", "view_item"),
    Recency("user_item", "add_to_cart"),
    Gap("user_item", _DAYS.name), Gap("user_item", _DAYS.name, overdue=True),
    Derived(
        name="user_item__purchase__orders_since", entity="user_item", unit="orders", low=0, null=_NEVER,
        meaning="orders of the person after the last one with this item", expr=Col("user_item__purchase__orders_since"),
    ),
    Derived(
        name="user_item__purchase__share__all", entity="user_item", unit="ratio", low=0, null=_NEVER_BOUGHT,
        meaning="days on which it was bought by orders of the person", expr=_DAYS / ORDERS[None].col,
    ),
    Derived(
        name="user_item__quantity__log_total__all", entity="user_item", unit="ln(pieces)", null=_NEVER,
        meaning="logarithm of all pieces bought of it", expr=Ln(_PIECES),
    ),
    Derived(
        name="user_item__quantity__log_mean__all", entity="user_item", unit="ln(pieces)", null=_NEVER,
        meaning="logarithm of the pieces bought of it on one day, mean", expr=log_ratio(_PIECES, _DAYS),
    ),
    Derived(
        name="user_item__quantity__log_last", entity="user_item", unit="ln(pieces)", null=_NEVER,
        meaning="logarithm of the pieces bought of it on the last day it was bought",
        expr=Ln(Col("user_item__purchase__last_quantity")),
    ),
    Derived(
        name="user_item__view_item__place", entity="user_item", unit="lines", low=0, null="never viewed",
        meaning="lines of view_item since the person last viewed it: 0 for the item viewed last",
        expr=Col("user_item__view_item__place"),
    ),
    Derived(
        name="user_item__view_item__session", entity="user_item", unit="lines", dtype="int64", low=0,
        window="session", meaning="times viewed in the running session", expr=Col("user_item__view_item__session"),
    ),
    Derived(
        name="user_item__add_to_cart__session", entity="user_item", unit="lines", dtype="int64", low=0,
        window="session", meaning="times put in the cart in the running session",
        expr=Col("user_item__add_to_cart__session"),
    ),
    Derived(
        name="user_item__price__log_difference__all", entity="user_item", unit="ln(ratio)",
        null="the item or the person has no price yet",
        meaning="price last paid for the item against the mean price the person pays",
        expr=_LAST_PRICE - _USER_LOG_PRICE,
    ),
    Derived(
        name="user_item__quantity__log_difference__all", entity="user_item", unit="ln(ratio)",
        null="the item or the person has not bought",
        meaning="pieces the item is bought in against the pieces the person buys",
        expr=_MEAN_LOG_QUANTITY - _USER_LOG_QUANTITY,
    ),
    *(
        Derived(
            name=f"user_{what}__{event}__share__all", entity="user_item", unit="fraction", low=0, high=1,
            null=f"the item has no {what}, or the person no {event}",
            meaning=f"part of the person's lines of {event} that are of this item's {what}",
            expr=Col(f"user_{what}__{event}__count__all") / Col(f"user__{event}__count__all"),
        )
        for what in ("category", "brand") for event in ("view_item", "purchase")
    ),
)  # fmt: skip

# --------------------------------------------------------------- the question

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

_TABLES: tuple[tuple[Declaration, ...], ...] = (ITEM, USER, SESSION, USER_ITEM, CONTEXT, FITTED)
COUNTER_NAMES = (*(one.name for one in ITEM_COUNTS), *(one.name for one in ITEM_FADES))
FEATURES: tuple[Feature, ...] = tuple(one.feature() for table in _TABLES for one in table)
"""Every feature but the sources' signals, in the order rankers get them."""

BY_NAME = {feature.name: feature for feature in FEATURES}

_USED = {column for feature in FEATURES if feature.expr is not None for column in feature.expr.columns()}
ITEM_ROLLING: tuple[Rolling | Fading, ...] = (
    *(replace(one.rolling, summed=shop_name(one.name) in _USED) for one in ITEM_COUNTS),
    *(replace(one.fading, summed=shop_name(one.name) in _USED) for one in ITEM_FADES),
)
"""What the stream has to count: ``ItemCounters(ITEM_ROLLING, now_us)``."""


def feature_names(signals: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of all features for these source signals: three columns a signal, after all others."""
    return tuple(feature.name for feature in features_for(signals))


def features_for(signals: Sequence[str] = ()) -> tuple[Feature, ...]:
    """All features for these source signals. Raises InvalidField for a signal named like a feature."""
    clash = next((name for name in signals if name in BY_NAME), None)
    if clash is not None:
        raise InvalidField("signal", clash, "a name that no feature has")
    return (*FEATURES, *(feature for name in signals for feature in Signal(name).features()))
