"""Small shops whose truth is known, because it was planted."""

from tests.world.planted import DAY, NOW_US, Shop, live_items, person, shelf_of, shop
from tests.world.rows import Row, history

__all__ = ["DAY", "NOW_US", "Row", "Shop", "history", "live_items", "person", "shelf_of", "shop"]
