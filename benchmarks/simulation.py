"""Does the simulated shop keep its word: how fast, how large, how true?

    python -m benchmarks.simulation speed --lines 5000000
    python -m benchmarks.simulation scale --lines 50000000 --shoppers 1000000 --items 100000
    python -m benchmarks.simulation truth --pairs 200 --draws 100000
    python -m benchmarks.simulation share --shop SHOP --days 3

``speed`` and ``scale`` write open-loop traffic to Parquet, on one core. ``truth`` compares what shoppers do with what
is stated of them, and policy values by common luck with exact ones.

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
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import binom, norm

from shelfwise import Shop
from shelfwise.domain import DAY_US
from shelfwise.simulation import Context, ItemTruth, Occasion, Slate, Truth, World, WorldSettings

Row = dict[str, Any]


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


if __name__ == "__main__":
    main()
