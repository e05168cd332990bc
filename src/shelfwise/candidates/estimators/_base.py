"""What estimators have in common: the field's usual verbs over the caller's ids."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import PrivateAttr, ValidationError

from shelfwise.candidates import _files
from shelfwise.candidates._kernels import Floats, Rows, best
from shelfwise.candidates._matrix import Csr
from shelfwise.candidates.estimators._frames import Frame, Log, answers, read_log, rows_of
from shelfwise.domain import BadRelease, InvalidField, NotTrained, Settings


def _wrong_param(trouble: ValidationError, known: tuple[str, ...]) -> InvalidField:
    """The first wrong parameter, what it was, and what was expected."""
    wrong = trouble.errors(include_url=False)[0]
    name = ".".join(map(str, wrong["loc"])) or "parameters"
    if wrong["type"] == "extra_forbidden":
        return InvalidField(name, wrong["input"], f"a parameter among {', '.join(known)}")
    rule = wrong["msg"].removeprefix("Input should be ").partition(", unable")[0]
    return InvalidField(
        name, wrong["input"], f"a value {rule}" if rule.startswith(("greater", "less")) else rule
    )


class Estimator(Settings):
    """Keyword-only, typed, bounded parameters; ``fit`` returns the estimator itself.

    ``fit`` takes any frame of ``user_id, item_id`` and, if there, ``weight`` and ``occurred_at`` (rows of one user,
    item and day then count once, with their largest weight). What a fit learned is kept beside the parameters.
    """

    ARRAYS: ClassVar[dict[str, tuple[Any, int]]] = {}  # what ``_learn`` gives: dtype and dimensions by name

    def __init__(self, **params: Any) -> None:
        """Take parameters by name. Raises InvalidField for one that is unknown or out of bounds."""
        try:
            super().__init__(**params)
        except ValidationError as trouble:
            raise _wrong_param(trouble, tuple(type(self).model_fields)) from None

    _users: pa.Array | None = PrivateAttr(None)
    _items: pa.Array | None = PrivateAttr(None)
    _held: Csr | None = PrivateAttr(None)  # users x items, aged: what a user is asked with, and has seen
    _arrays: dict[str, NDArray[Any]] = PrivateAttr(default_factory=dict)

    def fit(self, interactions: Frame) -> Self:
        """Learn. Raises InvalidInput for a frame without the columns."""
        return self._fit_log(read_log(interactions))

    def recommend(self, user_ids: Sequence[Any] | Any, *, n: int = 10, exclude_seen: bool = True) -> pa.Table:
        """Columns ``user_id, item_id, score, rank``: up to ``n`` items for each user, best first.

        A user whom the fit did not see gets no rows, nor does one of whom the method can say nothing.
        """
        users = self._known(self._users)
        rows = rows_of(user_ids, users)
        lists = [
            self._best(self._user_scores(int(row)), self._seen(int(row), exclude_seen), n)
            for row in rows[rows >= 0]
        ]
        return self._table("user_id", users.take(pa.array(rows[rows >= 0])), lists)

    def get_params(self) -> dict[str, Any]:
        """Parameters by name."""
        return self.model_dump()

    def save(self, folder: Path | str) -> None:
        """Write it for ``load``: arrays, JSON and Parquet, no pickle."""
        users, items, held, path = (
            self._known(self._users),
            self._known(self._items),
            self._held,
            Path(folder),
        )
        assert held is not None
        arrays = {
            **self._arrays,
            "held_start": held.start,
            "held_item": held.column,
            "held_weight": held.value,
        }
        _files.save(path, arrays, {"estimator": type(self).__name__, "params": self.get_params()})
        pq.write_table(pa.table({"user_id": users}), path / "users.parquet")
        pq.write_table(pa.table({"item_id": items}), path / "items.parquet")

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read what ``save`` wrote. Raises BadRelease."""
        path = Path(folder)
        about = _files.about(path)
        if about.get("estimator") != cls.__name__:
            raise BadRelease(f"{path} holds {about.get('estimator')!r}; expected {cls.__name__!r}")
        model = _files.settings(path, about.get("params"), cls)
        try:
            users = pq.read_table(path / "users.parquet").column(0).combine_chunks()
            items = pq.read_table(path / "items.parquet").column(0).combine_chunks()
        except (OSError, pa.ArrowInvalid) as trouble:
            raise BadRelease(f"{path} cannot be read: {trouble}") from trouble
        arrays = _files.load(path, {**cls.ARRAYS, **_HELD})
        _files.check_lists(
            arrays["held_start"], arrays["held_item"], n_rows=len(users), n_columns=len(items), folder=path
        )
        model._users, model._items = users, items
        start, item, weight = (arrays.pop(name) for name in _HELD)
        _files.check_length(weight, len(item), path / "held_weight.npy")
        model._held = Csr(start, item, weight, len(items))
        model._check(arrays, path)
        model._take(arrays)
        return model

    def _fit_log(self, log: Log) -> Self:
        self._users, self._items = log.users, log.items
        self._held = self._holding(log)
        self._take(self._learn(log))
        return self

    def _take(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Keep what was learned or loaded; subclasses make of it what answers fast."""
        self._arrays = arrays

    @abstractmethod
    def _check(self, arrays: dict[str, NDArray[Any]], folder: Path) -> None:
        """Raise BadRelease unless the arrays fit together and these items: kernels trust what they are given."""

    def _holding(self, log: Log) -> Csr:
        """What each user holds: asked with, and seen."""
        return log.matrix(None)

    @abstractmethod
    def _learn(self, log: Log) -> dict[str, NDArray[Any]]:
        """The arrays of a fit, as ``ARRAYS`` says."""

    @abstractmethod
    def _scores(self, items: Rows, weight: Floats) -> Floats:
        """Scores of all items, ``(I,)``, for one who did ``weight`` with ``items``; 0 and below: not proposed."""

    def _user_scores(self, user: int) -> Floats:
        return self._scores(*self._holds(user))

    def _holds(self, user: int) -> tuple[Rows, Floats]:
        held = self._held
        assert held is not None
        own = slice(held.start[user], held.start[user + 1])
        return held.column[own], held.value[own]

    def _seen(self, user: int, exclude: bool) -> Rows:
        return self._holds(user)[0] if exclude else _NOTHING

    def _best(self, scores: Floats, left_out: Rows, n: int) -> tuple[Rows, Floats]:
        blocked = np.zeros(len(scores), np.uint8)
        blocked[left_out] = 1
        return best(scores, blocked, min(n, len(scores)))

    def _table(self, named: str, who: pa.Array, lists: Sequence[tuple[Rows, Floats]]) -> pa.Table:
        items = np.concatenate([_NOTHING, *(rows for rows, _ in lists)])
        score = np.concatenate([np.empty(0, np.float32), *(score for _, score in lists)])
        return answers(
            named,
            who,
            [len(rows) for rows, _ in lists],
            self._known(self._items).take(pa.array(items)),
            score,
        )

    def _known(self, ids: pa.Array | None) -> pa.Array:
        if ids is None:
            raise NotTrained(f"{type(self).__name__} is not fitted; call fit first")
        return ids


class ItemToItem(Estimator):
    """An estimator that can also answer a bare list of items: a session, a cart."""

    def next_items(self, sessions: Iterable[Sequence[Any]], *, n: int = 20, repeat: bool = False) -> pa.Table:
        """Columns ``session, item_id, score, rank``: what follows each list of item ids, oldest first.

        ``session`` is the place in ``sessions``. Ids that the fit did not see are skipped. With ``repeat`` the items
        of the session itself may be answered.
        """
        items = self._known(self._items)
        told = [list(session) for session in sessions]
        # All ids at once: each look-up first hashes every known id.
        flat = rows_of([item for session in told for item in session], items)
        ends = np.cumsum([len(session) for session in told])
        asked = [one[::-1] for one in np.split(flat, ends)[: len(told)]]
        lists = []
        for rows in asked:
            known = np.fromiter(dict.fromkeys(rows[rows >= 0].tolist()), np.int32)
            scores = self._scores(*self._weighed(known))
            lists.append(self._best(scores, _NOTHING if repeat else known, n))
        return self._table("session", pa.array(np.arange(len(asked))), lists)

    def similar_items(self, item_ids: Sequence[Any] | Any, *, n: int = 10) -> pa.Table:
        """Columns ``item_id, similar_id, score, rank``: up to ``n`` items nearest to each known one."""
        items = self._known(self._items)
        found = rows_of(item_ids, items)
        rows = found[found >= 0].astype(np.int32)
        one = np.ones(1, np.float32)
        lists = [self._best(self._scores(rows[k : k + 1], one), rows[k : k + 1], n) for k in range(len(rows))]
        table = self._table("of", items.take(pa.array(rows)), lists)
        return table.rename_columns(["item_id", "similar_id", "score", "rank"])

    def _weighed(self, newest_first: Rows) -> tuple[Rows, Floats]:
        """Distinct items of a session and what each counts."""
        return newest_first, np.ones(len(newest_first), np.float32)


_NOTHING = np.empty(0, np.int32)
_HELD: dict[str, tuple[Any, int]] = {
    "held_start": (np.int64, 1),
    "held_item": (np.int32, 1),
    "held_weight": (np.float32, 1),
}
