"""What happens to the shop while it is watched: a small file over the world's settings, its mess and timed changes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, field_validator, model_validator

from shelfwise.domain import DAY_US, InvalidInput, Settings
from shelfwise.simulation._items import ItemTruth
from shelfwise.simulation._mess import MessSettings, uniform
from shelfwise.simulation._settings import WorldSettings

_NEVER = 100_000.0  # days
_OF_ITEMS = ("price", "stock")


class Change(Settings):
    """What is different from one day to another. Days count from the start of the simulation."""

    kind: Literal["price", "stock", "launch", "world", "mess"]
    """price: times ``factor``. stock: none left. launch: the items do not exist before ``from_day``. world, mess:
    other settings."""

    from_day: float = Field(0.0, ge=0)
    """When it begins."""

    until_day: float = Field(_NEVER, gt=0, le=_NEVER)
    """When all is as before again. Never, if not given."""

    share: float = Field(0.1, gt=0, le=1)
    """Of the items, chosen by the seed."""

    factor: float = Field(1.0, gt=0, le=100)
    """Of the price."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """Of the world or of the mess, by name."""

    @model_validator(mode="after")
    def _lasts(self) -> Change:
        if self.until_day <= self.from_day:
            raise ValueError(f"until_day after from_day {self.from_day}, not {self.until_day}")
        if self.kind in ("mess", "world"):
            (MessSettings if self.kind == "mess" else WorldSettings)(**self.settings)
        return self


class Scenario(Settings):
    """A story to run a shop through."""

    name: str = Field(min_length=1)
    """As it is asked for."""

    meaning: str = Field(min_length=1)
    """What happens, and what should be looked at."""

    days: float = Field(14.0, gt=0, le=3_660)
    """How long, unless asked otherwise."""

    shoppers: int = Field(5_000, ge=1, le=100_000_000)
    """How many people know the shop, unless asked otherwise."""

    start: str | None = None
    """An instant to begin at, where the story needs a season. Empty: the shop's time."""

    world: dict[str, Any] = Field(default_factory=dict)
    """Settings of the world that differ from its defaults."""

    mess: MessSettings = MessSettings()
    """How dirty the traffic is."""

    changes: tuple[Change, ...] = ()
    """What happens meanwhile."""

    @field_validator("world")
    @classmethod
    def _is_of_a_world(cls, value: dict[str, Any]) -> dict[str, Any]:
        WorldSettings(**value)
        return value


@dataclass(frozen=True, slots=True)
class Act:
    """A stretch of time in which nothing changes."""

    start_us: int
    end_us: int
    changes: tuple[Change, ...]  # of items, in force; launches always: the items know when they are born
    mess: MessSettings
    world: Mapping[str, Any]


def parse_scenario(text: str, name: str) -> Scenario:
    """The scenario that a TOML text tells. Raises InvalidInput with ``name`` for one that makes no sense."""
    try:
        return Scenario.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as trouble:
        raise InvalidInput(f"{name} is no scenario: {trouble}") from None


def acts(scenario: Scenario, *, start_us: int, days: float) -> list[Act]:
    """The story cut where something changes, in the order of time; the acts tile ``[start, start + days)``."""
    end_us = start_us + int(days * DAY_US)
    edges = {start_us, end_us}
    for change in scenario.changes:
        edges |= {_at(start_us, day) for day in (change.from_day, change.until_day) if day < days}
    cuts = sorted(edges)
    return [_act(scenario, start_us, begin, end) for begin, end in pairwise(cuts)]


def staged(items: ItemTruth, act: Act, *, story_us: int, seed: int) -> ItemTruth:
    """The items as they are in an act of a story that began at ``story_us``."""
    for change in act.changes:
        items = _changed(items, change, chosen(change, len(items), seed=seed), story_us)
    return items


def chosen(change: Change, n_items: int, *, seed: int) -> NDArray[np.bool_]:
    """The items that a change concerns, ``(I,)``: the same in every act."""
    draw = uniform(seed, f"{change.kind} {change.from_day}", np.arange(n_items))
    return np.asarray(draw < change.share)


def _changed(items: ItemTruth, change: Change, rows: NDArray[np.bool_], story_us: int) -> ItemTruth:
    match change.kind:
        case "price":
            price = np.maximum(1, np.rint(items.price_minor * change.factor)).astype(np.int64)
            return replace(items, price_minor=np.where(rows, price, items.price_minor))
        case "stock":
            return replace(items, stock=np.where(rows, np.int64(0), items.stock))
        case "launch":
            born_us = np.int64(_at(story_us, change.from_day))
            return replace(items, born_us=np.where(rows, born_us, items.born_us))
    return items


def _act(scenario: Scenario, start_us: int, begin_us: int, end_us: int) -> Act:
    on = tuple(
        one
        for one in scenario.changes
        if _at(start_us, one.from_day) <= begin_us < _at(start_us, one.until_day)
    )
    launches = tuple(one for one in scenario.changes if one.kind == "launch")
    mess = scenario.mess.model_dump() | _settings(on, "mess")
    return Act(
        begin_us,
        end_us,
        changes=tuple(one for one in on if one.kind in _OF_ITEMS) + launches,
        mess=MessSettings(**mess),
        world={**scenario.world, **_settings(on, "world")},
    )


def _settings(changes: Sequence[Change], kind: str) -> dict[str, Any]:
    return {name: value for one in changes if one.kind == kind for name, value in one.settings.items()}


def _at(start_us: int, day: float) -> int:
    return start_us + int(day * DAY_US)
