"""What happened in a run, summed up batch by batch: visits, funnel, positions, purchases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import CART, EVENT_CODES, PURCHASE, VIEW
from shelfwise.simulation._statistics import Purchases
from shelfwise.simulation._traffic import LISTS, Traffic

POSITIONS = 30  # of a list that are told apart

_SHOWN, _CLICKED = EVENT_CODES["view_item_list"], EVENT_CODES["select_item"]
_BEGUN = EVENT_CODES["begin_checkout"]
_VISIT = np.dtype(
    [
        ("session", "i8"),
        ("at_us", "i8"),
        ("shopper", "i4"),
        ("device", "i1"),
        ("country", "i2"),
        ("did", "i4"),
    ]
)  # did: bit of each event code


@dataclass(frozen=True, slots=True)
class Funnel:
    """Visits in which it came so far."""

    visits: int
    viewed: int  # looked at a product's page
    carted: int
    begun: int  # began to check out
    ordered: int


@dataclass(frozen=True, slots=True, eq=False)
class ByPosition:
    """A list's positions, first at 0."""

    shown: NDArray[np.int64]  # (K,)
    clicked: NDArray[np.int64]  # (K,)

    @property
    def click_rate(self) -> NDArray[np.float64]:
        """``(K,)``; NaN where nothing was shown."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.clicked / self.shown, np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """Visits as parallel columns, in the order of their numbers."""

    at_us: NDArray[np.int64]  # (V,) first event
    shopper: NDArray[np.int32]  # (V,)
    device: NDArray[np.int8]  # (V,)
    country: NDArray[np.int16]  # (V,)
    ordered: NDArray[np.bool_]  # (V,)

    def within(self, start_us: int, end_us: int) -> Visits:
        """Those that began in ``[start_us, end_us)``."""
        rows = (self.at_us >= start_us) & (self.at_us < end_us)
        return Visits(
            self.at_us[rows], self.shopper[rows], self.device[rows], self.country[rows], self.ordered[rows]
        )

    def earlier(self, by_us: int) -> Visits:
        """The same, that began so much sooner."""
        return replace(self, at_us=self.at_us - by_us)


class Tally:
    """Sums over batches, in any order; the memory it takes grows with visits and order lines, not with events."""

    def __init__(self) -> None:
        self.n_lines = 0
        self._events = np.zeros(64, np.int64)
        self._positions = np.zeros((2, len(LISTS), POSITIONS + 1), np.int64)
        self._visits: list[NDArray[np.void]] = []
        self._bought: list[Traffic] = []

    def add(self, lines: Traffic) -> None:
        """One more batch; the lines of an event stand in one."""
        self.n_lines += len(lines)
        self._events += np.bincount(lines.event[lines.line == 0], minlength=64)
        for row, code in enumerate((_SHOWN, _CLICKED)):
            told = (lines.event == code) & (lines.index > 0) & (lines.index <= POSITIONS)
            np.add.at(self._positions[row], (lines.list[told], lines.index[told]), 1)
        self._visits.append(_visits_of(lines))
        self._bought.append(lines.take(lines.event == PURCHASE))

    @property
    def n_events(self) -> int:
        return int(self._events.sum())

    def events(self) -> dict[str, int]:
        """How many of each name, the frequent first."""
        counts = {name: int(self._events[code]) for name, code in EVENT_CODES.items()}
        return dict(sorted(((n, c) for n, c in counts.items() if c), key=lambda pair: -pair[1]))

    def funnel(self) -> Funnel:
        """Visits by how far they came."""
        did = _merged(self._visits)["did"]
        counts = (int(np.count_nonzero(did >> code & 1)) for code in (VIEW, CART, _BEGUN, PURCHASE))
        return Funnel(len(did), *counts)

    def by_position(self, name: str) -> ByPosition:
        """Of one of LISTS."""
        shown, clicked = self._positions[:, LISTS.index(name), 1:]
        return ByPosition(shown.copy(), clicked.copy())

    def visits(self) -> Visits:
        """All of them."""
        found = _merged(self._visits)
        ordered = (found["did"] >> PURCHASE & 1) > 0
        return Visits(found["at_us"], found["shopper"], found["device"], found["country"], ordered)

    def purchases(self) -> Purchases:
        """Order lines, for ``shop_statistics``."""
        lines = Traffic.joined(self._bought)
        return Purchases(
            lines.shopper.astype(np.int64), lines.order, lines.item.astype(np.int64), lines.at_us
        )


def _visits_of(lines: Traffic) -> NDArray[np.void]:
    """One row per visit that has a line here."""
    found = np.empty(len(lines), _VISIT)
    for name in ("session", "at_us", "shopper", "device", "country"):
        found[name] = getattr(lines, name)
    found["did"] = np.left_shift(1, lines.event, dtype=np.int32)
    return _merged([found])


def _merged(parts: list[NDArray[np.void]]) -> NDArray[np.void]:
    """One row per visit: that of its first line, with all that was done."""
    rows = np.concatenate([np.empty(0, _VISIT), *parts])
    rows = rows[np.lexsort((rows["at_us"], rows["session"]))]
    starts = np.flatnonzero(np.diff(rows["session"], prepend=-1))
    merged = rows[starts]
    if len(starts):
        merged["did"] = np.bitwise_or.reduceat(rows["did"], starts)
    return merged
