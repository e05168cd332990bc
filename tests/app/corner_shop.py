"""A corner shop of 60 items and 300 people whose tastes are known: what any test of the whole may train on.

People come back every few days, buy what goes together, mostly from their two favourite aisles of the
season, and sometimes again what they bought before. So every source has something to find, and a ranker beats the
best sellers by far.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shelfwise import Shop

AISLES = ("Bread", "Fruit", "Cheese", "Tea", "Soap", "Candles")
PER_AISLE = 10
N_PEOPLE, N_DAYS = 300, 100
DRIFT = 0.15  # chance before an order that tastes have changed
START = datetime(2025, 1, 1, 8, tzinfo=UTC)
NOW = START + timedelta(days=N_DAYS)
SETTINGS = """
[training]
window_days = 14
n_windows = 4
max_people = 300
negative_share = 1.0
training_pool_size = 60
pool_size = 60
threads = 1

[rankers.gradient_boosting]
n_trees = 60
depth = 3
min_child_weight = 5.0

[rankers.vote]
n_steps = 1        # so that the trees win
l2 = 1e6

[serve]
allowed_origins = ["https://corner.example"]
"""


def items() -> list[dict[str, Any]]:
    """Rows of a flat items file."""
    return [
        {
            "item_id": f"{aisle[:2].lower()}-{number}",
            "title": f"{aisle} number {number}",
            "category": f"Shop > {aisle}",
            "brand": f"Brand {number % 4}",
            "price": f"{1 + number / 2:.2f}",
            "currency": "EUR",
            "stock": 100,
        }
        for aisle in AISLES
        for number in range(PER_AISLE)
    ]


def events(seed: int = 0) -> list[dict[str, Any]]:
    """Rows of a flat events file, a row per line of an order, oldest first."""
    rng = np.random.default_rng(seed)
    rows = [row for person in range(N_PEOPLE) for row in _life(person, rng)]
    return sorted(rows, key=lambda row: str(row["occurred_at"]))


def make(folder: Path) -> Shop:
    """The shop with its settings, before anything was imported. Its clock stands just after the last event."""
    Shop.create(folder, name="Corner shop", clock_start=NOW).close()
    text = (folder / "shelfwise.toml").read_text()
    kept = text.partition("[serve]")[0]
    (folder / "shelfwise.toml").write_text(kept + SETTINGS)
    return Shop.open(folder)


def trained(base: Path) -> Path:
    """The shop in a folder under ``base``, imported and trained: made once, whoever asks first. Copy it to write."""
    folder, done = base / "corner", base / "corner.done"
    with (base / "corner.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            with make(folder) as shop:
                shop.import_items(pl.DataFrame(items()))
                shop.import_events(pl.DataFrame(events()))
                report = shop.train()
                assert report["passed"], report["verdict"]
            done.write_text(json.dumps(report))
    return folder


def copied(base: Path, target: Path) -> Path:
    """A trained shop of one's own."""
    return Path(shutil.copytree(trained(base), target))


def another_release(shop: Shop) -> str:
    """The champion's files, published once more with a last resort turned round; the id."""
    champion = shop.readers.releases.open(shop.releases()[0]["release"])
    beside = Path(shutil.copytree(champion, shop.layout.cache / "another"))
    (beside / "manifest.json").unlink()
    np.save(beside / "packed.npy", np.load(beside / "packed.npy")[::-1])
    return str(shop.readers.releases.publish(beside, metrics={}, trained={}))


def _life(person: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    day, order, owned, favourites = rng.uniform(0, 20), 0, [], rng.choice(len(AISLES), 2, replace=False)
    rows: list[dict[str, Any]] = []
    while day < N_DAYS:
        if rng.random() < DRIFT:
            favourites = rng.choice(len(AISLES), 2, replace=False)
        at = START + timedelta(days=float(day))
        basket = _basket(favourites, owned, rng)
        owned += basket
        rows += [
            {
                "event": "purchase",
                "occurred_at": at.isoformat(),
                "user_id": f"p{person}",
                "order_id": f"o{person}-{order}",
                "item_id": item,
                "quantity": 1,
                "price": "2.50",
                "currency": "EUR",
                "country": "DE",
            }
            for item in basket
        ]
        day, order = day + rng.uniform(5, 18), order + 1
    return rows


def _basket(favourites: np.ndarray, owned: list[str], rng: np.random.Generator) -> list[str]:
    chosen: dict[str, None] = {}
    for _ in range(rng.integers(2, 5)):
        if owned and rng.random() < 0.15:
            chosen[owned[rng.integers(len(owned))]] = None
            continue
        aisle = AISLES[rng.choice(favourites) if rng.random() < 0.9 else rng.integers(len(AISLES))]
        number = int(PER_AISLE * rng.random() ** 1.5)
        chosen[f"{aisle[:2].lower()}-{number}"] = None
        if number % 2 == 0 and rng.random() < 0.6:  # an even one goes with its odd neighbour
            chosen[f"{aisle[:2].lower()}-{number + 1}"] = None
    return list(chosen)
