"""Simulated browsing on the demo's catalogue: impressions, clicks and carts, which the real purchases lack.

It is made by the simulation and shipped as a file, since compiling the simulation takes longer than all else that the
demo does. It is imported like any file; every event says ``origin: simulated``, and nothing is learned from it. Made
anew, from a demo shop of the whole history: ``python -m shelfwise.app._demo_browsing SHOP``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from shelfwise.app.shop import Shop

_DATA = Path(__file__).with_name("data")
FILE, SCENARIO = _DATA / "browsing.parquet", _DATA / "browsing.toml"
SEED = 7


def add_browsing(shop: Shop) -> dict[str, Any]:
    """Import it; the report of what became of it."""
    return shop.import_events(FILE, origin="simulated")


def make_browsing(shop: Shop, to: Path = FILE) -> dict[str, Any]:
    """Make the file, from the catalogue of a demo shop and what sold there of late."""
    return shop.simulate(str(SCENARIO), seed=SEED, to=to)


def main() -> None:
    """Make the file anew from the demo shop in the folder given."""
    with Shop.open(sys.argv[1]) as shop:
        print(make_browsing(shop))


if __name__ == "__main__":
    main()
