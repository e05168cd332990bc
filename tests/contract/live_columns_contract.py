"""What all live columns keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shelfwise.domain import Item
from shelfwise.stores import LiveColumns, StoredItem

MIN, MAX = np.iinfo(np.int64).min, np.iinfo(np.int64).max


def stored(row: int, *, retired: bool = False, **fields: Any) -> StoredItem:
    return StoredItem(Item(item_id=f"i{row}", **fields), row, f"etag-{row}", 0, retired)


class LiveColumnsContract:
    """A subclass gives ``make()``: columns without a row, to write."""

    def make(self) -> LiveColumns:
        raise NotImplementedError

    def test_without_items_the_columns_are_empty(self) -> None:
        assert len(self.make().view()) == 0

    def test_facts_stand_at_the_row_of_their_item(self) -> None:
        live = self.make()
        full = stored(
            1, price_minor=255, list_price_minor=300, cost_minor=110, stock=7, hidden=True,
            available_from_us=10, available_until_us=20,
        )  # fmt: skip
        live.write([full, stored(0)])
        view = live.view()
        assert view.price_minor.tolist() == [-1, 255]
        assert view.list_price_minor.tolist() == [-1, 300]
        assert view.cost_minor.tolist() == [-1, 110]
        assert view.stock.tolist() == [-1, 7]
        assert view.hidden.tolist() == [0, 1]
        assert view.available_from_us.tolist() == [MIN, 10]
        assert view.available_until_us.tolist() == [MAX, 20]

    def test_a_retired_item_is_hidden(self) -> None:
        live = self.make()
        live.write([stored(0, retired=True)])
        assert live.view().hidden.tolist() == [1]

    def test_an_oversold_item_has_no_stock_but_is_tracked(self) -> None:
        live = self.make()
        live.write([stored(0, stock=-3), stored(1, stock=0), stored(2)])
        assert live.view().stock.tolist() == [0, 0, -1]

    def test_a_row_that_nobody_wrote_is_hidden(self) -> None:
        live = self.make()
        live.write([stored(3, stock=1)])
        assert live.view().hidden.tolist() == [1, 1, 1, 0]
        assert live.view().price_minor.tolist() == [-1] * 4

    def test_writing_an_item_again_replaces_its_facts_and_no_others(self) -> None:
        live = self.make()
        live.write([stored(0, price_minor=1, stock=1), stored(1, price_minor=2, stock=2)])
        live.write([stored(1, stock=9)])
        assert live.view().price_minor.tolist() == [1, -1]
        assert live.view().stock.tolist() == [1, 9]

    def test_of_an_item_written_twice_at_once_the_last_counts(self) -> None:
        live = self.make()
        live.write([stored(0, stock=1), stored(0, stock=2)])
        assert live.view().stock.tolist() == [2]

    def test_columns_grow_and_keep_what_they_hold(self) -> None:
        live = self.make()
        live.write([stored(0, stock=5)])
        live.write_counters({"c": np.array([7])})
        live.write([stored(10_000, stock=6)])
        view = live.view()
        assert len(view) == 10_001
        assert (view.stock[0], view.stock[10_000], view.counters["c"][0]) == (5, 6, 7)
        assert view.counters["c"][1:].sum() == 0

    def test_counters_are_replaced_as_columns_and_are_zero_beyond_their_end(self) -> None:
        live = self.make()
        live.write([stored(row) for row in range(4)])
        live.write_counters({"views": np.array([1, 2, 3, 4]), "buys": np.array([5, 6])})
        live.write_counters({"views": np.array([9, 8])})
        counters = live.view().counters
        assert counters["views"].tolist() == [9, 8, 0, 0]
        assert counters["buys"].tolist() == [5, 6, 0, 0]

    def test_counters_of_rows_that_have_no_item_yet_wait_for_it(self) -> None:
        live = self.make()
        live.write([stored(0)])
        live.write_counters({"views": np.array([1, 2, 3])})
        assert live.view().counters["views"].tolist() == [1]
        live.write([stored(2)])
        assert live.view().counters["views"].tolist() == [1, 2, 3]

    def test_a_view_tells_that_counters_were_written_since_another_unless_they_may_change_at_any_moment(
        self,
    ) -> None:
        live = self.make()
        live.write([stored(0)])
        before = live.view().written
        live.write([stored(0, stock=1)])
        assert live.view().written == before
        live.write_counters({"views": np.array([1])})
        assert live.view().written > before or before == -1

    def test_views_cannot_be_written(self) -> None:
        live = self.make()
        live.write([stored(0)])
        if live.view().stock.flags.writeable:
            pytest.skip("a view of its own, not of the memory")
        with pytest.raises(ValueError, match="read-only"):
            live.view().stock[0] = 1
