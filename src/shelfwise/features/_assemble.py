"""The request reader: the feature matrix of one query's candidates, without a Python loop over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from shelfwise.features._machine import gather, run_program, spread, tell_seeds, tell_signals
from shelfwise.features._person import PAIR_BASES, USER_BASES, read_person

_CONTEXT = ("context__hour", "context__weekday", "context__device", "context__seeds")
_COUNTERS = (*COUNTER_NAMES, *ENDS)
_SEEDS = ("seeds__category__share", "seeds__brand__share", "seeds__price__log_difference")
_NO_CODES = np.empty(0, np.int32)
_NO_COUNTS = np.empty(0, np.int64)


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
        self._fitted = [
            (place, fitted.get(name))
            for place, name in enumerate(self.needs)
            if name in fitted or (name in BY_NAME and BY_NAME[name].expr is None)
        ]
        self._live: _Live | None = None
        self._kin = _Kin(None, _NO_CODES, _NO_CODES, 0)

    def assemble(
        self, query: Query, person: PersonState, live: LiveItems, shelf: Shelf, candidates: Candidates
    ) -> NDArray[np.float32]:
        """``(C, F)``: NaN where there is nothing to tell."""
        plan, item, now_us = self._plan, candidates.item, query.asked_us
        out = np.empty((len(item), len(self.needs)), np.float32)
        scalars, rows = np.empty(len(plan.scalars)), np.empty((len(plan.rows), len(item)))
        counters, kin = self._counters(live), self._kinship(shelf)
        read_person(
            _sealed(person.lines), now_us, item, plan.user, plan.pair, plan.half_lives_us,
            kin.category, kin.brand, kin.size, scalars[: plan.n_person], rows[: plan.n_pair],
        )  # fmt: skip
        counted = rows[plan.n_pair : plan.n_pair + len(plan.counters)]
        gather(counters.items, plan.counters, plan.instants, item, counted)
        if len(query.seeds) == 0:
            rows[-len(_SEEDS) :] = np.nan
        elif plan.seeded:
            tell_seeds(query.seeds, item, kin.category, kin.brand, counters.price, rows[-len(_SEEDS) :])
        scalars[plan.n_person : -len(_CONTEXT)] = [
            column[0] if len(column) else np.nan for column in counters.shop
        ]
        scalars[-len(_CONTEXT) :] = _context(query)
        run_program(*plan.each, now_us, scalars, rows, out)
        told = np.empty((1, len(plan.for_all[2])), np.float32)
        run_program(*plan.for_all[:2], np.arange(told.shape[1]), now_us, scalars, _NO_ROWS, told)
        spread(told, plan.for_all[2], out)
        tell_signals(candidates.signal, *self._signals, out)
        for place, column in self._fitted:
            out[:, place] = _by_row(column, item)
        return out

    def _counters(self, live: LiveItems) -> _Live:
        # The keeper's columns stay the same memory until they grow, so their views are made once.
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

    scalars: tuple[str, ...]  # base numbers of the whole query
    rows: tuple[str, ...]  # base numbers of each candidate
    user: NDArray[np.int64]  # counts as ``read_person`` takes them
    pair: NDArray[np.int64]
    half_lives_us: NDArray[np.float64]
    n_person: int  # leading scalars that ``read_person`` fills
    n_pair: int  # leading rows that it fills
    counters: NDArray[np.int64]  # live columns, as places in _COUNTERS: a row each after those
    shop: tuple[str, ...]  # live sums, a scalar each after those
    instants: NDArray[np.bool_]  # per counter: 0 means none
    seeded: bool
    each: tuple[
        NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]
    ]  # program, constants, places: per candidate
    for_all: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]  # the same for all of a query

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
            scalars=scalars, rows=rows, user=_specs(user), pair=_specs(pair),
            half_lives_us=np.array([days * DAY_US for days in decays], np.float64),
            n_person=len(person), n_pair=len(per_item), shop=shop,
            counters=np.array([_COUNTERS.index(name) for name in counters], np.int64),
            instants=np.array([name.endswith("_us") for name in counters], np.bool_),
            seeded=bool(used.intersection(_SEEDS)),
            each=_program({place: expr for place, expr in wanted.items() if place not in lone}, index),
            for_all=_program({place: expr for place, expr in wanted.items() if place in lone}, index),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Live:
    """The live columns a plan needs, all of one type, so that compiled code takes them as one tuple."""

    items: tuple[NDArray[np.int64], ...]
    shop: tuple[NDArray[np.int64], ...]
    source: Mapping[str, NDArray[np.int64]]
    price: NDArray[np.int64] = field(default_factory=_NO_COUNTS.copy)

    @classmethod
    def of(cls, counters: Mapping[str, NDArray[np.int64]], plan: _Plan) -> _Live:
        items = tuple(_sealed(counters.get(name, _NO_COUNTS)) for name in _COUNTERS)
        shop = tuple(counters.get(name, _NO_COUNTS) for name in plan.shop)
        return cls(items, shop, counters, _sealed(counters.get(ENDS[2], _NO_COUNTS)))


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


_NO_ROWS = np.empty((0, 1))


def _specs(counts: Sequence[UserCount | PairCount]) -> NDArray[np.int64]:
    """Rows (event, width or 0 for all, grain, 1 to count orders), ``(n, 4)``."""
    rows = []
    for one in counts:
        orders = isinstance(one, UserCount) and one.how == "orders"
        width_us = one.width_us or 0
        rows.append((EVENT_CODES[one.event], width_us, grain_us(width_us), int(orders)))
    return np.array(rows, np.int64).reshape(-1, 4)


def _program(
    wanted: Mapping[int, Expr | None], index: Mapping[str, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
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


def _context(query: Query) -> tuple[float, float, float, float]:
    local_us = query.asked_us + (query.context.offset_minutes or 0) * MINUTE_US
    weekday = (local_us // DAY_US + 3) % 7  # 1970-01-01 was a Thursday
    return local_us % DAY_US // HOUR_US, weekday, device_code(query.context.device), len(query.seeds)


def _by_row(column: NDArray[np.float32] | None, item: NDArray[np.int32]) -> NDArray[np.float32] | float:
    """Values by item row; NaN for items beyond, or without a column."""
    if column is None or len(column) == 0:
        return np.nan
    inside = (item >= 0) & (item < len(column))
    return np.where(inside, column[np.where(inside, item, 0)], np.nan).astype(np.float32)


def _sealed(column: NDArray[Any]) -> NDArray[Any]:
    """A read-only view: whatever the column's own flags, compiled code sees one type."""
    view = np.ascontiguousarray(column).view(np.ndarray)
    view.flags.writeable = False
    return view
