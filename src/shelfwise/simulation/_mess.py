"""What stands between shoppers and a clean log: robots, double sendings, late and torn events, broken tracking.

Every decision is a pure function of seed and ``event_no``, so batches of any size give the same mess, and the lines
of one event share their fate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from shelfwise.domain import EVENT_CODES, HOUR_US, SECOND_US, VIEW, Settings
from shelfwise.simulation._random import codes
from shelfwise.simulation._traffic import LINES, Traffic, picked, plain, stacked

FAULTS = (
    "none",
    "unknown_event",  # a name that GA4 does not have
    "nobody",  # neither user_id nor anonymous_id
    "far_future",  # a clock that is years ahead
    "naive_instant",  # an instant without an offset
    "no_pieces",  # a quantity of 0; only events with items from here on
    "surplus_decimals",  # a price of a thousandth of a penny
)
"""What can be wrong with an event, by its code. Each is refused by the door with field, value and rule."""

BEFELL = ("robots", "lost", "faulty", "late", "twice")
"""What is told of the way to the shop: page views of robots on top, events that broken tracking loses, that have one
of ``FAULTS``, that wait for a connection, that are sent a second time."""

ARRIVALS = np.dtype(
    [("sent", LINES), ("arrived_us", "i8"), ("fault", "i1"), ("robot", "i4"), ("honest", "?")], align=True
)
_N_FAULTS = len(FAULTS) - 1
_OF_ANY_EVENT = 4  # faults that an event without items can have too: codes 1 to 4

# Streams of chance that every line draws from, and what can befall it.
_STREAMS = ("bad", "fault", "robot", "lost", "jitter", "late", "twice")
_BAD, _FAULT, _ROBOT, _LOSES, _JITTER, _TARRIES, _REPEATS = codes(range(len(_STREAMS)))
_SETS_OFF, _LOST, _LATE, _TWICE = (np.uint8(1 << bit) for bit in range(4))
_ROBOT_S = 2.0  # seconds between two pages of a robot: what polite crawlers keep, and nobody who reads
_LATEST_US = (
    20 * HOUR_US
)  # the door takes what is older, but nothing waits longer than this in the sender's queue


class MessSettings(Settings):
    """How dirty the traffic is. All rates 0: as clean as it was made."""

    duplicate_rate: float = Field(0.0, ge=0, le=1)
    """Share of events sent a second time, with the same ``event_id``: browsers that retry."""

    late_rate: float = Field(0.0, ge=0, le=1)
    """Share of events that wait for a connection: apps used in tunnels."""

    late_hours: float = Field(3.0, gt=0, le=20)
    """Mean wait of these, exponential, cut at 20 hours."""

    jitter_s: float = Field(0.0, ge=0, le=3600)
    """Every event arrives up to so much later, evenly: neighbours overtake each other."""

    bad_rate: float = Field(0.0, ge=0, le=1)
    """Share of events with one of ``FAULTS``."""

    robot_rate: float = Field(0.0, ge=0, le=100)
    """Page views by robots for each event of a shopper. 1: as many again."""

    robot_pages: int = Field(40, ge=1, le=1_000)
    """Pages that a robot looks at in one go."""

    n_robots: int = Field(20, ge=1, le=1_000_000)
    """Robots, each with an anonymous id of its own."""

    robot_honesty: float = Field(0.5, ge=0, le=1)
    """Share of robots whose user agent says what they are."""

    robot_targets: int = Field(0, ge=0)
    """0: robots crawl the whole catalogue. Else they look at so many items only, to push them."""

    broken_event: Literal[tuple(EVENT_CODES)] | None = None  # type: ignore[valid-type]
    """An event type whose tracking is broken."""

    broken_rate: float = Field(1.0, ge=0, le=1)
    """Share of its events that are lost."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """Event lines in the order in which they reach the shop; lines of one sending stand together.

    Rows, not columns: in the closed loop few lines arrive at a time, and many steps move them about.
    """

    rows: NDArray[np.void]  # (N,) ARRIVALS

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def traffic(self) -> Traffic:
        """What was sent, as columns: views of the rows."""
        sent = self.rows["sent"]
        return Traffic(**{name: sent[name] for name in LINES.names or ()})

    @property
    def arrived_us(self) -> NDArray[np.int64]:
        """``(N,)`` shop time."""
        return np.asarray(self.rows["arrived_us"])

    @property
    def fault(self) -> NDArray[np.int8]:
        """``(N,)`` index into FAULTS."""
        return np.asarray(self.rows["fault"])

    @property
    def robot(self) -> NDArray[np.int32]:
        """``(N,)`` number of the robot, -1 a person."""
        return np.asarray(self.rows["robot"])

    @property
    def honest(self) -> NDArray[np.bool_]:
        """``(N,)`` a robot whose user agent names it."""
        return np.asarray(self.rows["honest"])

    def take(self, rows: NDArray[Any]) -> Arrivals:
        """Only these rows, in their order."""
        return Arrivals(picked(self.rows, rows))

    def at(self, at_us: NDArray[np.int64]) -> Arrivals:
        """The same, that happened at these instants, ``(N,)``."""
        rows = stacked([self.rows])
        rows["sent"]["at_us"] = at_us
        return Arrivals(rows)


def arrivals(
    batches: Iterable[Traffic], stretches: Sequence[tuple[int, MessSettings]], *, seed: int, n_items: int
) -> Iterator[Arrivals]:
    """Traffic as it reaches the shop. What comes late is held back until its time has come.

    Args:
        batches: Traffic in the order of time, over batches too.
        stretches: Pairs of an instant and the rates until then, in the order of time; the last hold on.
        seed: Of the decisions.
        n_items: Rows that robots may look at.
    """
    queue = Queue(stretches, seed=seed, n_items=n_items)
    for batch in batches:
        if len(batch):
            yield queue.take(batch.records())
    yield queue.rest()


class Queue:
    """What was sent and has not yet arrived, and what befell it: events by ``BEFELL``."""

    def __init__(self, stretches: Sequence[tuple[int, MessSettings]], *, seed: int, n_items: int) -> None:
        self._untils_us = [until_us for until_us, _ in stretches[:-1]]
        self._dice = [Dice.of(rates, seed, n_items) for _, rates in stretches]
        self._waiting = np.empty(0, ARRIVALS)
        self.befell: Counter[str] = Counter(dict.fromkeys(BEFELL, 0))

    def take(self, batch: NDArray[np.void]) -> Arrivals:
        """Send lines (dtype ``LINES``) that follow those before in time; what arrives until their last instant."""
        made = stacked([self._waiting, *self._messed(batch)])
        due = made["arrived_us"] <= batch["at_us"][-1]  # what follows happens, and so arrives, no sooner
        self._waiting = picked(made, ~due)
        return Arrivals(_in_order(picked(made, due)))

    def rest(self) -> Arrivals:
        """What arrives after the last batch."""
        waiting, self._waiting = self._waiting, np.empty(0, ARRIVALS)
        return Arrivals(_in_order(waiting))

    def _messed(self, batch: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
        edges = np.searchsorted(batch["at_us"], self._untils_us).tolist()
        for begin, end, dice in zip([0, *edges], [*edges, len(batch)], self._dice, strict=True):
            if end > begin:
                made, befell = messed(batch[begin:end], dice)
                self.befell.update(befell)
                yield made


@dataclass(frozen=True, slots=True, eq=False)
class Dice:
    """The rates of a stretch of time as compiled code reads them."""

    settings: MessSettings
    seed: int
    n_items: int
    chances: NDArray[np.float64]  # (7,) by stream; of the jitter its seconds
    salts: NDArray[np.uint64]  # (7,)
    broken: int  # code of the event whose tracking is broken; -1 none

    @classmethod
    def of(cls, settings: MessSettings, seed: int, n_items: int) -> Dice:
        """Of these rates and this seed."""
        rates = (
            settings.bad_rate,
            1.0,
            settings.robot_rate / settings.robot_pages,
            settings.broken_rate,
            settings.jitter_s,
            settings.late_rate,
            settings.duplicate_rate,
        )
        salts = np.array([_salt(seed, name) for name in _STREAMS], np.uint64)
        broken = EVENT_CODES.get(settings.broken_event or "", -1)
        return cls(settings, seed, n_items, np.array(rates), salts, broken)

    def uniform(self, stream: str, key: NDArray[np.int64]) -> NDArray[np.float64]:
        """Draws in [0, 1)."""
        return uniform(self.seed, stream, key)


def messed(lines: NDArray[np.void], dice: Dice) -> tuple[NDArray[np.void], Mapping[str, int]]:
    """``(M,)`` ARRIVALS of one batch, in no order, and its events by ``BEFELL``."""
    made = _arriving(lines)
    fate = _cast(made, dice.broken, dice.chances, dice.salts)
    if not fate.any() and not made["fault"].any():
        return made, {}
    befell = {"faulty": _events(made["fault"] > 0, made)}
    if (fate & _SETS_OFF).any():
        robots = _robots(picked(lines, fate & _SETS_OFF > 0), dice)
        fate = np.concatenate([fate, _cast(robots, dice.broken, dice.chances, dice.salts)])
        made, befell["robots"] = stacked([made, robots]), len(robots)
    if (fate & _LOST).any():
        befell["lost"] = _events(fate & _LOST > 0, made)
        made, fate = picked(made, fate & _LOST == 0), fate[fate & _LOST == 0]
    befell["late"], befell["twice"] = (_events(fate & bit > 0, made) for bit in (_LATE, _TWICE))
    _delay(made, np.flatnonzero(fate & _LATE), dice)
    return stacked([made, _again(picked(made, fate & _TWICE > 0), dice)]), befell


def _events(which: NDArray[np.bool_], made: NDArray[np.void]) -> int:
    """How many they are; the lines of an event share their fate."""
    return int(np.count_nonzero(which & (made["sent"]["line"] == 0)))


def _in_order(made: NDArray[np.void]) -> NDArray[np.void]:
    """In the order of their arrival; those of one instant keep theirs."""
    return picked(made, np.argsort(made["arrived_us"], kind="stable"))


def _arriving(lines: NDArray[np.void]) -> NDArray[np.void]:
    """At once, as they should be, of people."""
    made = np.empty(len(lines), ARRIVALS)
    plain(made["sent"])[:] = plain(lines)
    made["arrived_us"] = lines["at_us"]
    made["fault"], made["robot"], made["honest"] = 0, -1, False
    return made


def _robots(causes: NDArray[np.void], dice: Dice) -> NDArray[np.void]:
    """Bursts of page views, each set off by the event of a shopper, so that robots follow the shop's hours."""
    settings, pages = dice.settings, dice.settings.robot_pages
    number = (dice.uniform("which robot", causes["event_no"]) * settings.n_robots).astype(np.int32)
    like, page = (
        picked(causes, np.repeat(np.arange(len(causes)), pages)),
        np.tile(np.arange(pages), len(causes)),
    )
    event_no = mixed(like["event_no"], page)
    draw = dice.uniform("page", event_no)
    if settings.robot_targets:
        wanted = dice.uniform("target", np.arange(settings.robot_targets)) * dice.n_items
        item = wanted.astype(np.int32)[(draw * settings.robot_targets).astype(np.int64)]
    else:
        item = (draw * dice.n_items).astype(np.int32)
    honest = dice.uniform("honest", np.arange(settings.n_robots)) < settings.robot_honesty
    made = _arriving(_views(like, event_no, page, item))
    made["robot"] = np.repeat(number, pages)
    made["honest"] = honest[made["robot"]]
    return made


