"""What is true of a world and no shop knows: chances, the best slate, relevance, the value of policies and shoppers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shelfwise.simulation._choice import chances, gains, tallied
from shelfwise.simulation._ground import mean_quantity
from shelfwise.simulation._lifetime import Lifetime, lifetime
from shelfwise.simulation._people import is_wholesale
from shelfwise.simulation._shopper import Context, Slate
from shelfwise.simulation._world import World

Worth = Literal["orders", "revenue_minor", "margin_minor"]
Policy = Callable[[int, Context], NDArray[np.int32]]
"""What a policy shows a shopper in a context: item rows, best position first."""


@dataclass(frozen=True, slots=True, eq=False)
class Chances:
    """Exact chances by position of a slate."""

    examined: NDArray[np.float64]  # (K,)
    clicked: NDArray[np.float64]  # (K,)
    carted: NDArray[np.float64]  # (K,)
    bought: NDArray[np.float64]  # (K,)


@dataclass(frozen=True, slots=True, eq=False)
class Occasion:
    """A shopper who is about to see a slate."""

    shopper: int
    list: int  # place in LISTS
    context: Context


@dataclass(frozen=True)
class Truth:
    """Answers on a world, from the same utilities that its shoppers draw from."""

    world: World

    def chances(self, shopper: int, slate: Slate, context: Context) -> Chances:
        """What becomes of each position."""
        return Chances(*chances(*self._asked(shopper, context, slate.item), slate.list))

    def tally(self, shopper: int, slate: Slate, context: Context, draws: int) -> NDArray[np.int64]:
        """``(4, K)`` how often ``respond`` of draws 0, 1, 2, ... examines, clicks, carts and buys each position."""
        return np.asarray(tallied(*self._asked(shopper, context, slate.item), slate.list, draws))

    def relevance(self, shopper: int, context: Context) -> NDArray[np.float64]:
        """``(I,)`` chance that each item is bought if it is shown alone and looked at: grades for precision@k."""
        click, bought = gains(
            *self._asked(shopper, context, np.arange(len(self.world.items), dtype=np.int32))
        )
        return np.asarray(click * bought)

    def best_slate(self, shopper: int, context: Context, size: int) -> NDArray[np.int32]:
        """Rows of the slate with most expected orders.

        With positions looked at each by its own chance these are the most appealing items in their order: appeal
        raises click and weight alike, and to exchange a better with a worse item, or to move it down, can only raise
        the chance that nothing is chosen. In the cascade a click may end the looking, and this is no proof; among
        hundreds of small slates that were gone through one by one, none was better.
        """
        return np.argsort(-self.relevance(shopper, context), kind="stable")[:size].astype(np.int32)

    def value(
        self, occasions: Sequence[Occasion], policy: Policy, worth: Worth = "orders"
    ) -> NDArray[np.float64]:
        """``(N,)`` exact expected worth of what a policy shows on each occasion."""
        return np.array(
            [
                self.chances(o.shopper, slate, o.context).bought @ self._worth(o.shopper, worth)[slate.item]
                for o, slate in _shown(occasions, policy)
            ]
        )

    def value_drawn(
        self, occasions: Sequence[Occasion], policy: Policy, worth: Worth = "orders", *, draws: int = 1
    ) -> NDArray[np.float64]:
        """``(N,)`` the same as the mean of draws.

        Two policies meet the same shoppers with the same luck (common random numbers): chance hangs on shopper, draw
        and item, so the difference of two answers is much surer than either.
        """
        return np.array(
            [
                self.tally(o.shopper, slate, o.context, draws)[3]
                @ self._worth(o.shopper, worth)[slate.item]
                / draws
                for o, slate in _shown(occasions, policy)
            ]
        )

    def occasions(self, start_us: int, end_us: int, *, shoppers: range, limit: int) -> list[Occasion]:
        """The first asks of the visits that start in ``[start_us, end_us)``, at most ``limit``."""
        found: list[Occasion] = []
        for visit in self.world.visits(start_us, end_us, shoppers=shoppers):
            ask = next(visit.asks())
            found.append(Occasion(visit.shopper, ask.list, ask.context))
            if len(found) == limit:
                break
        return found

    def lifetime(self, start_us: int, days: int, *, shoppers: range, draws: int = 16) -> Lifetime:
        """What shoppers are worth from a day on; see ``lifetime``."""
        return lifetime(self.world, start_us, days, shoppers=shoppers, draws=draws)

    def _asked(self, shopper: int, context: Context, rows: NDArray[np.int32]) -> tuple[Any, ...]:
        """Arguments of the kernels, in their order."""
        world = self.world
        return (
            world.ground,
            world.week_of(context.at_us),
            shopper,
            context.at_us,
            context.intent,
            context.category,
            context.target,
            world.require_rows(context.seeds),
            world.require_rows(rows),
        )

    def _worth(self, shopper: int, worth: Worth) -> NDArray[np.float64]:
        """``(I,)`` what an order of each item brings."""
        return self._worths[worth, is_wholesale(self.world.ground, shopper)]

    @cached_property
    def _worths(self) -> dict[tuple[str, int], NDArray[np.float64]]:
        items = self.world.items
        table: dict[tuple[str, int], NDArray[np.float64]] = {}
        for wholesale in (0, 1):
            units = mean_quantity(self.world.ground.rules[0], wholesale)
            table["orders", wholesale] = np.ones(len(items))
            table["revenue_minor", wholesale] = np.asarray(units * items.price_minor)
            table["margin_minor", wholesale] = np.asarray(units * (items.price_minor - items.cost_minor))
        return table


def _shown(occasions: Sequence[Occasion], policy: Policy) -> Iterator[tuple[Occasion, Slate]]:
    for occasion in occasions:
        yield occasion, Slate(policy(occasion.shopper, occasion.context), occasion.list)
