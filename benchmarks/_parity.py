"""Do the four readers of features agree? Histories are replayed as a shop hears them, then asked at many instants.

A history is real (Online Retail II, the whole two years) or simulated. It arrives with a twentieth of its events sent
twice, a tenth late by hours or days, some early and all of them a little out of order; purchases are refunded, and
visitors sign in and turn out to be people who were known. Between two questions the stream folds what arrived; at a
question it has heard all that happened before it, and some of what did not yet.

* **duckdb**, **spark**: ``training_features`` over a Delta lake that merged the same arrivals.
* **stream**: counters and packed states as the keeper folds them, in the order of arrival.
* **request**: the assembler over counters that DuckDB counted and states made at once of all that happened before.

Stream and request assemble float32, so a whole number above 2^24 is compared as the float32 it becomes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from tests.features.replay import BATCH, Stream, fits_of, offers, row_of, shelf_of

from shelfwise.domain import (
    DAY_US,
    EVENT_CODES,
    HOUR_US,
    MINUTE_US,
    Candidates,
    Context,
    Event,
    EventLine,
    LiveItems,
    PersonState,
    Query,
    Shelf,
)
from shelfwise.features import (
    ITEM_ROLLING,
    Assembler,
    DuckDB,
    DuckDBSettings,
    Engine,
    Facts,
    ItemCounters,
    Spark,
    SparkSettings,
    device_code,
    event_lines,
    history_lines,
    items_as_of,
    join_states,
    live_of,
    merge_state,
    placement_code,
    referrer_code,
    training_features,
)
from shelfwise.ingestion.online_retail import clean, retail_events
from shelfwise.simulation import COUNTRIES, DEVICES, LISTS, ItemTruth, World, WorldSettings
from shelfwise.stores.adapters.delta_lake import DeltaLake

READERS = ("duckdb", "spark", "stream", "request")
RELATIVE, ABSOLUTE = 1e-6, 1e-9
ITEMS_EACH = (
    10  # asked for a person at an instant; half of them, where there are so many, that the person met
)
_EXACT = 2**24  # float32 holds all whole numbers up to here
_ORIGINS = ("real", "simulated")
_CONTEXTS = (
    Context(
        "mobile", "US", offset_minutes=-330, placement="cart", referrer="https://www.google.com/", age=17
    ),
    Context(),
    Context("tv", "GB", age=35),
    Context("tablet", "JP", offset_minutes=600, placement="item_page", referrer="https://example.com"),
)


@dataclass(frozen=True, eq=False)
class History:
    """Events as they happened, and as they arrive between the instants that are asked."""

    name: str
    n_items: int
    events: list[Event]
    instants: list[int]
    arrivals: list[tuple[int, Event]]  # by the instant at which they are heard

    @cached_property
    def of_person(self) -> dict[str, list[Event]]:
        """What a key sent, in no order."""
        sent: dict[str, list[Event]] = {}
        for event in self.events:
            sent.setdefault(event.person_key, []).append(event)
        return sent

    @cached_property
    def people(self) -> list[str]:
        """Keys of people, those who signed in as one of them first."""
        return sorted(self.of_person)


@dataclass(frozen=True, slots=True)
class Asked:
    """Items of one person at one instant."""

    person: str
    items: tuple[int, ...]
    as_of_us: int
    context: Context


def compare(samples: int, seed: int, *, memory_mb: int, engines: Sequence[str] = READERS) -> dict[str, Any]:
    """Compare all features of so many (user, item, instant), half of them real, by each two readers."""
    rows: list[dict[str, Any]] = []
    for history in (real(samples // 2, seed), simulated(samples - samples // 2, seed)):
        rows += _compare_history(history, samples // 2, seed, memory_mb, engines)
    return {"results": rows, "differences": sum(row["differences"] for row in rows)}


def told(report: Mapping[str, Any]) -> str:
    """The report as lines of text."""
    lines = []
    for row in report["results"]:
        lines.append(
            f"{row['history']:>9}, {row['events']:,} events: {row['one']} = {row['two']}: {row['rows']:,} rows x "
            f"{row['features']} features = {row['compared']:,} compared, {row['differences']:,} different"
        )
        lines += [f"    {difference}" for difference in row["first"]]
    return "\n".join([*lines, f"{report['differences']:,} differences"])


# ---------------------------------------------------------------- histories


def real(samples: int, seed: int) -> History:
    """Two years of invoices and returns. A third of the customers bought unknown at first, and signed in later."""
    rng = np.random.default_rng(seed)
    cleaned = clean()
    said = [event for batch in retail_events(cleaned, received_us=0) for event in batch]
    number = {item: f"i{row}" for row, item in enumerate(sorted(set(cleaned.lines["item_id"].to_pylist())))}
    customers = sorted({event.user_id for event in said if event.user_id is not None})
    unknown = {one: int(rng.integers(1, 4)) for one in customers if rng.random() < 1 / 3}  # orders before
    events = []
    for event in said:
        changes: dict[str, Any] = {
            "lines": tuple(
                msgspec.structs.replace(line, item_id=number[line.item_id]) for line in event.lines
            )
        }
        if event.user_id in unknown:
            changes["anonymous_id"] = f"browser-{event.user_id}"
            if unknown[event.user_id] > 0:
                unknown[event.user_id] -= 1
                changes["user_id"] = None
        events.append(msgspec.structs.replace(event, **changes))
    return _history("real", events, len(number), samples, rng)


def simulated(
    samples: int, seed: int, *, shoppers: int = 1_500, days: int = 430, n_items: int = 800
) -> History:
    """A year and more of a small simulated shop: all its events, browsers that turn out to be people, refunds."""
    rng = np.random.default_rng(seed + 1)
    settings = WorldSettings(initial_share=0.6, visits_per_week=0.35)
    start_us = settings.opens_us
    world = World.grow(ItemTruth.synthetic(n_items, start_us=start_us, seed=seed), settings, seed=seed)
    events: list[Event] = []
    for traffic in world.traffic(start_us, start_us + days * DAY_US, shoppers=range(shoppers)):
        starts = np.flatnonzero(traffic.line == 0)
        heads = {name: column[starts].tolist() for name, column in traffic.columns().items()}
        each = zip(
            traffic.item.tolist(), traffic.quantity.tolist(), traffic.price_minor.tolist(), strict=True
        )
        lines = [EventLine(f"i{row}", many, price, "GBP") if row >= 0 else None for row, many, price in each]
        for at, (first, last) in enumerate(pairwise([*starts.tolist(), len(traffic)])):
            own = {name: column[at] for name, column in heads.items()}
            events.append(_event(own, tuple(line for line in lines[first:last] if line is not None)))
    events += [_refund(event, rng) for event in events if event.event == "purchase" and rng.random() < 0.1]
    return _history("simulated", events, n_items, samples, rng)


_NAMES = {code: name for name, code in EVENT_CODES.items()}


def _event(own: Mapping[str, Any], lines: tuple[EventLine, ...]) -> Event:
    shopper, device = own["shopper"], DEVICES[own["device"]]
    return Event(
        event_id=f"s{own['event_no']}", event=_NAMES[own["event"]], occurred_us=own["at_us"], received_us=0,
        user_id=f"p{shopper}" if own["known"] else None, anonymous_id=f"p{shopper}-{device}", lines=lines,
        order_id=f"o{own['order']}" if own["order"] >= 0 else None, origin="simulated",
        context=Context(
            device, COUNTRIES[own["country"]], placement=LISTS[own["list"]] if own["list"] > 0 else None
        ),
    )  # fmt: skip


def _refund(event: Event, rng: np.random.Generator) -> Event:
    """One line of an order comes back within a month."""
    return msgspec.structs.replace(
        event, event_id=f"{event.event_id}-back", event="refund", lines=event.lines[:1],
        occurred_us=event.occurred_us + int(rng.integers(HOUR_US, 30 * DAY_US)),
    )  # fmt: skip


def _history(name: str, events: list[Event], n_items: int, samples: int, rng: np.random.Generator) -> History:
    """The instants to ask, and the order of arrival."""
    n_instants = max(1, min(20, samples // 100))
    first_us, last_us = min(one.occurred_us for one in events), max(one.occurred_us for one in events)
    drawn = first_us + (rng.uniform(0.05, 1.0, n_instants) * (last_us - first_us)).astype(np.int64)
    drawn[::5] = drawn[::5] // DAY_US * DAY_US  # some at a bucket's edge
    drawn[1::5] = drawn[1::5] // HOUR_US * HOUR_US
    drawn[2::5] = rng.choice(
        [one.occurred_us for one in events], len(drawn[2::5])
    )  # some as something happens
    instants = sorted({int(one) for one in drawn})
    return History(name, n_items, events, instants, _arriving(events, instants, rng))


def _arriving(
    events: Sequence[Event], instants: Sequence[int], rng: np.random.Generator
) -> list[tuple[int, Event]]:
    """Events by the instant they are heard: what happened before a question is heard before it, at least once."""
    at = np.array([event.occurred_us for event in events])
    n = len(at)
    delay = rng.integers(0, 2 * MINUTE_US, n)  # all a little out of order
    late, early = rng.random(n) < 0.1, rng.random(n) < 0.03
    delay = np.where(late, rng.exponential(18 * HOUR_US, n).astype(np.int64), delay)
    delay = np.where(early, -rng.integers(0, 2 * HOUR_US, n), delay)
    edges = np.append(instants, np.iinfo(np.int64).max)
    asked_next = edges[np.searchsorted(edges, at, side="right")]  # the first question that must know of it
    heard = np.minimum(at + delay, asked_next - 1)
    twice = np.flatnonzero(rng.random(n) < 0.05)
    again = heard[twice] + rng.exponential(3 * DAY_US, len(twice)).astype(np.int64)
    order = np.argsort(np.concatenate([heard, again]), kind="stable")
    which, when = np.concatenate([np.arange(n), twice])[order], np.concatenate([heard, again])[order]
    return [(us, events[one]) for us, one in zip(when.tolist(), which.tolist(), strict=True)]


# ------------------------------------------------------------------ readers


def _compare_history(
    history: History, samples: int, seed: int, memory_mb: int, engines: Sequence[str]
) -> list[dict[str, Any]]:
    """A row for each two readers."""
    rng = np.random.default_rng(seed + 2)
    shelf, fits = shelf_of(history.n_items, rng), fits_of(history.n_items, history.instants[-1])
    asked = list(_asked(history, samples, rng))
    facts = Facts(shelf, offers(live_of({}, history.n_items)), 0, fits)
    made: dict[str, dict[str, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = _lake(history, Path(folder))
        rows = _rows(asked)
        with DuckDB(DuckDBSettings(memory_mb=memory_mb)) as engine:
            made["duckdb"] = _batch(engine, files, rows, facts)
            if "request" in engines:
                counted = items_as_of(engine, files, history.instants, history.n_items, origins=_ORIGINS)
                made["request"] = _assembled(history, asked, facts, _at_once(history, counted))
        if "spark" in engines:
            with Spark(SparkSettings(memory_mb=max(1_500, memory_mb))) as engine:
                made["spark"] = _batch(engine, files, rows, facts)
        if "stream" in engines:
            made["stream"] = _assembled(history, asked, facts, _as_heard(history))
    return [
        {"history": history.name, "events": len(history.events), **_compared(one, two, made)}
        for one, two in combinations([name for name in READERS if name in made], 2)
    ]


def _asked(history: History, samples: int, rng: np.random.Generator) -> Iterator[Asked]:
    """People that were active before, strangers too; items that they met, and others."""
    each = -(-samples // (len(history.instants) * ITEMS_EACH))
    left = samples
    for as_of_us in history.instants:
        past = [event for event in history.events if event.occurred_us < as_of_us]
        for at in range(each):
            many = min(ITEMS_EACH, left)
            left -= many
            if many <= 0:
                return
            # Half of them by their events, and so often people who do much; the others by name, active or not yet.
            active = past and at % 2
            person = (
                past[rng.integers(len(past))].person_key
                if active
                else history.people[rng.integers(len(history.people))]
            )
            met = {row_of(line.item_id) for one in history.of_person[person] for line in one.lines}
            own = rng.permutation(sorted(met))[: many // 2].tolist()
            others = rng.permutation(history.n_items)[:many].tolist()
            items = tuple(dict.fromkeys([*own, *others]))[:many]
            yield Asked(person, items, as_of_us, _CONTEXTS[rng.integers(len(_CONTEXTS))])


def _lake(history: History, folder: Path) -> list[str]:
    """A Delta table that merges the arrivals."""
    lake, size = DeltaLake(folder), 20_000
    for version, start in enumerate(range(0, len(history.arrivals), size)):
        rows = event_lines([event for _, event in history.arrivals[start : start + size]], row_of)
        lake.merge("event_lines", rows, key=("event_id", "line"), sink="parity", version=version)
    return lake.files("event_lines")


def _rows(asked: Sequence[Asked]) -> pa.Table:
    """Rows of ``ASKED``, the items of one question after those of another."""
    each = [(one, item) for one in asked for item in one.items]
    contexts = [one.context for one, _ in each]
    return pa.table(
        {
            "person": [one.person for one, _ in each],
            "item_row": pa.array([item for _, item in each], pa.int32()),
            "as_of_us": [one.as_of_us for one, _ in each],
            "offset_minutes": pa.array([one.offset_minutes for one in contexts], pa.int32()),
            "device_code": pa.array([device_code(one.device) for one in contexts], pa.int16()),
            "country": pa.array([one.country for one in contexts], pa.string()),
            "placement_code": pa.array(
                [placement_code(one.placement or "home") for one in contexts], pa.int16()
            ),
            "referrer_code": pa.array([referrer_code(one.referrer) for one in contexts], pa.int16()),
            "age_years": pa.array([one.age for one in contexts], pa.int16()),
        }
    )


def _batch(engine: Engine, files: Sequence[str], rows: pa.Table, facts: Facts) -> dict[str, np.ndarray]:
    return training_features(engine, files, rows, facts=facts, origins=_ORIGINS)


State = tuple[LiveItems, Any]  # live columns at an instant, and the state of a person by key


def _as_heard(history: History) -> Iterator[State]:
    """Per instant what the keeper has folded by then, of what it has heard by then."""
    stream = Stream(ItemCounters(ITEM_ROLLING, history.events[0].occurred_us), history.n_items)
    heard, at = history.arrivals, 0
    for as_of_us in history.instants:
        while at < len(heard) and heard[at][0] < as_of_us:
            end = at
            while end < min(at + 500, len(heard)) and heard[end][0] < as_of_us:
                end += 1
            stream.take([event for _, event in heard[at:end]])
            stream.counters.advance(heard[end - 1][0])
            at = end
        stream.counters.advance(as_of_us)
        columns = {name: column.copy() for name, column in stream.counters.columns().items()}
        yield live_of(columns, history.n_items), lambda key, us=as_of_us: stream.person(key, us)


def _at_once(history: History, counted: Sequence[dict[str, np.ndarray]]) -> Iterator[State]:
    """Per instant what DuckDB counted, and people made at once of all that happened before it."""
    for as_of_us, columns in zip(history.instants, counted, strict=True):
        yield live_of(columns, history.n_items), lambda key, us=as_of_us: _person(history, key, us)


def _person(history: History, key: str, as_of_us: int) -> PersonState:
    own = _past(history, key, as_of_us)
    aliases = {f"a:{event.anonymous_id}" for event in own if event.user_id and event.anonymous_id}
    sent = [own, *(_past(history, alias, as_of_us) for alias in sorted(aliases))]
    return join_states(
        merge_state(PersonState(), history_lines(events, row_of)[0]) for events in sent if events
    )


def _past(history: History, key: str, as_of_us: int) -> list[Event]:
    return [event for event in history.of_person.get(key, ()) if event.occurred_us < as_of_us]


def _assembled(
    history: History, asked: Sequence[Asked], facts: Facts, states: Iterator[State]
) -> dict[str, np.ndarray]:
    """What requests would assemble of these states: columns over all rows asked for."""
    shelf, parts = facts.shelf, []
    assert shelf is not None
    for as_of_us, (live, person_of) in zip(history.instants, states, strict=True):
        newest = max((one for one in facts.fits if one <= as_of_us), default=None)
        assembler = Assembler(
            [one.name for one in BATCH], (), facts.fits[newest] if newest is not None else {}
        )
        told = offers(live)
        for one in asked:
            if one.as_of_us == as_of_us:
                parts.append(_matrix(assembler, one, told, shelf, person_of(one.person)))
    matrix = np.concatenate(parts)
    return {feature.name: matrix[:, at] for at, feature in enumerate(BATCH)}


def _matrix(
    assembler: Assembler, one: Asked, live: LiveItems, shelf: Shelf, person: PersonState
) -> np.ndarray:
    item = np.array(one.items, np.int32)
    candidates = Candidates(
        item,
        np.zeros(len(item), np.uint16),
        np.empty((len(item), 0), np.float32),
        np.zeros(len(item), np.float32),
    )
    query = Query(
        size=10, asked_us=one.as_of_us, context=one.context, placement=one.context.placement or "home",
        user_id=one.person[2:] if one.person.startswith("u:") else None,
    )  # fmt: skip
    # Rows of a batch tell their country themselves.
    return assembler.assemble(query, replace(person, country=None), live, shelf, candidates)


# --------------------------------------------------------------- comparison


def _compared(one: str, two: str, made: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """How many cells were compared and differ, and the first that do."""
    different, beyond, found, n_rows = 0, 0, [], 0
    for feature in BATCH:
        left, right = made[one][feature.name], made[two][feature.name]
        n_rows = len(left)
        if feature.dtype == "int64":
            beyond += int((np.maximum(np.abs(left), np.abs(right)) > _EXACT).sum())
            if {left.dtype, right.dtype} == {np.dtype(np.int64)}:
                same = left == right
            else:
                same = left.astype(np.float32) == right.astype(np.float32)
        else:
            same = np.isclose(
                left.astype(np.float64),
                right.astype(np.float64),
                rtol=RELATIVE,
                atol=ABSOLUTE,
                equal_nan=True,
            )
        rows = np.flatnonzero(~same)
        different += len(rows)
        found += [f"{feature.name}: row {at}, {left[at]} != {right[at]}" for at in rows[:2]]
    return {
        "one": one, "two": two, "rows": n_rows, "features": len(BATCH), "compared": n_rows * len(BATCH),
        "differences": different, "beyond_float32": beyond, "first": found[:20],
    }  # fmt: skip
