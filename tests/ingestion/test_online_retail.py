from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from shelfwise.domain import MAX_LINES, InvalidInput, from_us
from shelfwise.ingestion.online_retail import Cleaned, clean, retail_events, retail_items, shipped_files
from shelfwise.ingestion.online_retail._items import category_of, groups_of, written


@pytest.fixture(scope="module")
def cleaned() -> Cleaned:
    return clean()


def test_every_published_line_is_kept_or_counted_under_one_rule(cleaned: Cleaned) -> None:
    assert cleaned.n_lines == 1_067_371  # as published
    assert cleaned.lines.num_rows + sum(cleaned.left_out.values()) == cleaned.n_lines
    assert cleaned.left_out["sold_twice"] == 22_523  # rows of sheet 1 whose invoices are in sheet 2


def test_the_lines_kept_are_those_an_independent_query_finds(cleaned: Cleaned) -> None:
    raw = (
        f"(SELECT * FROM read_parquet('{shipped_files()[0]}') WHERE sheet = 2 OR invoice_date < '2010-12-01')"
    )
    bought = duckdb.sql(f"""
        SELECT COUNT(*), SUM(quantity), COUNT(DISTINCT customer_id), COUNT(DISTINCT UPPER(TRIM(stock_code)))
        FROM {raw} WHERE customer_id IS NOT NULL AND quantity > 0 AND unit_price > 0
          AND invoice_no NOT LIKE 'C%' AND regexp_matches(stock_code, '^[0-9]{{5}}')""").fetchall()
    engine = duckdb.connect()
    engine.register("lines", cleaned.lines)
    known = engine.sql("""
        SELECT COUNT(*), SUM(quantity), COUNT(DISTINCT customer), COUNT(DISTINCT item_id)
        FROM lines WHERE customer IS NOT NULL AND NOT refund""").fetchall()
    assert known == bought


def test_events_hold_all_lines_and_no_more_than_may_be(cleaned: Cleaned) -> None:
    events = [event for batch in retail_events(cleaned, received_us=1) for event in batch]
    assert sum(len(event.lines) for event in events) == cleaned.lines.num_rows
    assert max(len(event.lines) for event in events) <= MAX_LINES
    assert len({event.event_id for event in events}) == len(events)
    orders = Counter(event.order_id for event in events)
    assert max(orders.values()) > 1  # the large invoices, split under one order
    assert [e.occurred_us for e in events] == sorted(e.occurred_us for e in events)


def test_british_summer_time_is_an_hour_ahead(tmp_path: Path) -> None:
    assert (
        str(from_us(one(tmp_path, "2011-07-01 12:00").lines["at_us"][0].as_py()))
        == "2011-07-01 11:00:00+00:00"
    )
    assert (
        str(from_us(one(tmp_path, "2011-12-01 12:00").lines["at_us"][0].as_py()))
        == "2011-12-01 12:00:00+00:00"
    )


def test_returns_are_refunds_and_corrections_are_left_out(tmp_path: Path) -> None:
    assert one(tmp_path, invoice_no="C1", quantity=-3).lines["refund"].to_pylist() == [True]
    assert one(tmp_path, invoice_no="C1", quantity=-3).lines["quantity"].to_pylist() == [3]
    assert one(tmp_path, quantity=-3).left_out["stock_correction"] == 1
    assert one(tmp_path, unit_price=0.0).left_out["no_price"] == 1
    assert one(tmp_path, stock_code="POST").left_out["no_product"] == 1


def test_nothing_after_the_cut_is_seen(cleaned: Cleaned) -> None:
    cut = 1_300_000_000_000_000
    before = clean(until_us=cut)
    assert before.lines["at_us"].to_numpy().max() < cut
    assert before.lines.num_rows == (cleaned.lines["at_us"].to_numpy() < cut).sum()


def test_products_have_a_readable_title_a_price_and_a_category(cleaned: Cleaned) -> None:
    items = {change.item_id: change.item for batch in retail_items(cleaned) for change in batch}
    holder = items["85123A"]
    assert holder is not None
    assert holder.title == "White Hanging Heart T-Light Holder"
    assert holder.category == ("Candles & Lights",)
    assert holder.attributes == {"color": "white"}
    assert holder.currency == "GBP"
    assert 200 < (holder.price_minor or 0) < 350  # sold at 2.55 to 2.95
    assert len(items) == len(
        set(cleaned.lines.filter(pc.invert(cleaned.lines["refund"]))["item_id"].to_pylist())
    )


def test_titles_are_written_as_people_do() -> None:
    assert written("SET OF 3 CAKE TINS PANTRY DESIGN ") == "Set of 3 Cake Tins Pantry Design"
    assert written("JUMBO BAG 50'S CHRISTMAS") == "Jumbo Bag 50's Christmas"


def test_a_group_holds_what_differs_by_colour_or_size_alone() -> None:
    titles = {
        "90199A": "PINK 5 STRAND GLASS NECKLACE",
        "90199B": "AMBER 5 STRAND GLASS NECKLACE",
        "90199C": "GLASS EARRINGS",
        "20001": "PINK BOWL",
    }
    assert groups_of(titles) == {"90199A": "90199", "90199B": "90199"}


def test_an_unfitting_title_is_home_decor() -> None:
    assert category_of("METAL MEDINA LANTERN") == "Candles & Lights"
    assert category_of("VINTAGE THING") == "Home Decor"


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.table({"invoice_no": ["1"]}), path)
    with pytest.raises(InvalidInput, match=r"lacks columns .*stock_code"):
        clean([path])


def one(folder: Path, at: str = "2011-07-01 12:00", **given: object) -> Cleaned:
    """The published layout with one line."""
    row = {
        "invoice_no": "1", "stock_code": "85123a ", "description": "WHITE HEART", "quantity": 1,
        "unit_price": 2.55, "customer_id": 7, "country": "EIRE", **given,
    }  # fmt: skip
    path = folder / "one.parquet"
    columns = {name: [value] for name, value in row.items()}
    when = pa.array([datetime.fromisoformat(at)], pa.timestamp("ms"))
    pq.write_table(pa.table({**columns, "invoice_date": when}), path)
    return clean([path])
