"""Events from files: the same rows give the same events from any format, and bad rows are named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shelfwise.domain import MAX_LINES, Event, InvalidField, InvalidInput, from_us
from shelfwise.ingestion import (
    DeadLetter,
    Unreadable,
    accept_events,
    read_events,
    unused_event_columns,
    unused_item_columns,
)
from shelfwise.ingestion.online_retail import shipped_files

NOW_US = 1_323_435_000_000_000  # 2011-12-09T12:50
AT = "2011-11-03T19:18:02+00:00"
HEADER = "event,occurred_at,user_id,item_id,order_id,quantity,price,currency\n"


def csv(folder: Path, text: str | bytes, name: str = "events.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(source: Any, **given: Any) -> tuple[list[Event], list[DeadLetter]]:
    batches = list(read_events(source, now_us=NOW_US, **given))
    events = [event for batch in batches for event in batch.events]
    return events, [letter for batch in batches for letter in batch.rejected]


def test_rows_of_one_order_are_one_event_wherever_they_stand(tmp_path: Path) -> None:
    rows = [
        f"purchase,{AT},u1,a,o1,1,2.55,GBP",
        f"purchase,{AT},u2,a,o2,1,2.55,GBP",
        "purchase,2011-11-03T19:17:00Z,u1,b,o1,3,,",
        f"refund,{AT},u1,a,o1,1,2.55,GBP",
    ]
    events, letters = read(csv(tmp_path, HEADER + "\n".join(rows)))
    assert letters == []
    assert [(e.event, e.user_id, e.order_id) for e in events] == [
        ("purchase", "u1", "o1"), ("purchase", "u2", "o2"), ("refund", "u1", "o1"),
    ]  # fmt: skip
    first = events[0]
    assert [(line.item_id, line.quantity, line.price_minor) for line in first.lines] == [
        ("a", 1, 255),
        ("b", 3, None),
    ]
    assert from_us(first.occurred_us).isoformat() == "2011-11-03T19:17:00+00:00"  # the earliest of its rows


def test_a_file_of_bad_rows_alone_names_each(tmp_path: Path) -> None:
    text = "event,occurred_at,user_id,item_id\nview_item,2011-11-03 19:18,u,a\nview_item,soon,u,a\n"
    events, letters = read(csv(tmp_path, text))
    assert (events, [letter.row for letter in letters]) == ([], [1, 2])


def test_a_column_that_no_field_takes_is_told_with_the_field_perhaps_meant(tmp_path: Path) -> None:
    path = csv(tmp_path, "event,occurred_at,user_id,sku,prize\n")
    assert unused_event_columns(path, mapping={"sku": "item_id"}) == [
        "events.csv, column 'prize'; did you mean 'price'?"
    ]
    assert unused_item_columns(csv(tmp_path, "item_id,attributes.color,note\n", "items.csv")) == [
        "items.csv, column 'note'"
    ]


def test_missing_columns_are_told_beside_all_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(
        Unreadable, match=r"has the columns event, user, item; expected also occurred_at, user_id"
    ):
        read(csv(tmp_path, "event,user,item\n"))


def test_an_event_id_binds_rows_more_than_an_order(tmp_path: Path) -> None:
    text = f"event,occurred_at,user_id,item_id,event_id,order_id\npurchase,{AT},u,a,e1,o\npurchase,{AT},u,b,e2,o\n"
    events, _ = read(csv(tmp_path, text))
    assert [(event.event_id, len(event.lines)) for event in events] == [("e1", 1), ("e2", 1)]


def test_over_200_lines_are_split_under_one_order(tmp_path: Path) -> None:
    rows = "".join(f"purchase,{AT},u,i{n},o,1,1,GBP\n" for n in range(2 * MAX_LINES + 1))
    events, _ = read(csv(tmp_path, HEADER + rows))
    assert [len(event.lines) for event in events] == [MAX_LINES, MAX_LINES, 1]
    assert {event.order_id for event in events} == {"o"}
    assert len({event.event_id for event in events}) == 3
    assert [line.item_id for event in events for line in event.lines] == [
        f"i{n}" for n in range(2 * MAX_LINES + 1)
    ]


def test_reading_again_gives_the_same_ids_and_another_data_set_others(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER + f"purchase,{AT},u,a,o,1,1,GBP\nview_item,{AT},u,a,,,,\n")
    ids = [event.event_id for event in read(path)[0]]
    assert [event.event_id for event in read(path, name="copy.csv")[0]] == ids
    other = [event.event_id for event in read(path, dataset="other")[0]]
    assert (other[0] != ids[0], other[1] == ids[1]) == (True, True)  # content needs no data set


def test_a_row_that_disagrees_with_its_order_is_refused(tmp_path: Path) -> None:
    rows = f"purchase,{AT},u1,a,o1,1,1,GBP\npurchase,{AT},u2,b,o1,1,1,GBP\n"
    events, (letter,) = read(csv(tmp_path, HEADER + rows))
    assert [line.item_id for line in events[0].lines] == ["a"]
    assert (letter.row, letter.field, letter.value) == (2, "user_id", "u2")
    assert "the same user_id as row 1" in letter.rule


@pytest.mark.parametrize(
    ("row", "field", "rule"),
    [
        (f"veiw_item,{AT},u,a,,,,", "event", "one of view_item"),
        (f",{AT},u,a,,,,", "event", "required"),
        ("view_item,2011-11-03 19:18,u,a,,,,", "occurred_at", "say that instants without an offset are UTC"),
        ("view_item,,u,a,,,,", "occurred_at", "an instant"),
        ("view_item,2012-01-01T00:00:00Z,u,a,,,,", "occurred_at", "24 hours ahead"),
        ("view_item,1999-01-01T00:00:00Z,u,a,,,,", "occurred_at", "2000-01-01"),
        (f"view_item,{AT},,a,,,,", "user_id", "user_id or anonymous_id"),
        (f"view_item,{AT},{'x' * 256},a,,,,", "user_id", "255 bytes"),
        (f"purchase,{AT},u,,,,,", "item_id", "the item of a purchase"),
        (f"view_item,{AT},u,a,,0,,", "quantity", "a whole number from 1"),
        (f"view_item,{AT},u,a,,1.5,,", "quantity", "a whole number from 1"),
        (f"view_item,{AT},u,a,,two,,", "quantity", "a whole number from 1"),
        (f'view_item,{AT},u,a,,1,"2,55",GBP', "price", "a decimal number"),
        (f"view_item,{AT},u,a,,1,nan,GBP", "price", "a decimal number"),
        (f"view_item,{AT},u,a,,1,1e999,GBP", "price", "a decimal number"),
        (f"view_item,{AT},u,a,,1,-1,GBP", "price", "a decimal number"),
        (f"view_item,{AT},u,a,,1,2.555,GBP", "price", "no more decimals"),
        (f"view_item,{AT},u,a,,1,2.55,", "currency", "the currency of price"),
        (f"view_item,{AT},u,a,,1,2.55,gbp", "currency", "three capitals"),
        (f"view_item,{AT},u,a", "", "8 columns, not 4"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_and_its_neighbours_are_kept(
    tmp_path: Path, row: str, field: str, rule: str
) -> None:
    good = f"view_item,{AT},u,a,,2,2.55,GBP"
    events, (letter,) = read(csv(tmp_path, HEADER + "\n".join([good, row, good + "\n"])))
    assert len(events) == 2
    assert all((event.lines[0].quantity, event.lines[0].price_minor) == (2, 255) for event in events)
    assert (letter.source, letter.row, letter.field) == ("events.csv", 2, field)
    assert rule in letter.rule


def test_bytes_that_are_no_utf8_cost_one_row(tmp_path: Path) -> None:
    text = (
        HEADER + f"view_item,{AT},u1,a,,,,\nview_item,{AT},u\xe9,a,,,,\nview_item,{AT},u3,a,,,,\n"
    ).encode("latin-1")
    events, (letter,) = read(csv(tmp_path, text))
    assert [event.user_id for event in events] == ["u1", "u3"]
    assert (letter.row, letter.field) == (2, "user_id")
    assert "UTF-8" in letter.rule


def test_instants_may_be_said_to_be_utc_and_prices_be_rounded(tmp_path: Path) -> None:
    path = csv(tmp_path, HEADER + "view_item,2011-11-03 19:18:02,u,a,,1,2.555,GBP\n")
    (batch,) = (b for b in read_events(path, now_us=NOW_US, naive_is_utc=True, round_prices=True) if b.events)
    assert from_us(batch.events[0].occurred_us).isoformat() == AT
    assert (batch.events[0].lines[0].price_minor, batch.n_rows) in [(255, 1), (256, 1), (255, 0), (256, 0)]
    counts = [b.n_rounded for b in read_events(path, now_us=NOW_US, naive_is_utc=True, round_prices=True)]
    assert sum(counts) == 1


def test_columns_are_mapped_and_constants_given(tmp_path: Path) -> None:
    path = csv(tmp_path, f"Kunde;Artikel;Zeit;Bestellung\n7;a;{AT};o\n")
    mapping = {
        "Kunde": "user_id",
        "Artikel": "item_id",
        "Zeit": "occurred_at",
        "Bestellung": "order_id",
        "'purchase'": "event",
    }
    (event,), _ = read(path, mapping=mapping)
    assert (event.event, event.user_id, event.lines[0].item_id) == ("purchase", "7", "a")
    with pytest.raises(InvalidField, match="did you mean 'Kunde'"):
        read(path, mapping={"Kunden": "user_id"})
    with pytest.raises(InvalidField, match="did you mean 'user_id'"):
        read(path, mapping={"Kunde": "userid"})
    with pytest.raises(Unreadable, match="expected also event, occurred_at, user_id or anonymous_id"):
        read(path)


def test_denied_consent_is_counted_and_not_read(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        f"event,occurred_at,user_id,item_id,consent\nview_item,{AT},u,a,denied\nview_item,{AT},u,a,\n",
    )
    batches = list(read_events(path, now_us=NOW_US))
    assert (sum(b.n_untracked for b in batches), sum(len(b.events) for b in batches)) == (1, 1)


COLUMNS = {
    "event": ["purchase", "purchase", "view_item"], "occurred_at": [AT, AT, AT], "user_id": ["7", "7", None],
    "anonymous_id": [None, None, "x"], "item_id": ["a", "b", "a"], "order_id": ["1", "1", None],
    "quantity": [2, 1, None], "price": [2.5, 3.0, None], "currency": ["GBP", "GBP", None],
}  # fmt: skip


def test_every_format_and_frame_gives_the_same_events(tmp_path: Path) -> None:
    frame = pl.DataFrame(COLUMNS)
    frame.write_csv(tmp_path / "e.csv")
    frame.write_csv(tmp_path / "e.tsv", separator="\t")
    (tmp_path / "e.csv.gz").write_bytes(gzip.compress((tmp_path / "e.csv").read_bytes()))
    bom = b"\xef\xbb\xbf" + (tmp_path / "e.csv").read_bytes()
    typed = frame.with_columns(
        pl.col("occurred_at").str.to_datetime(time_zone="UTC"), pl.col("user_id").cast(pl.Float64),
        pl.col("event").cast(pl.Categorical), pl.col("order_id").cast(pl.Int32),
    )  # fmt: skip
    typed.write_parquet(tmp_path / "e.parquet")
    flat = "\n".join(json.dumps({k: v for k, v in row.items() if v is not None}) for row in frame.to_dicts())
    (tmp_path / "e.jsonl").write_text(flat)
    expected, letters = read(tmp_path / "e.csv")
    assert letters == []
    assert [len(event.lines) for event in expected] == [2, 1]
    for source in ("e.tsv", "e.csv.gz", "e.parquet", "e.jsonl"):
        assert read(tmp_path / source) == (expected, []), source
    assert read(csv(tmp_path, bom, "bom.csv")) == (expected, [])
    assert read(typed) == (expected, [])
    assert read(pa.table(typed)) == (expected, [])


def test_json_lines_hold_events_as_the_door_takes_them(tmp_path: Path) -> None:
    row = {
        "event": "view_item",
        "event_id": "e",
        "occurred_at": AT,
        "user_id": "u",
        "items": [{"item_id": "a"}],
    }
    lines = [
        json.dumps(row),
        "",
        "nope",
        json.dumps(row | {"event": "x"}),
        json.dumps(row | {"consent": "denied"}),
    ]
    path = csv(tmp_path, "\n".join(lines), "e.jsonl")
    (batch,) = read_events(path, now_us=NOW_US)
    assert batch.events == accept_events([row], now_us=NOW_US).accepted
    assert [(letter.row, letter.field) for letter in batch.rejected] == [(2, ""), (3, "event")]
    assert (batch.n_rows, batch.n_untracked) == (4, 1)


def test_segment_calls_are_read_line_by_line(tmp_path: Path) -> None:
    call = {"type": "track", "event": "Product Viewed", "userId": "u", "messageId": "m", "timestamp": AT,
            "properties": {"product_id": "a"}}  # fmt: skip
    lines = [json.dumps(call), json.dumps({"batch": [call | {"messageId": "n"}, {"type": "page"}]}), "3"]
    path = csv(tmp_path, "\n".join(lines), "calls.jsonl")
    batches = list(read_events(path, now_us=NOW_US, format="segment"))
    assert [event.event_id for batch in batches for event in batch.events] == ["m", "n"]
    assert sum(batch.n_ignored for batch in batches) == 1
    assert [letter.row for batch in batches for letter in batch.rejected] == [3]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.csv", b"", "the first line is empty"),
        ("e.csv", b"event,event\n", "no name of their own"),
        ("e.parquet", b"PAR1 nope", "expected a Parquet file"),
        ("e.csv.gz", b"not gzip", "expected a whole gzip file"),
    ],
)
def test_a_file_that_is_not_what_it_is_called_is_unreadable(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(Unreadable, match=said):
        read(csv(tmp_path, content, name))


def test_a_header_alone_holds_no_events(tmp_path: Path) -> None:
    assert read(csv(tmp_path, HEADER)) == ([], [])


def test_a_torn_gzip_is_unreadable(tmp_path: Path) -> None:
    text = HEADER + "".join(f"view_item,{AT},u{n},a,,,,\n" for n in range(20_000))
    torn = gzip.compress(text.encode())[:-2_000]
    with pytest.raises(Unreadable, match="expected a whole gzip file"):
        read(csv(tmp_path, torn, "e.csv.gz"))


def test_unknown_formats_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match="did you mean 'parquet'"):
        read(csv(tmp_path, HEADER), format="parket")
    with pytest.raises(InvalidField, match="a file ending in"):
        read(csv(tmp_path, HEADER, "events.xlsx"))
    with pytest.raises(InvalidInput, match="__arrow_c_stream__"):
        read([1, 2])


def test_the_public_layout_is_known_by_its_columns() -> None:
    batches = read_events(shipped_files()[0], now_us=NOW_US + 10**12)
    head = next(batches)
    assert (head.n_rows, head.left_out["sold_twice"]) == (1_067_371, 22_523)
    assert next(batches).events[0].order_id == "489434"  # the first invoice


def test_scattered_orders_come_together_over_batches(tmp_path: Path) -> None:
    """100,000 rows of 7,000 orders in any order: every order whole, its rows in the order of the file."""
    rng = np.random.default_rng(3)
    orders = rng.integers(0, 7_000, 100_000)
    rows = "".join(f"purchase,{AT},u{order},i{n},o{order},1,,\n" for n, order in enumerate(orders.tolist()))
    events, letters = read(csv(tmp_path, HEADER + rows))
    assert letters == []
    assert len(events) == len(np.unique(orders))
    for event in events[:200]:
        mine = np.flatnonzero(orders == int(event.order_id[1:] if event.order_id else -1))
        assert [line.item_id for line in event.lines] == [f"i{n}" for n in mine]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_events_dead_letters_or_unreadable(tmp_path: Path, tail: bytes) -> None:
    for name, head in (("e.csv", HEADER.encode()), ("e.jsonl", b""), ("e.tsv", b"")):
        try:
            events, letters = read(csv(tmp_path, head + tail, name))
        except Unreadable:
            continue
        assert all(isinstance(event, Event) for event in events)
        assert all(letter.source == name for letter in letters)
