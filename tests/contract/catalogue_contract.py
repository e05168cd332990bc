"""What every catalogue keeps."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shelfwise.domain import InvalidField, Item
from shelfwise.stores import START, Catalogue, ItemChange, Position, StoredItem

FULL = Item(
    item_id="85123A", title="White Hanging Heart", description="of tin", category=("Home", "Candles"),
    brand="Ada", price_minor=255, list_price_minor=300, cost_minor=110, currency="GBP", stock=120, hidden=True,
    available_from_us=-5, available_until_us=2**60, group_id="g", sku="s", attributes={"color": "white"},
    tags=("new", "gift"), regions=("GB",), min_age=18, image="/i.png", url="/p/85123A", vector=(0.5, -1.0),
)  # fmt: skip


def put(item_id: str, *, at_us: int = 0, **fields: Any) -> ItemChange:
    return ItemChange(action="put", item_id=item_id, at_us=at_us, item=Item(item_id=item_id, **fields))


def patch(item_id: str, *, at_us: int = 0, **fields: Any) -> ItemChange:
    return ItemChange(action="patch", item_id=item_id, at_us=at_us, fields=fields)


def delete(item_id: str, *, at_us: int = 0) -> ItemChange:
    return ItemChange(action="delete", item_id=item_id, at_us=at_us)


def travelled(change: ItemChange) -> ItemChange:
    """As it comes out of the log: tuples of a patch have become lists."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(change), type=ItemChange)


ids = st.sampled_from(["a", "b", "c", "é", "\U0001f56f"])
some_changes = st.lists(
    st.one_of(
        st.builds(put, ids, at_us=st.integers(0, 99), stock=st.none() | st.integers(0, 3)),
        st.builds(patch, ids, at_us=st.integers(0, 99), stock=st.none() | st.integers(0, 3)),
        st.builds(delete, ids, at_us=st.integers(0, 99)),
    ),
    max_size=12,
)


