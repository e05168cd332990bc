"""How likely a person buys again what they bought before: a logistic model over the rhythm of their own days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import _files
from shelfwise.candidates._history import History, history_of
from shelfwise.candidates._kernels import Floats, Rows, place_of, reads
from shelfwise.candidates._protocol import Proposal
from shelfwise.candidates._select import keep_best, order_of, sort_best
from shelfwise.candidates.buy_again.settings import BuyAgainSettings
from shelfwise.domain import DAY_US, PURCHASE, LiveItems, PersonState, Query

NAME = "buy_again"
RHYTHM = (
    "one",  # the constant
    "days",  # ln of the days it was bought on
    "last",  # ln(1 + days since the last time)
    "aged_14",  # ln of the days, each aged by a half-life of 14 days
    "aged_30",
    "aged_90",
    "aged_365",
    "due",  # ln of (days since the last time + 1) / (usual gap + 1)
    "late",  # how far from due, either way
    "share",  # share of the person's shopping days on which it was bought
    "skipped",  # ln(1 + shopping days since)
    "item_rate",  # log-odds that a purchase of the item is a repeat
    "item_now",  # ln of the item's aged popularity
    "visit",  # the same of the person: ln of (days since the last visit + 1) / (usual pause + 1)
)
"""What is known of one person and item, in the order of the columns."""


class BuyAgainSource:
    """A ``CandidateSource`` and ``Reasoner`` that works from the person's lines alone."""

    name = NAME
    signals = (f"{NAME}__score",)

    def __init__(
        self,
        coefficient: Floats,
        gap_days: Floats,
        item_rate: Floats,
        item_now: Floats,
        settings: BuyAgainSettings,
    ) -> None:
        self.coefficient = coefficient  # (len(RHYTHM),)
        self.gap_days = gap_days  # (I,) typical gap between two purchases of the item by one person
        self.item_rate = item_rate  # (I,)
        self.item_now = item_now  # (I,)
        self.settings = settings

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        """What was bought before, the likeliest first; nothing if bought items are unwanted."""
        history = history_of(person)
        rows, score = self.judge(history, query.asked_us)
        if len(rows) == 0:
            return Proposal.nothing(len(self.signals))
        wanted = 0 if query.seen == "exclude" else limit
        item, value, column = _likeliest(
            rows, score, query.seeds, query.exclude, live.hidden, live.stock, len(self.gap_days), wanted
        )
        return Proposal(item, value, reads(column), column)

    def because(self, query: Query, person: PersonState, item: Rows) -> tuple[str, Rows]:
        """``bought_before``; it hangs on the item itself, if the person bought it."""
        history = history_of(person)
        return "bought_before", _own(np.ascontiguousarray(item, np.int32), history.item, history.bought)

    def judge(self, history: History, asked_us: int) -> tuple[Rows, Floats]:
        """Rows bought before and log-odds of each to be bought within the horizon."""
        rows, facts = rhythm(
            history.item, history.place, history.at_us, history.event, asked_us,
            self.gap_days, self.item_rate, self.item_now,
        )  # fmt: skip
        return rows, facts @ self.coefficient

    def save(self, folder: Path) -> None:
        """Write it for ``load``."""
        arrays = {name: getattr(self, name) for name in _KINDS}
        _files.save(folder, arrays, {"settings": self.settings.model_dump(), "rhythm": list(RHYTHM)})


def load(folder: Path) -> BuyAgainSource:
    """Read what ``save`` wrote. Raises BadRelease for arrays that do not fit together."""
    about = _files.about(folder)
    arrays: dict[str, Any] = _files.load(folder, _KINDS)
    _files.check_length(arrays["coefficient"], len(RHYTHM), folder / "coefficient.npy")
    for name in ("item_rate", "item_now"):
        _files.check_length(arrays[name], len(arrays["gap_days"]), folder / f"{name}.npy")
    return BuyAgainSource(**arrays, settings=_files.settings(folder, about.get("settings"), BuyAgainSettings))


_KINDS: dict[str, tuple[Any, int]] = {
    "coefficient": (np.float32, 1),
    "gap_days": (np.float32, 1),
    "item_rate": (np.float32, 1),
    "item_now": (np.float32, 1),
}


