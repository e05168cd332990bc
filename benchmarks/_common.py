"""What the offline benchmarks share: reading, models and their peers, metrics with intervals, the report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shelfwise.candidates import BuyAgain, ContentKNN, Ease, ImplicitALS, ItemKNN, SessionKNN, Trending
from shelfwise.evaluation import (
    Truth,
    bootstrap_mean,
    catalogue_coverage,
    hit_rate_at,
    ndcg_at,
    novelty,
    recall_at,
    reciprocal_rank_at,
)

Ranked = np.ndarray  # (B, k) item numbers, -1 where a list is short
# Lists for users, by user id; ``seen`` is "exclude" or "keep".
Recommend = Callable[[Sequence[Any], int, str], Ranked]


def arguments(doc: str | None, *files: tuple[str, str], k: int) -> argparse.ArgumentParser:
    """The common ones: files, ``--k``, ``--json``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, columns in files:
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"Parquet, CSV or JSONL: {columns}")
    parser.add_argument("--k", type=int, default=k, help="length of the lists (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    return parser


def read(path: Path, *columns: str) -> pl.DataFrame:
    """A frame that has these columns."""
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".csv": lambda file: pl.read_csv(file, try_parse_dates=True),
        ".jsonl": pl.read_ndjson,
        ".ndjson": pl.read_ndjson,
    }
    frame = readers.get(path.suffix, pl.read_parquet)(path)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise SystemExit(f"{path} has columns {', '.join(frame.columns)}; expected {missing[0]} too")
    return frame


class Numbers:
    """Items by number, those of the fit first: metrics work on numbers."""

    def __init__(self, train: pl.Series, test: pl.Series) -> None:
        known = train.unique(maintain_order=True).to_list()
        self.of = {item: number for number, item in enumerate(known)}
        self.n_known = len(known)
        for item in test.to_list():
            self.of.setdefault(item, len(self.of))

    def lists(self, owners: Sequence[Any], named: str, table: Any, k: int) -> Ranked:
        """An estimator's answer as numbers, a row per owner."""
        row = {owner: at for at, owner in enumerate(owners)}
        out = np.full((len(owners), k), -1, np.int64)
        columns = (table[name].to_pylist() for name in (named, "item_id", "rank"))
        for owner, item, rank in zip(*columns, strict=True):
            out[row[owner], rank - 1] = self.of[item]
        return out


def fitted(name: str, train: pl.DataFrame, numbers: Numbers, items: pl.DataFrame | None) -> Recommend:
    """Fit a model of this name on ``user_id, item_id, occurred_at[, weight]``."""
    if name.startswith("implicit_"):
        return _peer(name, train, numbers)
    model: Any = OURS[name]()
    model = model.fit(train, items=items) if name == "content_knn" else model.fit(train)

    def recommend(users: Sequence[Any], k: int, seen: str) -> Ranked:
        return numbers.lists(users, "user_id", model.recommend(users, n=k, exclude_seen=seen == "exclude"), k)

    return recommend


# ``implicit_*`` is the library of that name with the same width, ridge and sweeps, or the same neighbours.
OURS: dict[str, Callable[[], Any]] = {
    "popular": lambda: Trending(half_life_days=36_500.0),
    "trending": lambda: Trending(half_life_days=14.0),
    "als": lambda: ImplicitALS(factors=64, regularization=10.0, iterations=15),
    "als_recent": lambda: ImplicitALS(factors=64, regularization=10.0, iterations=15, half_life_days=60.0),
    "ease": Ease,
    "item_knn": lambda: ItemKNN(neighbours=100),
    "item_knn_bm25": lambda: ItemKNN(neighbours=100, weighting="bm25"),
    "session_knn": SessionKNN,
    "content_knn": ContentKNN,
    "buy_again": BuyAgain,
}
PEERS = ("implicit_als", "implicit_bm25", "implicit_cosine")


