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
from shelfwise.features._bases import (
    ASKED_NUMBERS,
    CALENDAR,
    CATALOGUE,
    FITTED,
    LEAST,
    LIKENESS,
    SHELF,
    asked_numbers,
    calendar_numbers,
    catalogue_columns,
)
from shelfwise.features._buckets import ENDS
from shelfwise.features._calendar import UNKNOWN, calendar_row
from shelfwise.features._counted import PairCount, UserCount
from shelfwise.features._expr import Col, Expr, compiled
from shelfwise.features._features import (
    BY_NAME,
    COUNTER_NAMES,
    DECAYS,
    PAIR_COUNTS,
    USER_COUNTS,
    feature_names,
)
from shelfwise.features._likeness import Relations, likeness
from shelfwise.features._machine import tell
from shelfwise.features._person import PAIR_BASES, USER_BASES
from shelfwise.features._shelf_numbers import shelf_numbers

_COUNTERS = (*COUNTER_NAMES, *ENDS)
_SEEDS = ("seeds__category__share", "seeds__brand__share", "seeds__price__log_difference")
_NO_CODES = np.empty(0, np.int32)
_NO_COUNTS = np.empty(0, np.int64)
_PRICE = ENDS[2]
_FORMS = ("", "__relative", "__rank")  # of a signal: its own value, by the highest, its place
_UNLIKE = np.empty((0, 0))
Program = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]  # code, constants, places


class Assembler:
    """Fills ``(C, F)`` for one release: what its ranker needs, in the ranker's order.

    Reads nothing but its arguments. The time grows with candidates plus lines of history, not with their product.

    Args:
        needs: Feature names, the columns wanted, in order.
        signal_names: Columns of ``candidates.signal``, in order.
        fitted: Columns of the release by item row, ``(n_items,)`` each.
        relations: How items of the release stand to one another; none if not given.

    Raises:
        UnknownName: A need that is neither a feature, a signal nor fitted.
    """

    def __init__(
        self,
        needs: Sequence[str],
        signal_names: Sequence[str] = (),
        fitted: Mapping[str, NDArray[np.float32]] | None = None,
        relations: Relations | None = None,
    ) -> None:
        self.needs = tuple(needs)
        known = feature_names(signal_names)
        fitted = fitted or {}
        for name in self.needs:
            if name not in known and name not in fitted:
                raise UnknownName("feature", name, known)
        own = [name for name in self.needs if name not in BY_NAME and name not in signal_forms(signal_names)]
        self._plan = _Plan.of(self.needs, own)
        self._signals = _signal_places(self.needs, signal_names)
        self._fitted = {name: fitted[name] for name in self._plan.fitted if name in fitted}
        self._relations = relations or Relations.none()
        self._live: _Live | None = None
        self._facts: _Facts | None = None
        self._shelf: _Shelf | None = None
        if self._plan.calendar:
            calendar_row(UNKNOWN, 0)  # loads holidays now, not at the first question

    def assemble(
        self, query: Query, person: PersonState, live: LiveItems, shelf: Shelf, candidates: Candidates
    ) -> NDArray[np.float32]:
        """``(C, F)``: NaN where there is nothing to tell. In memory a column's values lie side by side."""
        plan, item = self._plan, candidates.item
        counters, facts, known = self._counters(live), self._told(live, shelf), self._known(shelf)
        out, lines, like = np.empty((len(self.needs), len(item)), np.float32), _sealed(person.lines), _UNLIKE
        if plan.likeness:
            like = likeness(lines, query.asked_us, item, query.seeds, self._relations)
        tell(
            lines, query.asked_us, item, candidates.signal, query.seeds, plan.context(query, person),
            counters.address, counters.size, plan.instants, counters.packed, counters.stamp, live.written,
            len(plan.shop), known.category, known.brand, known.n_codes,
            plan.user, plan.pair, plan.half_lives_us, plan.n_person, plan.n_pair, *plan.each, *plan.for_all,
            *self._signals, facts.address, facts.size, plan.least, plan.dated, known.table, like, out,
        )  # fmt: skip
        return out.T

    def _counters(self, live: LiveItems) -> _Live:
        # The keeper's columns stay the same memory until they grow, so they are looked up once.
        if self._live is None or self._live.source is not live.counters:
            self._live = _Live.of(live.counters, self._plan)
        return self._live

    def _told(self, live: LiveItems, shelf: Shelf) -> _Facts:
        if self._facts is None or not self._facts.is_of(live, shelf):
            self._facts = _Facts.of(live, shelf, self._plan.facts)
        return self._facts

    def _known(self, shelf: Shelf) -> _Shelf:
        if self._shelf is None or self._shelf.source is not shelf.coded:
            self._shelf = _Shelf.of(shelf, self._plan, self._fitted)
        return self._shelf


