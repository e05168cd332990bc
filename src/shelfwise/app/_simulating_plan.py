"""A simulation with all its numbers: which story, which world, which people, from when to when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from itertools import chain
from pathlib import Path

import numpy as np

import shelfwise.simulation
from shelfwise.app._simulating_formats import Names
from shelfwise.app._simulating_items import Wares
from shelfwise.domain import DAY_US, InvalidInput, UnknownName, to_us
from shelfwise.simulation import (
    Act,
    Queue,
    Scenario,
    Traffic,
    World,
    WorldSettings,
    acts,
    in_time_order,
    parse_scenario,
    staged,
)

_KNOWN_DAYS = 180  # the shop has been open for so long when a story begins, so that visits have their rhythm
_WEEK_US = 7 * DAY_US
_SCENARIOS = Path(shelfwise.simulation.__file__).with_name("scenarios")


def scenario_names() -> tuple[str, ...]:
    """The stories that come with the package, steady first."""
    names = sorted(file.stem for file in _SCENARIOS.glob("*.toml"))
    return tuple(sorted(names, key=lambda name: name != "steady"))


def load_scenario(name: str) -> Scenario:
    """A story of the package by its name, or one's own by its file. Raises UnknownName, InvalidInput."""
    path = Path(name)
    if path.suffix != ".toml":
        if name not in scenario_names():
            raise UnknownName("scenario", name, scenario_names())
        path = _SCENARIOS / f"{name}.toml"
    try:
        return parse_scenario(path.read_text(), str(path))
    except OSError as trouble:
        raise InvalidInput(f"{path} cannot be read: {trouble.strerror}") from None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A story in a world's own time, and how far the shop's time is from that: whole weeks, so that Mondays stay."""

    scenario: Scenario
    wares: Wares
    seed: int
    shoppers: int
    days: float
    world_us: int  # when the story begins, in the world's time
    shift_us: int  # shop time less world time
    currency: str
    limit: int | None = None  # event lines at most
    acts: list[Act] = field(init=False)
    names: Names = field(init=False)

    def __post_init__(self) -> None:
        told = (
            self.scenario.model_dump_json(),
            self.seed,
            self.shoppers,
            self.days,
            self.world_us,
            self.shift_us,
        )
        run = f"sim-{blake2b(repr(told).encode(), digest_size=5).hexdigest()}"
        ids, categories = self.wares.item_ids, self.wares.categories
        object.__setattr__(self, "names", Names(self.seed, run, ids, categories, self.currency))
        object.__setattr__(self, "acts", acts(self.scenario, start_us=self.world_us, days=self.days))

    @property
    def start_us(self) -> int:
        """When it begins, in shop time."""
        return self.world_us + self.shift_us

    @property
    def end_us(self) -> int:
        """When it ends, in shop time."""
        return self.acts[-1].end_us + self.shift_us

    def share_done(self, now_us: int) -> float:
        """How much of the story is over at an instant of shop time, 0 to 1."""
        return min(1.0, max(0.0, (now_us - self.start_us) / (self.end_us - self.start_us)))

    def world(self, act: Act) -> World:
        """The world as it is in an act: the same people, other circumstances."""
        opens_us = max(0, self.world_us - _KNOWN_DAYS * DAY_US)
        settings = WorldSettings(**{"opens_us": opens_us, **act.world})
        return World.grow(
            staged(self.wares.truth, act, story_us=self.world_us, seed=self.seed), settings, seed=self.seed
        )

    def queue(self) -> Queue:
        """What stands between the shoppers and the shop."""
        stretches = [(act.end_us + self.shift_us, act.mess) for act in self.acts]
        return Queue(stretches, seed=self.seed, n_items=len(self.wares.truth))

    def lines(self) -> Iterator[Traffic]:
        """Open loop: what shoppers do, in shop time, not more than was asked for."""
        people = range(self.shoppers)
        parts = (self.world(act).parts(act.start_us, act.end_us, shoppers=people) for act in self.acts)
        left = self.limit
        for batch in in_time_order(chain.from_iterable(parts)):
            kept = batch if left is None else first_lines(batch, left)
            if len(kept):
                yield self.in_shop_time(kept)
            if left is not None:
                left -= len(kept)
                if len(kept) < len(batch):
                    return

    def in_shop_time(self, lines: Traffic) -> Traffic:
        """The same lines, stamped with the shop's time."""
        return replace(lines, at_us=lines.at_us + self.shift_us) if self.shift_us else lines


def first_lines(lines: Traffic, limit: int) -> Traffic:
    """Whole events, of at most so many lines together."""
    if limit >= len(lines):
        return lines
    starts = np.flatnonzero(lines.line[: limit + 1] == 0)
    return lines.take(slice(0, int(starts[-1])))


def times_of(scenario: Scenario, days: float, *, begin_us: int | None, end_us: int | None) -> tuple[int, int]:
    """World time of a story's beginning, and the shift from there to shop time.

    Args:
        scenario: It may name a start of its own.
        days: How long.
        begin_us: The shop's time that it must not begin before, or None, and
        end_us: that it must not end after, or None. Neither: the world's time is told as it is.
    """
    wanted_us = begin_us if begin_us is not None else (end_us or 0) - int(days * DAY_US)
    world_us = wanted_us if scenario.start is None else to_us(_instant(scenario.start))
    away_us = wanted_us - world_us
    weeks = -(-away_us // _WEEK_US) if begin_us is not None else away_us // _WEEK_US
    return world_us, 0 if scenario.start is None else weeks * _WEEK_US


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"start is {text!r}; expected an instant such as 2011-09-20T00:00:00+00:00"
        ) from None
