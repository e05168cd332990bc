"""The shelf of a worker."""

from __future__ import annotations

import pytest

from contract.catalogue_contract import patch, put
from contract.memory import MemoryCatalogue
from contract.shelf_reader_contract import ShelfReaderContract, column
from shelfwise.stores import Catalogue, Position
from shelfwise.stores.adapters import shelf_reader
from shelfwise.stores.adapters.shelf_reader import MAX_ATTRIBUTES, CatalogueShelf


class TestCatalogueShelf(ShelfReaderContract):
    def make(self, catalogue: Catalogue) -> CatalogueShelf:
        return CatalogueShelf(catalogue)


def test_a_wild_feed_does_not_bring_columns_without_end() -> None:
    catalogue = MemoryCatalogue()
    catalogue.apply([put("a", attributes={f"x{n}": "1" for n in range(1_000)})], position=Position("1"))
    shelf = CatalogueShelf(catalogue).shelf()
    assert len([name for name in shelf.coded if name.startswith("attributes.")]) == MAX_ATTRIBUTES


def test_values_that_no_item_has_any_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf_reader, "SPARE_VALUES", 10)
    catalogue = MemoryCatalogue()
    catalogue.apply([put("a")], position=Position("0"))
    reader = CatalogueShelf(catalogue)
    for n in range(40):
        catalogue.apply([patch("a", attributes={"checked": f"{n} o'clock"})], position=Position(str(n)))
        assert column(reader.shelf(), "attributes.checked") == [f"{n} o'clock"]
    assert len(reader.shelf().coded["attributes.checked"].values) <= 14


def test_a_catalogue_that_went_back_is_read_anew() -> None:
    ahead, behind = MemoryCatalogue(), MemoryCatalogue()
    for n in range(3):
        ahead.apply([put(f"a{n}")], position=Position(str(n)))
    behind.apply([put("b")], position=Position("1"))
    reader = CatalogueShelf(ahead)
    assert len(reader.shelf()) == 3
    reader._catalogue = behind  # restored from a backup
    assert reader.shelf().item_id == ("b",)
