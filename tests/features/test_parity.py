"""The law of the room: batch, stream and request give the same numbers for the same events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from shelfwise.domain import DAY_US, HOUR_US, Context, Event, EventLine

from .replay import Row, computed, disagreements, fits_of, imagined, requested, shelf_of, streamed

NOW = 1_322_000_000 * 1_000_000 + 12_345_678  # an afternoon in November 2011, in the middle of an hour
N_ITEMS = 8
PEOPLE = ("u:u1", "u:u2", "a:a1", "a:a2", "a:a3", "u:nobody")
REAL = Path(__file__).parents[3] / "shared" / "datasets" / "online_retail_ii" / "year_2010_2011.parquet"


@pytest.mark.parametrize("seed", range(6))
def test_batch_stream_and_request_agree_on_random_histories(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    shelf = shelf_of(N_ITEMS, rng)
    events = imagined(rng, NOW, int(rng.integers(20, 500)), N_ITEMS)
    instants = (NOW, NOW - 2 * HOUR_US, NOW - 33 * DAY_US, NOW // DAY_US * DAY_US)
    contexts = [
        Context(
            "mobile", "US", offset_minutes=-330, placement="cart", referrer="https://www.google.com/", age=17
        ),
        Context(),
        Context("tv", "GB", age=35),
        Context(
            country="JP", offset_minutes=600, placement="item_page", referrer="https://example.com", age=70
        ),
    ]
    fits = fits_of(N_ITEMS, NOW)
    rows, request = [], []
    for as_of_us, context in zip(instants, contexts, strict=True):
        arriving = events + [
            events[at] for at in rng.integers(0, len(events), len(events) // 3)
        ]  # some twice
        arriving = [arriving[at] for at in rng.permutation(len(arriving))]
        stream = streamed(arriving, as_of_us, N_ITEMS, batch=int(rng.integers(1, 60)))
        for person in PEOPLE:
            request.append(requested(stream, shelf, person, range(N_ITEMS), as_of_us, context, fits))
            rows += [Row(person, item, as_of_us, context) for item in range(N_ITEMS)]
    batch = computed(events, rows, shelf, tmp_path, fits)
    assert disagreements(batch, np.concatenate(request), rows) == []


def test_batch_stream_and_request_agree_where_more_was_done_than_is_remembered(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    shelf = shelf_of(40, rng)
    events = [
        Event(
            event_id=f"e{number}", event="purchase" if number % 3 else "view_item", received_us=0, user_id="busy",
            occurred_us=NOW - (1_200 - number) * 9 * HOUR_US // 2, order_id=f"o{number // 2}",
            lines=tuple(EventLine(f"i{rng.integers(40)}", int(rng.integers(1, 5)), 250) for _ in range(4)),
        )
        for number in range(1_200)
    ]  # fmt: skip
    assert sum(len(event.lines) for event in events) > 4_000
    stream = streamed(events, NOW, 40, batch=37)
    rows = [Row("u:busy", item, NOW) for item in range(40)]
    request = requested(stream, shelf, "u:busy", range(40), NOW, Context(), fits_of(40, NOW))
    batch = computed(events, rows, shelf, tmp_path, fits_of(40, NOW))
    assert disagreements(batch, request, rows) == []


def real_events(n_people: int) -> tuple[list[Event], int]:
    """Invoices and returns of the busiest customers and of some others; and the number of items."""
    table = pq.read_table(REAL).filter(pc.is_valid(pc.field("customer_id")) & (pc.field("unit_price") > 0))
    counts = table["customer_id"].value_counts().to_pylist()
    busiest = sorted(counts, key=lambda count: (-count["counts"], count["values"]))
    chosen = {count["values"] for count in (*busiest[:2], *busiest[2 :: len(busiest) // n_people])}
    rows = [row for row in table.to_pylist() if row["customer_id"] in chosen]
    number = {code: at for at, code in enumerate(sorted({row["stock_code"] for row in rows}))}
    invoices: dict[str, list[dict]] = {}
    for row in rows:
        invoices.setdefault(row["invoice_no"], []).append(row)
    events = []
    for invoice, lines in invoices.items():
        for start in range(0, len(lines), 200):
            part = lines[start : start + 200]
            events.append(
                Event(
                    event_id=f"{invoice}-{start}",
                    event="refund" if invoice.startswith("C") else "purchase",
                    occurred_us=int(part[0]["invoice_date"].timestamp() * 1_000_000),
                    received_us=0,
                    user_id=str(part[0]["customer_id"]),
                    order_id=invoice,
                    lines=tuple(
                        EventLine(
                            f"i{number[row['stock_code']]}",
                            abs(row["quantity"]),
                            round(row["unit_price"] * 100),
                        )
                        for row in part
                    ),
                )
            )
    return sorted(events, key=lambda event: event.occurred_us), len(number)


def test_batch_stream_and_request_agree_on_real_invoices(tmp_path: Path) -> None:
    if not REAL.exists():
        pytest.skip(f"no real invoices at {REAL}: the random histories above still ran")
    rng = np.random.default_rng(5)
    events, n_items = real_events(40)
    shelf = shelf_of(n_items, rng)
    last_us = events[-1].occurred_us
    people = sorted({event.person_key for event in events})
    rows, request, fits = [], [], fits_of(n_items, last_us)
    for as_of_us in (last_us + 1, last_us - 14 * DAY_US, last_us - 200 * DAY_US + 77):
        past = [event for event in events if event.occurred_us < as_of_us]
        stream = streamed(past, as_of_us, n_items, batch=100)
        for person in people:
            items = rng.choice(n_items, 30, replace=False).tolist()
            bought = {
                row_of_line(line)
                for event in past[-2000:]
                if event.person_key == person
                for line in event.lines
            }
            items += sorted(bought - set(items))[:30]
            request.append(requested(stream, shelf, person, items, as_of_us, Context(), fits))
            rows += [Row(person, item, as_of_us) for item in items]
    assert len(rows) > 3_000
    batch = computed(events, rows, shelf, tmp_path, fits)
    assert disagreements(batch, np.concatenate(request), rows) == []


def row_of_line(line: EventLine) -> int:
    return int(line.item_id[1:])
