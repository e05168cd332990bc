"""A planted fault of every kind is found by its own check; a steady shop raises none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from shelfwise.domain import DAY_US, HOUR_US
from shelfwise.features import (
    FEATURES,
    FINDINGS,
    DuckDB,
    Facts,
    Quality,
    QualitySettings,
    check_quality,
    render_quality,
)
from shelfwise.features._check import Checked
from shelfwise.features._quality import check_declared, same_hour_before

from . import steady_shop
from .steady_shop import NOW

TRAINED = NOW - 10 * DAY_US
Change = Callable[[pa.Table], pa.Table]


def checked(table: pa.Table, folder: Path, **more: object) -> Quality:
    file = folder / "lines.parquet"
    pq.write_table(table, file)
    settings = QualitySettings(pairs=400)
    with DuckDB() as engine:
        return check_quality(
            engine, [str(file)], as_of_us=NOW, trained_us=TRAINED, facts=Facts(steady_shop.shelf()), settings=settings,
            **more,
        )  # fmt: skip


def failed(quality: Quality) -> list[tuple[str, str, str]]:
    return [(one.check, one.subject, one.severity) for one in quality.findings if not one.ok]


@pytest.mark.slow
def test_a_steady_shop_raises_no_alarm_over_twenty_seeds(tmp_path: Path) -> None:
    alarms = [(seed, one) for seed in range(20) for one in failed(checked(steady_shop.lines(seed), tmp_path))]
    assert alarms == []


def test_a_steady_shop_passes_and_every_kind_of_check_was_made(tmp_path: Path) -> None:
    quality = checked(steady_shop.lines(100), tmp_path)
    assert failed(quality) == []
    assert {one.check for one in quality.findings} == {
        "schema", "unique", "integrity", "freshness", "volume", "filled", "unit", "currency", "clock", "range",
        "nulls", "drift",
    }  # fmt: skip
    assert quality.objections == ()
    assert quality.then_us == NOW - 14 * DAY_US
    assert quality.table.schema == FINDINGS
    judged = [one for one in quality.drifts if one.why_not is None]
    assert len(judged) > 40


# ------------------------------------------------------------------ faults


def recent(table: pa.Table, days: float = 1.0) -> np.ndarray:
    return table["occurred_us"].to_numpy() >= NOW - days * DAY_US


def replaced(table: pa.Table, name: str, where: np.ndarray, value: pa.Array) -> pa.Table:
    field = table.schema.field(name)
    column = pc.if_else(pa.array(where), value.cast(field.type), table[name].combine_chunks())
    return table.set_column(table.schema.get_field_index(name), field, column)


def in_cents(table: pa.Table) -> pa.Table:
    price = pc.multiply(table["price_minor"].combine_chunks(), 100)
    return replaced(table, "price_minor", recent(table), price)


def some_in_cents(table: pa.Table) -> pa.Table:
    price = pc.multiply(table["price_minor"].combine_chunks(), 100)
    return replaced(table, "price_minor", recent(table) & (table["item_row"].to_numpy() % 5 == 0), price)


def in_dollars(table: pa.Table) -> pa.Table:
    some = recent(table) & (np.arange(table.num_rows) % 4 == 0)
    return replaced(table, "currency", some, pa.array(["USD"] * table.num_rows))


def without_currency(table: pa.Table) -> pa.Table:
    return replaced(table, "currency", recent(table), pa.nulls(table.num_rows, pa.string()))


def clocks_ahead(table: pa.Table) -> pa.Table:
    some = recent(table) & (np.arange(table.num_rows) % 10 == 0)
    received = pa.array(table["occurred_us"].to_numpy() - HOUR_US)
    return replaced(table, "received_us", some, received)


def without_zone(table: pa.Table) -> pa.Table:
    return replaced(table, "offset_minutes", recent(table), pa.nulls(table.num_rows, pa.int32()))


def twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(table.num_rows - 5)])


def other_rows(table: pa.Table) -> pa.Table:
    rows = pa.array((table["item_row"].to_numpy() + 1) % steady_shop.N_ITEMS)
    return replaced(table, "item_row", recent(table), rows)


def silent(table: pa.Table) -> pa.Table:
    return table.filter(pa.array(~recent(table, 2.5)))


def no_carts(table: pa.Table) -> pa.Table:
    return table.filter(pa.array(~recent(table) | (np.array(table["event"].to_pylist()) != "view_item")))


def threefold(table: pa.Table) -> pa.Table:
    more = table.filter(pa.array(recent(table)))
    copies = []
    for number in range(3):
        ids = pa.array([f"{one}-{number}" for one in more["event_id"].to_pylist()])
        hashes = pa.array(more["event_hash"].to_numpy() + number + 1)
        for name, column in (("event_id", ids), ("event_hash", hashes)):
            more = more.set_column(more.schema.get_field_index(name), more.schema.field(name), column)
        copies.append(more)
    return pa.concat_tables([table, *copies])


def renamed(table: pa.Table) -> pa.Table:
    return table.rename_columns(
        ["price_new" if name == "price_minor" else name for name in table.column_names]
    )


def retyped(table: pa.Table) -> pa.Table:
    at = table.schema.get_field_index("price_minor")
    return table.set_column(at, "price_minor", pc.cast(table["price_minor"], pa.string()))


def no_sessions(table: pa.Table) -> pa.Table:
    return replaced(table, "session_id", recent(table), pa.nulls(table.num_rows, pa.string()))


def bigger_baskets(table: pa.Table) -> pa.Table:
    many = pa.array(table["quantity"].to_numpy() * 12)
    return replaced(table, "quantity", recent(table, 30), many)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (in_cents, ("unit", "price_minor", "critical")),
        (some_in_cents, ("unit", "price_minor.items", "critical")),
        (in_dollars, ("currency", "currency", "critical")),
        (without_currency, ("currency", "currency", "critical")),
        (clocks_ahead, ("clock", "occurred_at", "warning")),
        (without_zone, ("filled", "view_item.offset_minutes", "warning")),
        (twice, ("unique", "event_lines", "critical")),
        (other_rows, ("integrity", "item_row", "critical")),
        (silent, ("freshness", "event_lines", "warning")),
        (no_carts, ("volume", "view_item", "critical")),
        (threefold, ("volume", "view_item", "warning")),
        (renamed, ("schema", "event_lines", "critical")),
        (retyped, ("schema", "event_lines", "critical")),
        (no_sessions, ("filled", "view_item.session_id", "warning")),
        (bigger_baskets, ("drift", "item__quantity__log_mean__90d", "warning")),
    ],
)
def test_a_planted_fault_is_found(fault: Change, found: tuple[str, str, str], tmp_path: Path) -> None:
    quality = checked(fault(steady_shop.lines(3)), tmp_path)
    assert found in failed(quality)
    assert bool(quality.objections) == any(one[2] == "critical" for one in failed(quality))


def test_cents_are_told_as_cents(tmp_path: Path) -> None:
    quality = checked(in_cents(steady_shop.lines(4)), tmp_path)
    assert any(
        "100 times" in told and "cents where units were expected" in told for told in quality.objections
    )


def test_rows_refused_for_their_instants_are_counted_and_stop_nothing(tmp_path: Path) -> None:
    quality = checked(steady_shop.lines(5), tmp_path, refused={"an instant with its offset": 17})
    assert failed(quality) == [("clock", "refused", "warning")]
    assert quality.objections == ()


def test_a_value_out_of_its_declared_range_stops_a_release() -> None:
    name = "user__purchase__new_share__all"
    features = [feature for feature in FEATURES if feature.name == name]
    (found,) = check_declared(
        [Checked(name, 9, 1, 0.2, 1.5, "largest value is 1.5; expected at most 1")], features
    )
    assert (found.check, found.stops) == ("range", True)


def test_an_absent_value_where_none_may_be_stops_a_release() -> None:
    name = "item__purchase__trend__7d_30d"
    features = [feature for feature in FEATURES if feature.name == name]
    found = check_declared([Checked(name, 9, 2, 0.2, 1.5, "2 values are absent; expected none")], features)
    assert [(one.check, one.stops) for one in found] == [("nulls", True), ("range", False)]


def test_nothing_yet_is_nothing_wrong() -> None:
    with DuckDB() as engine:
        quality = check_quality(engine, [], as_of_us=NOW)
    assert (quality.findings, quality.objections, quality.table.num_rows) == ([], (), 0)
    assert "nothing was checked" in render_quality(quality, name="A & B")


@pytest.mark.parametrize(("days_ago", "back"), [(0, 0), (1, 7), (7, 7), (8, 14), (15, 21)])
def test_then_is_the_same_hour_of_the_week_at_or_before_the_training(days_ago: int, back: int) -> None:
    assert same_hour_before(NOW - days_ago * DAY_US, NOW) == NOW - back * DAY_US


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_it_tells(tmp_path: Path) -> None:
    page = render_quality(checked(in_cents(steady_shop.lines(6)), tmp_path), name="<Shop>")
    assert "&lt;Shop&gt;" in page
    assert "no release goes live" in page
    assert not any(word in page for word in ("http://", "https://", "<script", "url("))
