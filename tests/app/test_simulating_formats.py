"""Simulated events read back by the doors that every shop's events come through."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

import msgspec
import numpy as np
import pytest

from shelfwise.app._simulating_engines import ServerTime
from shelfwise.app._simulating_formats import Names
from shelfwise.app._simulating_sinks import JsonlSink, ParquetSink, Stopwatch
from shelfwise.domain import CART, DAY_US, EVENT_CODES, PURCHASE, VIEW, Event, EventLine
from shelfwise.ingestion import accept_events, read_events
from shelfwise.simulation import (
    COUNTRIES,
    DEVICES,
    DTYPES,
    FAULTS,
    LISTS,
    Arrivals,
    MessSettings,
    Queue,
    Traffic,
)

SHOWN, SEARCH = EVENT_CODES["view_item_list"], EVENT_CODES["search"]
NOW = 15_000 * DAY_US
ITEMS = ("mug", "cup", "jug")


def names() -> Names:
    return Names(7, "sim-run", ITEMS, ("Mugs", "Cups"), "GBP", ["answer-0", "answer-1"])


def lines(*rows: dict[str, int]) -> Traffic:
    blank = {name: np.zeros(len(rows), dtype) for name, dtype in DTYPES.items()}
    for name in ("item", "price_minor", "order", "index", "query", "recommendation"):
        blank[name][:] = -1
    for at, row in enumerate(rows):
        for name, value in row.items():
            blank[name][at] = value
    return Traffic(**blank)


VISIT = {"shopper": 3, "session": 9, "device": DEVICES.index("tablet"), "country": COUNTRIES.index("IE")}
STORY = lines(
    {**VISIT, "event": SEARCH, "event_no": 1, "at_us": NOW - 9, "query": 1},
    {**VISIT, "event": SHOWN, "event_no": 2, "at_us": NOW - 8, "item": 0, "quantity": 1, "index": 1}
    | {"list": LISTS.index("home"), "recommendation": 1, "price_minor": 250},
    {
        **VISIT,
        "event": SHOWN,
        "event_no": 2,
        "at_us": NOW - 8,
        "item": 2,
        "quantity": 1,
        "index": 2,
        "line": 1,
    }
    | {"list": LISTS.index("home"), "recommendation": 1, "price_minor": 1},
    {**VISIT, "event": VIEW, "event_no": 3, "at_us": NOW - 7, "item": 2, "quantity": 1, "price_minor": 1},
    {**VISIT, "event": PURCHASE, "event_no": 4, "at_us": NOW - 6, "item": 2, "quantity": 3, "price_minor": 1}
    | {"order": 5, "known": 1},
)


def arrived(traffic: Traffic, rates: MessSettings | None = None) -> Arrivals:
    return Queue([(NOW * 2, rates or MessSettings())], seed=1, n_items=3).take(traffic.records())


def written(made: Arrivals, path: Path) -> tuple[list[Event], list[str]]:
    """Events and refused fields, as the importer of files sees them."""
    sink = (ParquetSink if path.suffix == ".parquet" else JsonlSink)(path, names())
    sink.take(made)
    sink.close()
    batches = list(read_events(path, now_us=NOW, currency="EUR"))
    events = [event for batch in batches for event in batch.events]
    return events, [letter.field for batch in batches for letter in batch.rejected]


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_events_are_read_back_as_they_happened(tmp_path: Path, ending: str) -> None:
    events, refused = written(arrived(STORY), tmp_path / f"events.{ending}")
    assert refused == []
    assert [event.event for event in events] == ["search", "view_item_list", "view_item", "purchase"]
    search, shown, _, bought = events
    assert search.query == "Cups"
    assert search.lines == ()
    assert shown.lines == (EventLine("mug", 1, 250, "GBP", 1), EventLine("jug", 1, 1, "GBP", 2))
    assert (shown.context.placement, shown.recommendation_id) == ("home", "answer-1")
    assert (bought.order_id, bought.lines[0].quantity, bought.lines[0].price_minor) == ("sim-run-o5", 3, 1)
    assert [event.user_id for event in events] == [None, None, None, "sim-7-3"]
    assert {event.anonymous_id for event in events} == {"sim-7-3-tablet"}
    assert {event.session_id for event in events} == {"sim-run-s9"}
    assert {event.event_id for event in events} == {f"sim-run-{number}" for number in (1, 2, 3, 4)}
    assert {(event.context.country, event.context.device) for event in events} == {("IE", "tablet")}
    assert {event.origin for event in events} == {"simulated"}
    assert [event.occurred_us for event in events] == [NOW - 9, NOW - 8, NOW - 7, NOW - 6]


def test_both_files_hold_the_same_events(tmp_path: Path) -> None:
    made = arrived(STORY, MessSettings(robot_rate=1.0, robot_pages=2))
    flat, _ = written(made, tmp_path / "a.parquet")
    nested, _ = written(made, tmp_path / "a.jsonl")
    assert flat == nested
    assert any(str(event.anonymous_id).startswith("sim-7-robot-") for event in flat)


@pytest.mark.parametrize("fault", FAULTS[1:])
@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_faulty_event_is_refused_for_its_fault(tmp_path: Path, ending: str, fault: str) -> None:
    told = {
        "unknown_event": "event",
        "nobody": "user_id",
        "far_future": "occurred_at",
        "naive_instant": "occurred_at",
        "no_pieces": "quantity",
        "surplus_decimals": "price",
    }
    clean = arrived(STORY.take(STORY.event == PURCHASE))
    clean.rows["fault"] = FAULTS.index(fault)
    events, refused = written(clean, tmp_path / f"events.{ending}")
    assert events == []
    assert [field.rpartition(".")[2] for field in refused] == [told[fault]]


def test_a_second_sending_is_byte_for_byte_the_first() -> None:
    from shelfwise.app._simulating_formats import sent_events

    queue = Queue([(NOW * 2, MessSettings(duplicate_rate=1.0))], seed=1, n_items=3)
    queue.take(STORY.records())
    again = [msgspec.json.encode(event) for event in sent_events(queue.rest(), names())]
    first = [msgspec.json.encode(event) for event in sent_events(arrived(STORY), names())]
    assert sorted(again) == sorted(first)


def test_an_order_names_an_answer_only_if_all_of_its_lines_come_of_it() -> None:
    from shelfwise.app._simulating_formats import sent_events

    of_one = [{"event": PURCHASE, "event_no": 1, "item": n, "line": n, "recommendation": 1} for n in (0, 1)]
    mixed = [{**row, "event_no": 2, "recommendation": row["line"] - 1} for row in of_one]
    told = sent_events(
        arrived(lines(*({**VISIT, "order": 5, "at_us": NOW - 6, **row} for row in of_one + mixed))), names()
    )
    assert [event.recommendation_id for event in told] == ["answer-1", None]


def test_the_http_door_takes_them(tmp_path: Path) -> None:
    from shelfwise.app._simulating_formats import sent_events

    body = msgspec.json.encode({"events": sent_events(arrived(STORY), names())})
    verdicts = accept_events(body, now_us=NOW, currency="EUR")
    assert verdicts.rejected == []
    assert [event.event for event in verdicts.accepted][-1] == "purchase"


def test_a_line_without_price_is_told_without_one(tmp_path: Path) -> None:
    made = arrived(lines({**VISIT, "event": CART, "event_no": 1, "at_us": NOW - 1, "item": 1, "quantity": 1}))
    (event,), _ = written(made, tmp_path / "a.jsonl")
    assert event.lines == (EventLine("cup", 1, None, "GBP", None),)


def test_what_happens_between_two_answers_of_a_server_is_stamped_between_them() -> None:
    story, told = NOW - 100, 2 * NOW  # the server is far ahead of the clock here, which stands still
    time_of = ServerTime(story, told - 5_000_000, clock=lambda: NOW)
    time_of.answered(story + 60, f"{told // 1_000:011x}rest")
    time_of.answered(story + 90, f"{told // 1_000 + 20:011x}rest")
    made = arrived(lines(*({**VISIT, "event": SEARCH, "at_us": story + at} for at in (60, 75, 90))))
    # an id tells whole milliseconds: by the next its answer was given; half way in the story is half way on the server
    assert time_of.stamped(made).traffic.at_us.tolist() == [told + 1_000, told + 11_000, told + 21_000]
    assert made.traffic.at_us.tolist() == [story + 60, story + 75, story + 90]


def test_cpu_is_the_engines_inside_its_blocks_and_in_other_threads() -> None:
    def work() -> None:
        begun = time.thread_time()
        while time.thread_time() - begun < 0.05:
            pass

    watch = Stopwatch()
    watch.start()
    work()
    with watch.engine():
        work()
    other = Thread(target=work)
    other.start()
    other.join()
    own_s, engine_s = watch.seconds()
    assert own_s == pytest.approx(0.05, abs=0.02)
    assert engine_s == pytest.approx(0.10, abs=0.04)
