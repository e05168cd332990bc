"""Which item is clicked next in a session? Every position of each test session over the full catalogue.

    python -m benchmarks.next_item --train train.parquet --test test.parquet --model session_knn implicit_cosine

P@k is the share of positions whose next item is in the list (others call it hit rate or recall: one item is relevant);
MRR@k is 0 where it is not. Items of the session itself may be listed. Positions whose next item is not in train count
as misses. ``auto`` chooses among our models by MRR@k on the last tenth of the train sessions, within ``--budget-s``,
and fits the choice on all of train; the test sessions are not looked at for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from benchmarks import _common

from shelfwise.candidates import Ease, ItemKNN, SessionKNN
from shelfwise.evaluation import Truth, bootstrap_mean, hit_rate_at, reciprocal_rank_at

Sessions = list[list[Any]]
Ask = Callable[[Sessions, int], _common.Ranked]
OURS: dict[str, Callable[[], Any]] = {  # in the order in which ``auto`` tries them
    "session_knn": SessionKNN,
    "session_knn_short": lambda: SessionKNN(neighbours=500, half_life_days=14.0),
    "session_knn_cosine": lambda: SessionKNN(neighbours=500, size_power=0.5, rarity=1.0),
    "item_knn": lambda: ItemKNN(neighbours=100),
    "ease": lambda: Ease(neighbours=50),
}
PEERS = ("implicit_cosine",)
VALIDATED = 2_000  # positions by which ``auto`` chooses


def main() -> None:
    columns = "session_id, item_id, occurred_at"
    parser = _common.arguments(__doc__, ("train", columns), ("test", columns), k=20)
    known = ["auto", *OURS, *PEERS]
    parser.add_argument("--model", nargs="+", choices=known, default=["auto", *PEERS], metavar="NAME",
                        help=f"some of {', '.join(known)} (default: auto and the peer)")  # fmt: skip
    parser.add_argument("--budget-s", type=float, default=120.0, help="seconds in which auto may choose")
    options = parser.parse_args()
    train, test = (
        _common.read(path, "session_id", "item_id", "occurred_at").sort("occurred_at", maintain_order=True)
        for path in (options.train, options.test)
    )
    numbers = _common.Numbers(train["item_id"], test["item_id"])
    prefixes, targets = positions(test)

    def work(name: str) -> Iterator[dict[str, Any]]:
        chosen = choose(train, options.k, options.budget_s) if name == "auto" else name
        ask, fit_s = _common.timed(lambda: fitted(chosen, train, numbers))
        ranked, ask_s = _common.timed(lambda: ask(prefixes, options.k))
        extra = {"chosen": chosen} if name == "auto" else {}
        yield {**extra, **judged(ranked, targets, numbers, options.k), "fit_s": fit_s,
               "ms_a_query": 1_000 * ask_s / len(prefixes)}  # fmt: skip

    _common.report(
        _common.each(options.model, work), as_json=options.json, k=options.k, positions=len(prefixes),
        catalogue=numbers.n_known, train_rows=len(train),
    )  # fmt: skip


def positions(clicks: pl.DataFrame) -> tuple[Sessions, list[Any]]:
    """Each beginning of each session, oldest first, and the item that follows it."""
    prefixes, targets = [], []
    for items in clicks.group_by("session_id", maintain_order=True).agg("item_id")["item_id"].to_list():
        for end in range(1, len(items)):
            prefixes.append(items[:end])
            targets.append(items[end])
    if not prefixes:
        raise SystemExit("no session has two items; expected at least one to ask about")
    return prefixes, targets


def judged(
    ranked: _common.Ranked, targets: Sequence[Any], numbers: _common.Numbers, k: int
) -> dict[str, Any]:
    """P@k and MRR@k with 95 % intervals."""
    truth = Truth.of([[numbers.of[item]] for item in targets])
    out: dict[str, Any] = {}
    for name, values in (("p", hit_rate_at(k, ranked, truth)), ("mrr", reciprocal_rank_at(k, ranked, truth))):
        span = bootstrap_mean(values, np.random.default_rng(0), n_samples=500)
        out |= {f"{name}@{k}": span.mean, f"{name}@{k}_95": [span.low, span.high]}
    return out


def choose(train: pl.DataFrame, k: int, budget_s: float) -> str:
    """The model that is best on the last tenth of the sessions; at least the first is tried."""
    ends = train.group_by("session_id").agg(pl.col("occurred_at").max()).sort("occurred_at", "session_id")
    held = ends.tail(max(len(ends) // 10, 1)).select("session_id")
    fit_on = train.join(held, on="session_id", how="anti", maintain_order="left")
    prefixes, targets = positions(train.join(held, on="session_id", how="semi", maintain_order="left"))
    kept = np.random.default_rng(0).permutation(len(prefixes))[:VALIDATED]
    numbers = _common.Numbers(fit_on["item_id"], train["item_id"])
    end_s, scores = time.monotonic() + budget_s, dict[str, float]()
    for name in OURS:
        if scores and time.monotonic() > end_s:
            break
        ranked = fitted(name, fit_on, numbers)([prefixes[at] for at in kept], k)
        scores[name] = judged(ranked, [targets[at] for at in kept], numbers, k)[f"mrr@{k}"]
    return max(scores, key=scores.__getitem__)


def fitted(name: str, train: pl.DataFrame, numbers: _common.Numbers) -> Ask:
    """Fit a model on sessions."""
    if name in PEERS:
        return _peer(train, numbers)
    made = OURS[name]()
    frame = train if isinstance(made, SessionKNN) else train.rename({"session_id": "user_id"})
    model = made.fit(frame)

    def ask(sessions: Sessions, k: int) -> _common.Ranked:
        found = model.next_items(sessions, n=k, repeat=True)
        return numbers.lists(range(len(sessions)), "session", found, k)

    return ask


def _peer(train: pl.DataFrame, numbers: _common.Numbers) -> Ask:
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix

    def rows(sessions: Sessions) -> Any:
        known = [
            [numbers.of[item] for item in dict.fromkeys(s) if numbers.of[item] < numbers.n_known]
            for s in sessions
        ]
        start = np.concatenate([[0], np.cumsum([len(one) for one in known])])
        column = np.array([item for one in known for item in one], np.int32)
        return csr_matrix((np.ones(len(column)), column, start), shape=(len(sessions), numbers.n_known))

    model = CosineRecommender(K=100)
    model.fit(rows(train.group_by("session_id").agg("item_id")["item_id"].to_list()), show_progress=False)

    def ask(sessions: Sessions, k: int) -> _common.Ranked:
        held = rows(sessions)
        n = min(k, numbers.n_known)
        ids, scores = model.recommend(np.arange(len(sessions)), held, N=n, filter_already_liked_items=False)
        out = np.full((len(sessions), k), -1, np.int64)
        out[:, :n] = np.where(scores > 0, ids, -1)
        return out

    return ask


if __name__ == "__main__":
    main()
