"""A training of a shop as it stands, and what is told of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from shelfwise import training
from shelfwise.app._features import objections_of
from shelfwise.app._history import require_history
from shelfwise.app._training import workshop_of
from shelfwise.app._vectors import training_shelf
from shelfwise.stores.adapters.delta_lake import DeltaLake

if TYPE_CHECKING:
    from shelfwise.app.shop import Shop, Told


def train(shop: Shop, *, only: str | None, told: Told | None) -> dict[str, Any]:
    """Fit, judge, publish if the gate is passed, and let it go live. Raises NotTrained without history."""
    begun = time.perf_counter()
    shop.drain()
    lake, shelf, now_us = DeltaLake(shop.layout.lake), training_shelf(shop), shop.clock()
    files = lake.files("event_lines")
    require_history(files, shop.settings.training, n_items=len(shelf), now_us=now_us)
    workshop = workshop_of(
        shop.layout,
        shop.settings,
        lake=lake,
        shelf=shelf,
        registry=shop.readers.releases,
        now_us=now_us,
        only=only,
        objections=() if only else objections_of(shop, files, as_of_us=now_us),
    )
    report = training.train(workshop, told=told)
    if report.release is not None:
        shop.submit("announce", {"name": "release"})
    return {
        "release": report.release,
        "passed": report.verdict.passed,
        "verdict": list(report.verdict.reasons),
        "judged": report.judged,
        "held_back": report.held_back,
        "seconds": {**report.seconds, "total": time.perf_counter() - begun},
        "missing": dict(report.missing),
    }
