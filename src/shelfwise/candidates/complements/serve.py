"""What goes with the cart: co-purchases, gathered and added up."""

from __future__ import annotations

from pathlib import Path

from shelfwise.candidates import _files
from shelfwise.candidates._lists import ListSource, load_lists
from shelfwise.candidates.complements.settings import ComplementsSettings


class ComplementsSource(ListSource):
    """Items bought in one basket more often than chance, with at least five buyers behind every pair."""

    name = "complements"
    signals = ("complements__score",)
    reason = "bought_together"


def load(folder: Path) -> ComplementsSource:
    """Read what ``save`` wrote. Raises BadRelease for arrays that do not fit together."""
    near, about = load_lists(folder)
    return ComplementsSource(near, _files.settings(folder, about.get("settings"), ComplementsSettings))
