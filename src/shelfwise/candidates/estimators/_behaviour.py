"""Estimators over time: sessions that are alike, what sells now, what a user buys again."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr

from shelfwise.candidates import _files
from shelfwise.candidates._history import History
from shelfwise.candidates._kernels import Floats, Rows
from shelfwise.candidates._matrix import (
    LARGEST_GROUP,
    Csr,
    groups,
    pair_days,
    prepare,
    sessions,
    stable_order,
    starts,
)
from shelfwise.candidates.buy_again.serve import RHYTHM, BuyAgainSource
from shelfwise.candidates.buy_again.settings import BuyAgainSettings
from shelfwise.candidates.buy_again.train import fit as fit_buy_again
from shelfwise.candidates.buy_again.train import history_of_days
from shelfwise.candidates.estimators._base import Estimator, ItemToItem
from shelfwise.candidates.estimators._frames import Frame, Log, read_log
from shelfwise.candidates.session.serve import SessionIndex, SessionSource, in_order
from shelfwise.candidates.session.serve import check as check_sessions
from shelfwise.candidates.session.settings import SessionSettings
from shelfwise.candidates.session.train import index
from shelfwise.candidates.trending.train import aged_counts


class SessionKNN(ItemToItem):
    """Sessions like this one, and what else was in them.

    ``fit`` takes ``session_id`` (or ``user_id``), ``item_id`` and ``occurred_at``. A ``session_id`` is taken as it is;
    a user's rows are broken where they pause for 30 minutes. Defaults suit clicks.

    Source: Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018.
    """

    ARRAYS: ClassVar[dict[str, tuple[Any, int]]] = {
        "start": (np.int64, 1), "item": (np.int32, 1), "posting_start": (np.int64, 1), "posting": (np.int32, 1),
        "match": (np.float32, 1), "vote": (np.float32, 1), "rarity_": (np.float32, 1), "gain": (np.float32, 1),
    }  # fmt: skip

    neighbours: int = Field(1_500, ge=1, le=100_000)
    """Like sessions that vote."""

    sessions_per_item: int = Field(5_000, ge=1, le=100_000)
    """Sessions looked at per item of the query, the newest."""

    last: int = Field(10, ge=1, le=500)
    """Items of the query that are looked at, the newest."""

    half_life_days: float | None = Field(None, gt=0.0)
    """How fast a like session loses weight with age; None: all count alike."""

    size_power: float = Field(0.0, ge=0.0, le=1.0)
    """Sessions of n items match and vote with ``n ** -size_power``."""

    rarity: float = Field(0.0, ge=0.0, le=1.0)
    """Power of the idf of a shared item in a match."""

    vote_rarity: float = Field(1.0, ge=0.0, le=1.0)
    """Votes are multiplied by ``(1 + idf of the item) ** this``."""

    match_decay: float = Field(0.1, ge=0.0, lt=1.0)
    """Share a vote loses per step back to the newest item that the session shares with the query."""

    _source: SessionSource | None = PrivateAttr(None)

    def fit(self, interactions: Frame) -> Self:
        """Index the sessions."""
        return self._fit_log(read_log(interactions, user=("session_id", "user_id"), order=("session_id",)))

    def _learn(self, log: Log) -> dict[str, NDArray[Any]]:
        history = log.interactions()
        if log.order is None:
            found = sessions(history, largest=LARGEST_GROUP)
        else:
            found = groups(history, key=None, gap_us=None, largest=LARGEST_GROUP)
        made = index(found, log.end_us, self._settings())
        return {name: getattr(made, name.rstrip("_")) for name in self.ARRAYS}

    def _check(self, arrays: dict[str, NDArray[Any]], folder: Path) -> None:
        _files.check_length(arrays["rarity_"], len(self._known(self._items)), folder / "rarity_.npy")
        check_sessions(_index(arrays), folder)

    def _take(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self._source = SessionSource(_index(arrays), self._settings())

    def _scores(self, items: Rows, weight: Floats) -> Floats:
        assert self._source is not None
        return self._source.votes(items, weight)

    def _weighed(self, newest_first: Rows) -> tuple[Rows, Floats]:
        known = self._known(self._items)
        return in_order(newest_first, len(known), self.last)

    def _user_scores(self, user: int) -> Floats:
        """The newest items of what the user holds."""
        return self._scores(*self._weighed(self._holds(user)[0]))

    def _holding(self, log: Log) -> Csr:
        """Newest first, each item once."""
        newest = np.lexsort((np.arange(len(log.user)), log.at_us))[::-1]
        return _in_order(log.user[newest], log.item[newest], (len(log.users), len(log.items)))

    def _settings(self) -> SessionSettings:
        return SessionSettings(
            window_days=None, half_life_days=self.half_life_days, sessions_per_item=self.sessions_per_item,
            neighbours=self.neighbours, size_power=self.size_power, rarity=self.rarity, vote_rarity=self.vote_rarity,
            match_decay=self.match_decay, last=self.last,
        )  # fmt: skip


class Trending(Estimator):
    """What sells now, the same for everyone: rows aged by a half-life, one user counts once a day and item."""

    ARRAYS: ClassVar[dict[str, tuple[Any, int]]] = {"score_": (np.float32, 1)}

    half_life_days: float = Field(7.0, gt=0.0)
    """Ageing. Shorter follows fashion, longer is steadier."""

    min_people: int = Field(5, ge=1)
    """Distinct users behind an item before it may trend. A shop's own source never goes below 5."""

    first_only: bool = False
    """Count only a user's first row with each item: what wins new buyers."""

    def _learn(self, log: Log) -> dict[str, NDArray[Any]]:
        days = pair_days(log.interactions())
        people = np.bincount(days.first().item, minlength=days.n_items)
        counts = aged_counts(days.first() if self.first_only else days, log.end_us, self.half_life_days)
        return {"score_": (counts * (people >= self.min_people)).astype(np.float32)}

    def _check(self, arrays: dict[str, NDArray[Any]], folder: Path) -> None:
        _files.check_length(arrays["score_"], len(self._known(self._items)), folder / "score_.npy")

    def _scores(self, items: Rows, weight: Floats) -> Floats:
        del items, weight
        return self._arrays["score_"]


