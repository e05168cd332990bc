"""What every reader of the shelf keeps."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings

from contract.catalogue_contract import delete, patch, put, some_changes
from contract.memory import MemoryCatalogue
from shelfwise.domain import Shelf
from shelfwise.stores import Catalogue, ItemChange, Position, ShelfReader


def column(shelf: Shelf, name: str) -> list[Any]:
    coded = shelf.coded[name]
    return [None if code < 0 else coded.values[code] for code in coded.codes]


def facts(shelf: Shelf) -> dict[str, Any]:
    coded = {name: column(shelf, name) for name in shelf.coded}
    return {
        "ids": shelf.item_id, "titles": shelf.title, "urls": shelf.url, "images": shelf.image,
        "ages": shelf.min_age.tolist(), "seen": shelf.first_seen_us.tolist(), "rows": dict(shelf.row_of),
        **{name: values for name, values in coded.items() if any(value is not None for value in values)},
    }  # fmt: skip


class ShelfReaderContract:
    """A subclass gives ``make(catalogue)``."""

    def make(self, catalogue: Catalogue) -> ShelfReader:
        raise NotImplementedError

    def catalogue(self, *changes: ItemChange) -> Catalogue:
        catalogue = MemoryCatalogue()
        catalogue.apply(changes, position=Position("1"))
        return catalogue

    def test_an_empty_catalogue_is_an_empty_shelf(self) -> None:
        shelf = self.make(MemoryCatalogue()).shelf()
        assert (len(shelf), shelf.generation, shelf.item_id, dict(shelf.row_of)) == (0, 0, (), {})
        assert len(shelf.coded["category"].codes) == 0

    def test_columns_stand_by_row(self) -> None:
        shelf = self.make(
            self.catalogue(
                put("b", at_us=7, title="B", url="/b", image="/b.png", min_age=18),
                put("a", at_us=8, title="A"),
            )
        ).shelf()
        assert (shelf.item_id, shelf.title) == (("b", "a"), ("B", "A"))
        assert (shelf.url, shelf.image) == (("/b", None), ("/b.png", None))
        assert (shelf.min_age.tolist(), shelf.first_seen_us.tolist()) == ([18, 0], [7, 8])
        assert (shelf.min_age.dtype, shelf.first_seen_us.dtype) == (np.int16, np.int64)
        assert dict(shelf.row_of) == {"b": 0, "a": 1}
        assert shelf.rows(["a", "ghost", "b"]).tolist() == [1, 0]

    def test_an_item_without_a_title_goes_by_its_id(self) -> None:
        assert self.make(self.catalogue(put("b"))).shelf().title == ("b",)

    def test_few_valued_columns_are_coded_and_absent_is_minus_one(self) -> None:
        shelf = self.make(
            self.catalogue(
                put("a", category=("Home", "Candles"), brand="Ada", currency="GBP", group_id="g"),
                put("b", tags=("new", "gift"), regions=("GB", "DE"), attributes={"color": "red"}),
                put("c", category=("Home", "Candles"), tags=("gift", "new"), attributes={"size": "L"}),
            )
        ).shelf()
        assert column(shelf, "category") == [("Home", "Candles"), None, ("Home", "Candles")]
        assert shelf.coded["category"].values == (("Home", "Candles"),)
        assert column(shelf, "brand") == ["Ada", None, None]
        assert column(shelf, "currency") == ["GBP", None, None]
        assert column(shelf, "group_id") == ["g", None, None]
        assert column(shelf, "tags") == [None, frozenset({"new", "gift"}), frozenset({"new", "gift"})]
        assert column(shelf, "regions") == [None, frozenset({"GB", "DE"}), None]
        assert column(shelf, "attributes.color") == [None, "red", None]
        assert column(shelf, "attributes.size") == [None, None, "L"]
        assert shelf.coded["brand"].codes.dtype == np.int32

    def test_while_nothing_changes_the_shelf_is_the_same_object(self) -> None:
        reader = self.make(self.catalogue(put("a")))
        assert reader.shelf() is reader.shelf()

    def test_a_change_gives_a_new_shelf_and_leaves_the_old_one_as_it_was(self) -> None:
        catalogue = self.catalogue(put("a", title="A", brand="x", attributes={"color": "red"}), put("b"))
        reader = self.make(catalogue)
        old = reader.shelf()
        before = facts(old)
        catalogue.apply(
            [patch("a", title="new", brand="y", attributes={}), put("c", brand="x", min_age=3)],
            position=Position("2"),
        )
        new = reader.shelf()
        assert facts(old) == before
        assert (new.title, new.item_id) == (("new", "b", "c"), ("a", "b", "c"))
        assert column(new, "brand") == ["y", None, "x"]
        assert column(new, "attributes.color") == [None, None, None]
        assert new.generation == catalogue.generation() > old.generation

    def test_columns_that_did_not_change_are_not_copied(self) -> None:
        catalogue = self.catalogue(put("a", title="A", brand="x", stock=1))
        reader = self.make(catalogue)
        old = reader.shelf()
        catalogue.apply([patch("a", stock=2, price_minor=5)], position=Position("2"))
        new = reader.shelf()
        assert new.generation > old.generation
        assert new.title is old.title
        assert new.row_of is old.row_of
        assert new.coded["brand"] is old.coded["brand"]
        assert new.first_seen_us is old.first_seen_us

    def test_a_retired_item_keeps_its_row(self) -> None:
        catalogue = self.catalogue(put("a"), put("b"))
        reader = self.make(catalogue)
        reader.shelf()
        catalogue.apply([delete("a"), put("c")], position=Position("2"))
        assert reader.shelf().item_id == ("a", "b", "c")

    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(first=some_changes, second=some_changes)
    def test_step_by_step_gives_the_same_shelf_as_at_once(
        self, first: list[ItemChange], second: list[ItemChange]
    ) -> None:
        catalogue = self.catalogue(*first)
        reader = self.make(catalogue)
        reader.shelf()
        catalogue.apply(second, position=Position("2"))
        assert facts(reader.shelf()) == facts(self.make(catalogue).shelf())
