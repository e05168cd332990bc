"""Features in words: a name such as ``item__purchase__count__7d`` and its value, as people read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import exp, expm1, isfinite

from shelfwise.console._looks import money
from shelfwise.domain import InvalidField, exponent

SOURCE_NAMES: Mapping[str, str] = {
    "collaborative": "Shoppers like you",
    "similar": "Similar products",
    "session": "This visit",
    "complements": "Bought together",
    "trending": "Trending",
    "buy_again": "Your repeat buys",
}
_SAID: Mapping[str, str] = {
    "collaborative__score": "fits your taste", "collaborative__short": "fits your latest taste",
    "collaborative__long": "fits your lasting taste", "collaborative__neighbours": "goes with what you chose",
    "similar__score": "how alike", "session__score": "what visits like this one led to",
    "complements__score": "how often", "trending__score": "how much it sells now",
    "trending__bought": "how many people buy it now", "trending__first": "how many buy it for the first time",
    "trending__category": "in its category", "buy_again__score": "due again",
}  # fmt: skip
_ENTITIES: Mapping[str, str] = {
    "item": "This product", "user": "This shopper", "session": "This visit", "user_item": "Shopper and product",
    "user_category": "Shopper and category", "user_brand": "Shopper and brand", "context": "The moment",
    "seeds": "What is looked at",
}  # fmt: skip
_EVENTS: Mapping[str, tuple[str, str, str]] = {  # many, one, who does it
    "purchase": ("purchases", "purchase", "buyers"), "view_item": ("views", "view", "viewers"),
    "add_to_cart": ("cart adds", "cart add", "people with it in the cart"),
    "refund": ("returns", "return", "people who returned it"), "all": ("events", "event", "people"),
}  # fmt: skip

# Measure -> words and the kind of its values. {0} many, {1} one, {2} who of the event.
_MEASURES: Mapping[str, tuple[str, str]] = {
    "count": ("{0}", "number"), "actors": ("{2}", "number"), "actors_share": ("share of all {2}", "per mille"),
    "first_buyers_share": ("share of first-time {2}", "per mille"),
    "count_share": ("share of all {0}", "per mille"), "quantity": ("pieces in {0}", "number"),
    "trend": ("pace of {0}", "times"), "velocity": ("{0} a day more than before", "number"),
    "acceleration": ("how fast the pace of {0} grows", "times"), "quantity_share": ("share of all pieces", "per mille"),
    "first_buyers": ("first-time {2}", "number"), "per_viewer": ("{0} by one person on a day", "number"),
    "pieces_per_buyer": ("pieces bought by one person on a day", "number"),
    "recent_share": ("part of the year's {0} in the last 30 days", "part"),
    "recency": ("last {1}", "ago"), "age": ("first {1}", "ago"),
    "orders": ("orders", "number"), "decay": ("days with {0}", "number"), "days": ("days with {0}", "number"),
    "decay_share": ("share of the shopper's {0}", "part"), "gap": ("usual time between {0}", "days"),
    "overdue": ("time since the last {1}, against the usual", "times"),
    "orders_since": ("orders since the last {1}", "number"), "share": ("share of {0}", "part"),
    "rebuy_rate": ("how often it is bought again", "part"), "season_ratio": ("last year's season", "times"),
    "season_trend": ("last year's turn of the season", "times"),
    "season_lift": ("last year's season against now", "times"),
    "percentile": ("products with fewer {0}", "part"), "place": ("{0} since the last one of it", "number"),
    "session": ("{0} in this visit", "number"), "typical_gap": ("usual time between two {0}", "days"),
    "items": ("different products", "number"), "repeated_share": ("products bought more than once", "part"),
    "new_share": ("different products in {0}", "part"), "basket": ("products in an order", "number"),
    "log_spend": ("usual value of an order", "money"), "events": ("events", "number"),
}  # fmt: skip
_WHOLE: Mapping[str, tuple[str, str]] = {
    "item__age": ("first seen", "ago"), "user__recency": ("last seen", "ago"), "user__age": ("first seen", "ago"),
    "session__age": ("time since it began", "days"), "session__all__events": ("events", "number"),
    "session__view_item__count": ("views", "number"), "session__add_to_cart__count": ("cart adds", "number"),
    "item__price__log": ("price", "money"), "item__price__discount": ("price against the usual one", "change"),
    "item__price__percentile": ("cheaper products of its category", "part"),
    "item__quantity__log_mean": ("pieces bought at once", "pieces"),
    "user__price__log_mean": ("usual price of a piece", "money"),
    "user__quantity__log_mean": ("usual pieces bought at once", "pieces"),
    "user_item__quantity__log_total": ("pieces bought in all", "pieces"),
    "user_item__quantity__log_mean": ("pieces bought on a day", "pieces"),
    "user_item__quantity__log_last": ("pieces bought last time", "pieces"),
    "user_item__price__log_difference": ("price against what the shopper usually pays", "change"),
    "user_item__quantity__log_difference": ("pieces it is bought in, against the shopper's usual", "change"),
    "item__first_buyers_of_buyers__rate": ("first-time buyers among its buyers", "part"),
    "item__carts_of_views__rate": ("views that led to the cart", "part"),
    "item__buys_of_views__rate": ("views that led to a purchase", "part"),
    "item__buys_of_carts__rate": ("cart adds that led to a purchase", "part"),
    "item__buyers_of_viewers__rate": ("viewers who bought it", "part"),
    "item__price__log_change": ("price paid lately against the year's", "change"),
    "item__returns_of_sales__rate": ("purchases that were returned", "part"),
    "context__hour": ("hour of the day", "number"), "context__weekday": ("day of the week", "weekday"),
    "context__device": ("kind of device", "number"), "context__seeds": ("products looked at or in the cart", "number"),
    "seeds__category__share": ("share of the same category", "part"),
    "seeds__brand__share": ("share of the same brand", "part"),
    "seeds__price__log_difference": ("price against theirs", "change"),
    "user__age__years": ("age", "years"), "user__age__band": ("age group", "number"),
    "user_item__age__above_least": ("years above the age it is for", "years"),
    "context__placement": ("place on the site", "placement"), "context__referrer": ("where they came from", "referrer"),
    "context__signed_in": ("known by name", "yes"),
    "context__month": ("month", "month"), "context__month_day": ("day of the month", "number"),
    "context__year_week": ("week of the year", "number"), "context__year_day": ("days since New Year", "days"),
    "context__year_sin": ("turn of the year, spring to autumn", "number"),
    "context__year_cos": ("turn of the year, winter to summer", "number"), "context__weekend": ("weekend", "yes"),
    "context__payday__to": ("time to the next payday", "days"),
    "context__payday__since": ("time since the last payday", "days"),
    "context__holiday": ("public holiday", "yes"), "context__holiday__to": ("time to the next public holiday", "days"),
    "context__holiday__since": ("time since the last public holiday", "days"),
    "item__price__now_log": ("price now", "money"), "item__price__list_discount": ("taken off the list price", "part"),
    "item__price__margin": ("part of the price that is not cost", "part"),
    "item__price__now_by_last": ("price now against the one last paid", "change"),
    "user_item__price__now_difference": ("price now against what the shopper usually pays", "change"),
    "item__stock__log": ("stock", "more"), "item__stock__present": ("in stock", "yes"),
    "item__stock__cover": ("how long the stock lasts", "days"),
    "item__stock__value_log": ("value of the stock", "money"),
    "item__catalogue__age": ("time on the shelf", "days"),
    "item__stock__cover_by_age": ("how long the stock lasts, by its time on the shelf", "ratio"),
    "item__category__depth": ("steps of its category from the top", "number"),
    "item__category__size": ("products of its category", "number"),
    "item__brand__size": ("products of its brand", "number"), "item__group__size": ("sizes and colours", "number"),
    "item__attributes__count": ("details told", "number"), "item__tags__count": ("tags", "number"),
    "item__regions__count": ("countries it is sold in", "number"), "item__image__present": ("has an image", "yes"),
    "item__age__least": ("age it is for", "years"),
    "item__purchase__percentile_in_category": ("products of its category with fewer buyers", "part"),
    "item__revenue__percentile": ("products that brought in less", "part"),
    "item__price__log_spread": ("how far prices paid lie apart", "change"),
    "item__price__band": ("tenth of its category's prices", "number"),
    "item__title__length": ("letters of its title", "number"), "item__title__words": ("words of its title", "number"),
    "item__title__rarity": ("how rare the words of its title are", "number"),
    "item__title__digits_share": ("digits in its title", "part"),
    "item__season__strength": ("how much it depends on the season", "number"),
    "item__season__now": ("its season now", "number"), "item__season__rise": ("how its season rises", "number"),
    "item__season__peak_to": ("time to the height of its season", "days"),
    "item__weekend__share_ratio": ("sales on weekends, against the shop's", "times"),
    "item__weekend__now": ("how much it sells on a day like today, against the shop", "times"),
    "item__graph__degree_log": ("products bought by the same people", "more"),
    "item__graph__strength": ("how closely it goes with others", "number"),
    "item__graph__pagerank_log": ("how central it is among what is bought together", "ratio"),
    "item__graph__clustering": ("products it goes with that go together too", "part"),
    "item__graph__community_log": ("products of its circle", "pieces"),
    "user_item__vector__last": ("how near to the last product touched", "part"),
    "user_item__vector__last5_max": ("how near to the nearest of the last 5", "part"),
    "user_item__vector__mean": ("how near to the last 20 together", "part"),
    "user_item__graph__jaccard": ("how often it goes with the last 20", "number"),
    "user_item__graph__adamic_adar": ("how often it goes with the last 20, rare buyers count more", "number"),
    "user_item__graph__two_hop": ("how often it goes with what goes with the last 20", "number"),
    "user_item__community__share": ("part of the last 20 that are of its circle", "part"),
    "seeds__vector__mean": ("how near", "part"), "seeds__graph__jaccard": ("how often it goes with them", "number"),
    "seeds__graph__adamic_adar": ("how often it goes with them, rare buyers count more", "number"),
    "seeds__community__share": ("part that is of its circle", "part"),
}  # fmt: skip
_WINDOWS = {"all": "", "1h": "last hour", "1d": "last day", "365d": "last year"}
_PLACES = (
    "not told",
    "home page",
    "a product",
    "cart",
    "a category",
    "search",
    "checkout",
    "email",
    "account",
)
_CAME_FROM = ("not told", "a search engine", "a social network", "a mail", "an advertisement")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def feature_title(name: str) -> str:
    """A feature's name in words: ``item__purchase__count__7d`` is "This product: purchases, last 7 days"."""
    entity, *parts = name.split("__")
    if _is_signal(name):
        return f"{SOURCE_NAMES[entity]}: {_said(entity, parts)}"
    stem, window = _stem(name)
    words = _words_and_kind(stem)[0]
    told = _fading(window) if stem.endswith("__decay") else "" if "__season_" in stem else _window(window)
    title = _ENTITIES.get(entity, _plain([entity]).capitalize())
    return f"{title}: {words}{', ' if told else ''}{told}" if words else title


