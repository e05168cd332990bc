"""Merchandising rules: what a person may ask of every slate, checked when it is written down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Literal, get_args

import msgspec

from shelfwise.domain import MAX_SIZE, STRATEGIES, InvalidField, to_us
from shelfwise.reranking.filters import Filter, FilterError, compile_filter, item_ids_named

Kind = Literal["pin", "boost", "bury", "include", "exclude", "slot", "cap"]
Per = Literal["brand", "category", "group_id"]

KINDS: tuple[Kind, ...] = ("pin", "boost", "bury", "include", "exclude", "slot", "cap")
MAX_FACTOR = 100.0  # 4.6 standard deviations: above nearly every item; to be surely first, pin
FAR_US = 2**62  # later than every instant


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule, as it is stored and sent.

    =========  =========================================================================================
    kind       does
    =========  =========================================================================================
    pin        shows ``items`` (or the ids that ``where`` names) at ``positions``, proposed or not
    slot       keeps ``positions`` for the best proposed items that fit ``where``
    boost      lifts what fits ``where`` by ln(``factor``) standard deviations of the answer's scores
    bury       the same downwards: ``factor`` is below 1
    include    shows only what fits ``where`` (of several such rules: any of them)
    exclude    never shows what fits ``where``
    cap        at most ``limit`` items of one brand, category or group, among those that fit ``where``
    =========  =========================================================================================
    """

    rule_id: str
    kind: Kind
    where: str = ""  # text in the filter language; empty: everything
    items: tuple[str, ...] = ()  # pin only: item ids, in the order of ``positions``
    placements: tuple[str, ...] = ()  # empty: all
    strategies: tuple[str, ...] = ()  # empty: all
    positions: tuple[int, ...] = ()  # pin, slot: from 1; a pin without any takes the first ones
    factor: float | None = None  # boost: above 1, default 2; bury: below 1, default 0.5
    limit: int | None = None  # cap
    per: Per | None = None  # cap
    valid_from: datetime | None = None
    valid_until: datetime | None = None  # not included
    priority: int = 0  # higher goes first where two rules want the same position
    enabled: bool = True
    note: str = ""

    @property
    def filter(self) -> Filter:
        """The compiled ``where``."""
        return compile_filter(self.where or "true")

    @property
    def from_us(self) -> int:
        """When it begins, in microseconds."""
        return to_us(self.valid_from) if self.valid_from else -FAR_US

    @property
    def until_us(self) -> int:
        """When it is over, in microseconds."""
        return to_us(self.valid_until) if self.valid_until else FAR_US

    @property
    def log_factor(self) -> float:
        """What a boost or bury adds, in standard deviations."""
        return math.log(self.factor or (2.0 if self.kind == "boost" else 0.5))

    @property
    def pinned(self) -> tuple[str, ...]:
        """Ids of the items that a pin shows."""
        return self.items or item_ids_named(self.filter.tree)


def parse_rule(document: Mapping[str, Any]) -> Rule:
    """A rule from its document. Raises InvalidField with the field, its value and what was expected."""
    _refuse_unknown(document)
    try:
        rule = msgspec.convert(dict(document), Rule, strict=True)
    except msgspec.ValidationError as trouble:
        raise _invalid(document, trouble) from None
    check_rule(rule)
    return rule


def rule_document(rule: Rule) -> dict[str, Any]:
    """The rule as plain JSON values, without what it leaves at its default."""
    full: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(rule))
    plain: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(Rule(rule_id=rule.rule_id, kind=rule.kind))
    )
    return {
        name: value for name, value in full.items() if name in ("rule_id", "kind") or value != plain[name]
    }


def check_rule(rule: Rule) -> None:
    """Whether the fields make sense together. Raises InvalidField."""
    if not 1 <= len(rule.rule_id.encode()) <= 255:
        raise InvalidField("rule_id", rule.rule_id, "1 to 255 bytes")
    _check_where(rule)
    _check_scope(rule)
    _check_time(rule)
    _check_positions(rule)
    _CHECKS[rule.kind](rule)


def _check_where(rule: Rule) -> None:
    try:
        compiled = rule.filter
    except FilterError as trouble:
        raise FilterError("where", trouble.value, trouble.rule, trouble.position) from None
    if not rule.where and rule.kind in ("include", "exclude"):
        raise InvalidField("where", rule.where, f"a filter; {rule.kind} without one would concern every item")
    if rule.kind == "slot" and not compiled.fields:
        raise InvalidField("where", rule.where, "a filter that says which items the slot is for")


def _check_scope(rule: Rule) -> None:
    for strategy in rule.strategies:
        if strategy not in STRATEGIES:
            raise InvalidField("strategies", strategy, f"one of {', '.join(STRATEGIES)}")
    if "" in rule.placements:
        raise InvalidField("placements", "", "names of placements, such as 'home'")


def _check_time(rule: Rule) -> None:
    for name in ("valid_from", "valid_until"):
        instant = getattr(rule, name)
        if instant is not None and instant.tzinfo is None:
            raise InvalidField(name, instant.isoformat(), _INSTANT)
    if rule.valid_from and rule.valid_until and rule.valid_from >= rule.valid_until:
        raise InvalidField("valid_until", rule.valid_until.isoformat(), "an instant after valid_from")


