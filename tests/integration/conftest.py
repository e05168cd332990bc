"""The corner shop, trained once for all; every test gets a copy to write to."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app import corner_shop
from tests.integration.live import shared


@pytest.fixture
def corner(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained corner shop of one's own."""
    return corner_shop.copied(shared(tmp_path_factory), tmp_path / "shop")
