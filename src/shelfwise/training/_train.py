"""From the lake to a release: snapshot, fit, draw, learn, judge, decide, publish."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    DAY_US,
    SOURCES,
    InvalidInput,
    LiveItems,
    NotTrained,
    Shelf,
    UnknownName,
    from_us,
)
from shelfwise.rankers import fit_ranker
from shelfwise.stores import ReleaseRegistry
from shelfwise.training._fits import Fits, fit_sources
from shelfwise.training._folder import write_features, write_settings
from shelfwise.training._gate import Verdict, decide, lift
from shelfwise.training._jobs import Job, run_jobs
from shelfwise.training._judge import (
    BASELINES,
    Exam,
    K,
    Mark,
    baselines,
    difference,
    judge,
    set_exam,
    user_share,
)
from shelfwise.training._rows import Pools, Server, draw_pools, query_at, stack
from shelfwise.training._snapshot import Snapshot, take_snapshot
from shelfwise.training.settings import PartSettings, TrainingSettings

RANKERS = (
    "gradient_boosting",
    "vote",
)  # the first that wins the judge's favour is served; ties go to the first


class OpenServer(Protocol):
    """What ``app`` hands over: the pipeline over an unpublished release."""

    def __call__(self, folder: Path, live: LiveItems) -> Server: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """All that a training needs and does not make."""

    files: Sequence[str]  # Parquet files of the lake's event_lines
    shelf: Shelf
    now_us: int
    folder: Path  # for work in progress; emptied at the start
    registry: ReleaseRegistry
    open_server: OpenServer
    live_as_of: Callable[[Sequence[str], int, Sequence[int]], list[LiveItems]]
    feature_names: Callable[[Sequence[str]], tuple[str, ...]]  # source signals -> names of all features
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    parts: PartSettings = field(default_factory=PartSettings)
    sources: tuple[str, ...] = SOURCES  # to fit
    rankers: tuple[str, ...] = RANKERS  # to fit; with none, sources are looked at alone
    strategies: tuple[str, ...] = ()  # sources to judge alone, beside the rankers
    judge_only: bool = False  # publish nothing


def parts_named(only: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sources and rankers to fit where one of them is looked at alone; all if None. Raises UnknownName."""
    if only is None:
        return SOURCES, RANKERS
    if only not in (*SOURCES, *RANKERS):
        raise UnknownName("source or ranker", only, (*SOURCES, *RANKERS))
    return ((only,), ()) if only in SOURCES else (SOURCES, (only,))


@dataclass(frozen=True, slots=True)
class Report:
    """What a training did."""

    release: str | None  # None: the gate refused it
    verdict: Verdict
    judged: list[dict[str, Any]]  # a row per model and truth
    held_back: str  # which time it was judged on
    seconds: dict[str, float]
    missing: Mapping[str, str]  # source -> why it is not in the release


def train(shop: Workshop, *, told: Callable[[str, float], None] | None = None) -> Report:
    """Run all jobs and publish the release if the gate lets it through.

    Raises NotTrained if history is shorter than two windows.
    """
    seconds: dict[str, float] = {}

    def note(name: str, took: float) -> None:
        seconds[name] = took
        if told is not None:
            told(name, took)

    shutil.rmtree(shop.folder, ignore_errors=True)
    made = run_jobs(JOBS, {"shop": shop}, told=note)
    verdict, exam, fits = made["verdict"], made["exam"], made["fits"]
    held_back = f"{from_us(exam.as_of_us):%Y-%m-%d %H:%M} to {from_us(exam.end_us):%Y-%m-%d %H:%M}"
    return Report(made["release"], verdict, made["judged"], held_back, seconds, fits[0].missing)


def _snapshot(shop: Workshop) -> Snapshot:
    return take_snapshot(
        shop.files,
        n_items=len(shop.shelf),
        origins=shop.settings.origins,
        memory_mb=shop.settings.memory_mb,
        threads=shop.settings.threads,
    )


def _instants(shop: Workshop, snapshot: Snapshot) -> list[int]:
    """Now and the starts of the windows before, newest first, as far as history reaches."""
    width = shop.settings.window_days * DAY_US
    first = int(snapshot.lines["at_us"].min())
    instants = [shop.now_us - k * width for k in range(shop.settings.n_windows + 1)]
    kept = [at for at in instants if at > first + width]
    if len(kept) < 3:
        days = (shop.now_us - first) / DAY_US
        raise NotTrained(
            f"history is {days:.0f} days; expected at least {4 * shop.settings.window_days} "
            f"(set training.window_days lower to learn from less)"
        )
    return kept


