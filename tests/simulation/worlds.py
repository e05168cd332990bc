"""Small worlds that tests share."""

from __future__ import annotations

from functools import cache

import numpy as np

from shelfwise.simulation import Context, ItemTruth, Slate, World, WorldSettings

N_ITEMS = 200


@cache
def world(examination: str = "position", seed: int = 7) -> World:
    """Lively: many clicks and orders, so that few draws show much."""
    settings = WorldSettings(
        examination=examination,  # type: ignore[arg-type]
        click_logit=-1.0,
        cart_logits=(-2.0, -1.5, -1.0, -1.5),
        visits_per_week=2.0,
        wholesale_share=0.2,
    )
    return World.grow(ItemTruth.synthetic(N_ITEMS, seed=seed), settings, seed=seed)


def situation(
    world: World, rng: np.random.Generator, *, size: int | None = None
) -> tuple[int, Slate, Context]:
    """A shopper at random, a slate at random, and what they are about."""
    items = world.items
    rows = rng.permutation(len(items))[: size or rng.integers(1, 13)].astype(np.int32)
    about = int(rows[0])
    context = Context(
        at_us=world.settings.opens_us + int(rng.integers(0, 365)) * 86_400_000_000,
        intent=int(rng.integers(0, 4)),
        category=int(items.category[about]) if rng.random() < 0.7 else -1,
        target=about if rng.random() < 0.3 else -1,
        seeds=rng.permutation(len(items))[: rng.integers(0, 4)].astype(np.int32),
    )
    return int(rng.integers(0, 1_000_000)), Slate(rows, int(rng.integers(0, 6))), context
