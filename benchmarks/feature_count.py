"""How many features are declared and vary on a shop with traffic? Those that do not are named, with the reason.

    cp -r DEMO COPY && python -m benchmarks.feature_count --shop COPY [--report features.html]

The copy of a demo shop is given what its data lacks, all of it made up by a seed and said to be: brands, categories,
list prices, costs, stock, sizes, tags, countries and ages of items as patches of its catalogue, and four weeks of
simulated browsing that its counters count. Then people active of late are asked for, as the request tells them, with
made-up devices, places, referrers, countries and ages. A feature counts if it is declared in full and has more than one
value in the sample, nothing being a value.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shelfwise import Shop
from shelfwise.app._demo_browsing import SCENARIO
from shelfwise.app._living import Asked, living, write_catalogue
from shelfwise.domain import Context, LiveItems, Shelf
from shelfwise.features import FEATURES, catalogue_rows, spread
from shelfwise.stores import ItemChange

ORIGINS = ("real", "simulated")
BATCH = 500


def main() -> None:
    options = _options()
    with Shop.open(options.shop, overrides={"training": {"origins": list(ORIGINS)}}) as shop:
        for changes in made_up(
            shop.readers.shelf_reader.shelf(), shop.readers.live.view(), at_us=shop.clock()
        ):
            shop.submit("items", changes)
        simulated = shop.simulate(str(SCENARIO), seed=11, shoppers=options.shoppers)
        shop.drain()
    with Shop.open(options.shop, overrides={"training": {"origins": list(ORIGINS)}}) as shop:
        looked = living(shop, people=options.people, fit=True, asked_with=questions(97))
        if options.report:
            write_catalogue(shop, looked, options.report)
    spreads = {name: spread(column) for name, column in zip(looked.names, looked.values.T, strict=True)}
    constant = {name: _why(name, spreads[name].example) for name in FEATURE_NAMES if spreads[name].constant}
    report = {
        "declared": len(FEATURE_NAMES), "documented": len(documented()), "vary": len(FEATURE_NAMES) - len(constant),
        "constant": constant, "rows": len(looked.values), "people": looked.people,
        "simulated_lines": simulated["lines"],
    }  # fmt: skip
    print(json.dumps(report, indent=1))


FEATURE_NAMES = tuple(one.name for one in FEATURES)


def documented() -> list[str]:
    """Names of features that state all that a reader asks."""
    asked = ("meaning", "unit", "dtype", "range", "window", "freshness", "owner", "privacy")
    return [row["name"] for row in catalogue_rows() if all(row[name] for name in asked)]


def made_up(shelf: Shelf, live: LiveItems, *, at_us: int) -> Iterator[list[ItemChange]]:
    """Patches of all items with what their feed did not tell; names say that they are simulated."""
    rng = np.random.default_rng(3)
    changes = []
    for row, item_id in enumerate(shelf.item_id):
        price = int(live.price_minor[row])
        fields: dict[str, Any] = {
            "brand": f"Simulated brand {rng.zipf(1.6) % 40}",
            "category": _path(rng),
            "stock": int(rng.geometric(0.02)) - 1,
            "group_id": f"simulated-{row // int(rng.integers(1, 5))}",
            "tags": tuple(f"simulated-{tag}" for tag in rng.choice(9, rng.integers(0, 4), replace=False)),
            "regions": ("GB", "DE", "FR")[: rng.integers(0, 4)],
            "attributes": {f"simulated-{at}": "yes" for at in range(rng.integers(0, 4))},
            "min_age": 18 if rng.random() < 0.05 else None,
            "image": f"https://shop.example/{row}.jpg" if rng.random() < 0.8 else None,
        }
        if price > 0:
            fields["list_price_minor"] = int(price * rng.choice([1.0, 1.0, 1.2, 1.5]))
            fields["cost_minor"] = int(price * rng.uniform(0.3, 0.8))
        changes.append(ItemChange(action="patch", item_id=item_id, at_us=at_us, fields=fields))
    for start in range(0, len(changes), BATCH):
        yield changes[start : start + BATCH]


def _path(rng: np.random.Generator) -> tuple[str, ...]:
    aisle = int(rng.integers(0, 20))
    return tuple(f"Simulated aisle {part}" for part in (aisle // 5, aisle, f"{aisle}b"))[: rng.integers(1, 4)]


def questions(n: int) -> Sequence[Asked]:
    """Places on the site and made-up circumstances, ages among them."""
    rng = np.random.default_rng(5)
    return [
        (
            str(rng.choice(["home", "product", "cart", "category", "search"])),
            Context(
                device=str(rng.choice(["mobile", "desktop", "tablet"])),
                country=str(rng.choice(["GB", "DE", "FR", "US"])),
                referrer=str(
                    rng.choice(["https://www.google.com/", "https://www.instagram.com/", "newsletter"])
                ),
                offset_minutes=int(rng.choice([0, 60, -300])),
                age=int(rng.integers(16, 80)) if rng.random() < 0.8 else None,
            ),
        )
        for _ in range(n)
    ]


def _why(name: str, value: float | None) -> str:
    """What all rows have, and the reason if it is known."""
    told = "nothing" if value is None else f"{value:g}"
    if name.startswith("context__"):
        return f"{told}: the day of the one instant that was asked at"
    if "__session" in name or name.startswith("session__") or name.endswith("__1h"):
        return f"{told}: the simulation ends at the last whole hour, and nobody did it since"
    return f"{told}: not explained"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", type=Path, required=True, help="a copy: it is changed")
    parser.add_argument("--shoppers", type=int, default=1_500)
    parser.add_argument("--people", type=int, default=600)
    parser.add_argument("--report", type=Path, help="write the catalogue page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
