"""A shop in which nothing goes wrong, as a lake: people come and go, evenings and weekends have their rhythm."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from shelfwise.domain import CART, DAY_US, HOUR_US, MINUTE_US, PURCHASE, VIEW, Coded, Shelf
from shelfwise.features import EVENT_LINES

NOW = 19_000 * DAY_US + 15 * HOUR_US + 11 * MINUTE_US
N_ITEMS, N_DAYS, PER_DAY = 150, 130, 160
KINDS = {"view_item": VIEW, "add_to_cart": CART, "purchase": PURCHASE}
_HOURS = np.array([1, 1, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 9, 9, 10, 10, 11, 13, 15, 15, 11, 6, 3], float)
_WEEK = np.array([1.0, 0.9, 0.95, 1.0, 1.2, 1.6, 1.4])


def shelf() -> Shelf:
    ids = tuple(f"i{row}" for row in range(N_ITEMS))
    codes = {
        what: Coded((np.arange(N_ITEMS) % n).astype(np.int32), tuple(map(str, range(n))))
        for what, n in (("category", 8), ("brand", 12))
    }
    zero = np.zeros(N_ITEMS, np.int64)
    return Shelf(
        1, ids, ids, ids, ids, codes, zero.astype(np.int16), zero, {name: at for at, name in enumerate(ids)}
    )


def lines(seed: int) -> pa.Table:
    """``EVENT_LINES`` up to ``NOW``, oldest first."""
    rng = np.random.default_rng(seed)
    day = NOW // DAY_US - np.arange(N_DAYS)
    size = rng.poisson(PER_DAY * _WEEK[day % 7] * rng.lognormal(0, 0.08, N_DAYS))
    day = np.repeat(day, size)
    at_us = day * DAY_US + rng.choice(24, len(day), p=_HOURS / _HOURS.sum()) * HOUR_US
    at_us = at_us + rng.integers(0, HOUR_US, len(day))
    at_us = np.sort(at_us[at_us < NOW])
    n = len(at_us)
    # A person is around for some 40 days: whoever comes today was most likely here before.
    person = ((at_us / DAY_US + rng.exponential(15, n)) * 6).astype(np.int64) * 4 + rng.integers(0, 4, n)
    item = (N_ITEMS * rng.random(n) ** 2).astype(np.int32)
    kind = rng.choice(3, n, p=(0.6, 0.15, 0.25))
    names = list(KINDS)
    price = (200 + 37 * (item % 60)).astype(np.int64)
    device = rng.choice(3, n, p=(0.5, 0.4, 0.1))
    hashes = rng.permutation(n).astype(np.int64) * 7_919 + 13
    columns = {
        "event_id": [f"e{number}" for number in range(n)], "line": np.zeros(n, np.int16), "event_hash": hashes,
        "order_hash": hashes, "event": [names[one] for one in kind],
        "event_code": np.array([KINDS[names[one]] for one in kind], np.int16), "occurred_us": at_us,
        "received_us": at_us + rng.integers(0, 3_000_000, n), "day": (at_us // DAY_US).astype(np.int32),
        "person": [f"u:p{one}" for one in person], "user_id": [f"p{one}" for one in person],
        "anonymous_id": pa.nulls(n), "session_id": [f"s{one}" for one in person],
        "item_id": [f"i{one}" for one in item], "item_row": item, "quantity": rng.integers(1, 4, n).astype(np.int32),
        "price_minor": price, "currency": ["EUR"] * n, "position": pa.nulls(n), "order_id": pa.nulls(n),
        "query": pa.nulls(n), "device": [("mobile", "desktop", "tablet")[one] for one in device],
        "device_code": (device + 1).astype(np.int16), "country": ["DE"] * n, "region": pa.nulls(n),
        "placement": pa.nulls(n), "referrer": pa.nulls(n), "offset_minutes": np.full(n, 60, np.int32),
        "recommendation_id": pa.nulls(n), "origin": ["real"] * n, "bot": np.zeros(n, bool),
    }  # fmt: skip
    return pa.table([pa.array(columns[field.name], field.type) for field in EVENT_LINES], schema=EVENT_LINES)
