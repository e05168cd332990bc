"""The door for events: every row gets a verdict, whatever was sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import DAY_US, EVENT_CODES, HOUR_US, MAX_BATCH, MAX_LINES, Event, to_us
from shelfwise.ingestion import Verdicts, accept_events, event_body
from shelfwise.ingestion._wire import EventName

NOW = datetime(2011, 12, 9, 12, 50, tzinfo=UTC)
NOW_US = to_us(NOW)
GOLDEN = Path(__file__).parents[1] / "golden" / "ingestion"
VIEW: dict[str, Any] = {
    "event": "view_item", "event_id": "e-1", "occurred_at": "2011-11-03T19:18:02+00:00", "user_id": "17850",
    "items": [{"item_id": "85123A"}],
}  # fmt: skip


def accept(*rows: Any, **given: Any) -> Verdicts:
    """The verdicts on rows sent as JSON."""
    return accept_events(json.dumps({"events": rows}).encode(), now_us=NOW_US, **given)


def only(verdicts: Verdicts) -> Event:
    assert verdicts.rejected == []
    (event,) = verdicts.accepted
    return event


def refused(row: Any, **given: Any) -> tuple[str, Any, str]:
    """Field, value and rule; the same whether the row came as JSON or as a mapping."""
    (rejection,) = accept(row, **given).rejected
    (again,) = accept_events([row], now_us=NOW_US, **given).rejected
    assert (again.field, again.rule) == (rejection.field, rejection.rule)
    return rejection.field, rejection.value, rejection.rule


def test_the_wire_knows_exactly_the_events_of_the_house() -> None:
    assert set(get_args(EventName)) == set(EVENT_CODES)


def test_a_whole_event_arrives_whole() -> None:
    event = only(
        accept(
            {
                "event": "add_to_cart", "event_id": "e-81", "occurred_at": "2011-11-03T20:18:02.5+01:00",
                "user_id": "17850", "anonymous_id": "b7", "session_id": "s-9",
                "items": [{"item_id": "85123A", "quantity": 2, "price": 2.55, "currency": "GBP", "index": 1}],
                "context": {"device": "mobile", "country": "gb", "placement": "home", "age": 30,
                            "local_time": "2011-11-03T20:18:02+01:00"},
                "recommendation_id": "r-1",
            }
        )
    )  # fmt: skip
    assert event.occurred_us == to_us(datetime(2011, 11, 3, 19, 18, 2, 500_000, tzinfo=UTC))
    assert event.received_us == NOW_US
    assert event.person_key == "u:17850"
    line = event.lines[0]
    assert (line.item_id, line.quantity, line.price_minor, line.currency, line.index) == (
        "85123A",
        2,
        255,
        "GBP",
        1,
    )
    assert (event.context.country, event.context.offset_minutes, event.context.age) == ("GB", 60, 30)
    assert (event.origin, event.bot) == ("real", False)


def test_one_event_needs_no_batch() -> None:
    assert only(accept_events(json.dumps(VIEW).encode(), now_us=NOW_US)).event_id == "e-1"


def test_good_rows_of_a_batch_with_bad_ones_are_kept_with_their_places() -> None:
    verdicts = accept(VIEW, VIEW | {"event": "veiw_item"}, VIEW | {"event_id": "e-3"})
    assert [event.event_id for event in verdicts.accepted] == ["e-1", "e-3"]
    assert verdicts.rows == [0, 2]
    assert [rejection.index for rejection in verdicts.rejected] == [1]


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"event": "veiw_item"}, "event", "did you mean 'view_item'?"),
        ({"occured_at": "x"}, "occured_at", "did you mean 'occurred_at'?"),
        ({"occurred_at": "2011-11-03T19:18:02"}, "occurred_at", "an instant with its offset from UTC"),
        ({"occurred_at": 1320347882}, "occurred_at", "an instant with its offset from UTC"),
        ({"occurred_at": "1999-12-31T23:59:59Z"}, "occurred_at", "not before 2000-01-01"),
        ({"user_id": None}, "user_id", "user_id or anonymous_id, or both"),
        ({"user_id": "x" * 256}, "user_id", "1 to 255 bytes"),
        ({"user_id": "é" * 128}, "user_id", "1 to 255 bytes"),  # 256 bytes in 128 characters
        ({"user_id": ""}, "user_id", "1 to 255 bytes"),
        ({"user_id": "a\0b"}, "user_id", "without NUL"),
        ({"user_id": "a\ud83d"}, "user_id", "lone surrogates"),
        ({"query": "\0"}, "query", "without NUL"),
        ({"items": [{"item_id": "a", "quantity": 0}]}, "items[0].quantity", "a whole number from 1 to 1000000"),
        ({"items": [{"item_id": "a"}, {"item_id": "b", "quantity": 1.5}]}, "items[1].quantity", "a whole number"),
        ({"items": [{"item_id": "a", "pric": 1}]}, "items[0].pric", "did you mean 'price'?"),
        ({"items": [{"quantity": 1}]}, "items[0].item_id", "it is required"),
        ({"items": [{"item_id": "a"}] * (MAX_LINES + 1)}, "items", "at most 200"),
        ({"items": [{"item_id": "a", "price": 2.5}]}, "items[0].currency", "the currency of price"),
        ({"items": [{"item_id": "a", "price": 2.555, "currency": "GBP"}]}, "items[0].price", "at most 2 decimals"),
        ({"items": [{"item_id": "a", "price": 2.5, "currency": "JPY"}]}, "items[0].price", "at most 0 decimals"),
        ({"items": [{"item_id": "a", "price": -1, "currency": "GBP"}]}, "items[0].price", "at least 0"),
        ({"items": [{"item_id": "a", "price": float("nan"), "currency": "GBP"}]}, "items[0].price", "a decimal number"),
        ({"items": [{"item_id": "a", "price": float("inf"), "currency": "GBP"}]}, "items[0].price", "a decimal number"),
        ({"items": [{"item_id": "a", "price": 1, "currency": "gbp"}]}, "items[0].currency", "three capitals"),
        ({"event": "purchase", "items": []}, "items", "items of a purchase"),
        ({"context": {"country": "United Kingdom"}}, "context.country", "two letters"),
        ({"context": {"country": "4!"}}, "context.country", "two letters"),
        ({"context": {"contry": "GB"}}, "context.contry", "did you mean 'country'?"),
        ({"consent": "maybe"}, "consent", "'granted' or 'denied'"),
        ({"origin": "prod"}, "origin", "'real', 'simulated' or 'test'"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_field_and_rule(change: dict[str, Any], field: str, rule: str) -> None:
    named, _, said = refused(VIEW | change)
    assert named == field
    assert rule in said


def test_a_missing_field_is_named() -> None:
    assert refused({"event": "view_item", "user_id": "u"})[0] == "occurred_at"


def test_24_hours_ahead_is_believed_and_a_microsecond_more_is_not() -> None:
    edge = NOW + timedelta(days=1)
    assert only(accept(VIEW | {"occurred_at": edge.isoformat()})).occurred_us == NOW_US + DAY_US
    field, _, rule = refused(VIEW | {"occurred_at": (edge + timedelta(microseconds=1)).isoformat()})
    assert (field, rule) == ("occurred_at", "an instant at most 24 hours ahead of the shop's clock")


@given(st.integers(0, 10**11), st.sampled_from([("GBP", 2), ("JPY", 0), ("KWD", 3)]))
def test_a_price_of_the_currencys_decimals_is_exact(minor: int, currency: tuple[str, int]) -> None:
    code, digits = currency
    line = f'{{"item_id": "a", "price": {minor // 10**digits}.{minor % 10**digits:0{digits}d}0, "currency": "{code}"}}'
    body = json.dumps(VIEW | {"items": ["LINE"]}).replace('"LINE"', line).replace(".0,", ",", digits == 0)
    assert only(accept_events(body.encode(), now_us=NOW_US)).lines[0].price_minor == minor


def test_the_shops_currency_is_taken_where_a_price_names_none() -> None:
    line = only(accept(VIEW | {"items": [{"item_id": "a", "price": 1000}]}, currency="JPY")).lines[0]
    assert (line.price_minor, line.currency) == (1000, "JPY")


def test_denied_consent_leaves_no_trace() -> None:
    verdicts = accept(VIEW, VIEW | {"event_id": "e-2", "consent": "denied"})
    assert verdicts.untracked == [1]
    assert [event.event_id for event in verdicts.accepted] == ["e-1"]
    assert verdicts.rejected == []


def test_an_event_without_id_gets_the_hash_of_its_content() -> None:
    nameless = {name: value for name, value in VIEW.items() if name != "event_id"}
    first, again = only(accept(nameless)), only(accept_events([nameless], now_us=NOW_US + HOUR_US))
    other = only(accept(nameless | {"user_id": "17851"}))
    assert first.event_id == again.event_id != other.event_id
    assert len(first.event_id) == 32


def test_the_body_of_an_event_is_what_the_sender_said() -> None:
    one = only(accept(VIEW))
    later = only(accept_events([VIEW], now_us=NOW_US + HOUR_US, user_agent="Googlebot"))
    assert event_body(one) == event_body(later)
    assert event_body(one) != event_body(only(accept(VIEW | {"session_id": "s"})))


def test_test_traffic_and_robots_are_marked() -> None:
    assert only(accept(VIEW, origin="test")).origin == "test"
    assert only(accept(VIEW | {"origin": "simulated"}, origin="test")).origin == "simulated"
    assert only(accept(VIEW, user_agent="Mozilla/5.0 (compatible; Googlebot/2.1)")).bot
    assert not only(accept(VIEW, user_agent="Mozilla/5.0 (Linux; Android 12; CUBOT NOTE 50) Chrome/120")).bot
    assert not only(accept(VIEW, user_agent="python-requests/2.32")).bot  # a shop's server


def test_a_batch_has_at_most_500_events() -> None:
    assert len(accept(*[VIEW] * MAX_BATCH).accepted) == MAX_BATCH
    body = accept(*[VIEW] * (MAX_BATCH + 1)).body
    assert body is not None
    assert (body.field, body.value, body.rule) == ("events", 501, "at most 500 events in one request")


@pytest.mark.parametrize(
    "raw",
    [b"", b"nope", b"[]", b"3", b"{", b'"x"', b"\xff\xfe", b'{"events": 3}', b'{"events": {}}', b"null",
     b"[" * 10_000 + b"]" * 10_000, b'{"events":' * 10_000 + b"1" + b"}" * 10_000],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_one_rejection(raw: bytes) -> None:
    verdicts = accept_events(raw, now_us=NOW_US)
    assert verdicts.body is not None
    assert not (verdicts.accepted)
    assert not (verdicts.rejected)
    msgspec.json.encode(verdicts.body)


def test_what_is_no_json_costs_its_own_row_only() -> None:
    good = json.dumps(VIEW)
    rows = f'{{"events": [{good}, {{"event": NaN}}, {{"event": "\\ud800"}}, {{"event": 1e999}}, {good}]}}'
    verdicts = accept_events(rows.encode(), now_us=NOW_US)
    assert verdicts.rows == [0, 4]
    assert [rejection.index for rejection in verdicts.rejected] == [1, 2, 3]
    msgspec.json.encode(verdicts.rejected)


def test_a_deep_row_costs_its_own_row_only() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = {"a": deep}
    verdicts = accept(VIEW, VIEW | {"context": deep})
    assert (verdicts.rows, [rejection.index for rejection in verdicts.rejected]) == ([0], [1])


def test_of_a_repeated_key_the_last_counts() -> None:
    raw = json.dumps(VIEW).replace('"user_id": "17850"', '"user_id": "a", "user_id": "b"').encode()
    assert only(accept_events(raw, now_us=NOW_US)).user_id == "b"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
near = st.fixed_dictionaries(
    {},
    optional={
        "event": st.sampled_from([*EVENT_CODES, "nope"]) | anything,
        "event_id": st.text(max_size=300) | anything,
        "occurred_at": st.datetimes().map(datetime.isoformat)
        | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | anything,
        "user_id": st.text(max_size=10) | anything,
        "items": st.lists(
            st.fixed_dictionaries(
                {"item_id": st.text(max_size=4)},
                optional={"price": st.floats() | anything, "currency": st.text(max_size=3), "quantity": anything},
            ),
            max_size=3,
        ) | anything,
        "context": st.dictionaries(st.sampled_from(["country", "local_time", "age", "device"]), anything) | anything,
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(near | anything, max_size=5), st.booleans())
def test_any_rows_get_one_verdict_each_and_never_an_exception(rows: list[Any], as_json: bool) -> None:
    verdicts = (
        accept_events(json.dumps({"events": rows}).encode(), now_us=NOW_US) if as_json
        else accept_events(rows, now_us=NOW_US)
    )  # fmt: skip
    assert verdicts.body is None
    judged = verdicts.rows + verdicts.untracked + [rejection.index for rejection in verdicts.rejected]
    assert sorted(judged) == list(range(len(rows)))
    msgspec.json.encode(verdicts.rejected)
    msgspec.msgpack.encode(verdicts.accepted)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_get_verdicts_and_never_an_exception(raw: bytes) -> None:
    verdicts = accept_events(raw, now_us=NOW_US)
    msgspec.json.encode((verdicts.body, verdicts.rejected))


def golden_text() -> str:
    rejected = accept(*json.loads((GOLDEN / "events.json").read_text())).rejected
    return json.dumps([msgspec.to_builtins(one) for one in rejected], indent=1, ensure_ascii=False) + "\n"


def test_verdicts_read_as_the_golden_file_says() -> None:
    """Rewrite it with: python -m tests.ingestion.test_accept_events"""
    assert golden_text() == (GOLDEN / "events_rejected.json").read_text(), (
        "verdicts changed: read the difference"
    )


if __name__ == "__main__":
    (GOLDEN / "events_rejected.json").write_text(golden_text())


@pytest.mark.parametrize(
    "event", ["purchase", "view_item", "add_to_cart", "remove_from_cart", "add_to_wishlist"]
)
@pytest.mark.parametrize("items", [{}, {"items": []}])
def test_an_event_about_items_must_name_one(event: str, items: dict[str, Any]) -> None:
    row = {"event": event, "event_id": "e", "occurred_at": "2011-11-03T19:18:02Z", "user_id": "u", **items}
    verdicts = accept_events([row], now_us=2_000_000_000_000_000)
    assert [(one.field, one.rule) for one in verdicts.rejected] == [("items", f"1 to 200 items of a {event}")]
