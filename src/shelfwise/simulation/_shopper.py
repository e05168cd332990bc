"""One shopper, and one of their visits, that answers slates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import InvalidField
from shelfwise.simulation import _telling as telling
from shelfwise.simulation import _visits as visits
from shelfwise.simulation._choice import responded
from shelfwise.simulation._ground import MAX_POSITIONS, Week
from shelfwise.simulation._people import Person, person_of
from shelfwise.simulation._telling import Plan, State
from shelfwise.simulation._traffic import LINES, Traffic, picked, plain
from shelfwise.simulation._visits import Need

if TYPE_CHECKING:
    from shelfwise.simulation._world import World

NO_ROWS = np.empty(0, np.int32)

_ROOM = (
    1_024  # lines that a step of a visit can write: at most 128 positions, all clicked, or a cart three times
)


@dataclass(frozen=True, slots=True, eq=False)
class Slate:
    """Items shown in one place, best position first."""

    item: NDArray[np.int32]  # (K,) item rows, each once
    list: int  # place in LISTS
    recommendation: int = -1  # number of the answer; -1: the shop's own list

    def __post_init__(self) -> None:
        if len(self.item) > MAX_POSITIONS or len(set(self.item.tolist())) != len(self.item):
            raise InvalidField("slate", self.item.tolist(), f"at most {MAX_POSITIONS} items, each once")


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What the shopper is about when a slate is shown."""

    at_us: int  # when the visit began
    intent: int = 0  # place in INTENTS
    category: int = -1  # code of the category they look for; -1 none
    target: int = -1  # row of the very item they look for; -1 none
    seeds: NDArray[np.int32] = field(
        default_factory=NO_ROWS.copy
    )  # rows looked at or in the cart, newest first


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What the shopper did with a slate, by position."""

    outcome: NDArray[np.int8]  # (K,) 0 not looked at, 1 examined, 2 clicked
    chosen: int  # the position put into the cart, one of those clicked; -1 none
    pays: bool  # for the cart, at the end of the visit

    @property
    def examined(self) -> NDArray[np.bool_]:
        """``(K,)``"""
        return self.outcome >= 1

    @property
    def clicked(self) -> NDArray[np.bool_]:
        """``(K,)``, within examined."""
        return self.outcome == 2

    @property
    def carted(self) -> NDArray[np.bool_]:
        """``(K,)``, at most one, within clicked."""
        return np.arange(len(self.outcome)) == self.chosen

    @property
    def bought(self) -> NDArray[np.bool_]:
        """``(K,)``, within carted."""
        return self.carted & self.pays


@dataclass(frozen=True, slots=True, eq=False)
class Shopper:
    """One person of a world: a number; all else follows from the world."""

    world: World
    number: int

    def latents(self, at_us: int) -> Person:
        """Taste, elasticity, favourites and regular items, as they are then."""
        return person_of(self.world.ground, self.number, at_us)

    def respond(self, slate: Slate, context: Context, *, draw: int = 0) -> Response:
        """How they react to a slate. The same ``draw`` is the same chance, whatever is shown."""
        rows = self.world.require_rows(slate.item)
        outcome, chosen, pays = responded(
            self.world.ground,
            self.world.week_of(context.at_us),
            self.number,
            context.at_us,
            context.intent,
            context.category,
            context.target,
            self.world.require_rows(context.seeds),
            rows,
            slate.list,
            draw,
        )
        return Response(outcome, chosen, pays)


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """A place in a visit where the shop may show recommendations."""

    list: int  # place in LISTS: home, product, cart
    context: Context
    at_us: int  # now


class Outbox:
    """Lines that visits have written and nobody has taken yet; visits that are under way together share one."""

    def __init__(self) -> None:
        self.lines = np.empty(2 * _ROOM, LINES)
        self.used = np.zeros(1, np.int64)

    def __len__(self) -> int:
        return int(self.used[0])

    @property
    def last_us(self) -> int:
        """When the last of them happens; 0 where there is none."""
        return int(self.lines["at_us"][: len(self)].max(initial=0))

    def make_room(self) -> None:
        """For the lines of one more step."""
        if len(self.lines) - len(self) < _ROOM:
            longer = np.empty(2 * len(self.lines), LINES)
            plain(longer)[: len(self)] = plain(self.lines)[: len(self)]
            self.lines = longer

    def drain(self, until_us: int | None = None) -> NDArray[np.void]:
        """Takes out what happened until an instant, in time order; later lines stay, in time order too."""
        lines = self.lines[: len(self)]
        lines = picked(lines, np.argsort(lines["at_us"], kind="stable"))
        n_due = len(lines) if until_us is None else int(np.searchsorted(lines["at_us"], until_us, "right"))
        self.used[0] = len(lines) - n_due
        plain(self.lines)[: len(self)] = plain(lines)[n_due:]
        return lines[:n_due]


class Visit:
    """One visit in the closed loop.

    ::

        for visit in world.visits(start_us, end_us, shoppers=range(1_000)):
            for ask in visit.asks():
                send(visit.drain())                      # what happened until now
                visit.show(Slate(rows, ask.list, answer_number))   # or nothing
            send(visit.drain())

    What the shop shows competes with its own pages: a need that a slate has met is not looked for again.
    """

    def __init__(
        self,
        world: World,
        week: Week,
        session: int,
        start_us: int,
        gift_odds: float,
        outbox: Outbox | None = None,
    ) -> None:
        self._world, self._week = world, week
        self._outbox = Outbox() if outbox is None else outbox
        self._state = telling.new_state(0)
        self._plan: Plan = visits.enter(world.ground, week, self._state, session, start_us, gift_odds)
        self._ask: Ask | None = None
        self._asked = 0
        self._met = False  # the need looked for is met by a slate
        self.session, self.at_us = session, start_us
        self.shopper, self.device = self._plan.person.number, self._plan.device
        self.country, self.intent = self._plan.country, self._plan.intent

    @property
    def known(self) -> bool:
        """Signed in, by now."""
        return bool(self._state.number[telling.KNOWN])

    def asks(self) -> Iterator[Ask]:
        """Goes through the visit, and stops where a slate may be shown: home, product pages, the cart."""
        number, ground = self._state.number, self._world.ground
        yield self._place(visits.HOME, NO_ROWS)
        for n in range(self._plan.needs):
            if self._met:
                self._met = False
                continue
            carted = visits.seek(ground, self._week, self._ready(), self._plan, n)
            if number[telling.VIEWED] >= 0:
                yield self._place(visits.PRODUCT, number[telling.VIEWED : telling.VIEWED + 1])
                self._met &= carted  # a need looked for in vain is over, met or not
        if number[telling.N_CART]:
            number[telling.SOUGHT], number[telling.TARGET] = -1, -1
            yield self._place(visits.CART_PAGE, NO_ROWS)
        self._ask = None
        visits.check_out(ground, self._ready(), self._plan)

    def show(self, slate: Slate) -> Response:
        """The shopper reacts to a slate, at the ask that stands."""
        if self._ask is None:
            raise InvalidField(
                "visit", self.session, "an ask that stands: show slates while going through asks()"
            )
        context, rows = self._ask.context, self._world.require_rows(slate.item)
        need, state = Need(slate.list, context.category, context.target), self._ready()
        chosen = visits.offered(
            self._world.ground,
            self._week,
            state,
            self._plan,
            self._asked,
            rows,
            need,
            context.seeds,
            slate.recommendation,
        )
        self._asked += 1
        self._met |= chosen >= 0 and bool(self._world.items.category[rows[chosen]] == context.category)
        return Response(state.outcome[: len(rows)].copy(), chosen, self._plan.pays)

    def drain(self) -> Traffic:
        """Lines since the last call, in time order; of all visits that share the outbox."""
        return Traffic.of_records(self._outbox.drain())

    def _place(self, shown: int, at_hand: NDArray[Any]) -> Ask:
        number, seeds = self._state.number, self._state.seeds
        rows = np.empty(min(len(at_hand) + int(number[telling.N_SEEDS]), telling.SEEDS), np.int32)
        rows[: len(at_hand)] = at_hand
        rows[len(at_hand) :] = seeds[: len(rows) - len(at_hand)]
        category, target = int(number[telling.SOUGHT]), int(number[telling.TARGET])
        context = Context(self.at_us, self.intent, category, target, rows)
        self._ask = Ask(shown, context, int(number[telling.NOW]))
        return self._ask

    def _ready(self) -> State:
        """The state, with room in the outbox for the next step."""
        self._outbox.make_room()
        if self._state.lines is not self._outbox.lines:
            self._state = self._state._replace(lines=self._outbox.lines, used=self._outbox.used)
        return self._state