def _fit(shop: Workshop, snapshot: Snapshot, instants: list[int]) -> list[Fits]:
    """Oldest first, each fit starting from the one before; newest first in the list."""
    fits: list[Fits] = []
    warm: Mapping[str, Any] = {}
    for number, as_of_us in enumerate(reversed(instants)):
        folder = shop.folder / f"fit-{number:02d}"
        done, warm = fit_sources(
            snapshot, shop.shelf, folder,
            as_of_us=as_of_us, sources=shop.sources, settings=shop.parts.candidates, warm=warm,
            threads=shop.settings.threads,
        )  # fmt: skip
        fits.append(done)
    return fits[::-1]


def _draw(
    shop: Workshop, snapshot: Snapshot, fits: list[Fits]
) -> tuple[list[Exam], list[Pools], list[LiveItems], tuple[str, ...]]:
    """Pools of every window but the future one, newest first."""
    rng = np.random.default_rng(shop.settings.seed)
    live = shop.live_as_of(shop.files, snapshot.n_items, [fit.as_of_us for fit in fits])
    names = shop.feature_names(fits[0].signals)
    exams, pools = [], []
    for later, fit, then in zip(fits, fits[1:], live[1:], strict=False):
        exam = set_exam(
            snapshot, as_of_us=fit.as_of_us, end_us=later.as_of_us, limit=shop.settings.max_people, rng=rng
        )
        _describe(shop, fit, names, ranker=None, pool_size=shop.settings.training_pool_size)
        server = shop.open_server(fit.folder, then)
        exams.append(exam)
        pools.append(draw_pools(server, snapshot, exam, negative_share=shop.settings.negative_share, rng=rng))
    return exams, pools, live, names


def _learn(
    shop: Workshop, names: tuple[str, ...], fits: list[Fits], pools: list[Pools], folder: Path,
) -> None:  # fmt: skip
    """Fit every ranker on these pools and keep them in the folder of a release."""
    rows = stack(pools)
    if len(rows.item) == 0:
        raise NotTrained("no window holds a purchase that a source proposed; expected some to learn from")
    own = tuple(name for name in names if name in fits[0].signals and name.endswith("__score"))
    offered = {"gradient_boosting": names, "vote": own}
    for ranker in shop.rankers:
        columns = [names.index(name) for name in offered[ranker]]
        fitted = fit_ranker(
            ranker,
            rows.features if len(columns) == len(names) else rows.features[:, columns],
            rows.label,
            rows.query,
            needs=offered[ranker],
            settings=shop.parts.rankers.get(ranker, {}),
            n_threads=shop.settings.threads,
        )
        fitted.save(folder / "rankers" / ranker)


def _judge(
    shop: Workshop, snapshot: Snapshot, fits: list[Fits], exams: list[Exam], pools: list[Pools],
    live: list[LiveItems], names: tuple[str, ...],
) -> tuple[list[dict[str, Any]], str, Verdict, Exam]:  # fmt: skip
    """Learn from all windows but the last, and be judged on it as a shopper would meet it."""
    exam, fit = exams[0], fits[1]
    if shop.rankers:
        _learn(shop, names, fits, pools[1:], fit.folder)
    share = user_share(snapshot, before_us=exam.as_of_us)
    rows: list[dict[str, Any]] = []
    figures: dict[str, float] = {}
    for model in (*(shop.rankers or shop.sources), *shop.strategies):
        if model not in (*RANKERS, *fit.sources):
            continue
        _describe(shop, fit, names, ranker=model if model in RANKERS else None)
        strategy = "auto" if model in RANKERS else model
        lists = served_lists(shop.open_server(fit.folder, live[1]), snapshot, exam, strategy=strategy)
        for truth, served in lists.items():
            mark, _ = judge(
                exam, served, never_bought=truth == "new", popularity=share, seed=shop.settings.seed
            )
            rows.append({"model": model, "truth": truth, **mark.row()})
            figures[f"{model}/{truth}"] = mark.ndcg.mean
    plain = _plain(snapshot, exam, share, rows, seed=shop.settings.seed)
    chosen = max(shop.rankers or shop.sources, key=lambda model: figures[f"{model}/all"])
    verdict = decide(
        figures[f"{chosen}/all"], plain, _champion_lift(shop.registry), tolerance=shop.settings.gate_tolerance
    )
    return rows, chosen, verdict, exam


