"""Does the simulated shop keep its word: how fast, how large, how true, how real, how light beside the engine?

    python -m benchmarks.simulation speed --lines 5000000
    python -m benchmarks.simulation scale --lines 50000000 --shoppers 1000000 --items 100000
    python -m benchmarks.simulation truth --pairs 200 --draws 100000
    python -m benchmarks.simulation realism --seeds 5 --report realism.html
    python -m benchmarks.simulation share --shop SHOP --days 3

``speed`` and ``scale`` write open-loop traffic to Parquet, on one core. ``truth`` compares what shoppers do with what
is stated of them, and policy values by common luck with exact ones.

``realism`` fits a world to the statistics of the first year of Online Retail II (December 2009 to November 2010) and to
the order in which its items sold, never to a basket. The world then lives through the second year, which is compared
number by number: days from order to order, items in an order, Gini and Zipf slope of items, months. How far apart the
two real years are stands beside it. Customers with an account; both years after the rules of
``shelfwise import online-retail``.

``share`` runs the closed loop in this process on a copy of a trained shop, twice: a short run that compiles and fills
caches, then the one that is counted, from its first visit until the shop holds all it was sent. CPU of the simulator:
visits and reactions, the mess, building each event and encoding it as JSON, sums for the report.
CPU of the engine: answering and logging answers, parsing and checking events as the HTTP door does, keeping and
folding them. What a browser would do counts for the simulator, what a server would do for the engine; opening the
shop and loading its release, which only the engine needs, are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.stats import binom, norm

from shelfwise import Shop
from shelfwise.domain import DAY_US, to_us
from shelfwise.ingestion.online_retail import clean, retail_items
from shelfwise.simulation import (
    BAR,
    KNOBS,
    Compared,
    Context,
    FittedWorld,
    ItemTruth,
    Occasion,
    Purchases,
    Report,
    Slate,
    Tally,
    Truth,
    World,
    WorldSettings,
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

Row = dict[str, Any]
FIRST_US, SECOND_US, END_US = (to_us(datetime(year, 12, 1, tzinfo=UTC)) for year in (2009, 2010, 2011))
_WATCHED_DAYS = 28  # of all events, for the report's funnel: from the first Monday of the second year


def main() -> None:
    options = _options()
    row = {"question": options.question, **QUESTIONS[options.question](options), "cores": os.cpu_count()}
    print(json.dumps(row) if options.json else "\n".join(f"{name:28} {value}" for name, value in row.items()))


def speed(options: argparse.Namespace) -> Row:
    """Event lines a second, generated and written; kernels are compiled before."""
    return _written(options)


def scale(options: argparse.Namespace) -> Row:
    """The same at size, with the most memory held."""
    return _written(options)


def truth(options: argparse.Namespace) -> Row:
    """Worst distance between stated and counted, in standard errors, in both models of looking."""
    return {
        f"{model}_{name}": value
        for model in ("position", "cascade")
        for name, value in _true(options, WorldSettings(examination=model)).items()
    }


def realism(options: argparse.Namespace) -> Row:
    """Every statistic of the second year, real and simulated."""
    shop = read_shop()
    fitted = fit_world(
        shop.items, shop.purchases, start_us=FIRST_US, end_us=SECOND_US, seed=options.seed,
        told=lambda text: print(text, file=sys.stderr, flush=True),
    )  # fmt: skip
    years = beside(shop.purchases, fitted)
    rows = compared(years.fitted, years.real, years.simulated)
    others = range(1, options.seeds + 1)
    if options.report:
        options.report.write_text(render_report(told(fitted, years)), encoding="utf-8")
    settings = fitted.world.settings.model_dump()
    return {
        "table": _side_by_side(rows),
        "judged": sum(row.barred for row in rows),
        "missed": sum(row.barred and not row.within for row in rows),
        "worst": round(worst(rows), 3),
        "bar": BAR,
        "worst_of_other_seeds": [
            round(worst(compared(years.fitted, years.real, _another(fitted, seed))), 3) for seed in others
        ],
        "fit_error": round(fitted.error, 3),
        "shoppers": len(fitted.shoppers),
        "settings": {knob.name: settings[knob.name] for knob in KNOBS if knob.name in settings},
    }


def share(options: argparse.Namespace) -> Row:
    """The simulator's share of the CPU of a closed loop."""
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(options.shop, Path(scratch) / "shop")
        with Shop.open(Path(scratch) / "shop") as shop:
            shop.simulate("steady", closed_loop=True, days=0.2, seed=options.seed)
            told = shop.simulate("steady", closed_loop=True, days=options.days, seed=options.seed)
    own_s, engine_s, answers = told["simulator_cpu_s"], told["engine_cpu_s"], told["answers"]
    return {
        **{name: told[name] for name in ("visits", "answers", "lines", "accepted", "simulator_share")},
        "simulator_ms_per_answer": round(1_000 * own_s / answers, 3),
        "engine_ms_per_answer": round(1_000 * engine_s / answers, 3),
    }


