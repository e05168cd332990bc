"""What are the features worth? Rankers of all, of a first set, without a family and of one family alone.

    python -m benchmarks.feature_value --shop DIR --report value.html

A shop's history is drawn once with every feature: candidates of the windows before a cut, ``window_days`` before the
shop's time, as training draws them. Only the ranker is fitted anew, on the columns of each set (source signals are in
all of them), and asked through the pipeline that serves. Judged on what people known before the cut bought after it:
binary NDCG@10, ideal min(10, relevant), for ``all`` (bought items may be shown again) and ``new`` (never bought).
A fit draws rows and columns by chance, so each set is fitted with several seeds and a person's mark is their mean; the
interval is a paired bootstrap over people. ``--back 1`` judges one window earlier: that is where defaults are chosen.
``--simulated`` learns from simulated shoppers, in a shop that is made for them where there is none: items, categories,
brands, prices and traffic are made up.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._value_page import page
from numpy.typing import NDArray

from shelfwise import Shop
from shelfwise.app._training import workshop_of
from shelfwise.domain import DAY_US, LiveItems
from shelfwise.evaluation import Interval, bootstrap_mean, paired_bootstrap
from shelfwise.features import FAMILIES, FEATURES
from shelfwise.rankers import fit_ranker
from shelfwise.stores.adapters.delta_lake import DeltaLake
from shelfwise.training import JOBS, Exam, Pools, Workshop, judge, run_jobs, served_lists
from shelfwise.training._fits import Fits
from shelfwise.training._folder import write_features, write_settings
from shelfwise.training._snapshot import Snapshot

RANKER = "gradient_boosting"
BUSY = Path(__file__).with_name("busy_shop.toml")
FIRST = (
    *(f"item__view_item__count__{w}" for w in ("1d", "7d", "30d")),
    *(f"item__add_to_cart__count__{w}" for w in ("1d", "7d", "30d")),
    *(f"item__purchase__count__{w}" for w in ("1d", "7d")),
    "item__purchase__actors__30d", "item__purchase__actors__365d",
    "item__purchase__quantity__30d", "item__carts_of_views__rate__30d", "item__buys_of_views__rate__30d",
    "item__returns_of_sales__rate__90d", "item__purchase__trend__1d_7d", "item__purchase__trend__7d_30d",
    "item__view_item__trend__7d_30d", "item__age", "item__purchase__recency", "item__price__log",
    "item__price__discount__365d", "item__quantity__log_mean__90d", "item__purchase__percentile__90d",
    *(f"user__purchase__orders__{w}" for w in ("all", "30d", "90d", "365d")), "user__purchase__count__all",
    *(f"user__view_item__count__{w}" for w in ("all", "1d", "7d", "30d")), "user__add_to_cart__count__7d",
    "user__refund__count__all", "user__recency", "user__age", "user__purchase__recency", "user__purchase__gap",
    "user__purchase__basket__all", "user__price__log_mean__all", "user__quantity__log_mean__all",
    "session__all__events", "session__view_item__count", "session__add_to_cart__count", "session__age",
    "user_item__view_item__count__all", "user_item__view_item__count__7d", "user_item__add_to_cart__count__all",
    "user_item__purchase__count__all", "user_item__refund__count__all", "user_item__purchase__days__all",
    "user_item__purchase__recency", "user_item__view_item__recency", "user_item__add_to_cart__recency",
    "user_item__purchase__gap", "user_item__purchase__overdue", "user_category__view_item__share__all",
    "user_category__purchase__share__all", "user_item__price__log_difference__all",
    "context__hour", "context__weekday", "context__device", "context__seeds",
)  # fmt: skip
"""The first set: what an engine begins with. Counts, recencies and prices of items, people, sessions and both."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """All that a ranker of some columns needs to be fitted and asked."""

    shop: Workshop
    snapshot: Snapshot
    fit: Fits  # as of the cut
    live: LiveItems  # as of the cut
    exam: Exam  # what was bought after it
    rows: Pools  # of windows before it
    names: tuple[str, ...]  # of their columns


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """What a set of features came to: a mark of each person, the mean over seeds."""

    n_features: int  # beside the signals
    seconds: float  # of a fit
    ndcg: Mapping[str, NDArray[np.float64]]  # by truth


def main() -> None:
    options = _options()
    if options.simulated and not (options.shop / "data").exists():
        print(json.dumps(made_of_shoppers(options.shop)), flush=True)
    drawn = draw(options.shop, windows=options.windows, back=options.back, simulated=options.simulated)
    marks = {}
    for name, chosen in sets(options.sets, drawn.names).items():
        marks[name] = marked(drawn, chosen, seeds=options.seeds, settings=json.loads(options.ranker))
        print(f"{name:<32} {json.dumps(told(marks[name]))}", flush=True)
    report = {
        "judged": f"{len(drawn.exam.person)} people, {drawn.exam.as_of_us} to {drawn.exam.end_us}",
        "rows": len(drawn.rows.item), "seeds": options.seeds, "simulated": options.simulated,
        "results": compared(marks),
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    if options.report:
        options.report.write_text(page(report))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", type=Path, required=True, help="its lake is read, its cache is written")
    parser.add_argument("--back", type=int, default=0, help="windows before the last one")
    parser.add_argument("--windows", type=int, default=6, help="windows learned from")
    parser.add_argument("--seeds", type=int, default=3, help="fits of each set")
    parser.add_argument("--sets", default="all,first,default,without,alone", help="which comparisons")
    parser.add_argument("--ranker", default="{}", help="settings of the ranker, as JSON")
    parser.add_argument("--simulated", action="store_true", help="learn from simulated shoppers")
    parser.add_argument("--report", type=Path, help="write a page")
    return parser.parse_args()


def made_of_shoppers(folder: Path) -> dict[str, Any]:
    """A shop of made-up items whose history is simulated: half a year of visits, impressions, carts and purchases."""
    Shop.create(folder, name="Simulated shop", clock_start=datetime(2025, 6, 2, 0, 30, tzinfo=UTC)).close()
    with Shop.open(folder, overrides={"training": {"origins": ["simulated"]}}) as shop:
        told = shop.simulate(str(BUSY), seed=5, items=1_500)
        shop.drain()
    return told


def draw(folder: Path, *, windows: int, back: int, simulated: bool) -> Drawn:
    """The first jobs of a training, with every feature."""
    training = {"features": list(FAMILIES), "n_windows": windows + 1}
    if simulated:
        training["origins"] = ["simulated"]
    begun = time.perf_counter()
    with Shop.open(folder, overrides={"training": training}) as shop:
        shop.drain()
        width_us = shop.settings.training.window_days * DAY_US
        workshop = workshop_of(
            shop.layout, shop.settings, lake=DeltaLake(shop.layout.lake), shelf=shop.readers.shelf_reader.shelf(),
            registry=shop.readers.releases, now_us=shop.clock() - back * width_us, judge_only=True,
        )  # fmt: skip
        shutil.rmtree(workshop.folder, ignore_errors=True)
        first = [job for job in JOBS if job.name in ("snapshot", "instants", "live", "exams", "fit")]
        made = run_jobs(first, {"shop": workshop}, at_once=2)
    print(f"drawn in {time.perf_counter() - begun:.1f} s", flush=True)
    return Drawn(
        workshop, made["snapshot"], made["fits"][1], made["live"][1], made["exams"][0], made["earlier"], made["names"]
    )  # fmt: skip


def sets(wanted: str, names: Sequence[str]) -> dict[str, frozenset[str]]:
    """Features by the name of a set: the columns that it may look at, signals aside."""
    every = frozenset(name for name in names if name in {one.name for one in FEATURES})
    families = {family: frozenset(one.name for one in table) & every for family, table in FAMILIES.items()}
    told = [family for family, own in families.items() if own]
    default = frozenset().union(*(families[name] for name in _default_families()))
    kinds: dict[str, dict[str, frozenset[str]]] = {
        "all": {"all": every},
        "first": {"first": every & frozenset(FIRST)},
        "default": {"default": default},
        "without": {f"all without {family}": every - families[family] for family in told},
        "alone": {f"{family} alone": families[family] for family in told},
        "signals": {"signals": frozenset()},
        "first_and": {
            f"first and {family}": (every & frozenset(FIRST)) | families[family] for family in told
        },
    }
    return {name: chosen for kind in wanted.split(",") for name, chosen in kinds[kind].items()}


def _default_families() -> tuple[str, ...]:
    from shelfwise.training import TrainingSettings

    return TrainingSettings().features


def marked(drawn: Drawn, chosen: frozenset[str], *, seeds: int, settings: Mapping[str, Any]) -> Marked:
    """Fit a ranker of these features and the signals, and mark what it would have shown."""
    columns = [at for at, name in enumerate(drawn.names) if name in chosen or name not in _OWN]
    needs = tuple(drawn.names[at] for at in columns)
    runs: dict[str, list[NDArray[np.float64]]] = {"all": [], "new": []}
    begun, fitting = time.perf_counter(), 0.0
    rows = np.ascontiguousarray(drawn.rows.features[:, columns])
    for seed in range(seeds):
        begun = time.perf_counter()
        fitted = fit_ranker(
            RANKER, rows, drawn.rows.label, drawn.rows.query, needs=needs, settings={**settings, "seed": seed}
        )
        fitting += time.perf_counter() - begun
        fitted.save(drawn.fit.folder / "rankers" / RANKER)
        for truth, ndcg in _asked(drawn, needs).items():
            runs[truth].append(ndcg)
    means = {truth: np.mean(told, axis=0) for truth, told in runs.items()}
    return Marked(len(chosen), fitting / seeds, means)


_OWN = frozenset(feature.name for feature in FEATURES)


def _asked(drawn: Drawn, needs: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """A mark of each person with something to find, by truth."""
    folder, shop = drawn.fit.folder, drawn.shop
    write_features(folder, needs=needs, signals=drawn.fit.signals)
    about = {"ranker": RANKER, "sources": list(drawn.fit.sources), "pool_size": shop.settings.pool_size}
    write_settings(folder, {**about, "as_of_us": drawn.fit.as_of_us})
    lists = served_lists(
        shop.open_server(folder, drawn.live), drawn.snapshot, drawn.exam, country=shop.country
    )
    share = np.full(drawn.snapshot.n_items, 0.5)  # novelty is not asked for
    return {
        truth: judge(drawn.exam, served, never_bought=truth == "new", popularity=share, seed=0)[1]
        for truth, served in lists.items()
    }


def told(marks: Marked) -> dict[str, float]:
    """Means of a set."""
    means = {truth: round(float(ndcg.mean()), 4) for truth, ndcg in marks.ndcg.items()}
    return {"features": marks.n_features, **means, "fit_s": round(marks.seconds, 1)}


def compared(marks: Mapping[str, Marked]) -> list[dict[str, Any]]:
    """A row a set: means with intervals, and the difference to all features (of all: to the first set)."""
    rows = []
    for name, one in marks.items():
        other = "first" if name == "all" else "all"
        row: dict[str, Any] = {**told(one), "set": name, "beside": other if other in marks else None}
        for truth, ndcg in one.ndcg.items():
            row[f"{truth}_interval"] = _ends(bootstrap_mean(ndcg, np.random.default_rng(0)))
            if other in marks:
                gain = paired_bootstrap(ndcg, marks[other].ndcg[truth], np.random.default_rng(0))
                row[f"{truth}_gain"] = [round(gain.mean, 4), *_ends(gain)]
        rows.append(row)
    return rows


def _ends(interval: Interval) -> list[float]:
    return [round(interval.low, 4), round(interval.high, 4)]


if __name__ == "__main__":
    main()
