"""A story whose shoppers buy a lot of what they are recommended, and what the lake must hold of it afterwards."""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl

from shelfwise import Shop
from shelfwise.stores.adapters.delta_lake import DeltaLake

# Slates are noticed more than the shop's own lists, a quarter of what is looked at is clicked, and most of that is
# bought; no mess, so that every event that happened arrives.
EAGER = """
name = "eager"
meaning = "Shoppers who take what they are offered."

[world]
notice_rates = [1.0, 1.0, 1.0, 1.0, 0.1, 0.1]
click_logit = -1.0
cart_logits = [2.0, 2.0, 2.0, 2.0]
checkout_rates = [0.9, 0.9, 0.9, 0.9]
"""


def eager_story(folder: Path) -> str:
    """The story as a file."""
    path = folder / "eager.toml"
    path.write_text(EAGER)
    return str(path)


def simulated_lines(shop: Shop) -> pl.DataFrame:
    """All that simulated shoppers sent, as the lake holds it once everything is drained."""
    shop.drain()
    return _table(shop, "event_lines").filter(pl.col("origin") == "simulated")


def check_that_events_join_the_answers_they_come_of(shop: Shop) -> None:
    """Impressions are the logged answers, position by position; clicks, carts and orders are of what was shown."""
    events = simulated_lines(shop).filter(pl.col("recommendation_id").is_not_null())
    seen = events.filter(pl.col("event") == "view_item_list")
    _check_impressions(seen, _answers(shop, set(seen["recommendation_id"])))
    _check_reactions(events.filter(pl.col("event") != "view_item_list"), seen)


def _answers(shop: Shop, expected: set[str]) -> pl.DataFrame:
    """Shown positions of simulated visits. A server's worker hands its last answers over in a moment."""
    for _ in range(100):
        answers = _table(shop, "answers")
        if expected <= set(answers["recommendation_id"]):
            break
        time.sleep(0.05)
        shop.drain()
    return answers.filter(pl.col("session_id").str.starts_with("sim-"), pl.col("position") > 0)


def _check_impressions(seen: pl.DataFrame, answers: pl.DataFrame) -> None:
    """Of each answer with items one impression: the same items at the same positions, of the same visit and place."""
    said = ["recommendation_id", "item_id", "position", "placement", "session_id", "anonymous_id", "user_id"]
    assert sorted(seen.select(said).rows(), key=str) == sorted(answers.select(said).rows(), key=str)
    lag = seen.join(
        answers.select("recommendation_id", "item_id", "answered_us"), on=["recommendation_id", "item_id"]
    )
    assert (lag["occurred_us"] >= lag["answered_us"]).all()


def _check_reactions(reactions: pl.DataFrame, seen: pl.DataFrame) -> None:
    """Each is of an item that the same visit was shown in that answer, before."""
    shown = seen.select(
        "recommendation_id", "item_id", "session_id", "position", "placement", at="occurred_us"
    )
    joined = reactions.join(
        shown, on=["recommendation_id", "item_id", "session_id"], how="left", suffix="_shown"
    )
    assert joined["at"].null_count() == 0
    assert (joined["occurred_us"] >= joined["at"]).all()
    clicks = joined.filter(pl.col("event").is_in(["select_item", "view_item", "add_to_cart"]))
    assert clicks["position"].to_list() == clicks["position_shown"].to_list()
    assert clicks["placement"].to_list() == clicks["placement_shown"].to_list()
    assert set(reactions["event"]) >= {"select_item", "view_item", "add_to_cart", "purchase"}


def _table(shop: Shop, name: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(file) for file in DeltaLake(shop.layout.lake).files(name)])
