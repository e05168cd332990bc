"""Settings of learned parts stand in the shop's file; each part has its own class, which is asked here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shelfwise.domain import SOURCES, Settings

RANKERS = ("gradient_boosting", "vote")
PARTS: Mapping[str, tuple[str, ...]] = {"candidates": SOURCES, "rankers": RANKERS}


def part_class(section: str, name: str) -> type[Settings]:
    """The class that checks ``[section.name]``."""
    if section == "candidates":
        from shelfwise.candidates import settings_of

        return type(settings_of(name, {}))
    if name == "vote":
        from shelfwise.rankers.vote.settings import VoteSettings

        return VoteSettings
    from shelfwise.rankers.gradient_boosting.settings import GradientBoostingSettings

    return GradientBoostingSettings


def given_parts(
    candidates: Mapping[str, Mapping[str, Any]],
    rankers: Mapping[str, Mapping[str, Any]],
    reranking: Mapping[str, Any],
) -> Iterator[tuple[tuple[str, ...], type[Settings] | None, Mapping[str, Any]]]:
    """Where a part is set, the class that checks it (None: there is no such part), and the values."""
    for section, given in (("candidates", candidates), ("rankers", rankers)):
        for name, values in given.items():
            yield (section, name), part_class(section, name) if name in PARTS[section] else None, values
    if reranking:
        from shelfwise.reranking import ArrangeSettings

        yield ("reranking",), ArrangeSettings, reranking
