"""Features of items: what happened to each in the whole shop, over windows before the question.

The recipe (person-days by windows, first-time buyers, last year's same weeks) was chosen on past windows of Online
Retail II before the two that are held back.
"""

from __future__ import annotations

from shelfwise.domain import DAY_US, HOUR_US
from shelfwise.features._counted import (
    ItemCount,
    ItemFade,
    Rate,
    Recency,
    ShopShare,
    Trend,
    acceleration,
    velocity,
)
from shelfwise.features._declare import Declaration, Derived
from shelfwise.features._expr import Col, Ln

VIEWS = {w: ItemCount("view_item", "count", w * DAY_US) for w in (1, 7, 30, 90, 365)}
VIEWERS = {w: ItemCount("view_item", "actors", w * DAY_US) for w in (7, 30)}
CARTS = {w: ItemCount("add_to_cart", "count", w * DAY_US) for w in (1, 7, 30, 90)}
CARTERS = {w: ItemCount("add_to_cart", "actors", w * DAY_US) for w in (7, 30)}
SOLD = {w: ItemCount("purchase", "count", w * DAY_US) for w in (1, 7, 30, 90, 365)}
BUYERS = {w: ItemCount("purchase", "actors", w * DAY_US) for w in (3, 7, 14, 30, 90, 365)}
NEW_BUYERS = {w: ItemCount("purchase", "first_buyers", w * DAY_US) for w in (3, 7, 14, 30, 90, 365)}
PIECES_SOLD = {w: ItemCount("purchase", "quantity", w * DAY_US) for w in (7, 30, 90, 365)}
PIECES = PIECES_SOLD[30]
LOG_QUANTITY = ItemCount("purchase", "log_quantity", 90 * DAY_US)
LOG_PRICE = {w: ItemCount("purchase", "log_price", w * DAY_US) for w in (30, 90, 365)}
RETURNS = {w: ItemCount("refund", "count", w * DAY_US) for w in (90, 365)}
VIEWS_HOUR, CARTS_HOUR, SOLD_HOUR = (
    ItemCount(event, "count", HOUR_US) for event in ("view_item", "add_to_cart", "purchase")
)
# The fortnight that lay ahead a year ago, and the one before it: both known in full, both whole days.
SEASON = ItemCount("purchase", "actors", 14 * DAY_US, lag_us=351 * DAY_US)
SEASON_BEFORE = ItemCount("purchase", "actors", 14 * DAY_US, lag_us=365 * DAY_US)

FADING_BUYERS = {days: ItemFade("purchase", "actors", days) for days in (2, 7)}
FADING_NEW = ItemFade("purchase", "first_buyers", 5)

ITEM_FADES: tuple[ItemFade, ...] = (*FADING_BUYERS.values(), FADING_NEW)
"""What the stream weighs per item by age."""

ITEM_COUNTS: tuple[ItemCount, ...] = (
    *VIEWS.values(), *VIEWERS.values(), *CARTS.values(), *CARTERS.values(), *SOLD.values(), *BUYERS.values(),
    *NEW_BUYERS.values(), *PIECES_SOLD.values(), LOG_QUANTITY, *LOG_PRICE.values(), *RETURNS.values(), SEASON,
    SEASON_BEFORE, VIEWS_HOUR, CARTS_HOUR, SOLD_HOUR,
)  # fmt: skip
"""What the stream counts per item: base columns, each also a feature by its own name if a ranker needs it."""

LAST_PRICE = Ln(Col("item__purchase__last_price"))
_MEAN_LOG_PRICE = {w: LOG_PRICE[w].col / SOLD[w].col / 1000.0 for w in LOG_PRICE}
MEAN_LOG_QUANTITY = LOG_QUANTITY.col / SOLD[90].col / 1000.0

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
    Rate("returns_of_sales", RETURNS[90], SOLD[90], 0.02, 50),
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
        meaning="logarithm of the price last paid for one piece", expr=LAST_PRICE,
    ),
    Derived(
        name="item__price__discount__365d", entity="item", unit="ln(ratio)", null="not sold within a year",
        meaning="price last paid against the mean paid in the year, as a logarithm", window="365d",
        expr=LAST_PRICE - _MEAN_LOG_PRICE[365],
    ),
    Derived(
        name="item__quantity__log_mean__90d", entity="item", unit="ln(pieces)", null="not sold within 90 days",
        meaning="mean logarithm of the pieces bought at once", window="90d", expr=MEAN_LOG_QUANTITY,
    ),
)  # fmt: skip