class BuyAgain(Estimator):
    """What a user buys again: a logistic model over the rhythm of their own days. Needs ``occurred_at``.

    Source: Bhagat et al., "Buy It Again: Modeling Repeat Purchase Recommendations", KDD 2018.
    """

    ARRAYS: ClassVar[dict[str, tuple[Any, int]]] = {
        "coefficient": (np.float32, 1), "gap_days": (np.float32, 1), "item_rate": (np.float32, 1),
        "item_now": (np.float32, 1), "day_start": (np.int64, 1), "day_item": (np.int32, 1), "day_us": (np.int64, 1),
        "asked_us": (np.int64, 1),
    }  # fmt: skip

    horizon_days: float = Field(14.0, gt=0.0, le=365.0)
    """The chance that is learned: bought again within these days."""

    instants: int = Field(3, ge=1, le=24)
    """Past instants to learn from, a horizon apart."""

    ridge: float = Field(10.0, gt=0.0)
    """Pulls the weights to what other shops taught."""

    seed: int = Field(0, ge=0)
    """Makes a fit repeatable."""

    _source: BuyAgainSource | None = PrivateAttr(None)

    def recommend(self, user_ids: Any, *, n: int = 10, exclude_seen: bool = False) -> Any:
        """As of all estimators, but what was bought is the very point: nothing is left with ``exclude_seen``."""
        return super().recommend(user_ids, n=n, exclude_seen=exclude_seen)

    def _learn(self, log: Log) -> dict[str, NDArray[Any]]:
        prepared = prepare(log.interactions(), log.end_us)
        settings = BuyAgainSettings(
            horizon_days=self.horizon_days, instants=self.instants, ridge=self.ridge, seed=self.seed
        )
        source, days = fit_buy_again(prepared, None, settings=settings), prepared.pairs
        return {
            "coefficient": source.coefficient, "gap_days": source.gap_days, "item_rate": source.item_rate,
            "item_now": source.item_now, "day_start": starts(days.user, days.n_users), "day_item": days.item,
            "day_us": days.at_us, "asked_us": np.array([log.end_us], np.int64),
        }  # fmt: skip

    def _check(self, arrays: dict[str, NDArray[Any]], folder: Path) -> None:
        n_users, n_items = len(self._known(self._users)), len(self._known(self._items))
        _files.check_length(arrays["coefficient"], len(RHYTHM), folder / "coefficient.npy")
        for name in ("gap_days", "item_rate", "item_now"):
            _files.check_length(arrays[name], n_items, folder / f"{name}.npy")
        days = arrays["day_item"]
        _files.check_lists(arrays["day_start"], days, n_rows=n_users, n_columns=n_items, folder=folder)
        _files.check_length(arrays["day_us"], len(days), folder / "day_us.npy")
        _files.check_length(arrays["asked_us"], 1, folder / "asked_us.npy")

    def _take(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self._source = BuyAgainSource(
            arrays["coefficient"], arrays["gap_days"], arrays["item_rate"], arrays["item_now"], BuyAgainSettings()
        )  # fmt: skip

    def _user_scores(self, user: int) -> Floats:
        """Chances within the horizon, 0 for what was never bought."""
        assert self._source is not None
        rows, odds = self._source.judge(self._history(user), int(self._arrays["asked_us"][0]))
        out = np.zeros(len(self._arrays["gap_days"]), np.float32)
        out[rows] = 1.0 / (1.0 + np.exp(-odds))
        return out

    def _scores(self, items: Rows, weight: Floats) -> Floats:
        raise NotImplementedError("BuyAgain answers users, not lists of items")

    def _history(self, user: int) -> History:
        begin = self._arrays["day_start"]
        own = slice(begin[user], begin[user + 1])
        return history_of_days(self._arrays["day_item"][own], self._arrays["day_us"][own])


def _index(arrays: dict[str, NDArray[Any]]) -> SessionIndex:
    return SessionIndex(**{name.rstrip("_"): array for name, array in arrays.items()})


def _in_order(user: NDArray[np.int32], item: NDArray[np.int32], shape: tuple[int, int]) -> Csr:
    """Rows in the given order, each item of a user once."""
    order = stable_order(user, shape[0])
    key = user[order].astype(np.int64) * shape[1] + item[order]
    first = np.sort(np.unique(key, return_index=True)[1])
    kept = order[first]
    return Csr(starts(user[kept], shape[0]), item[kept], np.ones(len(kept), np.float32), shape[1])
