"""Logged features beside computed ones: what differs is counted, and what cannot be told is not judged."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.features import check_skews, skews
from shelfwise.features._features import BY_NAME

NAN = np.nan
PACE, SHARE, STOCK = (
    BY_NAME[name]
    for name in ("item__purchase__count__7d", "user_item__view_item__share__7d", "item__stock__log")
)


def test_rows_that_differ_are_counted_with_the_largest_distance() -> None:
    logged = {
        PACE.name: np.array([3, 4, 5, 9], np.float32),
        SHARE.name: np.array([0.5, NAN, NAN, 0.2], np.float32),
    }
    computed = {PACE.name: np.array([3, 4, 7, 8]), SHARE.name: np.array([0.5, NAN, 0.1, 0.2])}
    pace, share = skews([PACE, SHARE, STOCK], logged, computed)
    assert (pace.name, pace.n_rows, pace.n_differing, pace.n_one_sided, pace.largest) == (
        PACE.name,
        4,
        2,
        0,
        2.0,
    )
    assert (share.n_differing, share.n_one_sided, share.largest) == (1, 1, pytest.approx(0, abs=1e-7))
    assert (pace.share, share.share, pace.ok, share.ok) == (0.5, 0.25, False, False)


def test_the_rounding_of_a_logged_row_is_no_difference() -> None:
    exact = np.random.default_rng(0).lognormal(0, 5, 200)
    (found,) = skews([SHARE], {SHARE.name: exact.astype(np.float32)}, {SHARE.name: exact})
    assert (found.n_differing, found.ok) == (0, True)


def test_what_the_catalogue_said_then_is_shown_but_not_judged() -> None:
    found = skews([STOCK, PACE], {STOCK.name: np.ones(3, np.float32), PACE.name: np.ones(3, np.float32)},
                  {STOCK.name: np.full(3, NAN), PACE.name: np.ones(3, np.int64)})  # fmt: skip
    assert [(one.name, one.share, one.ok) for one in found] == [(PACE.name, 0, True), (STOCK.name, 1, True)]
    last = check_skews(found)[-1]
    assert (last.check, last.severity, last.stops) == ("skew", "note", False)
    assert "not judged: what the catalogue said then is not kept" in last.told
