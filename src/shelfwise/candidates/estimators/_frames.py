"""From any frame to columns of small whole numbers, and back to the caller's ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shelfwise.candidates._matrix import Csr, csr, stable_order
from shelfwise.domain import DAY_US, PURCHASE, Interactions, InvalidField, InvalidInput

Frame = Any  # pandas, Polars, Arrow: whatever speaks the Arrow C stream; or a dict of columns


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """Who did what when, coded: ``users[user[n]]`` did ``weight[n]`` with ``items[item[n]]`` at ``at_us[n]``."""

    user: NDArray[np.int32]  # (N,)
    item: NDArray[np.int32]  # (N,)
    at_us: NDArray[np.int64]  # (N,) the row's number where no time was given
    weight: NDArray[np.float32]  # (N,) 1 where none was given
    order: NDArray[np.int64] | None  # (N,) code of the order or session, if given
    users: pa.Array  # (U,)
    items: pa.Array  # (I,)
    timed: bool

    @property
    def end_us(self) -> int:
        """Just after the last row."""
        return int(self.at_us.max(initial=-1)) + 1

    def with_items(self, items: pa.Array) -> Log:
        """The same with more items: the known ones first."""
        return replace(self, items=items)

    def matrix(self, half_life_days: float | None) -> Csr:
        """Users x items: weights aged and added up; with times, the largest of each (user, item, day) once."""
        user, item, weight, at_us = self.user, self.item, self.weight, self.at_us
        if self.timed:
            kept = _largest_of_day(user, item, at_us, weight, (len(self.users), len(self.items)))
            user, item, weight, at_us = user[kept], item[kept], weight[kept], at_us[kept]
        if half_life_days is not None:
            weight = weight * np.exp2((at_us - self.end_us) / (half_life_days * DAY_US)).astype(np.float32)
        return csr(user, item, weight, shape=(len(self.users), len(self.items)))

    def interactions(self) -> Interactions:
        """The same as a history of purchases; where no order is given, a user's lines of one instant are one."""
        n = len(self.user)
        order = self.order
        if order is None:
            order = np.unique(
                np.stack([self.user.astype(np.int64), self.at_us], axis=1), axis=0, return_inverse=True
            )[1].reshape(-1)
        return Interactions(
            user=self.user,
            item=self.item,
            at_us=self.at_us,
            event=np.full(n, PURCHASE, np.uint8),
            order=order.astype(np.int64),
            quantity=np.ones(n, np.int32),
            price_minor=np.full(n, -1, np.int64),
            n_users=len(self.users),
            n_items=len(self.items),
        )


def read_log(frame: Frame, *, user: Sequence[str] = ("user_id",), order: Sequence[str] = ()) -> Log:
    """Columns ``user_id, item_id`` and, if there, ``weight`` and ``occurred_at``.

    Args:
        frame: Whatever speaks the Arrow C stream, or a dict of columns.
        user: Names that the column of people may have, the first found counts.
        order: The same for a column of orders or sessions, which may be missing.

    Raises:
        InvalidInput: It is no frame, a column is missing, or an id is null.
    """
    table = read_table(frame)
    people, users = _coded(table, user)
    goods, items = _coded(table, ("item_id",))
    named = [name for name in order if name in table.column_names]
    return Log(
        user=people,
        item=goods,
        at_us=_instants(table),
        weight=_weights(table),
        order=_coded(table, named)[0].astype(np.int64) if named else None,
        users=users,
        items=items,
        timed="occurred_at" in table.column_names,
    )


def read_table(frame: Frame) -> pa.Table:
    """Any frame as an Arrow table. Raises InvalidInput."""
    if isinstance(frame, Mapping):
        return pa.table({name: pa.array(column) for name, column in frame.items()})
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.table(frame)
    kind = type(frame).__name__
    raise InvalidInput(f"frame is a {kind}; expected columns by the Arrow C stream, or a dict of columns")


