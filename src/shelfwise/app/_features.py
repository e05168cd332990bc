"""The feature catalogue and its checks, as the command line shows them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shelfwise import features

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop


def catalogue_rows() -> list[dict[str, Any]]:
    """All features, one row each."""
    return features.catalogue_rows()


def check_shop(shop: Shop) -> list[dict[str, Any]]:
    """Features of the most recent people and the busiest items beside their declarations, one row each."""
    from shelfwise.stores.adapters.delta_lake import DeltaLake

    shop.drain()
    with features.DuckDB(features.DuckDBSettings(memory_mb=shop.settings.training.memory_mb)) as engine:
        checked = features.check(
            engine,
            DeltaLake(shop.layout.lake).files("event_lines"),
            as_of_us=shop.clock(),
            shelf=shop.readers.shelf_reader.shelf(),
            origins=shop.settings.training.origins,
        )
    return [{**asdict(one), "ok": one.ok} for one in checked]
