"""Rules made ready: which of them concern a question, and what each says of the items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import Query, Shelf
from shelfwise.reranking._rules import Kind, Per, Rule
from shelfwise.reranking.filters import Filter, Scene

Bools = NDArray[np.bool_]
EVERY = "*"  # stands for all placements that no rule names


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule with everything computed that neither shelf nor question decides."""

    rule_id: str
    kind: Kind
    filter: Filter
    from_us: int
    until_us: int
    log_factor: float = 0.0
    pinned: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()
    limit: int = 0
    per: Per | None = None

    def active(self, now_us: int) -> bool:
        """Whether an instant lies in its validity."""
        return self.from_us <= now_us < self.until_us


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules for one placement and strategy, by what they do; in each list the strongest first."""

    include: tuple[Ready, ...] = ()
    exclude: tuple[Ready, ...] = ()
    weigh: tuple[Ready, ...] = ()  # boost and bury
    pin: tuple[Ready, ...] = ()
    slot: tuple[Ready, ...] = ()
    cap: tuple[Ready, ...] = ()

    @property
    def arranges(self) -> bool:
        """Whether any of them changes the order of a slate."""
        return bool(self.weigh or self.pin or self.slot or self.cap)


@dataclass(slots=True, eq=False)
class Plans:
    """Plans by placement and strategy. Placements that no rule names share one, so their number is bounded."""

    rules: tuple[Rule, ...]
    _named: frozenset[str] = frozenset()
    _made: dict[tuple[str, str], Plan] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._named = frozenset(place for rule in self.rules for place in rule.placements)

    def of(self, query: Query) -> Plan:
        """The plan for a question; validity in time is left to ``Ready.active``."""
        place = query.placement if query.placement in self._named else EVERY
        key = (place, query.strategy)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = _plan(self.rules, place, query.strategy)
        return found


class Masks:
    """What rules say of rows: those that the shelf alone decides are decided once for all rows of a shelf."""

    def __init__(self) -> None:
        self._shelf: Shelf | None = None
        self._whole: dict[Filter, Bools] = {}

    def of(self, where: Filter, scene: Scene) -> Bools:
        """``(C,)`` True where it holds."""
        if not where.fast:
            return where.of(scene)
        if scene.shelf is not self._shelf:
            self._shelf, self._whole = scene.shelf, {}
        whole = self._whole.get(where)
        if whole is None:
            whole = self._whole[where] = where.of(_everything(scene))
        return whole.take(scene.rows)


def _everything(scene: Scene) -> Scene:
    rows = np.arange(len(scene.shelf), dtype=np.int32)
    return Scene(scene.shelf, scene.live, rows, scene.context, None, "auto", scene.now_us)


def _plan(rules: Iterable[Rule], placement: str, strategy: str) -> Plan:
    concerned = [
        _ready(rule) for rule in sorted(rules, key=_strength) if _concerns(rule, placement, strategy)
    ]

    def of_kind(*kinds: Kind) -> tuple[Ready, ...]:
        return tuple(rule for rule in concerned if rule.kind in kinds)

    return Plan(
        include=of_kind("include"), exclude=of_kind("exclude"), weigh=of_kind("boost", "bury"),
        pin=of_kind("pin"), slot=of_kind("slot"), cap=of_kind("cap"),
    )  # fmt: skip


def _strength(rule: Rule) -> tuple[int, str]:
    return -rule.priority, rule.rule_id


def _concerns(rule: Rule, placement: str, strategy: str) -> bool:
    right_place = not rule.placements or placement in rule.placements
    return rule.enabled and right_place and (not rule.strategies or strategy in rule.strategies)


def _ready(rule: Rule) -> Ready:
    return Ready(
        rule_id=rule.rule_id,
        kind=rule.kind,
        filter=rule.filter,
        from_us=rule.from_us,
        until_us=rule.until_us,
        log_factor=rule.log_factor if rule.kind in ("boost", "bury") else 0.0,
        pinned=rule.pinned if rule.kind == "pin" else (),
        positions=rule.positions or tuple(range(1, len(rule.pinned) + 1))
        if rule.kind == "pin"
        else rule.positions,
        limit=rule.limit or 0,
        per=rule.per,
    )
