"""The request reader: the feature matrix of one query's candidates, without a Python loop over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import (
    DAY_US,
    EVENT_CODES,
    HOUR_US,
    MINUTE_US,
    Candidates,
    Coded,
    InvalidField,
    LiveItems,
    PersonState,
    Query,
    Shelf,
    UnknownName,
    grain_us,
)
from shelfwise.features._buckets import ENDS
from shelfwise.features._declare import PairCount, UserCount
from shelfwise.features._expr import Expr, compiled
from shelfwise.features._features import (
    BY_NAME,
    COUNTER_NAMES,
    DECAYS,
    PAIR_COUNTS,
    USER_COUNTS,
    feature_names,
)
from shelfwise.features._history import device_code
from shelfwise.features._machine import tell
from shelfwise.features._person import PAIR_BASES, USER_BASES

_CONTEXT = ("context__hour", "context__weekday", "context__device", "context__seeds")
_COUNTERS = (*COUNTER_NAMES, *ENDS)
_SEEDS = ("seeds__category__share", "seeds__brand__share", "seeds__price__log_difference")
_NO_CODES = np.empty(0, np.int32)
_NO_COUNTS = np.empty(0, np.int64)
_NO_COLUMN = np.empty(0, np.float32)
_PRICE = ENDS[2]
Program = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]  # code, constants, places


class Assembler:
    """Fills ``(C, F)`` for one release: what its ranker needs, in the ranker's order.

    Reads nothing but its arguments. The time grows with candidates plus lines of history, not with their product.

    Args:
        needs: Feature names, the columns wanted, in order.
        signal_names: Columns of ``candidates.signal``, in order.
        fitted: Columns of the release by item row, ``(n_items,)`` each.

    Raises:
        UnknownName: A need that is neither a feature, a signal nor fitted.
    """

    def __init__(
        self,
        needs: Sequence[str],
        signal_names: Sequence[str] = (),
        fitted: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> None:
        self.needs = tuple(needs)
        known = feature_names(signal_names)
        fitted = fitted or {}
        for name in self.needs:
            if name not in known and name not in fitted:
                raise UnknownName("feature", name, known)
        self._plan = _Plan.of(self.needs)
        self._signals = _signal_places(self.needs, signal_names)
        self._fitted = _fitted_columns(self.needs, fitted)
        self._live: _Live | None = None
        self._kin = _Kin(None, _NO_CODES, _NO_CODES, 0)

    def assemble(
        self, query: Query, person: PersonState, live: LiveItems, shelf: Shelf, candidates: Candidates
    ) -> NDArray[np.float32]:
        """``(C, F)``: NaN where there is nothing to tell. In memory a column's values lie side by side."""
        plan, item, counters, kin = self._plan, candidates.item, self._counters(live), self._kinship(shelf)
        out = np.empty((len(self.needs), len(item)), np.float32)
        tell(
            _sealed(person.lines), query.asked_us, item, candidates.signal, query.seeds, _context(query),
            counters.address, counters.size, plan.instants, counters.packed, counters.stamp, live.written,
            len(plan.shop), kin.category, kin.brand, kin.size,
            plan.user, plan.pair, plan.half_lives_us, plan.n_person, plan.n_pair, *plan.each, *plan.for_all,
            *self._signals, *self._fitted, out,
        )  # fmt: skip
        return out.T

    def _counters(self, live: LiveItems) -> _Live:
        # The keeper's columns stay the same memory until they grow, so they are looked up once.
        if self._live is None or self._live.source is not live.counters:
            self._live = _Live.of(live.counters, self._plan)
        return self._live

    def _kinship(self, shelf: Shelf) -> _Kin:
        if self._kin.source is not shelf.coded:
            self._kin = _Kin.of(shelf.coded)
        return self._kin


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """What to read and what to compute, found once for a list of needs."""

    user: NDArray[np.int64]  # counts as ``read_person`` takes them
    pair: NDArray[np.int64]
    half_lives_us: NDArray[np.float64]
    n_person: int  # scalars of the person
    n_pair: int  # rows of the person and each item
    counters: tuple[str, ...]  # live columns, a row each
    shop: tuple[str, ...]  # live sums, a scalar each
    instants: NDArray[np.bool_]  # per counter: 0 means none
    each: Program  # per candidate
    for_all: Program  # the same for all of a query

    @classmethod
    def of(cls, needs: Sequence[str]) -> _Plan:
        wanted = {
            place: BY_NAME[name].expr
            for place, name in enumerate(needs)
            if name in BY_NAME and BY_NAME[name].expr
        }
        used = {column for expr in wanted.values() if expr is not None for column in expr.columns()}
        decays = [days for days in DECAYS if used & {DECAYS[days].name, f"user__purchase__decay__{days}d"}]
        user = [one for one in USER_COUNTS if one.name in used]
        pair = [one for one in PAIR_COUNTS if one.name in used]
        person = (
            *USER_BASES,
            *(f"user__purchase__decay__{days}d" for days in decays),
            *(one.name for one in user),
        )
        per_item = (*PAIR_BASES, *(DECAYS[days].name for days in decays), *(one.name for one in pair))
        counters = tuple(name for name in _COUNTERS if name in used)
        shop = tuple(sorted(name for name in used if name.startswith("shop__")))
        scalars, rows = (*person, *shop, *_CONTEXT), (*per_item, *counters, *_SEEDS)
        index = {name: place for place, name in enumerate((*scalars, *rows))}
        lone = {place for place, expr in wanted.items() if expr and all(c in scalars for c in expr.columns())}
        return cls(
            user=_specs(user), pair=_specs(pair),
            half_lives_us=np.array([days * DAY_US for days in decays], np.float64),
            n_person=len(person), n_pair=len(per_item), counters=counters, shop=shop,
            instants=np.array([name.endswith("_us") for name in counters], np.bool_),
            each=_program({place: expr for place, expr in wanted.items() if place not in lone}, index),
            for_all=_program({place: expr for place, expr in wanted.items() if place in lone}, index),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Live:
    """Where the live columns lie that a plan needs: its counters, its sums of the shop, the price last paid."""

    address: NDArray[np.int64]
    size: NDArray[np.int64]
    packed: NDArray[np.float64]  # (I, n) counters of items met, side by side
    stamp: NDArray[np.int64]  # (I,) how often counters had been written when an item was met
    held: tuple[NDArray[np.int64], ...]  # keeps their memory
    source: Mapping[str, NDArray[np.int64]]

    @classmethod
    def of(cls, counters: Mapping[str, NDArray[np.int64]], plan: _Plan) -> _Live:
        names = (*plan.counters, *plan.shop, _PRICE)
        held = tuple(_in_place(name, counters.get(name, _NO_COUNTS)) for name in names)
        address = np.array([column.ctypes.data for column in held], np.int64)
        size = np.array([len(column) for column in held], np.int64)
        n_items = int(size.max())
        packed, stamp = np.empty((n_items, len(plan.counters))), np.full(n_items, -1, np.int64)
        return cls(address, size, packed, stamp, held, counters)


@dataclass(frozen=True, slots=True, eq=False)
class _Kin:
    """Category and brand of items, as codes by row; -1 for none."""

    source: Mapping[str, Coded] | None
    category: NDArray[np.int32]
    brand: NDArray[np.int32]
    size: int  # codes of either lie below it

    @classmethod
    def of(cls, coded: Mapping[str, Coded]) -> _Kin:
        kinds = [coded.get(what) for what in ("category", "brand")]
        category, brand = (
            _NO_CODES if one is None else np.ascontiguousarray(one.codes, np.int32) for one in kinds
        )
        return cls(
            coded, category, brand, max((len(one.values) for one in kinds if one is not None), default=0)
        )


def _specs(counts: Sequence[UserCount | PairCount]) -> NDArray[np.int64]:
    """Rows (event, width or 0 for all, grain, 1 to count orders), ``(n, 4)``."""
    rows = []
    for one in counts:
        orders = isinstance(one, UserCount) and one.how == "orders"
        width_us = one.width_us or 0
        rows.append((EVENT_CODES[one.event], width_us, grain_us(width_us), int(orders)))
    return np.array(rows, np.int64).reshape(-1, 4)


def _program(wanted: Mapping[int, Expr | None], index: Mapping[str, int]) -> Program:
    code, constants = compiled([expr for expr in wanted.values() if expr is not None], index)
    return code, constants, np.array(list(wanted), np.int64)


def _signal_places(
    needs: Sequence[str], signal_names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which signals are needed, and where their own, relative and rank columns go (-1: nowhere)."""
    place = {name: at for at, name in enumerate(needs)}
    forms = [
        [place.get(f"{name}{form}", -1) for form in ("", "__relative", "__rank")] for name in signal_names
    ]
    which = [at for at, places in enumerate(forms) if max(places) >= 0]
    return np.array(which, np.int64), np.array([forms[at] for at in which], np.int64).reshape(-1, 3)


def _fitted_columns(
    needs: Sequence[str], fitted: Mapping[str, NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Columns of the release that are needed, ``(I, n)`` with NaN where one is short or not there; their places."""
    place = {
        name: at
        for at, name in enumerate(needs)
        if name in fitted or (name in BY_NAME and BY_NAME[name].expr is None)
    }
    columns = [fitted.get(name, _NO_COLUMN) for name in place]
    stacked = np.full((len(columns), max(map(len, columns), default=0)), np.nan, np.float32)
    for row, column in enumerate(columns):
        stacked[row, : len(column)] = column
    return np.ascontiguousarray(stacked.T), np.array([*place.values()], np.int64)


def _context(query: Query) -> NDArray[np.float64]:
    local_us = query.asked_us + (query.context.offset_minutes or 0) * MINUTE_US
    weekday = (local_us // DAY_US + 3) % 7  # 1970-01-01 was a Thursday
    hour = local_us % DAY_US // HOUR_US
    return np.array([hour, weekday, device_code(query.context.device), len(query.seeds)], np.float64)


def _in_place(name: str, column: NDArray[np.int64]) -> NDArray[np.int64]:
    """The column itself: a copy would stand still while the keeper counts on. Raises InvalidField."""
    if column.dtype != np.int64 or not column.flags.c_contiguous:
        kind = f"{column.dtype}, strides {column.strides}"
        raise InvalidField(f"live column {name}", kind, "int64 values side by side")
    return column


def _sealed(column: NDArray[Any]) -> NDArray[Any]:
    """A read-only view: whatever the column's own flags, compiled code sees one type."""
    if column.flags.c_contiguous and not column.flags.writeable:
        return column
    view = np.ascontiguousarray(column).view(np.ndarray)
    view.flags.writeable = False
    return view