def served_lists(
    server: Server, snapshot: Snapshot, exam: Exam, *, strategy: str = "auto"
) -> dict[str, NDArray[np.int32]]:
    """The first K positions that each examined person would have been shown, for both ``seen`` policies."""
    lists = {truth: np.full((len(exam.person), K), -1, np.int32) for truth in ("all", "new")}
    for row, person in enumerate(exam.person):
        state = snapshot.person(int(person), before_us=exam.as_of_us)
        for truth, seen in (("all", "keep"), ("new", "exclude")):
            query = query_at(snapshot, int(person), exam.as_of_us, size=K, seen=seen, strategy=strategy)
            served = server.recommend(query, state)[:K]
            lists[truth][row, : len(served)] = served
    return lists


def _plain(
    snapshot: Snapshot, exam: Exam, share: NDArray[np.float64], rows: list[dict[str, Any]], *, seed: int
) -> dict[str, float]:
    """Mark the plain baselines beside it; their NDCG on all truth, by name."""
    figures = {}
    for truth in ("all", "new"):
        for name, lists in baselines(snapshot, exam, never_bought=truth == "new").items():
            mark, _ = judge(exam, lists, never_bought=truth == "new", popularity=share, seed=seed)
            rows.append({"model": name, "truth": truth, **mark.row()})
            if truth == "all":
                figures[name] = mark.ndcg.mean
    return figures


def _champion_lift(registry: ReleaseRegistry) -> float | None:
    """How far the live release was above plain lists when it was judged."""
    champion = registry.alias("champion")
    if champion is None:
        return None
    found = registry.manifest(champion).get("metrics", {}).get("lift")
    return float(found) if found is not None else None


def _publish(
    shop: Workshop, snapshot: Snapshot, fits: list[Fits], pools: list[Pools], names: tuple[str, ...],
    chosen: str, verdict: Verdict, judged: list[dict[str, Any]],
) -> str | None:  # fmt: skip
    """Learn once more from all windows, seal the release and make it the champion."""
    if not verdict.passed or shop.judge_only:
        return None
    fit = fits[0]
    _learn(shop, names, fits, pools, fit.folder)
    _describe(shop, fit, names, ranker=chosen)
    ndcg = _figure(judged, chosen)
    above = lift(ndcg, {name: _figure(judged, name) for name in BASELINES})
    metrics = {
        "judged": judged,
        "ndcg": ndcg,
        "lift": above if math.isfinite(above) else None,
        "verdict": list(verdict.reasons),
    }
    trained = {
        "as_of": from_us(fit.as_of_us).isoformat(),
        "windows": len(pools),
        "window_days": shop.settings.window_days,
        "people": len(snapshot),
        "lines": len(snapshot.lines),
        "items": snapshot.n_items,
        "settings": shop.settings.model_dump(mode="json"),
        "missing": dict(fit.missing),
    }
    release = shop.registry.publish(fit.folder, metrics=metrics, trained=trained)
    shop.registry.move("champion", release)
    return release


def _figure(judged: list[dict[str, Any]], chosen: str) -> float:
    found = [row for row in judged if row["model"] == chosen and row["truth"] == "all"]
    if not found:
        raise InvalidInput(f"{chosen!r} was not judged")
    return float(found[0][f"ndcg@{K}"])


def _describe(
    shop: Workshop, fit: Fits, names: tuple[str, ...], *, ranker: str | None, pool_size: int | None = None
) -> None:
    """How a release is to be served: which features, which ranker."""
    write_features(fit.folder, needs=names, signals=fit.signals)
    write_settings(
        fit.folder,
        {
            "ranker": ranker,
            "sources": list(fit.sources),
            "pool_size": pool_size or shop.settings.pool_size,
            "as_of_us": fit.as_of_us,
        },
    )


JOBS = (
    Job("snapshot", ("shop",), ("snapshot",), _snapshot),
    Job("instants", ("shop", "snapshot"), ("instants",), _instants),
    Job("fit", ("shop", "snapshot", "instants"), ("fits",), _fit),
    Job("draw", ("shop", "snapshot", "fits"), ("exams", "pools", "live", "names"), _draw),
    Job(
        "judge",
        ("shop", "snapshot", "fits", "exams", "pools", "live", "names"),
        ("judged", "chosen", "verdict", "exam"),
        _judge,
    ),
    Job(
        "publish",
        ("shop", "snapshot", "fits", "pools", "names", "chosen", "verdict", "judged"),
        ("release",),
        _publish,
    ),
)

__all__ = [
    "JOBS",
    "Mark",
    "OpenServer",
    "Report",
    "Workshop",
    "difference",
    "parts_named",
    "served_lists",
    "train",
]
