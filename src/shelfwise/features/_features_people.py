"""Features of people, of their running session, and of a person and an item: made of the lines remembered of them."""

from __future__ import annotations

from typing import Literal

from shelfwise.domain import DAY_US
from shelfwise.features._counted import Gap, PairCount, PairDecay, Recency, UserCount
from shelfwise.features._declare import Declaration, Derived, log_ratio
from shelfwise.features._expr import Col, Ln
from shelfwise.features._features_items import LAST_PRICE, MEAN_LOG_QUANTITY

ORDERS = {w: UserCount("purchase", "orders", w and w * DAY_US) for w in (None, 30, 90, 365)}
BOUGHT = UserCount("purchase", "count")
_RECIPE_COUNTS: tuple[UserCount, ...] = (
    *ORDERS.values(), BOUGHT,
    *(UserCount("view_item", "count", w and w * DAY_US) for w in (None, 1, 7, 30)),
    *(UserCount("add_to_cart", "count", w * DAY_US) for w in (7, 30)), UserCount("refund", "count"),
)  # fmt: skip
_MORE_COUNTS: tuple[UserCount, ...] = (
    UserCount("view_item", "count", 90 * DAY_US), UserCount("add_to_cart", "count"),
    *(UserCount("purchase", "count", w * DAY_US) for w in (30, 90, 365)), UserCount("refund", "count", 365 * DAY_US),
)  # fmt: skip
USER_COUNTS = (*_RECIPE_COUNTS, *_MORE_COUNTS)

_NEVER_BOUGHT = "nothing bought yet"
_ITEMS, _REPEATED = Col("user__purchase__items__all"), Col("user__purchase__repeated_items__all")
_USER_LOG_PRICE = Col("user__purchase__log_price__all") / Col("user__purchase__priced__all")
_USER_LOG_QUANTITY = Col("user__purchase__log_quantity__all") / BOUGHT.col

USER: tuple[Declaration, ...] = (
    *_RECIPE_COUNTS,
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

_RECIPE_PAIRS: tuple[PairCount, ...] = (
    PairCount("view_item"), PairCount("view_item", 7 * DAY_US), PairCount("add_to_cart"),
    PairCount("purchase"), PairCount("refund"),
)  # fmt: skip
_MORE_PAIRS: tuple[PairCount, ...] = (
    *(PairCount("view_item", w * DAY_US) for w in (1, 30, 90)),
    *(PairCount("add_to_cart", w * DAY_US) for w in (7, 30)),
    *(PairCount("purchase", w * DAY_US) for w in (30, 90, 365)),
)  # fmt: skip
PAIR_COUNTS = (*_RECIPE_PAIRS, *_MORE_PAIRS)
SHARED_DECAYS = (30, 90)  # half-lives whose sums over all items of a person are kept too
DECAYS = {days: PairDecay(days) for days in (14, 30, 90, 365)}

_DAYS = Col("user_item__purchase__days__all")
_PIECES = Col("user_item__purchase__quantity__all")
_NEVER = "never bought by this person"

USER_ITEM: tuple[Declaration, ...] = (
    *_RECIPE_PAIRS, *DECAYS.values(),
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
        expr=LAST_PRICE - _USER_LOG_PRICE,
    ),
    Derived(
        name="user_item__quantity__log_difference__all", entity="user_item", unit="ln(ratio)",
        null="the item or the person has not bought",
        meaning="pieces the item is bought in against the pieces the person buys",
        expr=MEAN_LOG_QUANTITY - _USER_LOG_QUANTITY,
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

# ------------------------------------------------- beyond the recipe

_CONVERSIONS = (
    ("carts_of_views", "add_to_cart", "view_item"), ("buys_of_views", "purchase", "view_item"),
    ("buys_of_carts", "purchase", "add_to_cart"),
)  # fmt: skip


def _conversions(entity: Literal["user", "user_item"], whose: str) -> tuple[Derived, ...]:
    """Lines of one event by lines of the one that leads to it: above 1 where more was bought than looked at."""
    return tuple(
        Derived(
            name=f"{entity}__conversion__{what}__all", entity=entity, unit="ratio", low=0, null=f"no {of} yet",
            meaning=f"lines of {done} by lines of {of}, {whose}",
            expr=Col(f"{entity}__{done}__count__all") / Col(f"{entity}__{of}__count__all"),
        )
        for what, done, of in _CONVERSIONS
    )  # fmt: skip


def _pace_by(event: str, short: int, long: int) -> Derived:
    """A person's daily pace in the short window by that in the long one."""
    few, many = (Col(f"user__{event}__count__{days}d") / float(days) for days in (short, long))
    return Derived(
        name=f"user__{event}__trend__{short}d_{long}d", entity="user", unit="ratio", low=0, window=f"{long}d",
        null=f"no {event} within {long} days", expr=few / many,
        meaning=f"lines of {event} a day in {short} days by those in {long} days",
    )  # fmt: skip


HABITS: tuple[Declaration, ...] = (
    *_MORE_COUNTS, *_conversions("user", "of the person"),
    Derived(
        name="user__refund__share__all", entity="user", unit="ratio", low=0, null=_NEVER_BOUGHT,
        meaning="lines of refund by lines of purchase of the person", expr=Col("user__refund__count__all") / BOUGHT.col,
    ),
    _pace_by("view_item", 1, 7), _pace_by("view_item", 7, 30), _pace_by("view_item", 30, 90),
    _pace_by("add_to_cart", 7, 30), _pace_by("purchase", 30, 90), _pace_by("purchase", 90, 365),
    Derived(
        name="user__purchase__basket__90d", entity="user", unit="lines", low=0, window="90d",
        null="nothing bought within 90 days", meaning="mean lines of an order begun within 90 days",
        expr=Col("user__purchase__count__90d") / ORDERS[90].col,
    ),
)  # fmt: skip

PAIR_WINDOWS: tuple[Declaration, ...] = (
    *_MORE_PAIRS, *_conversions("user_item", "of the person with this item"),
    *(
        Derived(
            name=f"user_item__{event}__share__{window}", entity="user_item", unit="fraction", low=0, high=1,
            null=f"no {event} of the person by then", window=window,
            meaning=f"part of the person's lines of {event} that are of this item",
            expr=Col(f"user_item__{event}__count__{window}") / Col(f"user__{event}__count__{window}"),
        )
        for event, window in (("view_item", "7d"), ("view_item", "30d"), ("add_to_cart", "30d"), ("purchase", "90d"))
    ),
    Derived(
        name="user_item__views_of_visit__share", entity="user_item", unit="fraction", low=0, high=1, window="session",
        null="nothing viewed in the running session", meaning="part of the running session's views that are of it",
        expr=Col("user_item__view_item__session") / Col("session__view_item__count"),
    ),
)  # fmt: skip
