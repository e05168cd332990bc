"""Shelfwise: the product recommendation engine that an online shop runs itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop

__version__ = "0.1.0"
__all__ = ["Shop", "__version__"]


def __getattr__(name: str) -> object:
    """``Shop`` is loaded when it is first asked for: importing the package starts nothing."""
    if name == "Shop":
        from shelfwise.app.shop import Shop

        return Shop
    raise AttributeError(f"module 'shelfwise' has no attribute {name!r}")