def _check_positions(rule: Rule) -> None:
    if rule.positions and rule.kind not in ("pin", "slot"):
        raise InvalidField("positions", rule.positions, f"none for a {rule.kind} rule")
    for position in rule.positions:
        if not 1 <= position <= MAX_SIZE:
            raise InvalidField("positions", position, f"positions from 1 to {MAX_SIZE}")
    if len(set(rule.positions)) < len(rule.positions):
        raise InvalidField("positions", rule.positions, "each position once")


def _check_pin(rule: Rule) -> None:
    _only(rule, "items")
    if not rule.pinned:
        raise InvalidField("items", rule.items, "the ids of the items to pin (or where: item_id = '...')")
    if rule.positions and len(rule.positions) != len(rule.pinned):
        raise InvalidField(
            "positions", rule.positions, f"one position for each of the {len(rule.pinned)} items"
        )
    if len(rule.pinned) > MAX_SIZE:
        raise InvalidField("items", f"{len(rule.pinned)} items", f"at most {MAX_SIZE}")


def _check_slot(rule: Rule) -> None:
    _only(rule)
    if not rule.positions:
        raise InvalidField("positions", rule.positions, "the positions to keep, from 1")


def _check_boost(rule: Rule) -> None:
    _only(rule, "factor")
    if rule.factor is not None and not 1.0 < rule.factor <= MAX_FACTOR:
        raise InvalidField(
            "factor", rule.factor, f"a number above 1, at most {MAX_FACTOR:g}; use bury to lower"
        )


def _check_bury(rule: Rule) -> None:
    _only(rule, "factor")
    if rule.factor is not None and not 1.0 / MAX_FACTOR <= rule.factor < 1.0:
        raise InvalidField(
            "factor", rule.factor, f"a number below 1, at least {1 / MAX_FACTOR:g}; use boost to lift"
        )


def _check_cap(rule: Rule) -> None:
    _only(rule, "limit", "per")
    if rule.limit is None or not 0 <= rule.limit <= MAX_SIZE:
        raise InvalidField("limit", rule.limit, f"a number of items from 0 to {MAX_SIZE}")
    if rule.per is None:
        raise InvalidField("per", rule.per, _EXPECTED["per"])


def _only(rule: Rule, *allowed: str) -> None:
    """Refuse the fields of other kinds: they would silently do nothing."""
    for name, empty in (("items", ()), ("factor", None), ("limit", None), ("per", None)):
        if name not in allowed and getattr(rule, name) != empty:
            raise InvalidField(name, getattr(rule, name), f"no {name} for a {rule.kind} rule")


_CHECKS = {
    "pin": _check_pin, "slot": _check_slot, "boost": _check_boost, "bury": _check_bury,
    "include": _only, "exclude": _only, "cap": _check_cap,
}  # fmt: skip


def _refuse_unknown(document: Mapping[str, Any]) -> None:
    known = Rule.__struct_fields__
    for name in document:
        if name not in known:
            rule = f"one of the fields {', '.join(known)}{_hint(name, known)}"
            raise InvalidField(str(name), document[name], rule)


def _invalid(document: Mapping[str, Any], trouble: msgspec.ValidationError) -> InvalidField:
    """The field that msgspec complains of (``... - at `$.kind```), its value, and in words what it may be."""
    field = str(trouble).partition(" - at `$.")[2].rstrip("`").split("[")[0].split(".")[0]
    if not field:
        missing = next((name for name in ("rule_id", "kind") if name not in document), "rule")
        return InvalidField(missing, None, f"{_EXPECTED.get(missing, 'an object')}; it is required")
    hint = _hint(document.get(field), _CHOICES.get(field, ()))
    return InvalidField(field, document.get(field), f"{_EXPECTED[field]}{hint}")


def _hint(value: object, known: Sequence[str]) -> str:
    near = get_close_matches(str(value)[:64], known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


_CHOICES: Mapping[str, Sequence[str]] = {"kind": KINDS, "per": get_args(Per)}
_INSTANT = "an instant with a time zone, such as 2011-12-01T00:00:00Z"
_EXPECTED = {
    "rule_id": "text of 1 to 255 bytes",
    "kind": f"one of {', '.join(KINDS)}",
    "where": "a filter, such as \"category = 'Candles' and price < 15\"",
    "items": "a list of item ids",
    "placements": "a list of placements, such as ['home']",
    "strategies": f"a list of some of {', '.join(STRATEGIES)}",
    "positions": f"a list of positions from 1 to {MAX_SIZE}",
    "factor": "a number: above 1 for a boost, below 1 for a bury",
    "limit": f"a number of items from 0 to {MAX_SIZE}",
    "per": f"one of {', '.join(get_args(Per))}",
    "valid_from": _INSTANT,
    "valid_until": _INSTANT,
    "priority": "a whole number",
    "enabled": "true or false",
    "note": "text",
}