POPULARITY: tuple[Declaration, ...] = (
    VIEWS_HOUR, VIEWS[90], VIEWS[365], VIEWERS[7], VIEWERS[30], CARTS_HOUR, CARTS[90], CARTERS[30], SOLD_HOUR,
    SOLD[30], SOLD[90], SOLD[365], BUYERS[7], BUYERS[90], NEW_BUYERS[30], NEW_BUYERS[365],
    PIECES_SOLD[7], PIECES_SOLD[90], PIECES_SOLD[365], RETURNS[90], RETURNS[365],
    *(ShopShare(VIEWS[w]) for w in (1, 7, 30)), *(ShopShare(CARTS[w]) for w in (7, 30)),
    *(ShopShare(SOLD[w]) for w in (7, 30, 365)), ShopShare(PIECES),
    Rate("carts_of_views", CARTS[7], VIEWS[7], 0.1, 20), Rate("buys_of_views", SOLD[7], VIEWS[7], 0.03, 50),
    Rate("buys_of_carts", SOLD[7], CARTS[7], 0.3, 10), Rate("buys_of_carts", SOLD[30], CARTS[30], 0.3, 10),
    Rate("buyers_of_viewers", BUYERS[30], VIEWERS[30], 0.05, 30),
    Rate("returns_of_sales", RETURNS[365], SOLD[365], 0.02, 50),
    Trend(VIEWS_HOUR, VIEWS[1], 0.5), Trend(SOLD_HOUR, SOLD[1], 0.5), Trend(VIEWS[1], VIEWS[7]),
    Trend(VIEWS[30], VIEWS[90]), Trend(CARTS[1], CARTS[7]), Trend(CARTS[7], CARTS[30]), Trend(CARTS[30], CARTS[90]),
    velocity(VIEWS[7], VIEWS[30]), velocity(CARTS[7], CARTS[30]), velocity(SOLD[7], SOLD[30]),
    acceleration(VIEWS[1], VIEWS[7], VIEWS[30]), acceleration(CARTS[1], CARTS[7], CARTS[30]),
    acceleration(BUYERS[7], BUYERS[30], BUYERS[90]),
    Derived(
        name="item__view_item__per_viewer__30d", entity="item", unit="lines", low=0, window="30d",
        null="not viewed within 30 days", meaning="views of it by a person on one day, mean",
        expr=VIEWS[30].col / VIEWERS[30].col,
    ),
    Derived(
        name="item__purchase__pieces_per_buyer__30d", entity="item", unit="pieces", low=0, window="30d",
        null="not sold within 30 days", meaning="pieces of it bought by a person on one day, mean",
        expr=PIECES.col / BUYERS[30].col,
    ),
    Derived(
        name="item__purchase__recent_share__365d", entity="item", unit="fraction", low=0, high=1, window="365d",
        null="not sold within a year", meaning="part of the year's lines that were sold in the last 30 days",
        expr=SOLD[30].col / SOLD[365].col,
    ),
    *(
        Derived(
            name=f"item__price__log_change__{w}d", entity="item", unit="ln(ratio)", window="365d",
            null=f"not sold within {w} days", expr=_MEAN_LOG_PRICE[w] - _MEAN_LOG_PRICE[365],
            meaning=f"mean price paid in {w} days against that of the year, as a logarithm",
        )
        for w in (30, 90)
    ),
)  # fmt: skip

COUNTER_NAMES = (*(one.name for one in ITEM_COUNTS), *(one.name for one in ITEM_FADES))
"""Names of all that the stream counts per item."""
