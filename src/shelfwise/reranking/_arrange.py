"""From judged candidates to a slate: weigh, fix pins and slots, fill the rest, put it together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import NO_ROWS, Candidates, Shelf, Slate
from shelfwise.reranking._kernels import (
    BEST,
    EPSILON,
    PLACKETT_LUCE,
    best_of,
    choose,
    occupy,
    relevance_of,
    spread_of,
)
from shelfwise.reranking._plan import Bools, Masks, Ready
from shelfwise.reranking._settings import ArrangeSettings
from shelfwise.reranking._similarity import ItemLikeness, Similarity
from shelfwise.reranking.filters import Scene

_KINDS = {"none": BEST, "epsilon": EPSILON, "plackett_luce": PLACKETT_LUCE}
_NO_DICE = np.empty((0, 2), np.float64)
_NO_LIKENESS = np.empty((0, 0), np.float32)


def freely(
    ranked: Candidates, shelf: Shelf, size: int, settings: ArrangeSettings, likeness: ItemLikeness
) -> Slate:
    """The slate where no rule wants another order and no dice are thrown."""
    n_pool = max(settings.pool_size, size)
    weight = settings.relevance_weight
    known = likeness.known(shelf, ranked.item if weight < 1.0 else NO_ROWS)
    picked = best_of(ranked.score, ranked.item, size, settings.collapse_groups, weight, n_pool, *known)
    return Slate(
        ranked.item.take(picked), ranked.score.take(picked), np.ones(len(picked), np.float32),
        ranked.proposed.take(picked), ranked.signal.take(picked, axis=0),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pin:
    """An item that a rule fixes at a position. ``row`` is its item row."""

    position: int
    row: int
    rule_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Candidates in order of their adjusted score, with what the caps count."""

    order: NDArray[np.intp]  # (C,) rows of the candidates, best first; unscored last
    item: NDArray[np.int32]  # (C,) in that order
    score: NDArray[np.float32]  # (C,) in that order
    codes: NDArray[np.int32]  # (M, C) under cap m, candidates of one code share a count; -1 is not counted
    limits: NDArray[np.int32]  # (M,)
    used: NDArray[np.int32]  # (M, C) how many of the candidate's code are chosen; changes as the slate fills
    taken: Bools  # (C,) changes as the slate fills

    def take(self, place: int) -> None:
        """Choose the candidate at this place."""
        occupy(self.codes, self.used, self.taken, place)

    def free(self) -> Bools:
        """``(C,)`` neither chosen nor held back by a cap."""
        held = (self.codes >= 0) & (self.used >= self.limits[:, None])
        return ~self.taken & ~held.any(axis=0)


def with_rows(ranked: Candidates, rows: NDArray[np.int32]) -> Candidates:
    """The candidates and, below them, items that nobody proposed: no source, the lowest score of all."""
    finite = ranked.score[np.isfinite(ranked.score)]
    lowest = finite.min() if len(finite) else np.float32(0.0)
    n_new, n_signals = len(rows), ranked.signal.shape[1]
    return Candidates(
        np.concatenate([ranked.item, rows]),
        np.concatenate([ranked.proposed, np.zeros(n_new, np.uint16)]),
        np.concatenate([ranked.signal, np.full((n_new, n_signals), np.nan, np.float32)]),
        np.concatenate([ranked.score, np.full(n_new, lowest, np.float32)]),
    )


def weigh(
    ranked: Candidates, rules: tuple[Ready, ...], masks: Masks, scene: Scene
) -> tuple[Candidates, list[str]]:
    """Boosts and buries: score + s * sum of ln(factor), s the standard deviation of this answer's scores.

    The same whatever the unit and sign of the scores; factors multiply; 2 and 0.5 cancel out. s is 1 where all
    scores are equal. Also the ids of the rules that met a candidate.
    """
    shift, met = np.zeros(len(ranked), np.float64), []
    for rule in rules:
        mask = masks.of(rule.filter, scene)
        if mask.any():
            shift += mask * rule.log_factor
            met.append(rule.rule_id)
    if not met:
        return ranked, met
    scale = spread_of(ranked.score)
    return ranked.scored((ranked.score + scale * shift).astype(np.float32)), met


