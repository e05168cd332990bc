"""Features in words: every one that the ranker may use is told so that a shopper understands it."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.console._words import feature_title, feature_value, number, ordinal
from shelfwise.features import feature_names

SIGNALS = [f"{source}__score{part}" for source in ("collaborative", "session", "buy_again") for part in
           ("", "__relative", "__rank")]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("item__purchase__count__7d", "This product: purchases, last 7 days"),
        ("item__purchase__trend__7d_30d", "This product: pace of purchases, last 7 days against 30 days"),
        ("item__purchase__trend__1d_7d", "This product: pace of purchases, last day against 7 days"),
        (
            "item__purchase__actors_share__half_2d",
            "This product: share of all buyers, fading by half in 2 days",
        ),
        (
            "item__purchase__actors_share__14d_365d_ago",
            "This product: share of all buyers, the 14 days up to 365 days ago",
        ),
        ("user_item__purchase__recency", "Shopper and product: last purchase"),
        (
            "user_item__purchase__decay__30d",
            "Shopper and product: days with purchases, fading by half in 30 days",
        ),
        ("item__price__log", "This product: price"),
        ("collaborative__score", "Shoppers like you: fits your taste"),
        ("buy_again__score__rank", "Your repeat buys: due again"),
        ("session__view_item__count", "This visit: views"),
        ("session__score__relative", "This visit: what visits like this one led to"),
        ("context__hour", "The moment: hour of the day"),
        ("brand_new__thing", "Brand new: thing"),
        ("odd", "Odd"),
    ],
)
def test_a_feature_is_named_in_words(name: str, title: str) -> None:
    assert feature_title(name) == title


@pytest.mark.parametrize("name", [*feature_names(), *SIGNALS])
def test_no_feature_shows_its_technical_name(name: str) -> None:
    told = feature_title(name)
    assert ": " in told
    for word in ("__", "log", "item", "score", "actors", "rank", "half_", "add to cart", "rate"):
        assert word not in told.partition(": ")[2].replace("separate", ""), told


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("item__price__log", log(295), "£2.95"),
        ("user_item__purchase__recency", 359.2, "359 days ago"),
        ("user_item__purchase__recency", 0.2, "today"),
        ("user_item__purchase__gap", 1.0, "1 day"),
        ("item__purchase__actors_share__7d", 3.111, "3.11 of 1,000"),
        ("user_category__purchase__share__all", 0.25, "25%"),
        ("item__purchase__trend__7d_30d", 1.8, "1.8×"),
        ("item__price__discount__365d", log(0.8), "-20%"),
        ("user_item__quantity__log_total__all", log(24), "about 24"),
        ("buy_again__score__rank", 0.0, "1st of all candidates"),
        ("collaborative__score__relative", 0.76, "76% of the best"),
        ("buy_again__score", -0.987, "strength -0.987"),
        ("context__weekday", 4.0, "Friday"),
        ("context__month", 12.0, "December"),
        ("context__placement", 3.0, "cart"),
        ("context__referrer", 255.0, "another"),
        ("context__holiday", 1.0, "yes"),
        ("item__stock__log", log(25), "about 24"),
        ("user_item__vector__last", -0.62, "-62%"),
        ("user__purchase__orders__all", 12.0, "12"),
        ("buy_again__score", None, "not among its proposals"),
        ("item__age", None, "unknown"),
        ("item__age", float("nan"), "unknown"),
    ],
)
def test_a_value_is_told_in_its_unit(name: str, value: float | None, text: str) -> None:
    assert feature_value(name, value, "GBP") == text


@given(st.sampled_from([*feature_names(), *SIGNALS]), st.floats(-50, 50))
def test_every_value_of_every_feature_can_be_told(name: str, value: float) -> None:
    assert feature_value(name, value, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "unknown"), (3.0, "3"), (12_345.0, "12,345"), (0.12345, "0.123"), (-2.5, "-2.5")],
)
def test_values_are_told_with_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_places_are_counted_as_people_count() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th",
    ]  # fmt: skip