class CatalogueContract:
    """A subclass gives ``make()``: an empty catalogue, also when called again."""

    def make(self) -> Catalogue:
        raise NotImplementedError

    def filled(self, *changes: ItemChange) -> Catalogue:
        catalogue = self.make()
        catalogue.apply(changes, position=Position("1"))
        return catalogue

    def item(self, catalogue: Catalogue, item_id: str) -> StoredItem:
        stored = catalogue.get(item_id)
        assert stored is not None
        return stored

    def test_an_empty_catalogue_stands_at_the_start(self) -> None:
        catalogue = self.make()
        assert (catalogue.position(), catalogue.generation()) == (START, 0)
        assert (catalogue.get("a"), catalogue.since(0), catalogue.page(after="", limit=9)) == (None, [], [])

    def test_every_field_of_an_item_is_kept(self) -> None:
        change = ItemChange(action="put", item_id=FULL.item_id, at_us=1, item=FULL)
        catalogue = self.filled(travelled(change))
        assert self.item(catalogue, FULL.item_id).item == FULL

    def test_rows_are_given_in_the_order_of_first_sight(self) -> None:
        catalogue = self.filled(put("z"), put("a"), put("z", title="again"))
        catalogue.apply([put("m")], position=Position("2"))
        assert [(stored.item.item_id, stored.row) for stored in catalogue.since(0)] == [
            ("z", 0),
            ("a", 1),
            ("m", 2),
        ]

    def test_a_row_outlives_the_item_and_is_its_own_when_it_comes_back(self) -> None:
        catalogue = self.filled(put("a"), put("b"), delete("a"), put("c"))
        assert self.item(catalogue, "a").retired
        assert self.item(catalogue, "c").row == 2
        catalogue.apply([put("a")], position=Position("2"))
        assert (self.item(catalogue, "a").row, self.item(catalogue, "a").retired) == (0, False)

    def test_apply_returns_each_item_as_its_change_left_it(self) -> None:
        catalogue = self.make()
        after = catalogue.apply(
            [put("a", stock=1), patch("ghost", stock=5), patch("a", stock=2), delete("ghost"), delete("a")],
            position=Position("1"),
        )
        assert [(stored.item.item_id, stored.item.stock, stored.retired) for stored in after] == [
            ("a", 1, False),
            ("a", 2, False),
            ("a", 2, True),
        ]
        assert catalogue.get("a") == after[-1]
        assert len({stored.etag for stored in after}) == 3

    def test_a_put_replaces_the_whole_item(self) -> None:
        catalogue = self.filled(put("a", title="old", stock=3), put("a", price_minor=5))
        assert self.item(catalogue, "a").item == Item(item_id="a", price_minor=5)

    def test_a_patch_sets_the_named_fields_and_no_others(self) -> None:
        catalogue = self.filled(put("a", title="t", stock=3, tags=("x",)))
        changes = [patch("a", stock=None, tags=("y", "z"), attributes={"color": "red"}, category=("A", "B"))]
        catalogue.apply(list(map(travelled, changes)), position=Position("2"))
        assert self.item(catalogue, "a").item == Item(
            item_id="a", title="t", tags=("y", "z"), attributes={"color": "red"}, category=("A", "B")
        )

    def test_a_patch_does_not_revive_a_retired_item(self) -> None:
        catalogue = self.filled(put("a"), delete("a"), patch("a", stock=5))
        assert self.item(catalogue, "a").retired

    @pytest.mark.parametrize(
        ("fields", "field"),
        [({"colour": "red"}, "colour"), ({"stock": "many"}, "fields"), ({"item_id": "b"}, "item_id")],
    )
    def test_a_patch_of_an_unknown_field_or_type_is_refused_whole(
        self, fields: dict[str, Any], field: str
    ) -> None:
        catalogue = self.filled(put("a", stock=1))
        with pytest.raises(InvalidField, match=f"^{field} is "):
            catalogue.apply(
                [patch("a", stock=2), patch("a", **fields)]
                if "item_id" not in fields
                else [ItemChange(action="patch", item_id="a", at_us=0, fields=fields)],
                position=Position("2"),
            )
        assert (self.item(catalogue, "a").item.stock, catalogue.position()) == (1, "1")

    def test_a_put_under_another_id_is_refused(self) -> None:
        with pytest.raises(InvalidField, match=r"item\.item_id is 'b'; expected 'a'"):
            self.filled(ItemChange(action="put", item_id="a", at_us=0, item=Item(item_id="b")))

    def test_first_seen_stays_and_updated_moves(self) -> None:
        catalogue = self.filled(put("a", at_us=10), patch("a", at_us=20, stock=1), delete("a", at_us=30))
        stored = self.item(catalogue, "a")
        assert (stored.first_seen_us, stored.updated_us) == (10, 30)

    def test_what_changes_nothing_leaves_etag_instant_and_generation(self) -> None:
        catalogue = self.filled(put("a", at_us=1, stock=1))
        before, generation = catalogue.get("a"), catalogue.generation()
        after = catalogue.apply([put("a", at_us=9, stock=1), patch("a", at_us=9)], position=Position("2"))
        assert after == [before, before]
        assert (catalogue.get("a"), catalogue.generation(), catalogue.position()) == (before, generation, "2")

    def test_an_etag_never_comes_back_with_the_same_content(self) -> None:
        catalogue = self.filled(put("a", stock=1))
        first = self.item(catalogue, "a").etag
        catalogue.apply([put("a", stock=2), put("a", stock=1)], position=Position("2"))
        assert self.item(catalogue, "a").etag != first

    def test_since_gives_what_changed_after_a_generation_by_row(self) -> None:
        catalogue = self.filled(put("c"), put("b"), put("a"))
        first = catalogue.generation()
        catalogue.apply([patch("a", stock=1), delete("c"), put("d")], position=Position("2"))
        second = catalogue.generation()
        assert second > first
        assert [stored.item.item_id for stored in catalogue.since(first)] == ["c", "a", "d"]
        assert catalogue.since(second) == []

    def test_pages_go_through_what_is_not_retired_in_the_order_of_ids(self) -> None:
        catalogue = self.filled(put("b"), put("é"), put("a"), put("c"), delete("b"), put("B"))
        assert [stored.item.item_id for stored in catalogue.page(after="", limit=2)] == ["B", "a"]
        assert [stored.item.item_id for stored in catalogue.page(after="a", limit=9)] == ["c", "é"]

    def test_get_many_answers_in_order_and_none_for_unknown_ids(self) -> None:
        catalogue = self.filled(*(put(f"i{n}") for n in range(1_200)))
        wanted = [f"i{n}" for n in range(1_199, -1, -1)]
        found = catalogue.get_many([*wanted, "ghost", "i5"])
        assert [stored.item.item_id for stored in found if stored] == [*wanted, "i5"]
        assert found[-2] is None

    def test_any_text_may_be_an_id(self) -> None:
        strange = ["' OR 1=1 --", "a\0b", "\U0001f56f", " ", "a'b\"c", "%_"]
        catalogue = self.filled(*map(put, strange))
        assert [stored.item.item_id for stored in catalogue.get_many(strange) if stored] == strange
        assert sorted(stored.item.item_id for stored in catalogue.page(after="", limit=9)) == sorted(strange)

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changes=some_changes, cut=st.integers(0, 12))
    def test_batching_does_not_matter(self, changes: list[ItemChange], cut: int) -> None:
        whole, parts = self.make(), self.make()
        one = whole.apply(changes, position=Position("1"))
        two = parts.apply(changes[:cut], position=Position("0"))
        two += parts.apply(changes[cut:], position=Position("1"))
        assert (one, whole.since(0)) == (two, parts.since(0))
        whole.close()
        parts.close()
