"""The vocabulary of declarations. A feature is data: whose it is, what it tells, over how long. Engines read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from shelfwise.domain import DAY_US, HOUR_US
from shelfwise.features._expr import Binary, Col, Expr, Ln, Num

Entity = Literal["item", "user", "session", "user_item", "context", "source"]
Freshness = Literal["stream", "fitted", "request"]
Dtype = Literal["int64", "float64"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column, as the catalogue page, the checks and the readers see it."""

    name: str  # entity__what__how__window
    entity: Entity
    meaning: str
    unit: str
    dtype: Dtype = "float64"
    low: float | None = None  # smallest value it can take
    high: float | None = None
    null: str | None = None  # what it means when there is nothing; None: it is never so
    window: str = "all"
    freshness: Freshness = "stream"
    expr: Expr | None = None  # None where it is not made of base columns: from a fit or a source
    batch: bool = True  # a batch engine can compute it from events and the rows asked for

    @property
    def sql(self) -> str:
        """The column in the SQL that DuckDB and Spark share; empty where no batch engine computes it."""
        if self.expr is None or not self.batch:
            return ""
        return self.expr.name if isinstance(self.expr, Col) and self.dtype == "int64" else self.expr.sql()


class Declaration(Protocol):
    """A word of the vocabulary: it knows its feature."""

    def feature(self) -> Feature: ...


def span(width_us: int | None) -> str:
    """A width as names carry it: 1h, 7d; ``all`` for everything that is remembered."""
    if width_us is None:
        return "all"
    return f"{width_us // DAY_US}d" if width_us % DAY_US == 0 else f"{width_us // HOUR_US}h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Any other number made of base columns."""

    name: str
    entity: Entity
    meaning: str
    unit: str
    expr: Expr
    low: float | None = None
    high: float | None = None
    null: str | None = None
    window: str = "all"
    dtype: Dtype = "float64"
    freshness: Freshness = "stream"

    def feature(self) -> Feature:
        return Feature(
            name=self.name, entity=self.entity, meaning=self.meaning, unit=self.unit, expr=self.expr, low=self.low,
            high=self.high, null=self.null, window=self.window, dtype=self.dtype, freshness=self.freshness,
        )  # fmt: skip


# ------------------------------------------- known only at the question


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A number of the question itself: its context, or what the shopper looks at now."""

    name: str
    entity: Entity
    meaning: str
    unit: str
    dtype: Dtype = "float64"
    low: float | None = None
    high: float | None = None
    null: str | None = None
    batch: bool = False  # rows of a training set carry what it takes

    def feature(self) -> Feature:
        return Feature(
            name=self.name, entity=self.entity, meaning=self.meaning, unit=self.unit, dtype=self.dtype, low=self.low,
            high=self.high, null=self.null, window="now", freshness="request", expr=Col(self.name), batch=self.batch,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fitted:
    """A number per item that a release carries, known as of its training."""

    name: str
    meaning: str
    unit: str
    low: float | None = None
    high: float | None = None
    null: str = "the item is newer than the release"

    def feature(self) -> Feature:
        return Feature(
            name=self.name, entity="item", meaning=self.meaning, unit=self.unit, low=self.low, high=self.high,
            null=self.null, window="fit", freshness="fitted", expr=Col(self.name),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signal:
    """What a source says of an item: its own number, that number by the best of the query, and its place."""

    name: str  # e.g. collaborative__score

    def features(self) -> tuple[Feature, Feature, Feature]:
        silent = "the source is silent about it"
        own = Feature(
            name=self.name, entity="source", meaning=f"{self.name} as the source gives it", unit="score",
            null=silent, window="now", freshness="request", batch=False,
        )  # fmt: skip
        relative = Feature(
            name=f"{self.name}__relative", entity="source", meaning=f"{self.name} by the highest of the query",
            unit="ratio", high=1, null=f"{silent}, or the highest is not above 0", window="now",
            freshness="request", batch=False,
        )  # fmt: skip
        rank = Feature(
            name=f"{self.name}__rank", entity="source", unit="places", low=0, null=silent, window="now",
            meaning=f"how many candidates have a higher {self.name}", freshness="request", batch=False,
        )  # fmt: skip
        return own, relative, rank


def log_ratio(one: Expr, two: Expr) -> Expr:
    """ln(one) - ln(two)."""
    return Ln(one) - Ln(two)


def at_least(value: Expr, least: float) -> Expr:
    """The value, or ``least`` where it is lower."""
    return Binary("max", value, Num(least))