def feature_value(name: str, value: float | None, currency: str | None = None) -> str:
    """A value in the words of its unit: a share in percent, a price in money, an age in days."""
    if value is None or not isfinite(value):
        return "not among its proposals" if _is_signal(name) else "unknown"
    kind = _kind(name)
    match kind:
        case "place":
            return f"{ordinal(int(value) + 1)} of all candidates"
        case "best":
            return f"{value:.0%} of the best" if 0 <= value <= 1 else number(value)
        case "part":
            return f"{value:.0%}" if abs(value) >= 0.1 or value == 0 else f"{value:.1%}"
        case "money":
            return money(exp(value) / 10 ** _exponent(currency), currency) or ""
        case "weekday":
            return _DAYS[int(value) % 7]
    return _UNITS[kind](value)


def number(value: float | None) -> str:
    """A value as people read it."""
    if value is None or not isfinite(value):
        return "unknown"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.3g}" if abs(value) < 1e6 else f"{value:,.0f}"


def ordinal(place: int) -> str:
    """1st, 2nd, 3rd, 4th, ... 11th, 21st."""
    suffix = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place:,}{suffix}"


def _is_signal(name: str) -> bool:
    """Whether a source said it. A visit is a source and, with other features, what the shopper does now."""
    source, _, said = name.partition("__")
    return source in SOURCE_NAMES and (source not in _ENTITIES or said.startswith("score"))


