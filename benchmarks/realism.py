"""Is the simulated shop like a real one? Fitted to the first year of Online Retail II, held against the second.

    python -m benchmarks.realism [--raw DIR] [--seeds 3] [--report realism.html] [--json]

The world sees the statistics of the first year (December 2009 to November 2010) and in which order items sold, never a
basket, and only items that sold in it. It then lives through the second year, which is compared number by number:
days from order to order, items in an order, Gini and Zipf slope of items, months. How far apart the two real years are
stands beside it. Customers with an account; both years after the rules of ``shelfwise import online-retail``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from shelfwise.domain import DAY_US, to_us
from shelfwise.ingestion.online_retail import clean, retail_items
from shelfwise.simulation import (
    BAR,
    KNOBS,
    FittedWorld,
    ItemTruth,
    Purchases,
    Report,
    Tally,
    Truth,
    World,
    Years,
    audit,
    checks,
    compared,
    fit_world,
    render_report,
    shop_statistics,
    simulated_year,
    worst,
)

FIRST_US, SECOND_US, END_US = (to_us(datetime(year, 12, 1, tzinfo=UTC)) for year in (2009, 2010, 2011))
_WATCHED_DAYS = 28  # of all events, for the report's funnel: from the first Monday of the second year


def main() -> None:
    options = _options()
    shop = read_shop(sorted(options.raw.glob("*.parquet")) if options.raw else None)
    fitted = fit_world(
        shop.items, shop.purchases, start_us=FIRST_US, end_us=SECOND_US, seed=options.seed,
        told=lambda text: None if options.json else print(text, flush=True),
    )  # fmt: skip
    years = beside(shop.purchases, fitted)
    rows = compared(years.fitted, years.real, years.simulated)
    others = [
        worst(compared(years.fitted, years.real, _another(fitted, seed)))
        for seed in range(1, options.seeds + 1)
    ]
    if options.report:
        options.report.write_text(render_report(told(fitted, years)), encoding="utf-8")
    settings = fitted.world.settings.model_dump()
    found = {
        "rows": [{"group": row.group, "name": row.name, "first": row.fitted, "second": row.real,
                  "simulated": row.simulated, "first_off": row.noise, "simulated_off": row.off,
                  "judged": row.barred} for row in rows],
        "worst": worst(rows), "worst_of_other_seeds": others, "bar": BAR, "fit_error": fitted.error,
        "shoppers": len(fitted.shoppers),
        "settings": {knob.name: settings[knob.name] for knob in KNOBS if knob.name in settings},
    }  # fmt: skip
    print(json.dumps(found) if options.json else _table(found))


@dataclass(frozen=True, slots=True, eq=False)
class RealShop:
    """What the fit is given: items as of the end of the first year, and all purchases of customers."""

    items: ItemTruth
    purchases: Purchases  # items that came later have rows beyond those of ``items``


def read_shop(files: list[Path] | None = None) -> RealShop:
    """From the published sheets, or those that the package ships."""
    items = [change.item for batch in retail_items(clean(files, until_us=SECOND_US)) for change in batch]
    category = np.unique([item.category[0] for item in items if item], return_inverse=True)[1]
    price = np.array([item.price_minor for item in items if item], np.int64)
    truth = ItemTruth.of(
        category=category.astype(np.int32), price_minor=price, season=np.full(len(price), -1.0)
    )
    row = {item.item_id: n for n, item in enumerate(items) if item}
    lines = clean(files).lines
    lines = lines.filter(pc.and_(pc.invert(lines["refund"]), pc.is_valid(lines["customer"])))
    bought = [row.setdefault(item_id, len(row)) for item_id in lines["item_id"].to_pylist()]
    order = lines["invoice"].combine_chunks().dictionary_encode().indices.to_numpy()
    customer = lines["customer"].cast("int64").to_numpy()
    return RealShop(
        truth, Purchases(customer, order.astype(np.int64), np.array(bought), lines["at_us"].to_numpy())
    )


def beside(purchases: Purchases, fitted: FittedWorld) -> Years:
    """Both real years, and the second of the world."""
    return Years(
        fitted=shop_statistics(purchases.within(FIRST_US, SECOND_US)),
        real=shop_statistics(purchases.within(SECOND_US, END_US)),
        simulated=simulated_year(fitted.world, fitted.shoppers, SECOND_US, END_US),
    )


def told(fitted: FittedWorld, years: Years) -> Report:
    """The page: four weeks of all that shoppers do, and the years."""
    world, tally = fitted.world, Tally()
    start_us = SECOND_US + -(SECOND_US // DAY_US + 3) % 7 * DAY_US
    end_us = start_us + _WATCHED_DAYS * DAY_US
    for lines in world.traffic(start_us, end_us, shoppers=fitted.shoppers):
        tally.add(lines)
    truth = Truth(world)
    return Report(
        scenario="a shop like Online Retail II",
        meaning="Wholesale customers of a gift shop, fitted to the first year of the real one; four weeks of its "
        "second year in full, and the whole of it beside the real second year.",
        seed=world.seed,
        shoppers=len(fitted.shoppers),
        n_items=len(world.items),
        start_us=start_us,
        end_us=end_us,
        n_lines=tally.n_lines,
        events=tally.events(),
        funnel=tally.funnel(),
        audit=audit(truth, truth.occasions(start_us, end_us, shoppers=fitted.shoppers, limit=100)),
        checks=checks(tally, world.settings, start_us=start_us, end_us=end_us),
        years=years,
    )


def _another(fitted: FittedWorld, seed: int) -> Any:
    """The second year of other people with the same settings."""
    world = World.grow(fitted.world.items, fitted.world.settings, seed=seed)
    return simulated_year(world, fitted.shoppers, SECOND_US, END_US)


def _table(found: dict[str, Any]) -> str:
    lines = [f"{'':16} {'':30} {'first':>9} {'second':>9} {'simulated':>9} {'first off':>9} {'sim. off':>9}"]
    for row in found["rows"]:
        judged = ("" if abs(row["simulated_off"]) <= BAR else "  MISSED") if row["judged"] else "  (told)"
        lines.append(
            f"{row['group']:16} {row['name']:30} {row['first']:9.3f} {row['second']:9.3f} {row['simulated']:9.3f} "
            f"{row['first_off']:+9.3f} {row['simulated_off']:+9.3f}{judged}"
        )
    others = ", ".join(f"{one:.3f}" for one in found["worst_of_other_seeds"])
    lines.append(
        f"worst {found['worst']:.3f} (bar {BAR}); of other seeds {others}; {found['shoppers']:,} shoppers"
    )
    lines.append(", ".join(f"{name} {value:.3g}" for name, value in found["settings"].items()))
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, help="folder of the two published sheets (default: as shipped)")
    parser.add_argument("--seed", type=int, default=7, help="of the world that is fitted")
    parser.add_argument(
        "--seeds", type=int, default=0, help="how many other seeds the second year is lived with"
    )
    parser.add_argument("--report", type=Path, help="write the page here")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
