from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.serving.http.shop import HttpShop, Served, model, serve


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpShop]:
    """One shop for a module: its tests use ids of their own."""
    shop = HttpShop(tmp_path_factory.mktemp("shop"))
    shop.put_items()
    yield shop
    shop.close()


@pytest.fixture(scope="module")
def served(shop: HttpShop) -> Iterator[Served]:
    server = serve(shop.door(release=model(), allowed_origins=("https://shop.example",)))
    yield server
    server.stop()
