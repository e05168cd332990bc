"""A shop of a few items for the pipeline alone: sources, ranker and shelf of the room's promises, all in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.candidates import Proposal
from shelfwise.domain import (
    EVENT_CODES,
    LINE,
    SOURCES,
    Coded,
    Deadline,
    LiveItems,
    NotTrained,
    PersonState,
    Query,
    Shelf,
)
from shelfwise.features import Assembler
from shelfwise.reranking import RuleBook
from shelfwise.serving import Pipeline, Release

NOW_US = 1_320_000_000_000_000  # 2011-10-30T18:40:00Z
DAY_US = 86_400_000_000
N_ITEMS = 40


@dataclass
class Source:
    """Proposes what it is told to, its score falling from 1; thinks 0.01 of everything else."""

    name: str
    items: Sequence[int] = ()
    because_code: str = "bought_together"
    anchor: int = -1
    trouble: Exception | None = None
    asked: list[Query] = field(default_factory=list)

    @property
    def signals(self) -> tuple[str, ...]:
        return (f"{self.name}__score",)

    def retrieve(self, query: Query, person: PersonState, live: LiveItems, *, limit: int) -> Proposal:
        self.asked.append(query)
        if self.trouble is not None:
            raise self.trouble
        rows = np.array(self.items[:limit], np.int32)
        score = np.linspace(1.0, 0.5, len(self.items), dtype=np.float32)[:limit]
        table = np.full((N_ITEMS + 100, 1), 0.01, np.float32)
        table[rows, 0] = score
        return Proposal(rows, score, lambda item: table[item])

    def because(
        self, query: Query, person: PersonState, item: NDArray[np.int32]
    ) -> tuple[str, NDArray[np.int32]]:
        return self.because_code, np.full(len(item), self.anchor, np.int32)


@dataclass
class Ranker:
    """The sum of what the sources say, unless it is told to fail."""

    needs: tuple[str, ...]
    trouble: Exception | None = None
    name: str = "sum"

    def score(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.trouble is not None:
            raise self.trouble
        return np.nansum(features, axis=1).astype(np.float32)

    def explain(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = np.nan_to_num(features)
        return np.concatenate([parts, np.zeros((len(parts), 1), np.float32)], axis=1)


class Clock:
    """Monotonic seconds that move when told to, or by a step at each look."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now_s, self.step_s = 100.0, step_s

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


def release_of(*sources: Source, ranker: Any = "sum", packed: Sequence[int] = (), **more: Any) -> Release:
    by_name = {name: source for name in SOURCES for source in sources if source.name == name}
    signals = tuple(signal for source in by_name.values() for signal in source.signals)
    judge = Ranker(signals) if ranker == "sum" else ranker
    values: dict[str, Any] = {
        "release_id": "r-test",
        "n_items": N_ITEMS,
        "sources": by_name,
        "quotas": {},
        "signal_names": signals,
        "assembler": Assembler(signals, signals),
        "ranker": judge,
        "packed": np.array(packed, np.int32),
        "pool_size": 30,
        "own_score": {name: signals.index(f"{name}__score") for name in by_name},
    }
    return Release(**{**values, **more})


def shelf_of(n_items: int = N_ITEMS, **coded: Sequence[str | None]) -> Shelf:
    ids = tuple(f"i{row}" for row in range(n_items))
    return Shelf(
        generation=1,
        item_id=ids,
        title=tuple(f"Thing {row}" for row in range(n_items)),
        url=(None,) * n_items,
        image=(None,) * n_items,
        coded={name: _coded(values) for name, values in coded.items()},
        min_age=np.zeros(n_items, np.int16),
        first_seen_us=np.zeros(n_items, np.int64),
        row_of={item_id: row for row, item_id in enumerate(ids)},
    )


def live_of(n_items: int = N_ITEMS, counters: Mapping[str, Sequence[int]] | None = None) -> LiveItems:
    whole = np.full(n_items, -1, np.int64)
    return LiveItems(
        price_minor=np.full(n_items, 250, np.int64),
        list_price_minor=whole,
        cost_minor=whole,
        stock=np.full(n_items, 10, np.int64),
        hidden=np.zeros(n_items, np.uint8),
        available_from_us=np.full(n_items, -(2**62), np.int64),
        available_until_us=np.full(n_items, 2**62, np.int64),
        counters={name: np.array(values, np.int64) for name, values in (counters or {}).items()},
    )


def pipeline_of(release: Release, live: LiveItems | None = None, *, rules: Any = (), **more: Any) -> Pipeline:
    held = live_of() if live is None else live
    values: dict[str, Any] = {"shelf": shelf_of(), "live": lambda: held}
    return Pipeline(release, RuleBook.compile(rules), **{**values, **more})


def person_of(*deeds: tuple[str, int, float], **more: Any) -> PersonState:
    """Deeds are (event, item row, days ago)."""
    lines = np.zeros(len(deeds), LINE)
    for place, (event, item, days) in enumerate(sorted(deeds, key=lambda deed: deed[2])):
        lines[place]["at_us"] = NOW_US - int(days * DAY_US)
        lines[place]["event"], lines[place]["item"], lines[place]["quantity"] = EVENT_CODES[event], item, 1
        lines[place]["event_hash"] = lines[place]["order_hash"] = place + 1
    return PersonState(lines, **more)


def query_of(size: int = 5, **more: Any) -> Query:
    for name in ("seeds", "exclude"):
        if name in more:
            more[name] = np.array(more[name], np.int32)
    return Query(size=size, asked_us=NOW_US, **more)


def due_in(budget_s: float, clock: Clock | None = None) -> Deadline:
    now = clock or Clock()
    return Deadline(now, now.now_s + budget_s, budget_s)


SOON = due_in(1.0)
UNTRAINED = NotTrained("too little history")


def _coded(values: Sequence[str | None]) -> Coded:
    known = tuple(dict.fromkeys(value for value in values if value is not None))
    return Coded(np.array([-1 if value is None else known.index(value) for value in values], np.int32), known)