def signal_forms(signal_names: Sequence[str]) -> set[str]:
    """Names of the columns that signals bring."""
    return {f"{name}{form}" for name in signal_names for form in _FORMS}


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
    calendar: bool  # numbers of the shopper's day are scalars too
    facts: tuple[str, ...]  # of the catalogue, a row each
    least: NDArray[np.int64]  # per fact: below it there is none
    dated: NDArray[np.bool_]  # per fact: an instant
    shelf: tuple[str, ...]  # numbers of the shelf, a row each
    fitted: tuple[str, ...]  # columns of the release, a row each
    likeness: bool  # to the person's last items and to the seeds
    each: Program  # per candidate
    for_all: Program  # the same for all of a query

    @classmethod
    def of(cls, needs: Sequence[str], own: Sequence[str] = ()) -> _Plan:
        """``own`` of the needs are columns of the release that are no features."""
        wanted = {
            place: expr for place, name in enumerate(needs) if (expr := _expression(name, own)) is not None
        }
        used = {column for expr in wanted.values() for column in expr.columns()}
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
        calendar = CALENDAR if used & set(CALENDAR) else ()
        facts, shelf, fitted = (
            tuple(name for name in kind if name in used) for kind in (CATALOGUE, SHELF, (*FITTED, *own))
        )
        like = LIKENESS if used & set(LIKENESS) else ()
        scalars = (*person, *shop, *ASKED_NUMBERS, *calendar)
        rows = (*per_item, *counters, *_SEEDS, *facts, *shelf, *fitted, *like)
        index = {name: place for place, name in enumerate((*scalars, *rows))}
        lone = {place for place, expr in wanted.items() if all(c in scalars for c in expr.columns())}
        return cls(
            user=_specs(user), pair=_specs(pair),
            half_lives_us=np.array([days * DAY_US for days in decays], np.float64),
            n_person=len(person), n_pair=len(per_item), counters=counters, shop=shop,
            instants=np.array([name.endswith("_us") for name in counters], np.bool_),
            calendar=bool(calendar), facts=facts, least=np.array([LEAST[name] for name in facts], np.int64),
            dated=np.array([name.endswith("_us") for name in facts], np.bool_),
            shelf=shelf, fitted=fitted, likeness=bool(like),
            each=_program({place: expr for place, expr in wanted.items() if place not in lone}, index),
            for_all=_program({place: expr for place, expr in wanted.items() if place in lone}, index),
        )  # fmt: skip

    def context(self, query: Query, person: PersonState) -> NDArray[np.float64]:
        """Scalars of the question itself."""
        asked = np.array(asked_numbers(query), np.float64)
        return np.concatenate([asked, calendar_numbers(query, person)]) if self.calendar else asked


def _expression(name: str, own: Sequence[str]) -> Expr | None:
    if name in own:
        return Col(name)
    return BY_NAME[name].expr if name in BY_NAME else None


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
        address, size = _places(held)
        n_items = int(size.max())
        packed, stamp = np.empty((n_items, len(plan.counters))), np.full(n_items, -1, np.int64)
        return cls(address, size, packed, stamp, held, counters)


@dataclass(frozen=True, slots=True, eq=False)
class _Facts:
    """Where the columns of the catalogue lie that a plan needs."""

    address: NDArray[np.int64]
    size: NDArray[np.int64]
    names: tuple[str, ...]
    held: tuple[NDArray[np.int64], ...]  # keeps their memory

    @classmethod
    def of(cls, live: LiveItems, shelf: Shelf, names: tuple[str, ...]) -> _Facts:
        columns = catalogue_columns(live, shelf)
        held = tuple(_in_place(name, columns[name]) for name in names)
        return cls(*_places(held), names, held)

    def is_of(self, live: LiveItems, shelf: Shelf) -> bool:
        """True while the columns are the same memory."""
        columns = catalogue_columns(live, shelf)
        return all(columns[name] is column for name, column in zip(self.names, self.held, strict=True))


def _places(columns: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Addresses and lengths."""
    address = np.array([column.ctypes.data for column in columns], np.int64)
    return address, np.array([len(column) for column in columns], np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class _Shelf:
    """What stands still while the shelf does: codes of items (-1 for none), numbers of the shelf and the release."""

    source: Mapping[str, Coded]
    category: NDArray[np.int32]
    brand: NDArray[np.int32]
    n_codes: int  # codes of either lie below it
    table: NDArray[np.float32]  # (I, n) NaN where there is nothing

    @classmethod
    def of(cls, shelf: Shelf, plan: _Plan, fitted: Mapping[str, NDArray[np.float32]]) -> _Shelf:
        kinds = [shelf.coded.get(what) for what in ("category", "brand")]
        category, brand = (
            _NO_CODES if one is None else np.ascontiguousarray(one.codes, np.int32) for one in kinds
        )
        n_codes = max((len(one.values) for one in kinds if one is not None), default=0)
        numbers = shelf_numbers(shelf, plan.shelf)
        n_items = max([len(numbers) if plan.shelf else 0, *map(len, fitted.values())], default=0)
        table = np.full((n_items, len(plan.shelf) + len(plan.fitted)), np.nan, np.float32)
        table[: len(numbers), : len(plan.shelf)] = numbers[:n_items]
        for at, name in enumerate(plan.fitted, len(plan.shelf)):
            column = fitted.get(name)
            if column is not None:
                table[: len(column), at] = column
        return cls(shelf.coded, category, brand, n_codes, table)


def _specs(counts: Sequence[UserCount | PairCount]) -> NDArray[np.int64]:
    """Rows (event, width or 0 for all, grain, 1 to count orders), ``(n, 4)``."""
    rows = []
    for one in counts:
        orders = isinstance(one, UserCount) and one.how == "orders"
        width_us = one.width_us or 0
        rows.append((EVENT_CODES[one.event], width_us, grain_us(width_us), int(orders)))
    return np.array(rows, np.int64).reshape(-1, 4)


def _program(wanted: Mapping[int, Expr], index: Mapping[str, int]) -> Program:
    code, constants = compiled(list(wanted.values()), index)
    return code, constants, np.array(list(wanted), np.int64)


def _signal_places(
    needs: Sequence[str], signal_names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which signals are needed, and where their own, relative and rank columns go (-1: nowhere)."""
    place = {name: at for at, name in enumerate(needs)}
    forms = [[place.get(f"{name}{form}", -1) for form in _FORMS] for name in signal_names]
    which = [at for at, places in enumerate(forms) if max(places) >= 0]
    return np.array(which, np.int64), np.array([forms[at] for at in which], np.int64).reshape(-1, 3)


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
