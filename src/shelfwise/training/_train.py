"""From the lake to a release: snapshot, fit, draw, learn, judge, decide, publish."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, InvalidInput, LiveItems, NotTrained, from_us
from shelfwise.features import base_columns
from shelfwise.rankers import fit_ranker
from shelfwise.stores import ReleaseRegistry
from shelfwise.training._fits import Fits, fit_sources
from shelfwise.training._folder import leave_out, write_features, write_settings
from shelfwise.training._gate import Verdict, decide, lift, withheld
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
from shelfwise.training._rows import Pools, Server, draw_pools, query_at, stack, telling
from shelfwise.training._snapshot import Snapshot, take_snapshot
from shelfwise.training._workshop import RANKERS, OpenServer, Workshop, parts_named

AT_ONCE = 2  # jobs: what runs on one core, such as judging, goes beside another


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
    made = run_jobs(JOBS, {"shop": shop}, at_once=AT_ONCE, told=note)
    verdict, exam, fits = made["verdict"], made["exams"][0], made["fits"]
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


def _live(shop: Workshop, snapshot: Snapshot, instants: list[int]) -> list[LiveItems]:
    """The live columns as they stood at every instant, newest first."""
    return shop.live_as_of(shop.files, snapshot.n_items, instants)


def _exams(shop: Workshop, snapshot: Snapshot, instants: list[int]) -> list[Exam]:
    """What was bought in every window but the future one, newest first."""
    rng = np.random.default_rng(shop.settings.seed)
    return [
        set_exam(snapshot, as_of_us=start, end_us=end, limit=shop.settings.max_people, rng=rng)
        for end, start in pairwise(instants)
    ]


def _fit(
    shop: Workshop, snapshot: Snapshot, instants: list[int], live: list[LiveItems], exams: list[Exam]
) -> tuple[list[Fits], tuple[str, ...], Pools, Pools]:
    """Fit as of every instant, oldest first, each from the one before; beside the next fit a window is drawn.

    Fits come newest first; then the names of the features that tell anything; rows of all windows, and of all but the
    newest.
    """
    fits: list[Fits] = []
    warm: Mapping[str, Any] = {}
    with ThreadPoolExecutor(1) as beside:
        drawing: list[Future[Pools]] = []
        for number, as_of_us in reversed(list(enumerate(instants))):
            done, warm = fit_sources(
                snapshot, shop.shelf, shop.folder / f"fit-{number:02d}",
                as_of_us=as_of_us, sources=shop.sources, settings=shop.parts.candidates, warm=warm,
                features=shop.feature_names(()), threads=shop.settings.threads,
            )  # fmt: skip
            fits.insert(0, done)
            if number > 0:
                exam = exams[number - 1]
                drawing.insert(0, beside.submit(_draw, shop, snapshot, done, exam, live[number], number))
        pools = [drawn.result() for drawn in drawing]
    signals = fits[0].signals
    told = [pool for pool, fit in zip(pools, fits[1:], strict=True) if fit.signals == signals]
    rows, names = telling(stack(told), shop.feature_names(signals), always=signals)
    newest = len(pools[0].item) if fits[1].signals == signals else 0
    return fits, names, rows, rows.after(newest)


def _draw(shop: Workshop, snapshot: Snapshot, fit: Fits, exam: Exam, then: LiveItems, number: int) -> Pools:
    """The rows of one window."""
    _describe(
        shop, fit, shop.feature_names(fit.signals), ranker=None, pool_size=shop.settings.training_pool_size
    )
    server = shop.open_server(fit.folder, then)
    rng = np.random.default_rng([shop.settings.seed, number])
    return draw_pools(
        server, snapshot, exam, negative_share=shop.settings.negative_share, rng=rng, country=shop.country
    )


def _learn_earlier(shop: Workshop, fits: list[Fits], names: tuple[str, ...], earlier: Pools) -> Fits:
    """Rankers of all windows but the newest, which are judged on it; and the fit that they are kept with."""
    _learn(shop, fits[1], names, earlier)
    return fits[1]


def _learn_all(shop: Workshop, fits: list[Fits], names: tuple[str, ...], rows: Pools) -> Fits:
    """Rankers of all windows, which are published; and the fit that they are kept with."""
    if not shop.judge_only:
        _learn(shop, fits[0], names, rows)
    return fits[0]


def _learn(shop: Workshop, fit: Fits, names: tuple[str, ...], rows: Pools) -> None:
    """Fit every ranker and keep it in the folder of a release; two of these run at once and share the cores."""
    if shop.rankers and len(rows.item) == 0:
        raise NotTrained("no window holds a purchase that a source proposed; expected some to learn from")
    own = tuple(name for name in names if name in fit.signals and name.endswith("__score"))
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
            n_threads=max(1, (shop.settings.threads or os.cpu_count() or 1) // AT_ONCE),
        )
        fitted.save(fit.folder / "rankers" / ranker)


def _judge(
    shop: Workshop, snapshot: Snapshot, fit: Fits, exams: list[Exam], live: list[LiveItems],
    names: tuple[str, ...], share: NDArray[np.float64],
) -> list[dict[str, Any]]:  # fmt: skip
    """Mark every model on the newest window as a shopper would have met it: a row per model and truth."""
    rows: list[dict[str, Any]] = []
    for model in (*(shop.rankers or shop.sources), *shop.strategies):
        if model not in (*RANKERS, *fit.sources):
            continue
        _describe(shop, fit, names, ranker=model if model in RANKERS else None)
        strategy = "auto" if model in RANKERS else model
        server = shop.open_server(fit.folder, live[1])
        lists = served_lists(server, snapshot, exams[0], strategy=strategy, country=shop.country)
        rows += [_row(shop, exams[0], model, truth, served, share) for truth, served in lists.items()]
    return rows


def served_lists(
    server: Server, snapshot: Snapshot, exam: Exam, *, strategy: str = "auto", country: str | None = None
) -> dict[str, NDArray[np.int32]]:
    """The first K positions that each examined person would have been shown, for both ``seen`` policies."""
    lists = {truth: np.full((len(exam.person), K), -1, np.int32) for truth in ("all", "new")}
    for row, person in enumerate(exam.person):
        state = snapshot.person(int(person), before_us=exam.as_of_us)
        for truth, seen in (("all", "keep"), ("new", "exclude")):
            query = query_at(
                snapshot, int(person), exam.as_of_us, size=K, seen=seen, strategy=strategy, country=country
            )
            served = server.recommend(query, state)[:K]
            lists[truth][row, : len(served)] = served
    return lists


def _share(snapshot: Snapshot, exams: list[Exam]) -> NDArray[np.float64]:
    """What novelty is measured against."""
    return user_share(snapshot, before_us=exams[0].as_of_us)


def _plain(
    shop: Workshop, snapshot: Snapshot, exams: list[Exam], share: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Mark the plain baselines on the newest window: a row per baseline and truth."""
    return [
        _row(shop, exams[0], name, truth, lists, share)
        for truth in ("all", "new")
        for name, lists in baselines(snapshot, exams[0], never_bought=truth == "new").items()
    ]


