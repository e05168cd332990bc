from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shelfwise.training import Pools
from shelfwise.training._rows import stack, telling


def pools(*sizes: int, begin: int = 0) -> Pools:
    n = sum(sizes)
    item = np.arange(begin, begin + n, dtype=np.int32)
    start = np.cumsum([0, *sizes]).astype(np.int64)
    return Pools(item[:, None].astype(np.float32), (item % 2).astype(np.float32), item, start)


def test_what_comes_after_the_first_pools_is_the_others_stacked() -> None:
    first, second, third = pools(2, 3), pools(4, begin=10), pools(1, 2, begin=20)
    after, others = stack([first, second, third]).after(len(first.item)), stack([second, third])
    for name in ("features", "label", "item", "start", "query"):
        assert np.array_equal(getattr(after, name), getattr(others, name))


def test_after_no_row_is_everything_and_after_all_is_nothing() -> None:
    one = pools(2, 3)
    assert np.array_equal(one.after(0).start, one.start)
    nothing = one.after(5)
    assert len(nothing.item) == len(nothing.query) == 0
    assert nothing.start.tolist() == [0]


def test_a_column_without_variance_is_no_feature_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    names = ("moves", "still", "never_told", "at_times", "own__score")
    one = pools(2, 1)
    told = np.array([[1, 2, np.nan, 7, 4], [2, 2, np.nan, np.nan, 4], [1, 2, np.nan, 7, 4]], np.float32)
    with caplog.at_level("INFO", "shelfwise.training"):
        kept, found = telling(replace(one, features=told), names, always=("own__score",))
    assert found == ("moves", "at_times", "own__score")
    assert np.array_equal(kept.features, told[:, [0, 3, 4]], equal_nan=True)
    assert kept.label is one.label
    (line,) = caplog.records
    assert (line.message, line.__dict__["features"]) == ("features.constant", ["still", "never_told"])


def test_without_rows_no_column_is_judged() -> None:
    nothing = pools(2).after(2)
    assert telling(nothing, ("a",), always=()) == (nothing, ("a",))
