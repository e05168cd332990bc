"""A shop whose truth is known: items, settings, a seed, and any number of shoppers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, EVENT_CODES, InvalidField, UnknownName
from shelfwise.simulation._ground import WEEK_DAYS, Ground, Week, are_rows, lay_ground, lay_week
from shelfwise.simulation._items import ItemTruth
from shelfwise.simulation._people import Rhythm, rhythm_of
from shelfwise.simulation._schedule import Schedule, visits_on
from shelfwise.simulation._settings import WorldSettings
from shelfwise.simulation._shopper import Outbox, Shopper, Visit
from shelfwise.simulation._telling import ALL_EVENTS, SHOPPER_LIMIT, new_state
from shelfwise.simulation._traffic import Traffic, in_time_order
from shelfwise.simulation._visits import room_for, walk

_PART_LINES = 1 << 18  # about 25 MB: larger parts are no faster
_PART_VISITS = 2_000_000  # scheduled at a time
_WEEKS_KEPT = 4


@dataclass(frozen=True, eq=False)
class World:
    """A simulated shop. Shoppers are numbers; what is true of one is a function of the seed and the number."""

    items: ItemTruth
    settings: WorldSettings
    seed: int

    @classmethod
    def grow(cls, items: ItemTruth, settings: WorldSettings | None = None, *, seed: int = 7) -> World:
        """A world around these items."""
        return cls(items, settings or WorldSettings(), seed)

    def with_items(self, items: ItemTruth) -> World:
        """The same people, other items: prices, stock, births."""
        return World(items, self.settings, self.seed)

    def with_settings(self, settings: WorldSettings) -> World:
        """The same items and seed, other settings."""
        return World(self.items, settings, self.seed)

    def shopper(self, number: int) -> Shopper:
        """The shopper of this number."""
        _require_shoppers(range(number, number + 1))
        return Shopper(self, number)

    def traffic(
        self, start_us: int, end_us: int, *, shoppers: range, only: tuple[str, ...] = ()
    ) -> Iterator[Traffic]:
        """Open loop: all lines of the visits that start in ``[start_us, end_us)``, in time order, in batches.

        ``only`` names the events wanted; empty: all. What happens is the same, less is told.
        """
        return in_time_order(self.parts(start_us, end_us, shoppers=shoppers, only=only))

    def parts(
        self, start_us: int, end_us: int, *, shoppers: range, only: tuple[str, ...] = ()
    ) -> Iterator[tuple[int, Traffic]]:
        """The same as pairs ``(until_us, lines)`` for ``in_time_order``: worlds that follow each other are chained."""
        room = room_for(self.settings.list_size, self.settings.max_needs)
        state = new_state(_PART_LINES + room, _bits(only))
        for week, schedule, until_us in self._scheduled(start_us, end_us, shoppers):
            done, n_visits = 0, len(schedule.session)
            while done < n_visits:
                done = walk(self.ground, week, state, *schedule, done, room)
                lines = Traffic.of_records(state.lines[: state.used[0]])
                yield int(schedule.start_us[done]) if done < n_visits else until_us, lines

    def visits(
        self, start_us: int, end_us: int, *, shoppers: range, outbox: Outbox | None = None
    ) -> Iterator[Visit]:
        """Closed loop: visits in the order of their starts; they write to this outbox, or each to its own."""
        for week, schedule, _ in self._scheduled(start_us, end_us, shoppers):
            for session, at_us, odds in zip(*(column.tolist() for column in schedule), strict=True):
                yield Visit(self, week, session, at_us, odds, outbox)

    def rhythm(self, shoppers: range) -> Rhythm:
        """When these shoppers come and leave, as columns."""
        _require_shoppers(shoppers)
        return rhythm_of(self.settings, self.seed, shoppers)

    @cached_property
    def ground(self) -> Ground:
        """The world as compiled code reads it."""
        return lay_ground(self.items, self.settings, self.seed)

    def week_of(self, at_us: int) -> Week:
        """What the week of an instant makes of the items."""
        return self._week(at_us // DAY_US // WEEK_DAYS * WEEK_DAYS)

    def require_rows(self, rows: NDArray[Any]) -> NDArray[np.int32]:
        """Item rows as compiled code may index with. Raises InvalidField for a row that is none."""
        if not are_rows(rows, len(self.items)):
            raise InvalidField("item", rows.tolist(), f"rows of items, 0 to {len(self.items) - 1}")
        return np.ascontiguousarray(rows, np.int32)

    @cached_property
    def _week(self) -> Any:
        return lru_cache(_WEEKS_KEPT)(lambda day: lay_week(self.ground, self.items, self.settings, day))

    def _scheduled(self, start_us: int, end_us: int, shoppers: range) -> Iterator[tuple[Week, Schedule, int]]:
        """Visits of some days at a time, never across weeks, and when those days end."""
        rhythm = self.rhythm(shoppers)
        day, last = max(start_us, self.settings.opens_us) // DAY_US, (end_us - 1) // DAY_US
        per_day = max(float(rhythm.visits_per_day.sum()), 1.0)
        step = int(min(max(_PART_VISITS / per_day, 1), WEEK_DAYS))
        while day <= last:
            stop = min(day + step, (day // WEEK_DAYS + 1) * WEEK_DAYS, last + 1)
            schedule = visits_on(self.settings, self.seed, shoppers, rhythm, range(day, stop))
            yield self.week_of(day * DAY_US), schedule.between(start_us, end_us), stop * DAY_US
            day = stop


def _require_shoppers(shoppers: range) -> None:
    if shoppers.step != 1 or shoppers.start < 0 or shoppers.stop > SHOPPER_LIMIT:
        raise InvalidField(
            "shoppers", shoppers, f"numbers from 0 to {SHOPPER_LIMIT - 1}, one after the other"
        )


def _bits(only: tuple[str, ...]) -> int:
    """A set of events as bits by code."""
    strange = [name for name in only if name not in EVENT_CODES]
    if strange:
        raise UnknownName("event", strange[0], tuple(EVENT_CODES))
    return sum(1 << EVENT_CODES[name] for name in set(only)) if only else ALL_EVENTS
