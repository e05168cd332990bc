"""The rule book: permits and arranges by facts, settings and merchandising rules. Keeps both promises of the room."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import NOBODY, Candidates, LiveItems, PersonState, Query, Shelf, Slate
from shelfwise.reranking import _arrange as arranging
from shelfwise.reranking._arrange import Pin
from shelfwise.reranking._eligibility import FAULTS, Check, Regions, faults_of, personal_checks
from shelfwise.reranking._plan import Bools, Masks, Plan, Plans, Ready
from shelfwise.reranking._rules import Rule, check_rule
from shelfwise.reranking._settings import ArrangeSettings
from shelfwise.reranking._similarity import ItemLikeness, Similarity
from shelfwise.reranking.filters import Scene, compile_filter

Rows = NDArray[np.int32]
_UNKNOWN = FAULTS.index("unknown")
_RULE = "rule:"  # + the id of a rule, where a check is one


@dataclass(frozen=True, slots=True, eq=False)
class Permission:
    """Which items may be shown, and which rules had a part in it."""

    allowed: Bools  # (C,)
    rules: tuple[str, ...]  # ids of include and exclude rules that dropped an item


class RuleBook:
    """Compiled rules and settings. Made anew when rules change, swapped between two requests."""

    def __init__(
        self,
        rules: tuple[Rule, ...],
        settings: ArrangeSettings,
        similarity: Similarity,
        rng: np.random.Generator,
    ) -> None:
        self.rules = rules
        self.settings = settings
        self._similarity = similarity
        self._rng = rng
        no_dice = settings.exploration.kind == "none"
        self._free = similarity if no_dice and isinstance(similarity, ItemLikeness) else None
        self._plans = Plans(rules)
        self._masks = Masks()
        self._regions: tuple[Shelf, Regions] | None = None

    @classmethod
    def compile(
        cls,
        rules: Iterable[Rule] = (),
        now_us: int | None = None,
        *,
        settings: ArrangeSettings | None = None,
        similarity: Similarity | None = None,
        rng: np.random.Generator | None = None,
    ) -> RuleBook:
        """A book of these rules. Raises InvalidField for a rule that does not make sense.

        Validity is looked at per question, by its ``asked_us``; ``now_us`` only drops what is over for good.
        ``rng`` throws the dice of exploration; without exploration none are thrown.
        """
        kept = tuple(rule for rule in rules if now_us is None or rule.until_us > now_us)
        for rule in kept:
            check_rule(rule)
        return cls(
            kept,
            settings or ArrangeSettings(),
            similarity or ItemLikeness(),
            rng or np.random.default_rng(),
        )

    def with_rule(self, rule: Rule) -> RuleBook:
        """This book with one more rule, or with another version of one: what a preview compares."""
        others = tuple(kept for kept in self.rules if kept.rule_id != rule.rule_id)
        return RuleBook.compile(
            (*others, rule), settings=self.settings, similarity=self._similarity, rng=self._rng
        )

    def without(self, rule_id: str) -> RuleBook:
        """This book without one rule."""
        kept = tuple(rule for rule in self.rules if rule.rule_id != rule_id)
        return RuleBook.compile(kept, settings=self.settings, similarity=self._similarity, rng=self._rng)

    def permit(self, query: Query, person: PersonState, live: LiveItems, shelf: Shelf, item: Rows) -> Bools:
        """``(C,)`` True where it may be shown. Raises InvalidField for a filter that cannot be read."""
        faults, n_unknown = faults_of(query, person, live, shelf, self._regions_of(shelf), item)
        allowed: Bools = faults == 0
        for _, holds in self._checks(query, person, live, shelf, item, faults, n_unknown):
            allowed &= holds
        return allowed

    def judge(
        self, query: Query, person: PersonState, live: LiveItems, shelf: Shelf, item: Rows
    ) -> Permission:
        """The same, with the ids of the rules that dropped something."""
        faults, n_unknown = faults_of(query, person, live, shelf, self._regions_of(shelf), item)
        allowed: Bools = faults == 0
        rules: list[str] = []
        for name, holds in self._checks(query, person, live, shelf, item, faults, n_unknown):
            if name.startswith(_RULE) and np.any(allowed & ~holds):
                rules.append(name.removeprefix(_RULE))
            allowed &= holds
        return Permission(allowed, tuple(rules))

    def why_not(
        self, query: Query, person: PersonState, live: LiveItems, shelf: Shelf, item: Rows
    ) -> tuple[str, ...]:
        """Per item the first reason that keeps it out, '' where none does.

        out_of_stock, hidden, not_yet_available, no_longer_available, region, age, in_cart, excluded,
        already_bought, filter, unknown (to shelf or live columns), or ``rule:`` and the rule's id.
        """
        faults, n_unknown = faults_of(query, person, live, shelf, self._regions_of(shelf), item)
        reason = np.array(FAULTS, object)[faults]
        for name, holds in self._checks(query, person, live, shelf, item, faults, n_unknown):
            reason[~holds & (reason == "")] = name
        return tuple(reason.tolist())

    def arrange(
        self,
        query: Query,
        ranked: Candidates,
        live: LiveItems,
        shelf: Shelf,
        *,
        size: int,
        person: PersonState = NOBODY,
    ) -> Slate:
        """The best slate of at most ``size``; ``ranked`` holds permitted candidates in any order."""
        plan = self._plans.of(query)
        if self._free is not None and not plan.arranges:
            return arranging.freely(ranked, shelf, size, self.settings, self._free)
        pins = self._pins(query, person, live, shelf, plan, size)
        candidates = _with_pinned(ranked, pins)
        scene = _scene(query, live, shelf, candidates.item)
        weighed, met = arranging.weigh(candidates, _active(plan.weigh, query), self._masks, scene)
        caps = _active(plan.cap, query)
        table = arranging.lay_out(weighed, self._caps(caps, scene))
        fixed, by_pin = arranging.fix_pins(table, pins)
        table.taken[table.order >= len(ranked)] = (
            True  # what only a pin brought in is shown by a pin or not at all
        )
        kept, by_slot = self._slots(query, live, shelf, plan, table, fixed, size)
        fixed |= kept
        filled = arranging.fill(table, shelf, size - len(fixed), self.settings, self._similarity, self._rng)
        by_cap = _caps_that_held(table, caps, filled[0])
        rules = tuple(dict.fromkeys((*met, *by_pin, *by_slot, *by_cap)))
        return arranging.put_together(weighed, table, fixed, filled, size, rules)

    def prepare(self, shelf: Shelf, live: LiveItems) -> None:
        """Decide for a new shelf, off the request path, what it alone decides; load the kernels."""
        nothing = Query(size=1, asked_us=0)
        scene = _scene(nothing, live, shelf, nothing.seeds)
        for rule in self.rules:
            self._masks.of(rule.filter, scene)
        self.arrange(nothing, Candidates.none(), live, shelf, size=1)

    def _checks(
        self, query: Query, person: PersonState, live: LiveItems, shelf: Shelf, item: Rows,
        faults: NDArray[np.uint8], n_unknown: int,
    ) -> Iterator[Check]:  # fmt: skip
        """All that is asked beside the hard facts: wishes, then rules. Of unknown rows nothing is asked."""
        known = faults != _UNKNOWN
        rows = item[known] if n_unknown else item
        for name, holds in chain(
            self._wishes(query, person, live, shelf, rows), self._ruled(query, live, shelf, rows)
        ):
            yield name, _spread(holds, known) if n_unknown else holds

    def _wishes(
        self, query: Query, person: PersonState, live: LiveItems, shelf: Shelf, item: Rows
    ) -> Iterator[Check]:
        yield from personal_checks(query, person, shelf, self.settings, item)
        if query.filter:
            yield "filter", compile_filter(query.filter).of(_scene(query, live, shelf, item))

    def _ruled(self, query: Query, live: LiveItems, shelf: Shelf, item: Rows) -> Iterator[Check]:
        """Exclude rules, then include rules: an item must fit at least one of these, if there are any."""
        plan = self._plans.of(query)
        exclude, include = _active(plan.exclude, query), _active(plan.include, query)
        if not exclude and not include:
            return
        scene = _scene(query, live, shelf, item)
        for rule in exclude:
            yield _RULE + rule.rule_id, ~self._masks.of(rule.filter, scene)
        if include:
            yield (
                _RULE + include[0].rule_id,
                np.any([self._masks.of(rule.filter, scene) for rule in include], axis=0),
            )

    def _regions_of(self, shelf: Shelf) -> Regions:
        if self._regions is None or self._regions[0] is not shelf:
            self._regions = (shelf, Regions(shelf))
        return self._regions[1]

    def _pins(
        self, query: Query, person: PersonState, live: LiveItems, shelf: Shelf, plan: Plan, size: int
    ) -> list[Pin]:
        """Pins within the slate that may be shown to this person now, the strongest first."""
        wanted = [
            (Pin(position, shelf.row_of[item_id], rule.rule_id), rule)
            for rule in _active(plan.pin, query)
            for position, item_id in zip(rule.positions, rule.pinned, strict=False)
            if item_id in shelf.row_of and position <= size
        ]
        if not wanted:
            return []
        rows = np.array([pin.row for pin, _ in wanted], np.int32)
        allowed = self.permit(query, person, live, shelf, rows)
        return [
            pin
            for (pin, rule), shown in zip(wanted, allowed.tolist(), strict=True)
            if shown
            and self._masks.of(rule.filter, _scene(query, live, shelf, np.array([pin.row], np.int32)))[0]
        ]

    def _caps(self, rules: tuple[Ready, ...], scene: Scene) -> list[tuple[Rows, int]]:
        """Codes and limits of the caps; one of a group is a cap like any other."""
        caps = [(arranging.group_codes(scene.shelf, "group_id", scene.rows), 1)]
        if not self.settings.collapse_groups:
            caps.clear()
        for rule in rules:
            codes = arranging.group_codes(scene.shelf, rule.per or "brand", scene.rows)
            caps.append((np.where(self._masks.of(rule.filter, scene), codes, np.int32(-1)), rule.limit))
        return caps

    def _slots(
        self,
        query: Query,
        live: LiveItems,
        shelf: Shelf,
        plan: Plan,
        table: arranging.Table,
        fixed: dict[int, int],
        size: int,
    ) -> tuple[dict[int, int], list[str]]:
        rules = _active(plan.slot, query)
        if not rules:
            return {}, []
        scene = _scene(query, live, shelf, table.item)
        return arranging.fix_slots(
            table, [(rule, self._masks.of(rule.filter, scene)) for rule in rules], fixed, size
        )


def _spread(holds: Bools, known: Bools) -> Bools:
    """An answer about the known rows for all: of the others nothing speaks against them."""
    full = np.ones(len(known), np.bool_)
    full[known] = holds
    return full


def _active(rules: tuple[Ready, ...], query: Query) -> tuple[Ready, ...]:
    return tuple(rule for rule in rules if rule.active(query.asked_us)) if rules else rules


def _scene(query: Query, live: LiveItems, shelf: Shelf, item: Rows) -> Scene:
    return Scene(shelf, live, item, query.context, query.placement, query.strategy, query.asked_us)


def _with_pinned(ranked: Candidates, pins: list[Pin]) -> Candidates:
    missing = dict.fromkeys(pin.row for pin in pins if pin.row not in ranked.item)
    return arranging.with_rows(ranked, np.array([*missing], np.int32)) if missing else ranked


def _caps_that_held(table: arranging.Table, rules: tuple[Ready, ...], picked: NDArray[np.int64]) -> list[str]:
    """Ids of the cap rules that kept a candidate out which stood above the last one shown."""
    if not rules:
        return []
    reach = int(picked.max()) + 1 if len(picked) else len(table.taken)
    held = (table.codes >= 0) & (table.used >= table.limits[:, None]) & ~table.taken
    first = len(table.limits) - len(rules)  # the group cap stands before the rules
    return [rule.rule_id for row, rule in enumerate(rules, first) if held[row, :reach].any()]
