"""Words for what is counted, and for what counts make: shares, rates, trends, recencies, gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shelfwise.domain import DAY_US, EVENT_CODES
from shelfwise.features._buckets import FADE_UNIT, Fading, How, Rolling, shop_name
from shelfwise.features._declare import Derived, Entity, Feature, at_least, span
from shelfwise.features._expr import Col, DaysSince, Expr

Event = Literal["view_item", "add_to_cart", "purchase", "refund"]

_HOW_MEANING: dict[How, tuple[str, str]] = {
    "count": ("lines of {}", "lines"),
    "quantity": ("pieces in {}", "pieces"),
    "log_quantity": ("sum of 1,000 ln(quantity) over lines of {}", "thousandths"),
    "log_price": ("sum of 1,000 ln(price per unit in minor units) over lines of {}", "thousandths"),
    "actors": ("distinct people and days in {}", "person-days"),
    "first_buyers": ("people who bought it for the first time, in {}", "people"),
}


@dataclass(frozen=True, slots=True)
class ItemCount:
    """``how`` of an event that happened to an item, in a window before the question or before ``lag_us`` ago."""

    event: Event
    how: How
    width_us: int
    lag_us: int = 0

    @property
    def window(self) -> str:
        return span(self.width_us) + (f"_{span(self.lag_us)}_ago" if self.lag_us else "")

    @property
    def name(self) -> str:
        return f"item__{self.event}__{self.how}__{self.window}"

    @property
    def col(self) -> Expr:
        return Col(self.name)

    @property
    def rolling(self) -> Rolling:
        return Rolling(self.name, EVENT_CODES[self.event], self.how, self.width_us, self.lag_us)

    def feature(self) -> Feature:
        meaning, unit = _HOW_MEANING[self.how]
        lowest = None if self.how.startswith("log") else 0
        return Feature(
            name=self.name, entity="item", meaning=meaning.format(self.event), unit=unit, dtype="int64",
            low=lowest, window=self.window, expr=self.col,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ItemFade:
    """``how`` of an event that happened to an item, each UTC day before today worth half as much after a half-life."""

    event: Event
    how: How
    half_life_days: int

    @property
    def window(self) -> str:
        return f"half_{self.half_life_days}d"

    @property
    def name(self) -> str:
        return f"item__{self.event}__{self.how}__{self.window}"

    @property
    def col(self) -> Expr:
        return Col(self.name)

    @property
    def fading(self) -> Fading:
        return Fading(self.name, EVENT_CODES[self.event], self.how, self.half_life_days)

    def feature(self) -> Feature:
        meaning, unit = _HOW_MEANING[self.how]
        return Feature(
            name=self.name, entity="item", unit=unit, low=0, window=self.window, expr=self.col / FADE_UNIT,
            meaning=f"{meaning.format(self.event)}, halved every {self.half_life_days} days since",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShopShare:
    """An item's part of what the whole shop counted, in thousandths: does not grow with the shop."""

    of: ItemCount | ItemFade

    def feature(self) -> Feature:
        expr = self.of.col * 1000.0 / Col(shop_name(self.of.name))
        return Feature(
            name=f"item__{self.of.event}__{self.of.how}_share__{self.of.window}", entity="item",
            meaning=f"this item's part of the shop's {self.of.how.replace('_', ' ')} of {self.of.event}",
            unit="per mille", low=0, high=1000, null="nothing was counted in the shop", window=self.of.window,
            expr=expr,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class UserCount:
    """``how`` of an event of a person, among the lines remembered of them."""

    event: Event
    how: Literal["count", "orders"]
    width_us: int | None = None

    @property
    def name(self) -> str:
        return f"user__{self.event}__{self.how}__{span(self.width_us)}"

    @property
    def col(self) -> Expr:
        return Col(self.name)

    def feature(self) -> Feature:
        meaning = "distinct orders" if self.how == "orders" else f"lines of {self.event}"
        return Feature(
            name=self.name, entity="user", meaning=f"{meaning} of the person", unit=self.how.replace("count", "lines"),
            dtype="int64", low=0, window=span(self.width_us), expr=self.col,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PairCount:
    """Lines of an event between a person and an item."""

    event: Event
    width_us: int | None = None

    @property
    def name(self) -> str:
        return f"user_item__{self.event}__count__{span(self.width_us)}"

    @property
    def col(self) -> Expr:
        return Col(self.name)

    def feature(self) -> Feature:
        return Feature(
            name=self.name, entity="user_item", meaning=f"lines of {self.event} of the person with this item",
            unit="lines", dtype="int64", low=0, window=span(self.width_us), expr=self.col,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PairDecay:
    """Days on which the person bought the item, each worth half as much after ``half_life_days``."""

    half_life_days: int

    @property
    def name(self) -> str:
        return f"user_item__purchase__decay__{self.half_life_days}d"

    @property
    def col(self) -> Expr:
        return Col(self.name)

    def feature(self) -> Feature:
        return Feature(
            name=self.name, entity="user_item", unit="days", low=0, window="all", expr=self.col,
            meaning=f"days the person bought it on, halved every {self.half_life_days} days since",
        )  # fmt: skip


# --------------------------------------------------- made of other columns


@dataclass(frozen=True, slots=True)
class Rate:
    """A smoothed fraction of two counts of an item: (num + prior * strength) / (den + strength)."""

    what: str
    num: ItemCount
    den: ItemCount
    prior: float
    strength: float

    def feature(self) -> Feature:
        expr = (self.num.col + self.prior * self.strength) / (self.den.col + self.strength)
        return Feature(
            name=f"item__{self.what}__rate__{self.num.window}", entity="item", unit="fraction", low=0,
            meaning=f"{self.num.name} in {self.den.name}, pulled to {self.prior:g} with weight {self.strength:g}",
            window=self.num.window, expr=expr,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trend:
    """How much faster a count runs in the short window than in the long one: daily paces, each plus a floor."""

    short: ItemCount
    long: ItemCount
    floor: float = 0.05  # per day: an item sold once a month is not a trend the day it sells

    def feature(self) -> Feature:
        paces = [_pace(one) + self.floor for one in (self.short, self.long)]
        window = f"{self.short.window}_{self.long.window}"
        return Feature(
            name=f"item__{self.short.event}__trend__{window}", entity="item", unit="ratio", low=0, window=window,
            meaning=f"daily {self.short.name} by daily {self.long.name}, each plus {self.floor:g}",
            expr=paces[0] / paces[1],
        )  # fmt: skip


def velocity(short: ItemCount, long: ItemCount) -> Derived:
    """How many more of a count there are a day in the short window than in the long one."""
    window = f"{short.window}_{long.window}"
    return Derived(
        name=f"item__{short.event}__velocity__{window}", entity="item", unit="a day", window=window,
        meaning=f"{short.name} a day less {long.name} a day", expr=_pace(short) - _pace(long),
    )  # fmt: skip


def acceleration(short: ItemCount, middle: ItemCount, long: ItemCount, floor: float = 0.05) -> Derived:
    """The trend of a count by its trend before: above 1 where growth grows."""
    paces = [_pace(one) + floor for one in (short, middle, long)]
    window = f"{short.window}_{middle.window}_{long.window}"
    return Derived(
        name=f"item__{short.event}__acceleration__{window}", entity="item", unit="ratio", low=0, window=window,
        meaning=f"trend of {short.how} from {middle.window} to {short.window} by the one from {long.window} "
        f"to {middle.window}, daily paces plus {floor:g}",
        expr=(paces[0] / paces[1]) / (paces[1] / paces[2]),
    )  # fmt: skip


def _pace(one: ItemCount) -> Expr:
    """A count a day."""
    return one.col / (one.width_us / DAY_US)


@dataclass(frozen=True, slots=True)
class Recency:
    """Days since an instant that a base column holds."""

    entity: Entity
    what: str  # event, or nothing for any event
    since: Literal["first", "last"] = "last"

    @property
    def instant(self) -> str:
        return (
            f"{self.entity}__{self.what}__{self.since}_us" if self.what else f"{self.entity}__{self.since}_us"
        )

    def feature(self) -> Feature:
        how = "recency" if self.since == "last" else "age"
        subject = self.what or "event"
        return Feature(
            name=f"{self.entity}__{self.what}__{how}" if self.what else f"{self.entity}__{how}", entity=self.entity,
            meaning=f"days since the {self.since} {subject} of the {self.entity.replace('_', ' and ')}", unit="days",
            low=0, null=f"no {subject} yet", expr=DaysSince(self.instant),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gap:
    """Mean days between repeats: (last - first) / (times - 1); with ``overdue``, recency by that gap."""

    entity: Literal["user", "user_item"]
    times: str  # base column that counts
    overdue: bool = False
    shortest: float = 1.0  # days; below it being overdue would explode

    def feature(self) -> Feature:
        since_last, since_first = (
            DaysSince(f"{self.entity}__purchase__{end}_us") for end in ("last", "first")
        )
        gap = (since_first - since_last) / (Col(self.times) - 1.0)
        expr = since_last / at_least(gap, self.shortest) if self.overdue else gap
        return Feature(
            name=f"{self.entity}__purchase__{'overdue' if self.overdue else 'gap'}", entity=self.entity,
            meaning="days since the last purchase by the mean gap" if self.overdue else "mean days between purchases",
            unit="ratio" if self.overdue else "days", low=0, null="bought less than twice", expr=expr,
        )  # fmt: skip
