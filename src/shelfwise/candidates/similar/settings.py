"""Settings of the content source."""

from __future__ import annotations

from pydantic import Field

from shelfwise.candidates._settings import ListSettings


class SimilarSettings(ListSettings):
    """Items whose texts are alike."""

    neighbours: int = Field(60, ge=1, le=1_000)
    """Neighbours kept per item; the size of the release grows with it."""

    bigram_weight: float = Field(0.5, ge=0.0, le=1.0)
    """What two words in a row count beside one word: "red heart" says more than "red" and "heart"."""

    facet_weight: float = Field(0.5, ge=0.0, le=1.0)
    """What a shared brand, category, tag or attribute counts beside a shared word of the title."""

    vector_weight: float = Field(0.5, ge=0.0, le=1.0)
    """What the likeness of two items' vectors counts, and 1 less that of their texts, where the feed or a text
    encoder gives vectors."""

    common: int = Field(5_000, ge=1)
    """A token that more items share is left out: it says little, and finding pairs grows with its square."""

    history_half_life_days: float = Field(90.0, gt=0.0)
    """Ageing of that history."""
