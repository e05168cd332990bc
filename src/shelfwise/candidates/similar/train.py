"""Finds each item's nearest texts, and vectors if there are, by cosine.

Source: Salton and Buckley, "Term-weighting approaches in automatic text retrieval", 1988.
"""

from __future__ import annotations

from shelfwise.candidates._matrix import Prepared
from shelfwise.candidates._neighbours import strongest
from shelfwise.candidates.similar._text import tfidf
from shelfwise.candidates.similar._vectors import blended
from shelfwise.candidates.similar.serve import SimilarSource
from shelfwise.candidates.similar.settings import SimilarSettings
from shelfwise.domain import InvalidInput, Shelf


def fit(
    prepared: Prepared, shelf: Shelf | None, *, settings: SimilarSettings, warm: SimilarSource | None = None
) -> SimilarSource:
    """Neighbour lists of the shelf's texts. ``warm`` comes back as it is if the shelf and settings are its own."""
    if shelf is None or len(shelf) < prepared.n_items:
        raise InvalidInput(f"shelf has {len(shelf or ())} items; expected at least {prepared.n_items}")
    if warm is not None and _serves(warm, prepared, shelf, settings):
        return warm
    tokens = tfidf(shelf, n_items=prepared.n_items, settings=settings)
    near = strongest(tokens, tokens.transposed(), limit=settings.neighbours)
    if shelf.vector.size and settings.vector_weight > 0:
        near = blended(
            near, shelf.vector[: prepared.n_items], weight=settings.vector_weight, limit=settings.neighbours
        )
    return SimilarSource(near, settings, generation=shelf.generation)


def _serves(warm: SimilarSource, prepared: Prepared, shelf: Shelf, settings: SimilarSettings) -> bool:
    return (
        warm.generation == shelf.generation
        and warm.settings == settings
        and len(warm.near) == prepared.n_items
    )
