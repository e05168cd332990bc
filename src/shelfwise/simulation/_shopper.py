"""One shopper, and one of their visits, that answers slates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import InvalidField
from shelfwise.simulation import _telling as telling
from shelfwise.simulation import _visits as visits
from shelfwise.simulation._choice import responded
from shelfwise.simulation._ground import MAX_POSITIONS, Week
from shelfwise.simulation._people import Person, person_of
from shelfwise.simulation._telling import Plan, State
from shelfwise.simulation._traffic import Traffic
from shelfwise.simulation._visits import Need

if TYPE_CHECKING:
    from shelfwise.simulation._world import World

NO_ROWS = np.empty(0, np.int32)

# Lines that a step of a visit can send, at most 128 positions, all clicked, or a cart three times; and lines that may
# wait beside them to be drained.
_ROOM, _KEPT = 1_024, 384


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

    examined: NDArray[np.bool_]  # (K,)
    clicked: NDArray[np.bool_]  # (K,) within examined
    carted: NDArray[np.bool_]  # (K,) at most one, within clicked
    bought: NDArray[np.bool_]  # (K,) within carted: the cart is paid for at the end of the visit

    @classmethod
    def of(cls, outcome: NDArray[np.int8], chosen: int, pays: bool) -> Response:
        """From a kernel's answer: 0 not looked at, 1 examined, 2 clicked; the position chosen, or -1."""
        carted = np.arange(len(outcome)) == chosen
        return cls(outcome >= 1, outcome == 2, carted, carted & pays)


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
        return Response.of(outcome, chosen, pays)


@dataclass(frozen=True, slots=True, eq=False)
class Ask:
    """A place in a visit where the shop may show recommendations."""

    list: int  # place in LISTS: home, product, cart
    context: Context
    at_us: int  # now


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

    def __init__(self, world: World, week: Week, session: int, start_us: int, gift_odds: float) -> None:
        self._world, self._week = world, week
        self._state = telling.new_state(_ROOM)
        self._plan: Plan = visits.begin(world.ground, self._state, session, start_us, gift_odds)
        self._sent: list[NDArray[np.void]] = []
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
        state, ground = self._state, self._world.ground
        yield self._place(visits.HOME, self._need(0), NO_ROWS)
        for n in range(self._plan.needs):
            need = self._need(n)
            if self._met:
                self._met = False
                continue
            state.number[telling.VIEWED] = -1
            carted = visits.meet(ground, self._week, state, self._plan, n)
            self._make_room()
            if state.number[telling.VIEWED] >= 0:
                at_hand = np.array([state.number[telling.VIEWED]], np.int32)
                wanted = self._need(n + 1) if carted and n + 1 < self._plan.needs else need
                yield self._place(visits.PRODUCT, wanted, at_hand)
                self._met &= carted  # a need looked for in vain is over, met or not
        if state.number[telling.N_CART]:
            yield self._place(visits.CART_PAGE, Need(visits.CART_PAGE, -1, -1), NO_ROWS)
        self._ask = None
        visits.check_out(ground, state, self._plan)
        self._make_room()

    def show(self, slate: Slate) -> Response:
        """The shopper reacts to a slate, at the ask that stands."""
        if self._ask is None:
            raise InvalidField(
                "visit", self.session, "an ask that stands: show slates while going through asks()"
            )
        context, rows = self._ask.context, self._world.require_rows(slate.item)
        need = Need(slate.list, context.category, context.target)
        chosen = visits.offered(
            self._world.ground,
            self._week,
            self._state,
            self._plan,
            self._asked,
            rows,
            need,
            context.seeds,
            slate.recommendation,
        )
        self._make_room()
        self._asked += 1
        met = chosen >= 0 and self._world.items.category[rows[chosen]] == context.category
        self._met = self._met or bool(met)
        return Response.of(self._state.outcome[: len(rows)].copy(), chosen, self._plan.pays)

    def drain(self) -> Traffic:
        """Lines since the last call, in time order."""
        return Traffic.of_records(self.records())

    def records(self) -> NDArray[np.void]:
        """The same as rows of dtype ``LINES``: less to do where many visits are brought together."""
        sent = [*self._sent, self._state.lines[: self._state.number[telling.N_LINES]].copy()]
        self._sent, self._state.number[telling.N_LINES] = [], 0
        return sent[0] if len(sent) == 1 else np.concatenate(sent)

    def _need(self, n: int) -> Need:
        return Need(*visits.need_of(self._world.ground, self._week, self._state, self._plan, n))

    def _place(self, shown: int, need: Need, at_hand: NDArray[np.int32]) -> Ask:
        state: State = self._state
        in_cart = state.seeds[: state.number[telling.N_SEEDS]]
        seeds = np.concatenate([at_hand, in_cart])[: telling.SEEDS]
        context = Context(self.at_us, self.intent, need.category, need.target, seeds)
        self._ask = Ask(shown, context, int(state.number[telling.NOW]))
        return self._ask

    def _make_room(self) -> None:
        """Takes lines out of the kernel's way where the next step could run out of them."""
        n_lines = int(self._state.number[telling.N_LINES])
        if n_lines > _KEPT:
            self._sent.append(self._state.lines[:n_lines].copy())
            self._state.number[telling.N_LINES] = 0