@nb.njit(cache=True)
def _likeliest(
    rows: Rows,
    score: Floats,
    seeds: Rows,
    exclude: Rows,
    hidden: NDArray[np.uint8],
    stock: NDArray[np.int64],
    n_items: int,
    limit: int,
) -> tuple[Rows, Floats, Floats]:
    """The best of the rows that may be had; and the score of all of them by item row ``(1, I)``, NaN elsewhere."""
    column = np.full((1, n_items), np.nan, np.float32)
    order, place, n = np.empty(len(rows), np.int32), np.empty(len(rows), np.int32), np.int64(0)
    for k in range(len(rows)):
        column[0, rows[k]] = score[k]
        there = rows[k] >= len(hidden) or (hidden[rows[k]] == 0 and stock[rows[k]] != 0)
        named = place_of(seeds, len(seeds), rows[k]) < len(seeds)
        named |= place_of(exclude, len(exclude), rows[k]) < len(exclude)
        if there and not named:
            order[n], place[n] = order_of(score[k]), k
            n += 1
    n = keep_best(order, place, n, limit)
    sort_best(order, place, n)
    item, value = np.empty(n, np.int32), np.empty(n, np.float32)
    for b in range(n):
        item[b], value[b] = rows[place[b]], score[place[b]]
    return item, value, column


@nb.njit(cache=True)
def _own(asked: Rows, item: Rows, bought: NDArray[np.bool_]) -> Rows:
    """Each asked row that was bought; -1 in place of the others."""
    out = np.full(len(asked), -1, np.int32)
    for a in range(len(asked)):
        for m in range(len(item)):
            if item[m] == asked[a] and bought[m]:
                out[a] = item[m]
    return out


@nb.njit(cache=True, nogil=True)
def rhythm(
    item: Rows,
    place: NDArray[np.int32],
    at_us: NDArray[np.int64],
    event: NDArray[np.uint8],
    asked_us: int,
    gap_days: Floats,
    item_rate: Floats,
    item_now: Floats,
) -> tuple[Rows, Floats]:
    """Rows of known items that were bought, and their facts ``(M, len(RHYTHM))``.

    The arguments up to ``event`` are those of ``History``: (item, day) pairs, newest day first.
    """
    n = len(item)
    days, visits_since = np.zeros(n), np.zeros(n)
    first, last = np.zeros(n), np.full(n, np.inf)
    aged = np.zeros((n, 4))
    n_visits, visit, newest, oldest = 0, -1, 0.0, 0.0
    left = np.ones(4)
    for p in range(len(place)):
        if event[p] != PURCHASE:
            continue
        age = max(asked_us - at_us[p], 0) / DAY_US
        if n_visits == 0 or at_us[p] // DAY_US != visit:
            if n_visits == 0:
                newest = age
            visit, oldest = at_us[p] // DAY_US, age
            n_visits += 1
            left[0], left[1] = 2.0 ** (-age / 14.0), 2.0 ** (-age / 30.0)
            left[2], left[3] = 2.0 ** (-age / 90.0), 2.0 ** (-age / 365.0)
        m = place[p]
        if days[m] == 0:
            visits_since[m] = n_visits - 1
        days[m] += 1
        last[m], first[m] = min(last[m], age), max(first[m], age)
        for h in range(4):
            aged[m, h] += left[h]
    pause = (oldest - newest) / max(n_visits - 1, 1)
    due_visit = np.log((newest + 1) / (pause + 1)) if n_visits > 1 else 0.0
    rows, facts, kept = np.empty(n, np.int32), np.empty((n, 14), np.float32), 0
    for m in range(n):
        if days[m] == 0 or item[m] >= len(gap_days):
            continue
        # Their own gap counts as often as it was seen, the item's typical one once.
        gap = (first[m] - last[m] + gap_days[item[m]]) / days[m]
        due = np.log((last[m] + 1) / (gap + 1))
        fact = facts[kept]
        fact[0], fact[1], fact[2] = 1.0, np.log(days[m]), np.log1p(last[m])
        for h in range(4):
            fact[3 + h] = np.log(aged[m, h] + 0.01)
        fact[7], fact[8] = due, abs(due)
        fact[9], fact[10] = days[m] / n_visits, np.log1p(visits_since[m])
        fact[11], fact[12], fact[13] = item_rate[item[m]], item_now[item[m]], due_visit
        rows[kept] = item[m]
        kept += 1
    return rows[:kept], facts[:kept]