def _views(
    like: NDArray[np.void], event_no: NDArray[np.int64], page: NDArray[np.int64], item: NDArray[np.int32]
) -> NDArray[np.void]:
    """Single page views at the time of other lines, of nobody known."""
    blank = {
        "line": 0,
        "known": False,
        "order": -1,
        "index": -1,
        "list": 0,
        "query": -1,
        "recommendation": -1,
    }
    session = mixed(like["event_no"], np.full(len(item), len(page)))  # no page's number
    views = {"event": VIEW, "event_no": event_no, "item": item, "quantity": 1, "price_minor": -1}
    made = stacked([like])
    for name, values in {**blank, **views, "session": session}.items():
        made[name] = values
    made["at_us"] += (page * _ROBOT_S * SECOND_US).astype(np.int64)
    return made


def _delay(made: NDArray[np.void], late: NDArray[np.intp], dice: Dice) -> None:
    """These rows wait for a connection."""
    if len(late):
        draw = dice.uniform("how late", made["sent"]["event_no"][late])
        hours = -np.log1p(-draw) * dice.settings.late_hours
        made["arrived_us"][late] += np.minimum(hours * HOUR_US, _LATEST_US).astype(np.int64)


def _again(again: NDArray[np.void], dice: Dice) -> NDArray[np.void]:
    """Second sendings: of the same body, seconds to minutes after the first."""
    pause_us = (1.0 + 299.0 * dice.uniform("pause", again["sent"]["event_no"])) * SECOND_US
    again["arrived_us"] += pause_us.astype(np.int64)
    return again


