"""One shopper, and one of their visits, that answers slates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shelfwise.simulation._traffic import Traffic

NO_ROWS = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class Slate:
    """Items shown in one place, best position first."""

    item: NDArray[np.int32]  # (K,) item rows, each once
    list: int  # place in LISTS
    recommendation: int = -1  # number of the answer; -1: the shop's own list


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What the shopper is about when a slate is shown."""

    at_us: int
    intent: int = 0  # place in INTENTS
    category: int = -1  # category they look for; -1 none
    seeds: NDArray[np.int32] = field(
        default_factory=NO_ROWS.copy
    )  # rows looked at or in the cart, newest first


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What the shopper did with a slate, by position."""

    examined: NDArray[np.bool_]  # (K,)
    clicked: NDArray[np.bool_]  # (K,) within examined
    carted: NDArray[np.bool_]  # (K,) at most one, within clicked
    bought: NDArray[np.bool_]  # (K,) within carted


@dataclass(frozen=True, slots=True, eq=False)
class Shopper:
    """One person of a world."""

    number: int

    def respond(self, slate: Slate, context: Context, *, draw: int = 0) -> Response:
        """How they react to a slate. The same ``draw`` is the same chance, whatever is shown."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """A place in a visit where the shop may show recommendations."""

    list: int  # place in LISTS: home, product, cart
    context: Context


class Visit:
    """One visit in the closed loop.

    ::

        for visit in world.visits(start_us, end_us, shoppers=range(1_000)):
            for ask in visit.asks():
                send(visit.drain())                      # what happened until now
                visit.show(Slate(rows, ask.list, answer_number))   # or nothing
            send(visit.drain())
    """

    session: int
    shopper: int
    at_us: int
    device: int
    known: bool
    country: int

    def asks(self) -> Iterator[Ask]:
        """Goes through the visit, and stops where a slate may be shown."""
        raise NotImplementedError

    def show(self, slate: Slate) -> Response:
        """The shopper reacts to a slate, at the ask that stands."""
        raise NotImplementedError

    def drain(self) -> Traffic:
        """Lines since the last call, in time order."""
        raise NotImplementedError
