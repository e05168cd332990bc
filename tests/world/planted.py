"""A shop of two tastes, one item in season, and one bot.

Items 0..9 are red and bought by the first thirty people, 10..19 are blue and bought by the other thirty, in baskets of
three, over a hundred days. Item 20 came up in the last four days: everyone takes one. A bot buys 21 and 22 together
every hour of those days. Nobody ever touched 23 and 24.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tests.world.rows import Row, history

from shelfwise.domain import LINE, PURCHASE, Coded, Interactions, LiveItems, PersonState, Shelf

DAY = 86_400_000_000
NOW_US = 1_320_000_000_000_000  # 2011-10-30T18:40:00Z
N_ITEMS = 25
RED, BLUE = range(10), range(10, 20)
SEASONAL, BOT_PAIR, UNTOUCHED = 20, (21, 22), (23, 24)
PEOPLE, BOT = 60, 60


@dataclass(frozen=True)
class Shop:
    """The history, and the shelf it happened on."""

    interactions: Interactions
    shelf: Shelf

    def state(self, user: int) -> PersonState:
        """What the history says of one person."""
        mine = np.flatnonzero(self.interactions.user == user)
        rows = [
            (int(self.interactions.item[k]), int(self.interactions.at_us[k]), int(self.interactions.event[k]))
            for k in mine
        ]
        return person(rows)

    def bought(self, user: int) -> set[int]:
        """Items of one person."""
        return set(self.interactions.item[self.interactions.user == user].tolist())


def shop(seed: int = 0) -> Shop:
    """The shop described above; other seeds draw other baskets."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    order = 0
    for user in range(PEOPLE):
        taste = RED if user < PEOPLE // 2 else BLUE
        for day in rng.choice(np.arange(5, 100), 4, replace=False):
            order += 1
            at_us = NOW_US - int(day) * DAY - int(rng.integers(DAY // 4))
            rows += [Row(user, int(item), at_us, order) for item in rng.choice(taste, 3, replace=False)]
        order += 1
        rows.append(Row(user, SEASONAL, NOW_US - int(rng.integers(1, 4 * DAY)), order))
    for hour in range(1, 96):
        order += 1
        rows += [Row(BOT, item, NOW_US - hour * DAY // 24, order) for item in BOT_PAIR]
    return Shop(history(rows, n_items=N_ITEMS, country=("GB",) * 30 + ("FR",) * 31), planted_shelf())


def planted_shelf() -> Shelf:
    """Titles and categories that tell the tastes apart."""
    colour = ["red"] * 10 + ["blue"] * 10 + ["green"] * 5
    things = (*(["mug", "bowl"] * 5), *(["lamp", "clock"] * 5), *(["apron"] * 5))
    titles = [f"{colour[row]} {things[row]} no {row}" for row in range(N_ITEMS)]
    return shelf_of(titles, [("Home", one) for one in colour])


def shelf_of(titles: Sequence[str], categories: Sequence[tuple[str, ...]] = ()) -> Shelf:
    """A shelf of these titles, and categories if given."""
    n = len(titles)
    paths = tuple(dict.fromkeys(categories))
    codes = np.array([paths.index(path) for path in categories], np.int32)
    ids = tuple(f"i{row}" for row in range(n))
    return Shelf(
        generation=1,
        item_id=ids,
        title=tuple(titles),
        url=(None,) * n,
        image=(None,) * n,
        coded={"category": Coded(codes, paths)} if categories else {},
        min_age=np.zeros(n, np.int16),
        first_seen_us=np.zeros(n, np.int64),
        row_of={item_id: row for row, item_id in enumerate(ids)},
    )


def person(rows: Sequence[tuple[int, ...]], country: str | None = None) -> PersonState:
    """Someone who did this: (item, at_us) of purchases, or (item, at_us, event); in any order."""
    lines = np.zeros(len(rows), LINE)
    for k, (item, at_us, *event) in enumerate(sorted(rows, key=lambda row: -row[1])):
        lines[k]["item"], lines[k]["at_us"] = item, at_us
        lines[k]["event"] = event[0] if event else PURCHASE
        lines[k]["event_hash"] = lines[k]["order_hash"] = at_us
    return PersonState(lines, country=country)


def live_items(
    n: int = N_ITEMS, *, sold_out: Sequence[int] = (), hidden: Sequence[int] = (), **counters: Sequence[int]
) -> LiveItems:
    """Everything to be had, but for what is named."""
    unknown = np.full(n, -1, np.int64)
    stock, covered = unknown.copy(), np.zeros(n, np.uint8)
    stock[list(sold_out)], covered[list(hidden)] = 0, 1
    zeros = np.zeros(n, np.int64)
    counts = {name: np.array(values, np.int64) for name, values in counters.items()}
    return LiveItems(unknown, unknown, unknown, stock, covered, zeros, zeros, counts)
