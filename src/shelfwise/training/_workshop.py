"""All that a training needs and does not make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from shelfwise.domain import SOURCES, LiveItems, Shelf, UnknownName
from shelfwise.stores import ReleaseRegistry
from shelfwise.training._rows import Server
from shelfwise.training.settings import PartSettings, TrainingSettings

RANKERS = (
    "gradient_boosting",
    "vote",
)  # the first that wins the judge's favour is served; ties go to the first


class OpenServer(Protocol):
    """What ``app`` hands over: the pipeline over an unpublished release."""

    def __call__(self, folder: Path, live: LiveItems) -> Server: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """All that a training needs and does not make."""

    files: Sequence[str]  # Parquet files of the lake's event_lines
    shelf: Shelf
    now_us: int
    folder: Path  # for work in progress; emptied at the start
    registry: ReleaseRegistry
    open_server: OpenServer
    live_as_of: Callable[[Sequence[str], int, Sequence[int]], list[LiveItems]]
    feature_names: Callable[[Sequence[str]], tuple[str, ...]]  # source signals -> names of all features
    country: str | None = None  # that the shop assumes of a question that tells none
    settings: TrainingSettings = field(default_factory=TrainingSettings)
    parts: PartSettings = field(default_factory=PartSettings)
    sources: tuple[str, ...] = SOURCES  # to fit
    rankers: tuple[str, ...] = RANKERS  # to fit; with none, sources are looked at alone
    strategies: tuple[str, ...] = ()  # sources to judge alone, beside the rankers
    judge_only: bool = False  # publish nothing
    objections: tuple[str, ...] = ()  # to the data; with any nothing is published, whatever the judge says


def parts_named(only: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sources and rankers to fit where one of them is looked at alone; all if None. Raises UnknownName."""
    if only is None:
        return SOURCES, RANKERS
    if only not in (*SOURCES, *RANKERS):
        raise UnknownName("source or ranker", only, (*SOURCES, *RANKERS))
    return ((only,), ()) if only in SOURCES else (SOURCES, (only,))
