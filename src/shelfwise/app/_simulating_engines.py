"""Who answers in the closed loop: the pipeline of this process, or a running server."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from shelfwise.app._clock import real_time_us
from shelfwise.app._simulating_formats import Names
from shelfwise.app._simulating_sinks import Line, Stopwatch
from shelfwise.domain import SECOND_US, Clock
from shelfwise.simulation import COUNTRIES, DEVICES, LISTS, Arrivals, Ask, Visit

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

SIZE = 10  # items of a slate
_SEEDS = 20  # items that a page tells the engine: what is looked at, what is in the cart
_ANSWERS = 200  # answers between two hand-overs to the keeper
_LOOK = 20  # answers between two looks at what has changed
_ID_GRAIN_US = 1_000  # an id tells whole milliseconds: by the next one its answer was given


class Engine(Protocol):
    """Answers with recommendations."""

    def answer(self, ask: Ask, visit: Visit) -> tuple[str, NDArray[np.int32]]:
        """The answer's id, and the rows of its items, best first."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class ShopClock:
    """Shop time that the simulation moves."""

    now_us: int

    def __call__(self) -> int:
        return self.now_us


class ServerTime:
    """The time of a server, whose clock cannot be moved: what happens in a story is stamped with it, as it happens.

    Every answer tells it; until the next it goes on with the real one. What happened in the story between two
    answers did so between them on the server too: nothing that comes of an answer seems to come before it.
    """

    def __init__(self, story_us: int, server_us: int, clock: Clock = real_time_us) -> None:
        self._clock, self._ahead_us = clock, server_us - clock()
        self._story_us, self._server_us = [story_us], [server_us]  # rising both; one list speaks of the other

    def goes_on(self, story_us: int) -> None:
        """The story has come so far by now."""
        self._story_us.append(max(story_us, self._story_us[-1]))
        self._server_us.append(max(self._clock() + self._ahead_us, self._server_us[-1]))

    def answered(self, story_us: int, recommendation_id: str) -> None:
        """An answer was given when the story had come so far."""
        self._ahead_us = instant_us(recommendation_id) + _ID_GRAIN_US - self._clock()
        self.goes_on(story_us)

    def stamped(self, made: Arrivals) -> Arrivals:
        """The same lines in the server's time."""
        if len(made) == 0:
            return made
        at_us = made.traffic.at_us
        first = max(bisect_right(self._story_us, int(at_us.min())) - 1, 0)
        return made.at(np.interp(at_us, self._story_us[first:], self._server_us[first:]).astype(np.int64))


class ShopEngine:
    """The shop's own pipeline in this process, on the simulation's clock: its deadlines never pass meanwhile."""

    def __init__(self, shop: Shop, names: Names, watch: Stopwatch) -> None:
        self._local = shop.door
        self._local.pipeline()
        self._local.door.now_s = lambda: shop.clock() / SECOND_US
        self._names, self._watch = names, watch
        self._row_of = {item_id: row for row, item_id in enumerate(names.item_ids)}
        self._n_recorded = 0

    def answer(self, ask: Ask, visit: Visit) -> tuple[str, NDArray[np.int32]]:
        """Ask the pipeline; the answer is logged like any other."""
        from shelfwise.serving.http import RecommendationQuery, answer

        asked = query_of(ask, visit, self._names)
        with self._watch.engine():
            if self._n_recorded % _LOOK == 0:
                self._local.pipeline()
            told = answer(self._local.door, msgspec.convert(asked, RecommendationQuery))
        self._n_recorded += 1
        if self._n_recorded >= _ANSWERS:
            self.close()
        return told.recommendation_id, _rows([item.item_id for item in told.items], self._row_of)

    def close(self) -> None:
        """Hand the answers over."""
        self._n_recorded = 0
        with self._watch.engine():
            asyncio.run(self._local.door.recorder.flush())


class HttpEngine:
    """``POST /v1/recommendations`` of a running server, over a connection that is kept."""

    def __init__(self, line: Line, names: Names) -> None:
        self._line, self._names = line, names
        self._row_of = {item_id: row for row, item_id in enumerate(names.item_ids)}

    def answer(self, ask: Ask, visit: Visit) -> tuple[str, NDArray[np.int32]]:
        """Ask over HTTP."""
        body = msgspec.json.encode(query_of(ask, visit, self._names))
        told = self._line.post("/v1/recommendations", body)
        rows = _rows([item["item_id"] for item in told["items"]], self._row_of)
        return str(told["recommendation_id"]), rows

    def close(self) -> None:
        """The sink lets go of the connection."""


def query_of(ask: Ask, visit: Visit, names: Names) -> dict[str, Any]:
    """The body of the question that the shop's page asks."""
    place, ids = LISTS[ask.list], names.item_ids
    device, begin = DEVICES[visit.device], f"{names.people}{visit.shopper}"
    seeds = [ids[row] for row in ask.context.seeds[:_SEEDS].tolist()] if place != "home" else []
    return {
        "n": SIZE,
        "user_id": begin if visit.known else None,
        "anonymous_id": f"{begin}-{device}",
        "session_id": f"{names.run}-s{visit.session}",
        "placement": place,
        "items": seeds,
        "context": {"device": device, "country": COUNTRIES[visit.country]},
    }


def instant_us(recommendation_id: str) -> int:
    """When an answer was given, by its server's clock: its id begins with milliseconds in 11 hex digits."""
    return int(recommendation_id[:11], 16) * 1_000


def _rows(item_ids: list[str], row_of: Mapping[str, int]) -> NDArray[np.int32]:
    return np.array([row_of[item_id] for item_id in item_ids if item_id in row_of], np.int32)
