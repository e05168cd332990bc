"""A shop in miniature for the parity suite: events, and what each reader makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shelfwise.domain import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    Candidates,
    Coded,
    Context,
    Event,
    EventLine,
    LiveItems,
    PersonState,
    Query,
    Shelf,
)
from shelfwise.features import (
    FEATURES,
    ITEM_ROLLING,
    Assembler,
    DuckDB,
    DuckDBSettings,
    Facts,
    ItemCounters,
    device_code,
    event_lines,
    fold_people,
    history_lines,
    join_states,
    live_of,
    training_features,
    unpack_state,
)
from shelfwise.features._bases import FITTED, placement_code, referrer_code
from shelfwise.features._joined import Fits

BATCH = tuple(feature for feature in FEATURES if feature.sql)


def row_of(item_id: str) -> int:
    return int(item_id[1:])


def shelf_of(n_items: int, rng: np.random.Generator) -> Shelf:
    """Items with and without category and brand."""
    codes = {
        what: Coded(rng.integers(-1, 3, n_items).astype(np.int32), ("x", "y", "z"))
        for what in ("category", "brand")
    }
    codes["tags"] = Coded(rng.integers(-1, 2, n_items).astype(np.int32), (frozenset("ab"), frozenset("c")))
    codes["attributes.size"] = Coded(rng.integers(-1, 1, n_items).astype(np.int32), ("large",))
    ids = tuple(f"i{row}" for row in range(n_items))
    images = tuple(name if row % 3 else None for row, name in enumerate(ids))
    seen_us = np.where(rng.random(n_items) < 0.8, rng.integers(1, 1_300_000_000_000_000, n_items), 0)
    ages = rng.choice([0, 18], n_items).astype(np.int16)
    return Shelf(1, ids, ids, ids, images, codes, ages, seen_us, {name: at for at, name in enumerate(ids)})


def offers(live: LiveItems) -> LiveItems:
    """Live columns of a catalogue that tells prices, costs and stock of some items."""
    n_items = len(live)
    rng = np.random.default_rng(n_items)

    def some(low: int, high: int) -> np.ndarray:
        return np.where(rng.random(n_items) < 0.8, rng.integers(low, high, n_items), -1)

    return replace(
        live,
        price_minor=some(0, 900),
        list_price_minor=some(500, 1_500),
        cost_minor=some(0, 500),
        stock=some(0, 9),
    )


def fits_of(n_items: int, as_of_us: int) -> dict[int, dict[str, np.ndarray]]:
    """Two fits before an instant, by theirs; the last item is newer than the older one."""
    rng = np.random.default_rng(n_items)
    return {
        as_of_us - days * DAY_US: {
            name: np.where(rng.random(size) < 0.8, rng.random(size) * 3, np.nan).astype(np.float32)
            for name in FITTED
        }
        for days, size in ((400, n_items - 1), (20, n_items))
    }


@dataclass
class Stream:
    """What the keeper does with events: states and counters, in the order they arrive."""

    counters: ItemCounters
    n_items: int
    blobs: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, dict[str, int]] = field(default_factory=dict)

    def take(self, events: Sequence[Event]) -> None:
        lines, owner = history_lines(events, row_of)
        people = sorted({event.person_key for event in events})
        number = {person: at for at, person in enumerate(people)}
        person = np.array([number[event.person_key] for event in events], np.int64)
        packed, effects = fold_people([self.blobs.get(one) for one in people], events, person, lines, owner)
        self.blobs.update({one: blob for one, blob in zip(people, packed, strict=True) if blob is not None})
        self.counters.add_effects(effects)
        for event in events:
            if event.user_id is not None and event.anonymous_id is not None:
                known = self.links.setdefault(f"u:{event.user_id}", {})
                alias = f"a:{event.anonymous_id}"
                known[alias] = min(event.occurred_us, known.get(alias, event.occurred_us))

    def person(self, key: str, as_of_us: int) -> PersonState:
        aliases = [alias for alias, linked in self.links.get(key, {}).items() if linked < as_of_us]
        return join_states(unpack_state(self.blobs.get(one)) for one in (key, *aliases))


def streamed(events: Sequence[Event], as_of_us: int, n_items: int, *, batch: int, steps: int = 3) -> Stream:
    """Feed events in their order while the clock moves up to the instant."""
    stream = Stream(ItemCounters(ITEM_ROLLING, as_of_us - steps * DAY_US), n_items)
    for start in range(0, len(events), batch):
        stream.take(events[start : start + batch])
        passed = min(steps, start * (steps + 1) // max(len(events), 1))
        stream.counters.advance(as_of_us - (steps - passed) * DAY_US)
    stream.counters.advance(as_of_us)
    return stream


def requested(
    stream: Stream,
    shelf: Shelf,
    key: str,
    items: Sequence[int],
    as_of_us: int,
    context: Context,
    fits: Fits,
) -> np.ndarray:
    """What the request would assemble for these candidates, ``(C, len(BATCH))``."""
    fitted = max(
        (item for item in fits.items() if item[0] <= as_of_us), default=(0, {}), key=lambda item: item[0]
    )[1]
    assembler = Assembler([feature.name for feature in BATCH], (), fitted)
    columns = {name: column.copy() for name, column in stream.counters.columns().items()}
    live = offers(live_of(columns, stream.n_items))
    item = np.array(items, np.int32)
    candidates = Candidates(
        item,
        np.zeros(len(item), np.uint16),
        np.empty((len(item), 0), np.float32),
        np.zeros(len(item), np.float32),
    )
    query = Query(
        size=10, asked_us=as_of_us, context=context, placement=context.placement or "home",
        user_id=key[2:] if key.startswith("u:") else None,
    )  # fmt: skip
    person = replace(stream.person(key, as_of_us), country=None)  # rows of a batch tell their country
    return assembler.assemble(query, person, live, shelf, candidates)


@dataclass(frozen=True)
class Row:
    person: str
    item: int
    as_of_us: int
    context: Context = Context()


def computed(
    events: Sequence[Event], rows: Sequence[Row], shelf: Shelf, folder: Path, fits: Fits
) -> dict[str, np.ndarray]:
    """What DuckDB computes from the lake."""
    files = []
    for part in range(3):
        files.append(str(folder / f"part-{part}.parquet"))
        pq.write_table(event_lines(events[part::3], row_of), files[-1])
    asked = pa.table(
        {
            "person": [row.person for row in rows],
            "item_row": pa.array([row.item for row in rows], pa.int32()),
            "as_of_us": [row.as_of_us for row in rows],
            "offset_minutes": pa.array([row.context.offset_minutes for row in rows], pa.int32()),
            "device_code": pa.array([device_code(row.context.device) for row in rows], pa.int16()),
            "country": pa.array([row.context.country for row in rows], pa.string()),
            "placement_code": pa.array(
                [placement_code(row.context.placement or "home") for row in rows], pa.int16()
            ),
            "referrer_code": pa.array([referrer_code(row.context.referrer) for row in rows], pa.int16()),
            "age_years": pa.array([row.context.age for row in rows], pa.int16()),
        }
    )
    with DuckDB(DuckDBSettings(memory_mb=500)) as engine:
        live = offers(live_of({}, len(shelf)))
        return training_features(engine, files, asked, facts=Facts(shelf, live, 0, fits))


def disagreements(batch: dict[str, np.ndarray], request: np.ndarray, rows: Sequence[Row]) -> list[str]:
    """Every cell where the two readers differ: integers at all, others by more than 1e-6 of their size."""
    found = []
    for at, feature in enumerate(BATCH):
        one, two = batch[feature.name], request[:, at]
        if feature.dtype == "int64":
            same = one == two.astype(np.int64)
            same &= one < 2**24  # beyond, float32 holds no whole numbers and the comparison would be idle
        else:
            same = np.isclose(one, two.astype(np.float64), rtol=1e-6, atol=1e-7, equal_nan=True)
        found += [f"{feature.name} of {rows[k]}: {one[k]} != {two[k]}" for k in np.flatnonzero(~same)]
    return found


WHO = (("u1", None), ("u2", None), (None, "a1"), ("u1", "a1"), (None, "a2"), ("u2", "a3"), (None, "a3"))
KINDS = ("view_item", "add_to_cart", "purchase", "refund", "add_to_wishlist", "search")


def imagined(rng: np.random.Generator, now_us: int, n_events: int, n_items: int) -> list[Event]:
    """Events of a few people: bursts just before now, edges of windows, ties, strangers who sign in."""
    edges = [0, MINUTE_US, HOUR_US, DAY_US, *(days * DAY_US for days in (3, 7, 14, 30, 90, 351, 365, 379))]
    events = []
    for number in range(n_events):
        how = rng.integers(4)
        if how == 0:
            back = int(rng.integers(0, 420 * DAY_US))
        elif how == 1:
            back = int(rng.integers(0, 3 * HOUR_US))
        elif how == 2:  # at a bucket's edge, or a microsecond before it
            grain = (DAY_US, HOUR_US)[rng.integers(2)]
            bucket = (now_us - int(rng.choice(edges))) // grain * grain
            back = now_us - bucket + int(rng.integers(0, 2))
        else:
            back = int(rng.integers(-5, 60)) * 7 * DAY_US // 10 + int(rng.integers(0, 3)) * MINUTE_US
        kind = str(rng.choice(KINDS, p=(0.3, 0.15, 0.4, 0.05, 0.05, 0.05)))
        lines = tuple(
            EventLine(
                f"i{rng.integers(n_items)}",
                int(rng.integers(1, 9)),
                int(rng.integers(0, 2000)) if rng.random() < 0.9 else None,
                "GBP",
            )
            for _ in range(0 if kind == "search" else int(rng.integers(1, 4)))
        )
        user, anonymous = WHO[rng.integers(len(WHO))]
        events.append(
            Event(
                event_id=f"e{number}", event=kind, occurred_us=now_us - back, received_us=now_us, user_id=user,
                anonymous_id=anonymous, lines=lines, order_id=f"o{rng.integers(30)}" if rng.random() < 0.5 else None,
            )
        )  # fmt: skip
    return events
