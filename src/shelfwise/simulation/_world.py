"""A shop whose truth is known: items, settings, a seed, and any number of shoppers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shelfwise.simulation._items import ItemTruth
from shelfwise.simulation._settings import WorldSettings
from shelfwise.simulation._shopper import Shopper, Visit
from shelfwise.simulation._traffic import Traffic


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A simulated shop. Shoppers are numbers; what is true of one is a function of the seed and the number."""

    items: ItemTruth
    settings: WorldSettings
    seed: int

    @classmethod
    def grow(cls, items: ItemTruth, settings: WorldSettings | None = None, *, seed: int = 7) -> World:
        """A world around these items."""
        return cls(items, settings or WorldSettings(), seed)

    def traffic(
        self, start_us: int, end_us: int, *, shoppers: range, only: tuple[str, ...] = ()
    ) -> Iterator[Traffic]:
        """Open loop: all lines of the visits that start in ``[start_us, end_us)``, in time order, in batches.

        ``only`` names the events wanted; empty: all. What happens is the same, less is told.
        """
        raise NotImplementedError

    def parts(
        self, start_us: int, end_us: int, *, shoppers: range, only: tuple[str, ...] = ()
    ) -> Iterator[tuple[int, Traffic]]:
        """The same as pairs ``(until_us, lines)`` for ``in_time_order``: worlds that follow each other are chained."""
        raise NotImplementedError

    def visits(self, start_us: int, end_us: int, *, shoppers: range) -> Iterator[Visit]:
        """Closed loop: visits in the order of their starts."""
        raise NotImplementedError

    def shopper(self, number: int) -> Shopper:
        """The shopper of this number."""
        raise NotImplementedError

    def with_items(self, items: ItemTruth) -> World:
        """The same people, other items: prices, stock, births."""
        return World(items, self.settings, self.seed)

    def with_settings(self, settings: WorldSettings) -> World:
        """The same items and seed, other settings."""
        return World(self.items, settings, self.seed)
