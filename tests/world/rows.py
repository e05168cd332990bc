"""Histories from a few rows, so that a test can write down what happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shelfwise.domain import PURCHASE, Interactions


class Row(NamedTuple):
    """Someone did something with an item; lines of one ``order`` are one basket."""

    user: int
    item: int
    at_us: int
    order: int = 0
    event: int = PURCHASE


def history(
    rows: Sequence[Row],
    *,
    n_items: int,
    n_users: int | None = None,
    country: tuple[str | None, ...] = (),
) -> Interactions:
    """The rows as columns, in the given order."""
    user, item, at_us, order, event = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Interactions(
        user=np.array(user, np.int32),
        item=np.array(item, np.int32),
        at_us=np.array(at_us, np.int64),
        event=np.array(event, np.uint8),
        order=np.array(order, np.int64),
        quantity=np.ones(len(rows), np.int32),
        price_minor=np.full(len(rows), -1, np.int64),
        n_users=max(user, default=-1) + 1 if n_users is None else n_users,
        n_items=n_items,
        country=country,
    )
