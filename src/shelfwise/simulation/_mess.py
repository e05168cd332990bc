"""What stands between shoppers and a clean log: robots, double sendings, late and torn events, broken tracking.

Every decision is a pure function of seed and ``event_no``, so batches of any size give the same mess, and the lines
of one event share their fate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field

from shelfwise.domain import EVENT_CODES, HOUR_US, SECOND_US, VIEW, Settings
from shelfwise.simulation._traffic import DTYPES, Traffic

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

_OF_ARRIVALS = ("arrived_us", "fault", "robot", "honest")  # columns beside those of traffic
_OF_ANY_EVENT = 4  # faults that an event without items can have too: codes 1 to 4
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
    """Event lines in the order in which they reach the shop; lines of one sending stand together."""

    traffic: Traffic
    arrived_us: NDArray[np.int64]  # (N,) shop time
    fault: NDArray[np.int8]  # (N,) index into FAULTS
    robot: NDArray[np.int32]  # (N,) number of the robot, -1 a person
    honest: NDArray[np.bool_]  # (N,) a robot whose user agent names it

    def __len__(self) -> int:
        return len(self.arrived_us)

    def take(self, rows: NDArray[Any]) -> Arrivals:
        """Only these rows, in their order."""
        return Arrivals(self.traffic.take(rows), *(getattr(self, name)[rows] for name in _OF_ARRIVALS))


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
            yield queue.take(batch)
    yield queue.rest()


class Queue:
    """What was sent and has not yet arrived."""

    def __init__(self, stretches: Sequence[tuple[int, MessSettings]], *, seed: int, n_items: int) -> None:
        self._stretches, self._seed, self._n_items = stretches, seed, n_items
        self._waiting: Arrivals | None = None

    def take(self, batch: Traffic) -> Arrivals:
        """Send a batch, which follows those before it in time; what arrives until its last instant."""
        made = joined([*([self._waiting] if self._waiting is not None else []), *self._messed(batch)])
        due = made.arrived_us <= batch.at_us[-1]  # what follows happens, and so arrives, no sooner
        self._waiting = made.take(np.flatnonzero(~due)) if not due.all() else None
        return _in_order(made, np.flatnonzero(due))

    def rest(self) -> Arrivals:
        """What arrives after the last batch."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return messed(Traffic.none(), MessSettings(), seed=0)
        return _in_order(waiting, np.arange(len(waiting)))

    def _messed(self, batch: Traffic) -> Iterator[Arrivals]:
        edges = np.searchsorted(batch.at_us, [until_us for until_us, _ in self._stretches[:-1]]).tolist()
        for begin, end, (_, rates) in zip([0, *edges], [*edges, len(batch)], self._stretches, strict=True):
            if end > begin:
                part = batch.take(slice(begin, end))
                yield messed(part, rates, seed=self._seed, n_items=self._n_items)


def messed(traffic: Traffic, settings: MessSettings, *, seed: int, n_items: int = 0) -> Arrivals:
    """One batch with its robots, losses, faults, delays and second sendings; in no order."""
    parts = [_sent(traffic, settings, seed)]
    if settings.robot_rate > 0:
        parts += _robots(traffic, settings, seed, n_items)
    made = joined(parts)
    if settings.broken_event is not None:
        made = made.take(np.flatnonzero(~_lost(made.traffic, settings, seed)))
    made = _delayed(made, settings, seed)
    again = _again(made, settings, seed) if settings.duplicate_rate > 0 else []
    return joined([made, *again])


def joined(parts: list[Arrivals]) -> Arrivals:
    """All rows, one part after another."""
    if len(parts) == 1:
        return parts[0]
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in _OF_ARRIVALS)
    return Arrivals(Traffic.joined([part.traffic for part in parts]), *columns)


def _in_order(made: Arrivals, rows: NDArray[np.intp]) -> Arrivals:
    """These rows in the order of their arrival; those of one instant keep theirs."""
    at_us = made.arrived_us[rows]
    if len(rows) == len(made) and (at_us[1:] >= at_us[:-1]).all():
        return made
    return made.take(rows[np.argsort(at_us, kind="stable")])


def _sent(traffic: Traffic, settings: MessSettings, seed: int) -> Arrivals:
    """What people's browsers send, some of it wrong."""
    size = len(traffic)
    fault = _faults(traffic, settings, seed) if settings.bad_rate > 0 else np.zeros(size, np.int8)
    nobody, honest = np.full(size, -1, np.int32), np.zeros(size, np.bool_)
    return Arrivals(traffic, traffic.at_us, fault, nobody, honest)


def _faults(traffic: Traffic, settings: MessSettings, seed: int) -> NDArray[np.int8]:
    bad = uniform(seed, "bad", traffic.event_no) < settings.bad_rate
    kinds = np.where(traffic.item < 0, _OF_ANY_EVENT, len(FAULTS) - 1)
    kind = 1 + (uniform(seed, "fault", traffic.event_no) * kinds).astype(np.int8)
    return np.where(bad, kind, np.int8(0))


