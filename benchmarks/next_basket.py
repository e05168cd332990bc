"""What will be in each user's next basket? With what they had before, and without, beside ``implicit``.

    python -m benchmarks.next_basket --train train.parquet --test test.parquet

A query is the first order in test of a user who is in train. ``kept``: whatever the basket holds counts, and lists may
repeat. ``removed``: what the user ever had is taken out of lists and truth. ``repeat_blend`` lists what
``buy_again`` proposes, filled up by ``als_recent``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from benchmarks import _common
from benchmarks.top_n import relevant

BY_DEFAULT = (
    "popular",
    "trending",
    "als_recent",
    "item_knn",
    "buy_again",
    "repeat_blend",
    "implicit_als",
    "implicit_bm25",
)
POLICIES = {"kept": "keep", "removed": "exclude"}


def main() -> None:
    columns = "user_id, order_id, item_id, occurred_at"
    parser = _common.arguments(__doc__, ("train", columns), ("test", columns), k=10)
    known = [name for name in (*_common.OURS, "repeat_blend", *_common.PEERS) if name != "content_knn"]
    parser.add_argument(
        "--model", nargs="+", choices=known, metavar="NAME", help=f"some of {', '.join(known)}"
    )
    options = parser.parse_args()
    train, test = (
        _common.read(path, "user_id", "order_id", "item_id", "occurred_at")
        for path in (options.train, options.test)
    )
    test, train = first_orders(test), train.drop("order_id")
    numbers = _common.Numbers(train["item_id"], test["item_id"])
    queries = {name: relevant(train, test, numbers, seen=seen) for name, seen in POLICIES.items()}

    def work(name: str) -> Iterator[dict[str, Any]]:
        recommend, fit_s = _common.timed(lambda: fitted(name, train, numbers))
        for policy, (users, truth) in queries.items():
            if name == "buy_again" and policy == "removed":
                continue  # it has nothing else to say
            ranked, ask_s = _common.timed(lambda: recommend(users, options.k, POLICIES[policy]))  # noqa: B023
            found = _common.judged(ranked, truth, options.k, train, numbers)
            yield {"bought": policy, **found, "fit_s": fit_s, "ms_a_user": 1_000 * ask_s / len(users)}

    _common.report(
        _common.each(options.model or BY_DEFAULT, work), as_json=options.json, k=options.k,
        users=len(queries["kept"][0]), catalogue=numbers.n_known, train_rows=len(train),
    )  # fmt: skip


def first_orders(test: pl.DataFrame) -> pl.DataFrame:
    """The lines of each user's first order."""
    opened = test.group_by("user_id", "order_id").agg(pl.col("occurred_at").min())
    first = opened.sort("occurred_at", "order_id").unique("user_id", keep="first", maintain_order=True)
    return test.join(first.select("user_id", "order_id"), on=["user_id", "order_id"], how="semi")


def fitted(name: str, train: pl.DataFrame, numbers: _common.Numbers) -> _common.Recommend:
    """As of every benchmark, and the blend."""
    if name != "repeat_blend":
        return _common.fitted(name, train, numbers, None)
    again, others = (_common.fitted(one, train, numbers, None) for one in ("buy_again", "als_recent"))

    def recommend(users: Sequence[Any], k: int, seen: str) -> _common.Ranked:
        fill = others(users, 2 * k if seen == "keep" else k, seen)
        if seen == "exclude":
            return fill
        return np.array([filled(*pair, k) for pair in zip(again(users, k, seen), fill, strict=True)])

    return recommend


def filled(first: np.ndarray, then: np.ndarray, k: int) -> np.ndarray:
    """``first``, then what is not in it yet; -1 pads."""
    chosen = list(dict.fromkeys(row for row in (*first.tolist(), *then.tolist()) if row >= 0))[:k]
    return np.array(chosen + [-1] * (k - len(chosen)))


if __name__ == "__main__":
    main()
