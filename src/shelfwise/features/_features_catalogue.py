"""Features of what the catalogue says of an item when the question is asked: price, stock, age, and its place in it."""

from __future__ import annotations

from shelfwise.features._declare import Asked, Declaration, Derived, log_ratio
from shelfwise.features._expr import Binary, Col, DaysSince, Expr, Ln, Num
from shelfwise.features._features_items import LAST_PRICE, PIECES

_PRICE, _LIST = Col("item__catalogue__price"), Col("item__catalogue__list_price")
_COST, _STOCK = Col("item__catalogue__cost"), Col("item__catalogue__stock")
_NO_PRICE = "the catalogue tells no price"
_UNTRACKED = "stock is not tracked"


def _now(name: str, meaning: str, unit: str, expr: Expr, null: str, low: float | None = None,
         high: float | None = None) -> Derived:  # fmt: skip
    return Derived(
        name=name, entity="item", meaning=meaning, unit=unit, expr=expr, null=null, low=low, high=high, window="now",
        freshness="request",
    )  # fmt: skip


OFFER: tuple[Declaration, ...] = (
    _now(
        "item__price__now_log", "logarithm of its price", "ln(minor units)", Ln(_PRICE), f"{_NO_PRICE}, or it is free",
    ),
    _now(
        "item__price__list_discount", "part of the list price that is taken off", "fraction", Num(1.0) - _PRICE / _LIST,
        f"{_NO_PRICE} or no list price", high=1,
    ),
    _now(
        "item__price__margin", "part of the price that is not its cost", "fraction", Num(1.0) - _COST / _PRICE,
        f"{_NO_PRICE} or no cost", high=1,
    ),
    _now(
        "item__price__now_by_last", "price against the price last paid, as a logarithm", "ln(ratio)",
        Ln(_PRICE) - LAST_PRICE, f"{_NO_PRICE}, or it was never sold",
    ),
    Derived(
        name="user_item__price__now_difference", entity="user_item", unit="ln(ratio)", window="now",
        meaning="price against the mean price the person pays", null=f"{_NO_PRICE}, or nothing bought yet",
        freshness="request",
        expr=Ln(_PRICE) - Col("user__purchase__log_price__all") / Col("user__purchase__priced__all"),
    ),
    _now("item__stock__log", "logarithm of 1 plus its stock", "ln(pieces)", Ln(_STOCK + 1.0), _UNTRACKED, low=0),
    _now(
        "item__stock__present", "1 if a piece is left", "flag", Binary(">=", _STOCK, Num(1.0)), _UNTRACKED, low=0,
        high=1,
    ),
    _now(
        "item__stock__cover", "days that its stock lasts at the pace of 30 days, plus a piece", "days",
        _STOCK * 30.0 / (PIECES.col + 1.0), _UNTRACKED, low=0,
    ),
    _now(
        "item__stock__value_log", "logarithm of 1 plus its stock by its price", "ln(minor units)",
        Ln(_STOCK * _PRICE + 1.0), f"{_UNTRACKED}, or {_NO_PRICE}", low=0,
    ),
    _now(
        "item__catalogue__age", "days since the catalogue first had it", "days", DaysSince("item__catalogue__first_us"),
        "the item is not on the shelf",
    ),
    _now(
        "item__stock__cover_by_age", "days that its stock lasts by days that the catalogue has had it", "ln(ratio)",
        log_ratio(_STOCK * 30.0 / (PIECES.col + 1.0) + 1.0, DaysSince("item__catalogue__first_us") + 1.0),
        f"{_UNTRACKED}, or the item is not on the shelf",
    ),
)  # fmt: skip


def _told(name: str, meaning: str, unit: str, *, null: str = "the item is not on the shelf",
          low: float = 0, high: float | None = None) -> Asked:  # fmt: skip
    return Asked(
        name=f"item__{name}", entity="item", meaning=meaning, unit=unit, null=null, low=low, high=high, batch=True
    )  # fmt: skip


PLACE: tuple[Declaration, ...] = (
    _told("category__depth", "steps of its category from the root", "steps", null="it has no category"),
    _told("category__size", "items of its category", "items", null="it has no category", low=1),
    _told("brand__size", "items of its brand", "items", null="it has no brand", low=1),
    _told("group__size", "sizes and colours of the same product, itself among them", "items", null="it has no group",
          low=1),
    _told("attributes__count", "attributes that the feed tells", "attributes"),
    _told("tags__count", "tags", "tags"),
    _told("regions__count", "countries that it may be sold in, 0 for all", "countries"),
    _told("image__present", "1 if it has an image", "flag", high=1),
    _told("age__least", "age that shoppers must have, 0 for all", "years"),
)  # fmt: skip
