"""The feature catalogue, as the command line shows it."""

from __future__ import annotations

from typing import Any

from shelfwise import features


def catalogue_rows() -> list[dict[str, Any]]:
    """All features, one row each."""
    return features.catalogue_rows()


def feature_document(name: str) -> dict[str, Any]:
    """One feature with its SQL. Raises UnknownName."""
    return features.feature_document(name)
