"""Wires a training: the lake's files, the shelf, and the very pipeline that will serve what is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shelfwise.app._layout import Layout
from shelfwise.app.settings import ShopSettings
from shelfwise.domain import SOURCES, Candidates, Deadline, LiveItems, PersonState, Query, Shelf
from shelfwise.features import DuckDBSettings, feature_names, live_as_of
from shelfwise.reranking import ArrangeSettings, RuleBook
from shelfwise.serving import Pipeline, Release
from shelfwise.stores import Lake, ReleaseRegistry
from shelfwise.training import PartSettings, Workshop, parts_named

NO_HURRY = Deadline(lambda: 0.0, at_s=60.0, budget_s=60.0)


@dataclass(frozen=True, slots=True, eq=False)
class PipelineServer:
    """The pipeline as training sees it."""

    pipeline: Pipeline

    def pool(self, query: Query, person: PersonState) -> tuple[Candidates, NDArray[np.float32]]:
        """Candidates and their features."""
        return self.pipeline.pool(query, person)

    def recommend(self, query: Query, person: PersonState) -> NDArray[np.int32]:
        """Item rows, best first."""
        return self.pipeline.recommend(query, person, NO_HURRY).slate.item


def workshop_of(
    layout: Layout,
    settings: ShopSettings,
    *,
    lake: Lake,
    shelf: Shelf,
    registry: ReleaseRegistry,
    now_us: int,
    only: str | None = None,
    judge_only: bool = False,
    sources: Sequence[str] = SOURCES,
    strategies: Sequence[str] = (),
    objections: Sequence[str] = (),
) -> Workshop:
    """All that a training of a shop as of now needs.

    ``only`` one source or ranker is fitted and judged, and nothing published. Nothing is published with ``objections``
    to the data either; they stand in the verdict. Raises UnknownName.
    """
    fitted, rankers = parts_named(only)
    book = RuleBook.compile(settings=ArrangeSettings(**settings.reranking))

    def open_server(folder: Path, live: LiveItems) -> PipelineServer:
        return PipelineServer(Pipeline(Release.open(folder, shelf), book, shelf, lambda: live))

    def as_of(files: Sequence[str], n_items: int, instants: Sequence[int]) -> list[LiveItems]:
        engine = DuckDBSettings(memory_mb=settings.training.memory_mb)
        return live_as_of(
            files, n_items, instants,
            first_seen_us=shelf.first_seen_us, origins=settings.training.origins, settings=engine,
        )  # fmt: skip

    return Workshop(
        files=lake.files("event_lines"),
        shelf=shelf,
        now_us=now_us,
        folder=layout.cache / "training",
        registry=registry,
        open_server=open_server,
        live_as_of=as_of,
        feature_names=lambda signals: feature_names(signals, settings.training.features),
        country=settings.shop.country,
        settings=settings.training,
        sources=tuple(source for source in fitted if source in sources),
        rankers=rankers,
        judge_only=judge_only or only is not None,
        strategies=tuple(strategies),
        objections=tuple(objections),
        parts=PartSettings(candidates=settings.candidates, rankers=settings.rankers),
    )