def uniform(seed: int, stream: str, key: NDArray[np.int64]) -> NDArray[np.float64]:
    """A draw in [0, 1) for each key, the same for the same seed, stream and key.

    Source:
        Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (SplitMix64).
    """
    return _draws(np.ascontiguousarray(key), _salt(seed, stream))


def mixed(key: NDArray[np.int64], part: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number of its own for each part of a key; negative, so that no key is one."""
    return _parts(np.ascontiguousarray(key), part)


@lru_cache(maxsize=1_000)
def _salt(seed: int, stream: str) -> np.uint64:
    told = f"{seed}\x1f{stream}".encode()
    return np.uint64(int.from_bytes(blake2b(told, digest_size=8).digest(), "little"))


@njit(cache=True)
def _cast(
    made: NDArray[np.void], broken: int, chances: NDArray[np.float64], salts: NDArray[np.uint64]
) -> NDArray[np.uint8]:
    """``(N,)`` bits of what befalls each line; faults and jitter are written at once."""
    fate = np.zeros(len(made), np.uint8)
    for n in range(len(made)):
        row, sent = made[n], made[n].sent
        key = _mix(np.uint64(sent.event_no))
        if row.robot < 0:
            if _draw(key, salts[_BAD]) < chances[_BAD]:
                kinds = _OF_ANY_EVENT if sent.item < 0 else _N_FAULTS
                row.fault = 1 + int(_draw(key, salts[_FAULT]) * kinds)
            if sent.line == 0 and _draw(key, salts[_ROBOT]) < chances[_ROBOT]:
                fate[n] |= _SETS_OFF
        if sent.event == broken and _draw(key, salts[_LOSES]) < chances[_LOSES]:
            fate[n] |= _LOST
        if _draw(key, salts[_TARRIES]) < chances[_TARRIES]:
            fate[n] |= _LATE
        if _draw(key, salts[_REPEATS]) < chances[_REPEATS]:
            fate[n] |= _TWICE
        row.arrived_us += int(_draw(key, salts[_JITTER]) * chances[_JITTER] * SECOND_US)
    return fate


@njit(cache=True)
def _draw(key: np.uint64, salt: np.uint64) -> float:
    return (_mix(key + salt) >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def _draws(key: NDArray[np.int64], salt: np.uint64) -> NDArray[np.float64]:
    drawn = np.empty(len(key), np.float64)
    for n in range(len(key)):
        drawn[n] = _draw(_mix(np.uint64(key[n])), salt)
    return drawn


@njit(cache=True)
def _parts(key: NDArray[np.int64], part: NDArray[np.int64]) -> NDArray[np.int64]:
    made = np.empty(len(key), np.int64)
    for n in range(len(key)):
        bits = _mix(_mix(np.uint64(key[n])) + np.uint64(part[n])) >> np.uint64(1)
        made[n] = -1 - np.int64(bits)
    return made


@njit(cache=True)
def _mix(x: np.uint64) -> np.uint64:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