def _peer(name: str, train: pl.DataFrame, numbers: Numbers) -> Recommend:
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
    from scipy.sparse import csr_matrix

    users = {user: row for row, user in enumerate(train["user_id"].unique(maintain_order=True).to_list())}
    pairs = _day_once(train)
    row = [users[user] for user in pairs["user_id"].to_list()]
    column = [numbers.of[item] for item in pairs["item_id"].to_list()]
    shape = (len(users), numbers.n_known)
    held = csr_matrix((pairs["weight"].to_numpy().astype(np.float32), (row, column)), shape=shape)
    makers: dict[str, Callable[[], Any]] = {
        "implicit_als": lambda: AlternatingLeastSquares(
            factors=64, regularization=10.0, alpha=3.0, iterations=15, random_state=0
        ),
        "implicit_bm25": lambda: BM25Recommender(K=100, K1=1.2, B=0.75),
        "implicit_cosine": lambda: CosineRecommender(K=100),
    }
    model = makers[name]()
    model.fit(held, show_progress=False)

    def recommend(asked: Sequence[Any], k: int, seen: str) -> Ranked:
        rows = np.array([users[user] for user in asked])
        ids, scores = model.recommend(
            rows, held[rows], N=min(k, shape[1]), filter_already_liked_items=seen == "exclude"
        )
        out = np.full((len(asked), k), -1, np.int64)
        out[:, : ids.shape[1]] = np.where(scores > 0, ids, -1)
        return out

    return recommend


def _day_once(train: pl.DataFrame) -> pl.DataFrame:
    """Weights per pair, each (user, item, day) once: what our own models are fitted on too."""
    frame = train if "weight" in train.columns else train.with_columns(weight=pl.lit(1.0))
    if frame["occurred_at"].dtype.is_temporal():
        day = ["user_id", "item_id", pl.col("occurred_at").dt.date().alias("day")]
        frame = frame.group_by(day).agg(pl.col("weight").max())
    return frame.group_by("user_id", "item_id").agg(pl.col("weight").sum())


def judged(ranked: Ranked, truth: Truth, k: int, train: pl.DataFrame, numbers: Numbers) -> dict[str, Any]:
    """Means, 95 % bootstrap intervals of NDCG and recall, and what the lists do to the catalogue."""
    ndcg, recall = ndcg_at(k, ranked, truth), recall_at(k, ranked, truth)
    spans = {name: bootstrap_mean(values, np.random.default_rng(0)) for name, values in
             (("recall", recall), ("ndcg", ndcg))}  # fmt: skip
    pairs = train.select("user_id", "item_id").unique()["item_id"].to_list()
    holders = np.bincount([numbers.of[item] for item in pairs], minlength=len(numbers.of))
    bits = novelty(ranked, holders / max(train["user_id"].n_unique(), 1))
    return {
        "queries": len(truth),
        **{f"{name}@{k}": span.mean for name, span in spans.items()},
        **{f"{name}@{k}_95": [span.low, span.high] for name, span in spans.items()},
        f"hit@{k}": float(hit_rate_at(k, ranked, truth).mean()),
        f"mrr@{k}": float(reciprocal_rank_at(k, ranked, truth).mean()),
        "coverage": catalogue_coverage(ranked, numbers.n_known),
        "novelty_bits": float(np.nanmean(bits)) if np.isfinite(bits).any() else None,
    }


def each(names: Sequence[str], work: Callable[[str], Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Rows of each model, with the process's peak memory so far (name one model alone for its own)."""
    for name in names:
        for row in work(name):
            yield {
                "model": name,
                **row,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
            }


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the seconds it took."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def report(results: Iterator[dict[str, Any]], *, as_json: bool, **about: Any) -> None:
    """Print everything, as a table or as one JSON object."""
    setting = {
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {name: version(name) for name in ("shelfwise", "numpy", "numba", "implicit")},
        **about,
    }
    if as_json:
        print(json.dumps({"setting": setting, "results": list(results)}, indent=1, default=str))
        return
    print("  ".join(f"{name}={value}" for name, value in setting.items()))
    for row in results:
        cells = (f"{name} {_text(value)}" for name, value in row.items() if name != "model")
        print(f"{row['model']:<18}", "  ".join(cells), flush=True)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_text(one) for one in value)}]"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