def _said(source: str, parts: Sequence[str]) -> str:
    own = [part for part in parts if part not in ("rank", "relative")]
    return _SAID.get("__".join([source, *own]), _plain(own))


def _kind(name: str) -> str:
    if _is_signal(name):
        return {"rank": "place", "relative": "best"}.get(name.rpartition("__")[2], "strength")
    return _words_and_kind(_stem(name)[0])[1]


def _words_and_kind(stem: str) -> tuple[str, str]:
    """Of a name without its window; what is not in the tables is read as it is written."""
    if stem in _WHOLE:
        return _WHOLE[stem]
    _, *parts = stem.split("__")
    if len(parts) == 2 and parts[0] in _EVENTS and parts[1] in _MEASURES:
        words, kind = _MEASURES[parts[1]]
        return words.format(*_EVENTS[parts[0]]), kind
    return _plain(parts), "number"


def _stem(name: str) -> tuple[str, str]:
    """The name without its window, and the window, '' if it names none."""
    stem, _, last = name.rpartition("__")
    return (stem, last) if stem.count("__") and _is_window(last) else (name, "")


def _is_window(text: str) -> bool:
    spans = text.removeprefix("half_").removesuffix("_ago").split("_")
    return text == "all" or all(part[:-1].isdigit() and part[-1] in "dh" for part in spans if part)


