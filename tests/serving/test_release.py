"""A release as a training leaves it: opened, checked, refused, and answered from."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.serving.made import NOW_US, made_history, made_live, made_shelf, make_release, person_of
from tests.serving.small import due_in

from shelfwise.domain import SOURCES, BadRelease, Query
from shelfwise.reranking import RuleBook
from shelfwise.serving import Pipeline, Release, best_sellers

N_ITEMS = 160
SHELF = made_shelf(N_ITEMS)
HISTORY = made_history(N_ITEMS, 200)
LIVE = made_live(HISTORY, N_ITEMS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_release(tmp_path_factory.mktemp("made") / "release", SHELF, HISTORY)


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Pipeline:
    release = Release.open(folder, SHELF, release_id="r-1")
    return Pipeline(release, RuleBook.compile(), SHELF, lambda: LIVE, best_sellers(LIVE))


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def ask(pipeline: Pipeline, user: int, **more: Any) -> list[int]:
    query = Query(size=10, asked_us=NOW_US, user_id=f"u{user}", **more)
    outcome = pipeline.recommend(query, person_of(HISTORY, user), due_in(60.0))
    assert outcome.degraded is None, outcome.degraded
    return outcome.slate.item.tolist()


def test_an_opened_release_holds_what_the_training_wrote(folder: Path) -> None:
    release = Release.open(folder, SHELF, release_id="r-1")
    assert tuple(release.sources) == SOURCES
    assert (release.n_items, release.pool_size, release.release_id) == (N_ITEMS, 200, "r-1")
    assert [release.signal_names[at] for at in release.own_score.values()] == [f"{n}__score" for n in SOURCES]


def test_a_release_is_gone_with_the_last_who_asked_it_whether_or_not_the_collector_runs(folder: Path) -> None:
    release = Release.open(folder, SHELF)
    pipeline = Pipeline(release, RuleBook.compile(), SHELF, lambda: LIVE, best_sellers(LIVE))
    ask(pipeline, 3)
    held = [weakref.ref(part) for part in (*release.sources.values(), release.assembler)]
    gc.disable()
    try:
        del release, pipeline
        assert [part() for part in held] == [None] * len(held)
    finally:
        gc.enable()


def test_people_are_shown_what_people_of_their_taste_buy(pipeline: Pipeline) -> None:
    # Every person buys of one category alone: of ten positions most must be of it, by chance one in eight.
    hits = [np.mean(np.array(ask(pipeline, user)) % 8 == user % 8) for user in range(24)]
    assert np.mean(hits) > 0.7


@pytest.mark.parametrize("strategy", ["collaborative", "similar", "session", "complements", "trending"])
def test_every_strategy_answers_a_question_with_a_seed(pipeline: Pipeline, strategy: str) -> None:
    shown = ask(pipeline, 3, strategy=strategy, seeds=np.array([3], np.int32))
    assert shown
    assert 3 not in shown


def test_items_newer_than_the_release_are_shown_too_and_break_nothing(folder: Path) -> None:
    grown = made_shelf(N_ITEMS + 50)
    live = made_live(replace(HISTORY, n_items=N_ITEMS + 50), N_ITEMS + 50)
    newest = np.zeros(N_ITEMS + 50, np.int64)
    newest[-1] = 1_000  # the best seller of the week
    live = replace(live, counters={**live.counters, "item__purchase__actors__7d": newest})
    pipeline = Pipeline(
        Release.open(folder, grown), RuleBook.compile(), grown, lambda: live, best_sellers(live)
    )
    new = f"item_id in ('i{N_ITEMS + 49}', 'i{N_ITEMS}')"
    assert set(ask(pipeline, 1, filter=new)) == {N_ITEMS + 49, N_ITEMS}
    seed = np.array([N_ITEMS + 7, 3], np.int32)
    assert ask(pipeline, 1, seeds=seed)


def test_a_release_of_another_catalogue_is_refused_with_the_first_row_that_differs(folder: Path) -> None:
    other = replace(SHELF, item_id=(*SHELF.item_id[:7], "x7", *SHELF.item_id[8:]))
    with pytest.raises(BadRelease, match=r"row 7 is 'i7'; expected 'x7'"):
        Release.open(folder, other)
    with pytest.raises(BadRelease, match=r"row 100 is 'i100'; expected no such row"):
        Release.open(folder, made_shelf(100))


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def asks_all(folder: Path, _: None) -> None:
    """The ranker takes every feature."""
    rewrite(folder / "settings.json", ranker=None)


def resave(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    np.save(path, change(np.load(path)))


def fewer_items(folder: Path) -> None:
    """Relations that hold together, of one item less, without edges."""
    for name, size in (
        ("vector", -1),
        ("start", -1),
        ("community", -1),
        ("neighbour", 0),
        ("jaccard", 0),
        ("adamic_adar", 0),
    ):
        resave(folder / f"{name}.npy", lambda a, size=size: a[:size])
    resave(folder / "start.npy", np.zeros_like)


SPOILED = {
    "layout": (lambda f: rewrite(f / "settings.json", layout=2), "layout 2; expected 1"),
    "source": (lambda f: rewrite(f / "settings.json", sources=["magic"]), "names source 'magic'"),
    "quota": (lambda f: rewrite(f / "settings.json", quotas={"session": 0}), "quota of 'session' is 0"),
    "ranker": (lambda f: rewrite(f / "settings.json", ranker="magic"), "no ranker is called 'magic'"),
    "signals": (lambda f: rewrite(f / "features.json", signals=["a"]), r"expected \['a'\]"),
    "no settings": (lambda f: (f / "settings.json").unlink(), "settings.json cannot be read"),
    "no json": (lambda f: (f / "features.json").write_text("{"), "features.json cannot be read"),
    "a list": (lambda f: (f / "settings.json").write_text("[]"), "holds list; expected a JSON object"),
    "no items": (lambda f: (f / "items.parquet").write_bytes(b"PAR1"), "items.parquet cannot be read"),
    "no packed": (lambda f: (f / "packed.npy").write_bytes(b""), "packed.npy cannot be read"),
    "packed out of range": (
        lambda f: np.save(f / "packed.npy", np.array([0, N_ITEMS], np.int32)),
        f"expected each of 0 to {N_ITEMS - 1} once",
    ),
    "packed twice": (lambda f: np.save(f / "packed.npy", np.array([1, 1], np.int32)), "once"),
    "packed of floats": (lambda f: np.save(f / "packed.npy", np.zeros(3)), "float64 of 1 dimensions"),
    "fitted too short": (
        lambda f: np.save(f / "fitted" / "item__price__percentile.npy", np.zeros(3, np.float32)),
        rf"float32 \(3,\); expected float32 \({N_ITEMS},\)",
    ),
    "fitted infinite": (
        lambda f: np.save(f / "fitted" / "item__price__percentile.npy", np.full(N_ITEMS, np.inf, np.float32)),
        "holds infinity at row 0",
    ),
    "a fit that a feature is made of is gone": (
        lambda f: asks_all(f, (f / "fitted" / "item__graph__pagerank.npy").unlink()),
        "fitted lacks item__graph__pagerank; expected it",
    ),
    "fitted in doubles": (
        lambda f: np.save(f / "fitted" / "item__price__percentile.npy", np.zeros(N_ITEMS)),
        rf"float64 \({N_ITEMS},\); expected float32",
    ),
    "no relations": (
        lambda f: asks_all(f, shutil.rmtree(f / "relations")),
        "lacks relations; expected them, for",
    ),
    "relations without weights": (
        lambda f: (f / "relations" / "jaccard.npy").unlink(),
        "relations lack jaccard",
    ),
    "relations of other items": (
        lambda f: fewer_items(f / "relations"),
        rf"of {N_ITEMS - 1} items; expected {N_ITEMS}",
    ),
    "relations too short": (
        lambda f: resave(f / "relations" / "neighbour.npy", lambda a: a[:-1]),
        "a weight each",
    ),
    "relations in doubles": (
        lambda f: resave(f / "relations" / "vector.npy", lambda a: a.astype(float)),
        "vector is float64 of 2 dimensions; expected float32 of 2",
    ),
    "relations in a table": (
        lambda f: resave(f / "relations" / "community.npy", lambda a: a[:, None]),
        "community is int32 of 2 dimensions; expected int32 of 1",
    ),
    "relations out of range": (
        lambda f: resave(f / "relations" / "neighbour.npy", lambda a: a + N_ITEMS),
        f"expected rows below {N_ITEMS}",
    ),
    "a feature of another version": (
        lambda f: (f / "rankers" / "vote" / "ranker.json").write_text(
            (f / "rankers" / "vote" / "ranker.json").read_text().replace("trending__score", "trending__glory")
        ),
        "trending__glory",
    ),
    "objects": (
        lambda f: np.save(f / "packed.npy", np.array([{}], object), allow_pickle=True),
        "packed.npy cannot be read",
    ),
    "no source files": (lambda f: shutil.rmtree(f / "candidates" / "session"), "session"),
    "a source that lacks what it says it has": (
        lambda f: (f / "candidates" / "session" / "about.json").write_text("{}"),
        "has settings None; expected a JSON object",
    ),
    "weights": (lambda f: rewrite(f / "rankers" / "vote" / "ranker.json", weight=[1.0]), "weights"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_release_is_refused_and_says_what_is_wrong(copied: Path, name: str) -> None:
    spoil, told = SPOILED[name]
    spoil(copied)
    with pytest.raises(BadRelease, match=told):
        Release.open(copied, SHELF)


def test_a_release_in_the_making_gives_pools_without_a_ranker(copied: Path) -> None:
    rewrite(copied / "settings.json", ranker=None)
    pipeline = Pipeline(Release.open(copied, SHELF), RuleBook.compile(), SHELF, lambda: LIVE)
    query = Query(size=10, asked_us=NOW_US, user_id="u1")
    candidates, features = pipeline.pool(query, person_of(HISTORY, 1))
    needs = json.loads((copied / "features.json").read_text())["needs"]
    assert features.shape == (len(candidates), len(needs))
    assert len(candidates) > 50


def test_quotas_bound_what_a_source_may_propose(copied: Path) -> None:
    rewrite(copied / "settings.json", quotas=dict.fromkeys(SOURCES, 3))
    pipeline = Pipeline(Release.open(copied, SHELF), RuleBook.compile(), SHELF, lambda: LIVE)
    candidates, _ = pipeline.pool(Query(size=10, asked_us=NOW_US), person_of(HISTORY, 1))
    assert len(candidates) <= 3 * len(SOURCES)


def test_items_are_read_by_row_whatever_else_the_file_holds(copied: Path) -> None:
    table = pq.read_table(copied / "items.parquet").append_column("more", pa.array([1] * N_ITEMS))
    pq.write_table(table, copied / "items.parquet")
    assert Release.open(copied, SHELF).n_items == N_ITEMS
