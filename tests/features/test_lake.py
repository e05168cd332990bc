from __future__ import annotations

import pyarrow as pa

from shelfwise.domain import DAY_US, Context, Event, EventLine
from shelfwise.features import EVENT_LINES, event_hash, event_lines


def test_each_item_of_an_event_is_a_row_and_an_event_without_item_is_one() -> None:
    bought = Event(
        event_id="e1", event="purchase", occurred_us=3 * DAY_US + 7, received_us=9, user_id="9", order_id="o1",
        lines=(EventLine("a", 2, 255, "GBP"), EventLine("b", 1)), context=Context("tablet", "GB", offset_minutes=60),
        origin="test", bot=True,
    )  # fmt: skip
    searched = Event(
        event_id="e2", event="search", occurred_us=5, received_us=5, anonymous_id="z", query="mug"
    )
    table = event_lines([bought, searched], {"a": 4, "b": 6}.__getitem__)
    assert table.schema == EVENT_LINES
    rows = table.to_pylist()
    assert [row["item_row"] for row in rows] == [4, 6, -1]
    assert [row["item_id"] for row in rows] == ["a", "b", None]
    assert [row["line"] for row in rows] == [0, 1, 0]
    assert [row["price_minor"] for row in rows] == [255, -1, -1]
    assert [row["person"] for row in rows] == ["u:9", "u:9", "a:z"]
    assert [row["order_hash"] for row in rows] == [event_hash("o1"), event_hash("o1"), event_hash("e2")]
    assert rows[0]["day"].isoformat() == "1970-01-04"
    assert (rows[1]["device_code"], rows[1]["country"], rows[1]["offset_minutes"]) == (3, "GB", 60)
    assert (rows[1]["origin"], rows[1]["bot"]) == ("test", True)
    assert (rows[2]["query"], rows[2]["event_code"]) == ("mug", 9)


def test_no_events_give_an_empty_table_of_the_same_schema() -> None:
    table = event_lines([], {}.__getitem__)
    assert table.schema == EVENT_LINES
    assert table.num_rows == 0
    assert pa.Table.from_batches([], EVENT_LINES).schema == table.schema