def rows_of(ids: Sequence[Any] | Any, known: pa.Array) -> NDArray[np.int64]:
    """Place of each id among the known ones, -1 where it is none of them."""
    asked = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids)
    if len(asked) == 0:
        return np.empty(0, np.int64)
    try:
        place = pc.index_in(_plain(asked).cast(known.type), value_set=known)
    except pa.ArrowInvalid as trouble:
        raise InvalidInput(f"ids are {asked.type}; expected {known.type}, as in the fit") from trouble
    return np.asarray(place.fill_null(-1), np.int64)


def answers(
    named: str, who: pa.Array, sizes: Sequence[int], items: pa.Array, score: NDArray[np.float32]
) -> pa.Table:
    """Lists as one table: ``who[k]`` owns the next ``sizes[k]`` rows, best first; rank from 1."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    begin = np.cumsum([0, *sizes])[:-1]
    rank = np.arange(len(owner)) - np.repeat(begin, sizes) + 1
    return pa.table(
        {
            named: who.take(pa.array(owner)),
            "item_id": items,
            "score": pa.array(score.astype(np.float32)),
            "rank": pa.array(rank.astype(np.int32)),
        }
    )


def _column(table: pa.Table, names: Sequence[str]) -> pa.Array:
    for name in names:
        if name in table.column_names:
            return _plain(table.column(name))
    wanted = " or ".join(repr(name) for name in names)
    raise InvalidInput(f"columns are {', '.join(table.column_names)}; expected one called {wanted}")


def _plain(column: Any) -> pa.Array:
    """One chunk; text of any kind as plain text, codes of categories as what they stand for."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):  # no chunk at all
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    if pa.types.is_dictionary(whole.type):
        # Texts as views cannot be taken from by number.
        views = pa.types.is_string_view(whole.dictionary.type)
        values = whole.dictionary.cast(pa.string()) if views else whole.dictionary
        whole = values.take(whole.indices)
    if pa.types.is_large_string(whole.type) or pa.types.is_string_view(whole.type):
        whole = whole.cast(pa.string())
    return whole


def _coded(table: pa.Table, names: Sequence[str]) -> tuple[NDArray[np.int32], pa.Array]:
    column = _column(table, names)
    if column.null_count:
        row = int(np.argmax(np.asarray(column.is_null())))
        raise InvalidField(f"{names[0]}[{row}]", None, "an id")
    encoded = column.dictionary_encode()
    return np.asarray(encoded.indices, np.int32), encoded.dictionary


def _weights(table: pa.Table) -> NDArray[np.float32]:
    if "weight" not in table.column_names:
        return np.ones(table.num_rows, np.float32)
    weight = np.asarray(_plain(table.column("weight")).cast(pa.float32()), np.float32)
    if not np.all(weight > 0):
        row = int(np.argmin(weight > 0))
        raise InvalidField(f"weight[{row}]", float(weight[row]), "a number above 0")
    return weight


def _instants(table: pa.Table) -> NDArray[np.int64]:
    """Microseconds: of instants and dates; whole numbers are taken as they are; without times, the row's number."""
    if "occurred_at" not in table.column_names:
        return np.arange(table.num_rows, dtype=np.int64)
    column = _plain(table.column("occurred_at"))
    if column.null_count:
        raise InvalidField(f"occurred_at[{int(np.argmax(np.asarray(column.is_null())))}]", None, "an instant")
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.timestamp("us", getattr(column.type, "tz", None))).cast(pa.int64())
    elif not pa.types.is_integer(column.type):
        raise InvalidInput(f"occurred_at is {column.type}; expected instants, dates or whole microseconds")
    return np.asarray(column.cast(pa.int64()), np.int64)


def _largest_of_day(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    at_us: NDArray[np.int64],
    weight: NDArray[np.float32],
    shape: tuple[int, int],
) -> NDArray[np.int64]:
    """Rows that weigh most of their (user, item, day), the newest of equals; sorted by user and item."""
    by_weight = np.lexsort((-at_us, -weight.astype(np.float64), at_us // DAY_US))
    order = stable_order(user, shape[0], stable_order(item, shape[1], by_weight))
    day = at_us[order] // DAY_US
    new = np.ones(len(order), np.bool_)
    new[1:] = (np.diff(user[order]) != 0) | (np.diff(item[order]) != 0) | (np.diff(day) != 0)
    return order[new]
