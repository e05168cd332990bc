from __future__ import annotations

import numpy as np

from shelfwise.training import Pools
from shelfwise.training._rows import stack


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
