"""What is not told, and why: by no batch engine, or by no feature though the field tells it.

``never``: by its nature. ``not_yet``: it needs what no door brings or no store keeps. ``todo``: all it needs is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shelfwise.features._bases import LIKENESS
from shelfwise.features._declare import Feature

State = Literal["never", "not_yet", "todo"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is not told."""

    feature: str  # a name; words where there is no such feature
    state: State
    reason: str


def gaps(features: Sequence[Feature]) -> list[Gap]:
    """A gap for each feature without SQL."""
    return [Gap(feature.name, *_why(feature)) for feature in features if not feature.sql]


def _why(feature: Feature) -> tuple[State, str]:
    if feature.name in LIKENESS:
        return "never", "vectors and edges belong to a release; training asks them as the request does"
    if feature.entity == "source":
        return "never", "it exists when a source is asked, and training asks it"
    return (
        "todo",
        "rows of a training set do not tell what the shopper looked at",
    )


FIELD: tuple[Gap, ...] = (
    Gap(
        "gender, income, household",
        "never",
        "secrets that no door asks for; taste is read from what people do",
    ),
    Gap("exact place of a shopper", "never", "country and region are as near as a shop needs to know"),
    Gap("price, stock and cost as of the past", "not_yet", "the catalogue keeps only what is so now"),
    Gap("region of a shopper", "not_yet", "events carry it; the state of a person keeps the country alone"),
    Gap(
        "first acquisition channel",
        "not_yet",
        "the referrer is known of a question, and not kept with a person",
    ),
    Gap(
        "popularity by country",
        "not_yet",
        "counters are kept an item; by country they would be fifty times as many",
    ),
    Gap(
        "words of a search against a title",
        "not_yet",
        "a person's lines keep items, not the words searched for",
    ),
    Gap("dwell on one item", "todo", "the time to the next line of the session is among the person's lines"),
    Gap(
        "distinct categories and brands of a person",
        "todo",
        "codes of the shelf and lines of the person are there",
    ),
    Gap(
        "price path of the running session",
        "todo",
        "the lines of the session carry no price of what is viewed",
    ),
)
"""What the field tells and no feature here does."""