def _window(text: str) -> str:
    if not text or text in _WINDOWS:
        return _WINDOWS.get(text, "")
    if text.startswith("half_"):
        return _fading(text.removeprefix("half_"))
    spans = [_span(part) for part in text.split("_") if part != "ago"]
    if text.endswith("_ago"):
        return f"the {spans[0]} up to {spans[-1]} ago"
    return f"last {' against '.join(spans)}"


def _span(text: str) -> str:
    """``7d`` is "7 days", ``1d`` is "day"."""
    unit = "day" if text[-1] == "d" else "hour"
    return unit if text[:-1] == "1" else f"{text[:-1]} {unit}s"


def _fading(window: str) -> str:
    return f"fading by half in {_span(window)}" if window else "fading"


def _plain(parts: Sequence[str]) -> str:
    return " ".join(parts).replace("_", " ")


def _days(value: float) -> str:
    return "1 day" if value == 1 else f"{number(round(value, 1) if value < 10 else round(value))} days"


def _named(words: Sequence[str], code: float) -> str:
    return words[int(code)] if 0 <= code < len(words) else "another"


def _exponent(currency: str | None) -> int:
    try:
        return exponent(currency or "")
    except InvalidField:
        return 2


_UNITS: Mapping[str, Callable[[float], str]] = {
    "number": number,
    "strength": lambda value: f"strength {number(value)}",
    "per mille": lambda value: f"{number(value)} of 1,000",
    "times": lambda value: f"{number(value)}×",
    "days": _days,
    "ago": lambda value: "today" if value < 1 else f"{_days(value)} ago",
    "pieces": lambda value: f"about {number(round(exp(value), 1))}",
    "more": lambda value: f"about {number(round(expm1(value)))}",
    "ratio": lambda value: f"{number(exp(value))}×",
    "yes": lambda value: "yes" if value else "no",
    "years": lambda value: f"{number(value)} years",
    "month": lambda value: _MONTHS[int(value - 1) % 12],
    "placement": lambda value: _named(_PLACES, value),
    "referrer": lambda value: _named(_CAME_FROM, value),
    "change": lambda value: f"{expm1(value):+.0%}",
}