def _robots(traffic: Traffic, settings: MessSettings, seed: int, n_items: int) -> list[Arrivals]:
    """Bursts of page views, each set off by the event of a shopper, so that robots follow the shop's hours."""
    pages = settings.robot_pages
    draw = uniform(seed, "robot", traffic.event_no)
    begins = np.flatnonzero((traffic.line == 0) & (draw < settings.robot_rate / pages))
    if not len(begins):
        return []
    cause = np.repeat(begins, pages)
    page = np.tile(np.arange(pages), len(begins))
    number = (uniform(seed, "which robot", traffic.event_no[begins]) * settings.n_robots).astype(np.int32)
    robot = np.repeat(number, pages)
    event_no = mixed(traffic.event_no[cause], page)
    draw = uniform(seed, "page", event_no)
    if settings.robot_targets:
        wanted = uniform(seed, "target", np.arange(settings.robot_targets)) * n_items
        item = wanted.astype(np.int32)[(draw * settings.robot_targets).astype(np.int64)]
    else:
        item = (draw * n_items).astype(np.int32)
    honest = uniform(seed, "honest", np.arange(settings.n_robots)) < settings.robot_honesty
    views = _views(traffic.take(cause), event_no, page, item)
    return [Arrivals(views, views.at_us, np.zeros(len(cause), np.int8), robot, honest[robot])]


def _views(
    like: Traffic, event_no: NDArray[np.int64], page: NDArray[np.int64], item: NDArray[np.int32]
) -> Traffic:
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
    filled = {"event": VIEW, "quantity": 1, "price_minor": -1, **blank}
    constant = {name: np.full(len(item), value, DTYPES[name]) for name, value in filled.items()}
    at_us = like.at_us + (page * _ROBOT_S * SECOND_US).astype(np.int64)
    session = mixed(like.event_no, np.full(len(item), len(page)))  # no page's number
    return replace(like, event_no=event_no, at_us=at_us, item=item, session=session, **constant)


def _lost(traffic: Traffic, settings: MessSettings, seed: int) -> NDArray[np.bool_]:
    """Events of the type whose tracking is broken."""
    broken = traffic.event == EVENT_CODES[str(settings.broken_event)]
    return broken & (uniform(seed, "lost", traffic.event_no) < settings.broken_rate)


def _delayed(made: Arrivals, settings: MessSettings, seed: int) -> Arrivals:
    number, arrived_us = made.traffic.event_no, made.arrived_us
    if settings.jitter_s > 0:
        wait_s = uniform(seed, "jitter", number) * settings.jitter_s
        arrived_us = arrived_us + (wait_s * SECOND_US).astype(np.int64)
    if settings.late_rate > 0:
        late = uniform(seed, "late", number) < settings.late_rate
        hours = -np.log1p(-uniform(seed, "how late", number)) * settings.late_hours
        wait_us = np.where(late, np.minimum(hours * HOUR_US, _LATEST_US), 0.0)
        arrived_us = arrived_us + wait_us.astype(np.int64)
    return replace(made, arrived_us=arrived_us)


def _again(made: Arrivals, settings: MessSettings, seed: int) -> list[Arrivals]:
    """Second sendings: of the same body, seconds to minutes after the first."""
    number = made.traffic.event_no
    twice = np.flatnonzero(uniform(seed, "twice", number) < settings.duplicate_rate)
    if not len(twice):
        return []
    again = made.take(twice)
    pause_us = (1.0 + 299.0 * uniform(seed, "pause", number[twice])) * SECOND_US
    return [replace(again, arrived_us=again.arrived_us + pause_us.astype(np.int64))]


def uniform(seed: int, stream: str, key: NDArray[np.int64]) -> NDArray[np.float64]:
    """A draw in [0, 1) for each key, the same for the same seed, stream and key.

    Source:
        Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (SplitMix64).
    """
    return _draws(key, _salt(seed, stream))


def mixed(key: NDArray[np.int64], part: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number of its own for each part of a key; negative, so that no key is one."""
    return _parts(key, part)


@lru_cache(maxsize=1_000)
def _salt(seed: int, stream: str) -> np.uint64:
    told = f"{seed}\x1f{stream}".encode()
    return np.uint64(int.from_bytes(blake2b(told, digest_size=8).digest(), "little"))


@njit(cache=True)
def _draws(key: NDArray[np.int64], salt: np.uint64) -> NDArray[np.float64]:
    drawn = np.empty(len(key), np.float64)
    for n in range(len(key)):
        drawn[n] = (_mix(_mix(np.uint64(key[n])) + salt) >> np.uint64(11)) * 2.0**-53
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
