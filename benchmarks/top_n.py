"""Which items will each user want next? A held-back time window over the full catalogue, beside ``implicit``.

    python -m benchmarks.top_n --train train.parquet --test test.parquet --model als implicit_als --seen exclude

Users without a row in train are left out; so are, with ``--seen exclude``, items they had already, in lists and truth.
Means are over users, intervals are 95 % bootstraps; NDCG divides by the ideal of min(k, relevant).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from benchmarks import _common

from shelfwise.evaluation import Truth

BY_DEFAULT = (
    "popular", "trending", "als", "als_recent", "ease", "item_knn", "item_knn_bm25", "implicit_als", "implicit_bm25",
)  # fmt: skip


def main() -> None:
    columns = "user_id, item_id, occurred_at[, weight]"
    parser = _common.arguments(__doc__, ("train", columns), ("test", columns), k=10)
    known = [*_common.OURS, *_common.PEERS]
    parser.add_argument("--items", type=Path, help="item_id, title and further text columns, for content_knn")
    parser.add_argument(
        "--model", nargs="+", choices=known, metavar="NAME", help=f"some of {', '.join(known)}"
    )
    parser.add_argument("--seen", choices=["exclude", "keep"], default="exclude")
    options = parser.parse_args()
    train, test = (
        _common.read(path, "user_id", "item_id", "occurred_at") for path in (options.train, options.test)
    )
    items = _common.read(options.items, "item_id", "title") if options.items else None
    names = options.model or [*BY_DEFAULT, *(["content_knn"] if items is not None else [])]
    if items is None and "content_knn" in names:
        parser.error("content_knn needs --items")
    numbers = _common.Numbers(train["item_id"], test["item_id"])
    users, truth = relevant(train, test, numbers, seen=options.seen)

    def work(name: str) -> Iterator[dict[str, Any]]:
        recommend, fit_s = _common.timed(lambda: _common.fitted(name, train, numbers, items))
        ranked, ask_s = _common.timed(lambda: recommend(users, options.k, options.seen))
        found = _common.judged(ranked, truth, options.k, train, numbers)
        yield {**found, "fit_s": fit_s, "ms_a_user": 1_000 * ask_s / len(users)}

    _common.report(
        _common.each(names, work), as_json=options.json, k=options.k, seen=options.seen, users=len(users),
        catalogue=numbers.n_known, train_rows=len(train),
    )  # fmt: skip


def relevant(
    train: pl.DataFrame, test: pl.DataFrame, numbers: _common.Numbers, *, seen: str
) -> tuple[list[Any], Truth]:
    """Users with something to find, and what that is."""
    had = train.select("user_id", "item_id").unique()
    wanted = test.select("user_id", "item_id").unique(maintain_order=True)
    wanted = wanted.join(had.select("user_id").unique(), on="user_id", how="semi", maintain_order="left")
    if seen == "exclude":
        wanted = wanted.join(had, on=["user_id", "item_id"], how="anti", maintain_order="left")
    if wanted.is_empty():
        raise SystemExit("no user of test has both a row in train and an item to find; expected at least one")
    by_user = wanted.group_by("user_id", maintain_order=True).agg("item_id")
    lists = [[numbers.of[item] for item in items] for items in by_user["item_id"].to_list()]
    return by_user["user_id"].to_list(), Truth.of(lists)


if __name__ == "__main__":
    main()
