"""Items whose texts are like those of the seeds, or of what the person touched lately."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shelfwise.candidates import _files
from shelfwise.candidates._lists import ListSource, load_lists
from shelfwise.candidates._neighbours import Neighbours
from shelfwise.candidates.similar.settings import SimilarSettings


class SimilarSource(ListSource):
    """Cosine neighbours of texts. ``generation`` is that of the shelf it was fitted on."""

    name = "similar"
    signals = ("similar__score",)
    reason = "similar_to"

    def __init__(self, near: Neighbours, settings: SimilarSettings, *, generation: int) -> None:
        super().__init__(near, settings)
        self.generation = generation

    def _about(self) -> dict[str, Any]:
        return {"generation": self.generation}


def load(folder: Path) -> SimilarSource:
    """Read what ``save`` wrote. Raises BadRelease for arrays that do not fit together."""
    near, about = load_lists(folder)
    return SimilarSource(
        near,
        _files.settings(folder, about.get("settings"), SimilarSettings),
        generation=int(about.get("generation", -1)),
    )