QUESTIONS: dict[str, Callable[[argparse.Namespace], Row]] = {
    "speed": speed,
    "scale": scale,
    "truth": truth,
    "realism": realism,
    "share": share,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--lines", type=int, default=5_000_000, help="event lines to write")
    parser.add_argument("--shoppers", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=200, help="shoppers and slates at random")
    parser.add_argument("--draws", type=int, default=100_000, help="responses of each pair")
    parser.add_argument("--seeds", type=int, default=0, help="other seeds of the second year (realism)")
    parser.add_argument("--report", type=Path, help="write the page here (realism)")
    parser.add_argument("--shop", type=Path, help="a trained shop, of which a copy is used (share)")
    parser.add_argument("--days", type=float, default=3.0, help="of the closed loop (share)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="keep the Parquet file here")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser.parse_args()


def _written(options: argparse.Namespace) -> Row:
    pa.set_cpu_count(1)
    world = World.grow(ItemTruth.synthetic(options.items), WorldSettings(), seed=options.seed)
    start = world.settings.opens_us
    for _ in world.traffic(start, start + DAY_US, shoppers=range(10)):
        pass  # compiles
    began, began_cpu, n_lines, days = time.perf_counter(), time.process_time(), 0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        path = (options.folder or Path(scratch)) / "traffic.parquet"
        sink = None
        for lines in world.traffic(start, start + 3_650 * DAY_US, shoppers=range(options.shoppers)):
            table = pa.table(lines.columns())
            sink = sink or pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=False)
            sink.write_table(table)
            n_lines += len(lines)
            days = (int(lines.at_us[-1]) - start) / DAY_US
            if n_lines >= options.lines:
                break
        assert sink is not None
        sink.close()
        size = path.stat().st_size
    cpu = time.process_time() - began_cpu
    return {
        "shoppers": options.shoppers,
        "items": options.items,
        "lines": n_lines,
        "days": round(days, 1),
        "lines_per_cpu_s": round(n_lines / cpu),
        "lines_per_s": round(n_lines / (time.perf_counter() - began)),
        "bytes_per_line": round(size / n_lines, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _true(options: argparse.Namespace, settings: WorldSettings) -> Row:
    teller = Truth(World.grow(ItemTruth.synthetic(2_000), settings, seed=options.seed))
    rng, distances, slates, occasions = np.random.default_rng(options.seed), [], [], []
    for _ in range(options.pairs):
        shopper, slate, context = _pair(teller.world, rng)
        occasions.append(Occasion(shopper, slate.list, context))
        stated = teller.chances(shopper, slate, context)
        chance = np.array([stated.examined, stated.clicked, stated.carted, stated.bought])
        counted = teller.tally(shopper, slate, context, options.draws)
        distances.append(_standard_errors(counted.ravel(), options.draws, chance.ravel()))
        slates.append(_standard_errors(counted[2:].sum(axis=1), options.draws, chance[2:].sum(axis=1)))
    far = np.concatenate(distances)
    return {
        "pairs": options.pairs,
        "slate_carts_and_orders_worst": round(float(np.concatenate(slates).max()), 2),
        "chances_compared": len(far),
        "beyond_4_errors": int((far > 4.0).sum()),
        "beyond_4_by_luck": round(len(far) * 2 * float(norm.sf(4.0)), 2),
        "worst_standard_errors": round(float(far.max()), 2),
        **_policies(teller, occasions, options.draws // 10),
    }


def _standard_errors(counted: Any, draws: int, chance: Any) -> Any:
    """How far counts are off, as the normal deviate that is as rare: the binomial of a rare event is no normal."""
    chance = np.clip(chance, 0.0, 1.0)
    rarer = np.minimum(binom.sf(counted - 1, draws, chance), binom.cdf(counted, draws, chance))
    return norm.isf(np.clip(rarer, 1e-300, 0.5))


def _policies(teller: Truth, occasions: list[Occasion], draws: int) -> Row:
    """The gain of the best slate over the most popular one: exact, and drawn with the same and with other luck."""
    popular = np.argsort(-teller.world.items.popularity)[:10].astype(np.int32)

    def best(shopper: int, context: Context) -> Any:
        return teller.best_slate(shopper, context, 10)

    def same(_shopper: int, _context: Context) -> Any:
        return popular

    exact = teller.value(occasions, best).sum() - teller.value(occasions, same).sum()
    drawn = teller.value_drawn(occasions, best, draws=draws) - teller.value_drawn(
        occasions, same, draws=draws
    )
    chance = np.array([teller.value(occasions, policy) for policy in (best, same)])
    error = float(np.sqrt((chance * (1.0 - chance)).sum() / draws))
    return {
        "policy_gain_exact": round(float(exact), 4),
        "policy_gain_drawn": round(float(drawn.sum()), 4),
        "policy_standard_errors": round(abs(float(drawn.sum() - exact)) / error, 2),
    }


def _pair(world: World, rng: np.random.Generator) -> tuple[int, Slate, Context]:
    rows = rng.permutation(len(world.items))[: rng.integers(1, 21)].astype(np.int32)
    context = Context(
        at_us=world.settings.opens_us + int(rng.integers(0, 365)) * DAY_US,
        intent=int(rng.integers(0, 4)),
        category=int(world.items.category[rows[0]]),
        target=int(rows[0]) if rng.random() < 0.3 else -1,
        seeds=rng.permutation(len(world.items))[: rng.integers(0, 4)].astype(np.int32),
    )
    return int(rng.integers(0, 1_000_000)), Slate(rows, int(rng.integers(0, 6))), context


@dataclass(frozen=True, slots=True, eq=False)
class RealShop:
    """What the fit is given: items as of the end of the first year, and all purchases of customers."""

    items: ItemTruth
    purchases: Purchases  # items that came later have rows beyond those of ``items``


def read_shop() -> RealShop:
    """From the sheets that the package ships."""
    items = [change.item for batch in retail_items(clean(until_us=SECOND_US)) for change in batch]
    category = np.unique([item.category[0] for item in items if item], return_inverse=True)[1]
    price = np.array([item.price_minor for item in items if item], np.int64)
    truth = ItemTruth.of(
        category=category.astype(np.int32), price_minor=price, season=np.full(len(price), -1.0)
    )
    row = {item.item_id: n for n, item in enumerate(items) if item}
    lines = clean().lines
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


def _side_by_side(rows: list[Compared]) -> str:
    """A Markdown table of every number in the three years."""
    lines = [
        "",
        "| | | real year 1 | real year 2 | simulated year 2 | year 1 off | simulated off | 15 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        judged = ("within" if row.within else "**missed**") if row.barred else "told"
        real = f"{row.real:.3g}" if row.real else ""
        lines.append(
            f"| {row.group} | {row.name} | {row.fitted:.3g} | {real} | {row.simulated:.3g} "
            f"| {100 * row.noise:+.1f} % | {100 * row.off:+.1f} % | {judged} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