def lay_out(ranked: Candidates, caps: list[tuple[NDArray[np.int32], int]]) -> Table:
    """The table in order of score; ``caps`` are codes ``(C,)`` in the order of ``ranked``, and their limits."""
    order = np.argsort(-ranked.score, kind="stable")  # NaN, unscored, goes last
    codes = np.empty((len(caps), len(ranked)), np.int32)
    for row, (code, _) in enumerate(caps):
        code.take(order, out=codes[row])
    limits = np.array([limit for _, limit in caps], np.int32)
    taken = np.zeros(len(ranked), np.bool_)
    return Table(
        order, ranked.item.take(order), ranked.score.take(order), codes, limits, np.zeros_like(codes), taken
    )


def group_codes(shelf: Shelf, per: str, item: NDArray[np.int32]) -> NDArray[np.int32]:
    """``(C,)`` codes of brand, category or group; -1 where absent."""
    coded = shelf.coded.get(per)
    return np.full(len(item), -1, np.int32) if coded is None else coded.codes.take(item)


def fix_pins(table: Table, pins: list[Pin]) -> tuple[dict[int, int], list[str]]:
    """Position -> place in the table, for pins; the first of the list has a contested position or item.

    A pin is a person's explicit word: it counts under caps and groups, but none holds it back.
    """
    fixed: dict[int, int] = {}
    used: list[str] = []
    for pin in pins:
        place = int(np.argmax(table.item == pin.row))
        if pin.position in fixed or table.taken[place]:
            continue
        fixed[pin.position] = place
        table.take(place)
        used.append(pin.rule_id)
    return fixed, used


def fix_slots(
    table: Table, slots: list[tuple[Ready, Bools]], fixed: dict[int, int], size: int
) -> tuple[dict[int, int], list[str]]:
    """The same for slots: each kept position takes the best candidate that fits and that no cap holds back."""
    kept: dict[int, int] = {}
    used: list[str] = []
    for rule, fits in slots:
        for position in rule.positions:
            free = fits & table.free()
            if position > size or position in fixed or position in kept or not free.any():
                continue
            kept[position] = int(np.argmax(free))
            table.take(kept[position])
            used.append(rule.rule_id)
    return kept, used


def fill(
    table: Table,
    shelf: Shelf,
    size: int,
    settings: ArrangeSettings,
    similarity: Similarity,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places of up to ``size`` more candidates, best first, and the propensity of each."""
    explore = settings.exploration
    n_pool = min(max(settings.pool_size, size), len(table.item))
    weight = settings.relevance_weight
    kind = _KINDS[explore.kind]
    plain = weight == 1.0 and kind == BEST  # order of score: relevance is not asked
    relevance = table.score[:n_pool].astype(np.float64) if plain else relevance_of(table.score[:n_pool])
    likeness = similarity(shelf, table.item[:n_pool]) if weight < 1.0 else _NO_LIKENESS
    dice = _NO_DICE if kind == BEST else rng.random((size, 2))
    return choose(
        relevance, table.codes, table.limits, table.used, table.taken, likeness, weight, size, kind,
        explore.temperature, explore.epsilon, dice,
    )  # fmt: skip


def put_together(
    ranked: Candidates,
    table: Table,
    fixed: dict[int, int],
    filled: tuple[NDArray[np.int64], NDArray[np.float64]],
    size: int,
    rules: tuple[str, ...],
) -> Slate:
    """Fixed positions at their place, the others in order; with too few items the slate closes up."""
    places, chances = _in_order(fixed, filled, size)
    best = ranked.take(table.order[places])
    return Slate(best.item, best.score, chances, best.proposed, best.signal, rules)


def _in_order(
    fixed: dict[int, int], filled: tuple[NDArray[np.int64], NDArray[np.float64]], size: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    if not fixed:
        return filled[0], filled[1].astype(np.float32)
    rest = iter(zip(filled[0].tolist(), filled[1].tolist(), strict=True))
    order: list[tuple[int, float]] = []
    for position in range(1, size + 1):
        following = (fixed[position], 1.0) if position in fixed else next(rest, None)
        if following is not None:
            order.append(following)
    return np.array([p for p, _ in order], np.intp), np.array([c for _, c in order], np.float32)
