"""Segment's e-commerce calls become our events."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shelfwise.domain import EVENT_CODES, SECOND_US, to_us
from shelfwise.ingestion import Verdicts, accept_segment
from shelfwise.ingestion._segment import SEGMENT_EVENTS, SEGMENT_IGNORED, occurred_us

NOW = datetime(2011, 12, 9, 12, 50, tzinfo=UTC)
NOW_US = to_us(NOW)
ORDER: dict[str, Any] = {
    "type": "track", "event": "Order Completed", "messageId": "m-1", "userId": "17850", "anonymousId": "b7",
    "timestamp": "2011-12-09T12:00:00Z",
    "properties": {
        "order_id": "536365", "currency": "GBP",
        "products": [
            {"product_id": "85123A", "price": "2.55", "quantity": "6", "position": 1, "name": "T-Light Holder"},
            {"sku": "71053", "price": 3.39, "quantity": 2.0},
        ],
    },
    "context": {
        "userAgent": "Mozilla/5.0", "timezone": "Europe/London", "location": {"country": "GB"},
        "device": {"type": "mobile"}, "page": {"referrer": "https://example.org/"},
    },
}  # fmt: skip


def accept(body: Any) -> Verdicts:
    return accept_segment(json.dumps(body).encode(), now_us=NOW_US)


def test_an_order_becomes_a_purchase() -> None:
    (event,) = accept(ORDER).accepted
    assert (event.event, event.event_id, event.order_id) == ("purchase", "m-1", "536365")
    assert (event.user_id, event.anonymous_id) == ("17850", "b7")
    assert [(line.item_id, line.quantity, line.price_minor, line.index) for line in event.lines] == [
        ("85123A", 6, 255, 1),
        ("71053", 2, 339, None),
    ]
    assert (event.context.device, event.context.country) == ("mobile", "GB")
    assert event.context.referrer == "https://example.org/"


def test_a_viewed_product_is_the_properties_themselves() -> None:
    (event,) = accept(
        ORDER
        | {"event": "product viewed", "properties": {"product_id": 85123, "price": 1, "currency": "GBP"}}
    ).accepted
    assert (event.event, event.lines[0].item_id) == ("view_item", "85123")


def test_every_named_event_is_one_of_the_house() -> None:
    assert set(SEGMENT_EVENTS.values()) <= set(EVENT_CODES)
    assert not set(SEGMENT_EVENTS) & set(SEGMENT_IGNORED)


@pytest.mark.parametrize("name", ["Order Refunded", "Order Cancelled"])
def test_refunds_and_cancellations_are_refunds(name: str) -> None:
    (event,) = accept(ORDER | {"event": name}).accepted
    assert event.event == "refund"
    (whole,) = accept(ORDER | {"event": name, "properties": {"order_id": "536365"}}).accepted
    assert (whole.event, whole.lines) == ("refund", ())


def test_a_batch_shares_when_it_was_sent_and_keeps_its_good_calls() -> None:
    calls = [
        ORDER,
        {"type": "identify", "userId": "17850"},
        ORDER | {"event": "Order Updated"},
        ORDER | {"event": "Something Of Ours"},
        ORDER | {"properties": {"products": [{"product_id": "a", "price": "cheap", "currency": "GBP"}]}},
        ORDER | {"messageId": "m-2", "context": {"consent": {"categoryPreferences": {"Ads": False}}}},
        3,
    ]
    verdicts = accept({"batch": calls, "sentAt": "2011-12-09T12:50:00Z"})
    assert verdicts.rows == [0]
    assert verdicts.ignored == [1, 2, 3]
    assert verdicts.untracked == [5]
    assert [(one.index, one.field) for one in verdicts.rejected] == [
        (4, "properties.products[0].price"),
        (6, ""),
    ]


def test_fields_are_named_as_the_sender_wrote_them() -> None:
    (rejection,) = accept(ORDER | {"userId": None, "anonymousId": None}).rejected
    assert rejection.field == "userId"
    (rejection,) = accept(ORDER | {"timestamp": "yesterday"}).rejected
    assert (rejection.field, rejection.value) == ("timestamp", "yesterday")


def test_the_senders_wrong_clock_is_corrected() -> None:
    """A phone an hour slow: it acted 2 s before it sent, so it acted 2 s before we heard."""
    call = {"timestamp": "2011-12-09T11:50:00Z", "sentAt": "2011-12-09T11:50:02Z"}
    assert occurred_us(call, NOW_US) == NOW_US - 2 * SECOND_US


def test_what_segment_has_corrected_is_taken_as_it_is() -> None:
    call = {
        "timestamp": "2011-12-09T12:00:00Z",
        "sentAt": "2011-12-09T11:00:00Z",
        "receivedAt": "2011-12-09T12:00:01Z",
    }
    assert occurred_us(call, NOW_US) == to_us(datetime(2011, 12, 9, 12, tzinfo=UTC))


def test_segments_formula_by_hand() -> None:
    """receivedAt - (sentAt - originalTimestamp) = 12:00:10 - (09:00:05 - 09:00:00)."""
    call = {
        "originalTimestamp": "2011-12-09T09:00:00Z",
        "sentAt": "2011-12-09T09:00:05Z",
        "receivedAt": "2011-12-09T12:00:10Z",
    }
    assert occurred_us(call, NOW_US) == to_us(datetime(2011, 12, 9, 12, 0, 5, tzinfo=UTC))


def test_a_call_without_any_instant_happened_when_it_came() -> None:
    assert occurred_us({}, NOW_US) == NOW_US


def test_a_robot_names_itself_in_the_call() -> None:
    (event,) = accept(ORDER | {"context": {"userAgent": "AhrefsBot/7.0"}}).accepted
    assert event.bot


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*ORDER, "sentAt", "receivedAt", "originalTimestamp"]), anything),
    st.dictionaries(st.sampled_from(["products", "order_id", "currency", "query", "product_id"]), anything),
)
def test_any_call_gets_a_verdict_and_never_an_exception(change: Any, properties: Any) -> None:
    call = ORDER | {"properties": properties} | change
    for body in (call, {"batch": [call]}, change):
        verdicts = accept_segment(json.dumps(body).encode(), now_us=NOW_US)
        msgspec.json.encode((verdicts.accepted, verdicts.rejected, verdicts.body))