def _row(
    shop: Workshop, exam: Exam, model: str, truth: str, lists: NDArray[np.int32], share: NDArray[np.float64]
) -> dict[str, Any]:
    mark, _ = judge(exam, lists, never_bought=truth == "new", popularity=share, seed=shop.settings.seed)
    return {"model": model, "truth": truth, **mark.row()}


def _decide(
    shop: Workshop, models: list[dict[str, Any]], plain: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], str, Verdict]:
    """All rows, the model to serve, and whether it may go live."""
    judged = [*models, *plain]
    chosen = max(shop.rankers or shop.sources, key=lambda model: _figure(judged, model))
    best = {name: _figure(judged, name) for name in BASELINES}
    verdict = decide(
        _figure(judged, chosen), best, _champion_lift(shop.registry), tolerance=shop.settings.gate_tolerance
    )
    return judged, chosen, withheld(verdict, shop.objections)


def _champion_lift(registry: ReleaseRegistry) -> float | None:
    """How far the live release was above plain lists when it was judged."""
    champion = registry.alias("champion")
    if champion is None:
        return None
    found = registry.manifest(champion).get("metrics", {}).get("lift")
    return float(found) if found is not None else None


def _publish(
    shop: Workshop, snapshot: Snapshot, fit: Fits, exams: list[Exam], names: tuple[str, ...],
    judged: list[dict[str, Any]], chosen: str, verdict: Verdict,
) -> str | None:  # fmt: skip
    """Seal the release and make it the champion."""
    if not verdict.passed or shop.judge_only:
        return None
    _describe(shop, fit, names, ranker=chosen)
    leave_out(fit.folder, but=base_columns(names))
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
        "windows": len(exams),
        "window_days": shop.settings.window_days,
        "people": len(snapshot),
        "lines": len(snapshot.lines),
        "items": snapshot.n_items,
        "settings": shop.settings.model_dump(mode="json"),
        "missing": dict(fit.missing),
        "constant": sorted(set(shop.feature_names(fit.signals)) - set(names)),
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
    Job("live", ("shop", "snapshot", "instants"), ("live",), _live),
    Job("exams", ("shop", "snapshot", "instants"), ("exams",), _exams),
    Job(
        "fit",
        ("shop", "snapshot", "instants", "live", "exams"),
        ("fits", "names", "rows", "earlier"),
        _fit,
    ),
    Job("learn", ("shop", "fits", "names", "earlier"), ("examined",), _learn_earlier),
    Job("learn all", ("shop", "fits", "names", "rows"), ("candidate",), _learn_all),
    Job("share", ("snapshot", "exams"), ("share",), _share),
    Job("judge", ("shop", "snapshot", "examined", "exams", "live", "names", "share"), ("models",), _judge),
    Job("plain", ("shop", "snapshot", "exams", "share"), ("plain",), _plain),
    Job("decide", ("shop", "models", "plain"), ("judged", "chosen", "verdict"), _decide),
    Job(
        "publish",
        ("shop", "snapshot", "candidate", "exams", "names", "judged", "chosen", "verdict"),
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
