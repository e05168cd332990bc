"""Features of people, of their running session, and of a person and an item: made of the lines remembered of them."""

from __future__ import annotations

from shelfwise.domain import DAY_US
from shelfwise.features._declare import (
    Declaration,
    Derived,
    Gap,
    PairCount,
    PairDecay,
    Recency,
    UserCount,
    log_ratio,
)
from shelfwise.features._expr import Col, Ln
from shelfwise.features._features_items import LAST_PRICE, MEAN_LOG_QUANTITY

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
