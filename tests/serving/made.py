"""A release folder of a synthetic shop: real sources, real ranker, as a training leaves it; and people to ask for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shelfwise.candidates import fit_source, load_source
from shelfwise.domain import (
    DAY_US,
    LINE,
    PURCHASE,
    SOURCES,
    VIEW,
    Coded,
    Interactions,
    LiveItems,
    PersonState,
    Shelf,
)
from shelfwise.features import ITEM_ROLLING, base_columns, feature_names, fit_release
from shelfwise.rankers import fit_ranker

NOW_US = 1_320_000_000_000_000
N_CLASSES = 8  # tastes: people of one buy items of one category


def made_shelf(n_items: int) -> Shelf:
    ids = tuple(f"i{row}" for row in range(n_items))
    kinds = ("Candle", "Lamp", "Mug", "Bag", "Clock", "Frame", "Bowl", "Sign")
    colours = ("red", "white", "blue", "green", "small", "large", "round")
    titles = tuple(
        f"{colours[row % 7].capitalize()} {kinds[row % N_CLASSES]} No {row // 56}" for row in range(n_items)
    )
    category = Coded(
        (np.arange(n_items) % N_CLASSES).astype(np.int32), tuple(("Home", kind) for kind in kinds)
    )
    brand = Coded((np.arange(n_items) % 13).astype(np.int32), tuple(f"Brand {b}" for b in range(13)))
    nothing = Coded(np.full(n_items, -1, np.int32), ())
    return Shelf(
        generation=1, item_id=ids, title=titles, url=(None,) * n_items, image=(None,) * n_items,
        coded={"category": category, "brand": brand, "group_id": nothing, "tags": nothing, "regions": nothing},
        min_age=np.zeros(n_items, np.int16), first_seen_us=np.zeros(n_items, np.int64),
        row_of={item_id: row for row, item_id in enumerate(ids)},
    )  # fmt: skip


def made_history(n_items: int, n_users: int, *, baskets: int = 6, seed: int = 3) -> Interactions:
    """Baskets of five items of one taste, the popular more often."""
    rng = np.random.default_rng(seed)
    size = 5
    user = np.repeat(np.arange(n_users), baskets * size)
    order = np.repeat(np.arange(n_users * baskets), size)
    popular = np.minimum(
        (rng.exponential(n_items / N_CLASSES / 6, len(user))).astype(int), n_items // N_CLASSES - 1
    )
    item = popular * N_CLASSES + user % N_CLASSES
    at_us = NOW_US - np.repeat(rng.integers(DAY_US, 300 * DAY_US, n_users * baskets), size)
    event = np.where(rng.random(len(user)) < 0.8, PURCHASE, VIEW).astype(np.uint8)
    ones = np.ones(len(user), np.int32)
    return Interactions(
        user.astype(np.int32), item.astype(np.int32), at_us, event, order.astype(np.int64), ones,
        np.full(len(user), 250, np.int64), n_users, n_items,
    )  # fmt: skip


def made_live(history: Interactions, n_items: int) -> LiveItems:
    bought = np.bincount(history.item, minlength=n_items).astype(np.int64)
    counters: dict[str, Any] = {}
    for rolling in ITEM_ROLLING:
        counters[rolling.name] = bought // 2
        counters["shop__" + rolling.name.removeprefix("item__")] = np.full(
            n_items, bought.sum() // 2, np.int64
        )
    none = np.full(n_items, -1, np.int64)
    return LiveItems(
        price_minor=np.full(n_items, 250, np.int64), list_price_minor=none, cost_minor=none,
        stock=np.full(n_items, 20, np.int64), hidden=np.zeros(n_items, np.uint8),
        available_from_us=np.full(n_items, np.iinfo(np.int64).min), counters=counters,
        available_until_us=np.full(n_items, np.iinfo(np.int64).max),
    )  # fmt: skip


def person_of(history: Interactions, user: int) -> PersonState:
    """A person of the history, as the state store knows them."""
    mine = history.take(history.user == user)
    mine = mine.take(np.argsort(-mine.at_us, kind="stable"))
    lines = np.zeros(len(mine), LINE)
    lines["item"], lines["event"], lines["at_us"] = mine.item, mine.event, mine.at_us
    lines["order_hash"] = lines["event_hash"] = mine.order + 1
    lines["line"] = np.arange(len(mine)) % 5
    lines["quantity"], lines["price_minor"] = mine.quantity, mine.price_minor
    return PersonState(lines, first_seen_us=int(mine.at_us.min()), country="GB")


def make_release(
    folder: Path,
    shelf: Shelf,
    history: Interactions,
    *,
    ranker: str = "vote",
    sources: Sequence[str] = SOURCES,
    trees: int = 150,
    pool_size: int = 200,
) -> Path:
    """Write what a training would."""
    n_items = history.n_items
    folder.mkdir(parents=True)
    ids = pa.array(shelf.item_id[:n_items], pa.string())
    pq.write_table(
        pa.table({"row": pa.array(range(n_items), pa.int32()), "item_id": ids}), folder / "items.parquet"
    )
    for name in sources:
        fit_source(name, history, shelf, as_of_us=NOW_US).save(folder / "candidates" / name)
    signals = tuple(s for name in sources for s in load_source(name, folder / "candidates" / name).signals)
    needs = feature_names(signals)
    body = {
        "needs": needs,
        "signals": signals,
        "schema": hashlib.sha256(repr(needs).encode()).hexdigest()[:16],
    }
    (folder / "features.json").write_text(json.dumps(body))
    fit = fit_release(history, shelf, as_of_us=NOW_US, wanted=base_columns(needs))
    for kind, arrays in (
        ("fitted", fit.columns),
        ("relations", fit.relations.columns() if fit.relations else {}),
    ):
        (folder / kind).mkdir()
        for name, array in arrays.items():
            np.save(folder / kind / f"{name}.npy", array)
    _learn(folder / "rankers" / ranker, ranker, needs, signals, trees)
    best = np.argsort(-np.bincount(history.item, minlength=n_items), kind="stable")[:500]
    np.save(folder / "packed.npy", best.astype(np.int32))
    settings = {
        "layout": 1,
        "ranker": ranker,
        "sources": list(sources),
        "pool_size": pool_size,
        "as_of_us": NOW_US,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    return folder


def _learn(folder: Path, name: str, needs: Sequence[str], signals: Sequence[str], trees: int) -> None:
    """A ranker that learned little but has the size of one that learned much."""
    rng = np.random.default_rng(5)
    own = [signal for signal in signals if signal.endswith("__score")]
    columns = own if name == "vote" else list(needs)
    rows = rng.random((4_000, len(columns))).astype(np.float32)
    query = np.repeat(np.arange(40, dtype=np.int32), 100)
    label = (rows.sum(axis=1) + rng.normal(0, 0.5, len(rows)) > len(columns) / 2).astype(np.float32)
    more: dict[str, Any] = {} if name == "vote" else {"n_threads": 2}
    settings = {} if name == "vote" else {"n_trees": trees}
    fit_ranker(name, rows, label, query, needs=tuple(columns), settings=settings, **more).save(folder)
