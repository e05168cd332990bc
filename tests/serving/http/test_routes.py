"""Every route by its happy and its bad path, through a real server."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from tests.serving.http.shop import HttpShop, Served, an_event, bought, is_problem

from shelfwise.domain import Event, EventLine
from shelfwise.serving.http import RecommendationQuery
from shelfwise.serving.http._messages import (
    Explanation,
    ItemOut,
    PersonExport,
    PersonOut,
    Recommendations,
    RulePreview,
)

ASK = "/v1/recommendations"


def ask(served: Served, **query: Any) -> dict[str, Any]:
    response = served.post(ASK, {"n": 5, **query})
    assert response.status_code == 200, response.text
    return dict(response.json())


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


# ---- recommendations


def test_an_answer_has_the_published_shape(served: Served) -> None:
    answer = ask(served, user_id="17850", placement="home")
    assert list(answer) == ["recommendation_id", "items", "placement", "release", "variants", "degraded"]
    assert list(answer["items"][0]) == ["item_id", "position", "score", "sources", "reasons"]
    assert list(answer["items"][0]["reasons"][0]) == ["code", "item_id", "text"]
    assert [item["position"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    assert (answer["placement"], answer["release"], answer["variants"], answer["degraded"]) == (
        "home", "r-test", [], None,
    )  # fmt: skip


def test_a_get_asks_the_same_as_a_post(served: Served) -> None:
    address = f"{ASK}?user_id=x&n=4&placement=home&items=i3,i4&exclude=i0&exclude=i1&seen=keep&explain=false"
    address += "&filter=price%20%3C%2015&context.country=gb&context.device=mobile&session_id=s"
    address += "&context.local_time=2011-11-03T19:20:00%2B00:00&anonymous_id=b&strategy=auto&context.age=30"
    body = {
        "user_id": "x", "n": 4, "placement": "home", "items": ["i3", "i4"], "exclude": ["i0", "i1"], "seen": "keep",
        "filter": "price < 15", "context": {"country": "gb", "device": "mobile", "age": 30}, "anonymous_id": "b",
    }  # fmt: skip
    one, two = served.get(address), served.post(ASK, body)
    assert one.status_code == 200, one.text
    assert ids(one.json()) == ids(two.json())
    assert not {"i0", "i1", "i3", "i4"} & set(ids(one.json()))


def test_answers_are_personal_and_never_cached(served: Served) -> None:
    assert served.get(f"{ASK}?n=1").headers["cache-control"] == "private, no-store"


def test_a_placement_has_its_own_strategy_and_the_query_overrules_it(served: Served) -> None:
    assert ids(ask(served, placement="product", n=2)) == ["i10", "i11"]
    assert ids(ask(served, placement="product", n=2, strategy="session")) == ["i8", "i9"]


def test_a_filter_keeps_to_what_it_says(served: Served) -> None:
    answer = ask(served, filter="category = 'Candles' and price < 1.30", n=10)
    rows = [int(item_id[1:]) for item_id in ids(answer)]
    assert rows
    assert all(row % 2 == 1 and row < 30 for row in rows)


def test_what_was_bought_is_left_out_where_the_place_shows_new_things(shop: HttpShop, served: Served) -> None:
    shop.send(bought("keen", 0, 1))
    assert {"i0", "i1"} <= set(ids(ask(served, user_id="keen", n=30)))
    assert not {"i0", "i1"} & set(ids(ask(served, user_id="keen", n=30, placement="new")))


def test_who_refuses_is_answered_as_a_stranger_and_logged_as_nobody(shop: HttpShop, served: Served) -> None:
    answer = ask(served, user_id="shy", placement="new", consent="denied")
    logged = wait_for_answer(served, answer["recommendation_id"])
    assert (logged.user_id, logged.anonymous_id, logged.session_id) == (None, None, None)


def test_who_opted_out_is_a_stranger_from_then_on(shop: HttpShop, served: Served) -> None:
    shop.send(bought("gone", 0, 1))
    assert served.call("PUT", "/v1/users/gone/consent", json={"consent": "denied"}).status_code == 204
    answer = ask(served, user_id="gone", placement="new", n=30)
    assert "i0" in ids(answer)  # nobody knows what they bought
    assert wait_for_answer(served, answer["recommendation_id"]).user_id is None
    told = served.post("/v1/events", an_event("e-gone", user_id="gone")).json()
    assert (told["accepted"], told["untracked"]) == (0, 1)


def test_a_batch_is_answered_in_order(served: Served) -> None:
    queries = [{"n": 1, "strategy": "session"}, {"n": 2, "strategy": "similar"}, {"n": 3}]
    answers = served.post(f"{ASK}/batch", {"queries": queries}).json()["answers"]
    assert [len(answer["items"]) for answer in answers] == [1, 2, 3]
    assert ids(answers[1]) == ["i10", "i11"]


def test_a_batch_with_one_bad_query_is_told_which(served: Served) -> None:
    queries = [{"n": 1}, {"n": 1, "filter": "price <"}]
    problem = is_problem(served.post(f"{ASK}/batch", {"queries": queries}), 422)
    assert problem["errors"][0]["field"] == "queries[1].filter"
    many = [{"n": 1}] * 201
    assert is_problem(served.post(f"{ASK}/batch", {"queries": many}), 422)["errors"][0]["field"] == "queries"


@pytest.mark.parametrize(
    ("query", "field", "rule"),
    [
        ({}, "n", "a whole number from 1 to 100; it is required"),
        ({"n": 0}, "n", "a whole number from 1 to 100"),
        ({"n": 101}, "n", "a whole number from 1 to 100"),
        ({"n": "ten"}, "n", "a whole number from 1 to 100"),
        ({"n": 5, "strateggy": "auto"}, "strateggy", "did you mean 'strategy'?"),
        ({"n": 5, "strategy": "trendin"}, "strategy", "did you mean 'trending'?"),
        ({"n": 5, "seen": "hide"}, "seen", "one of exclude, keep"),
        ({"n": 5, "user_id": ""}, "user_id", "text of 1 to 255 bytes"),
        ({"n": 5, "user_id": "ä" * 200}, "user_id", "text of 1 to 255 bytes"),
        ({"n": 5, "user_id": "a\x00b"}, "user_id", "without NUL"),
        ({"n": 5, "items": [1]}, "items[0]", "a list of at most 200 ids"),
        ({"n": 5, "filter": "price << 3"}, "filter", ""),
        ({"n": 5, "context": {"contry": "GB"}}, "context.contry", "did you mean 'country'?"),
        ({"n": 5, "context": {"country": "G1"}}, "context.country", "two letters"),
        ({"n": 5, "context": {"local_time": "yesterday"}}, "context.local_time", "an instant with an offset"),
    ],
)  # fmt: skip
def test_a_wrong_query_is_told_field_value_and_rule(
    served: Served, query: dict[str, Any], field: str, rule: str
) -> None:
    error = is_problem(served.post(ASK, query), 422)["errors"][0]
    assert error["field"] == field
    assert rule in error["rule"]


def test_a_wrong_value_in_an_address_is_told_alike(served: Served) -> None:
    assert is_problem(served.get(f"{ASK}?n=0"), 422)["errors"][0]["field"] == "n"
    assert is_problem(served.get(f"{ASK}?n=1&user=x"), 422)["errors"][0]["field"] == "user"
    assert is_problem(served.get(f"{ASK}?n=1&n=2"), 422)["errors"][0]["rule"] == "given once"


def test_a_caller_may_ask_for_less_time_but_not_for_nonsense(served: Served) -> None:
    hurried = served.get(f"{ASK}?n=3", headers={"x-request-deadline-ms": "0.001"}).json()
    assert hurried["degraded"] == {"level": "packed", "reason": "no time left"}
    assert len(hurried["items"]) == 3
    relaxed = served.get(f"{ASK}?n=3", headers={"x-request-deadline-ms": "60000"})
    assert relaxed.json()["degraded"] is None
    is_problem(
        served.get(f"{ASK}?n=3", headers={"x-request-deadline-ms": "soon"}), 422, "X-Request-Deadline-Ms"
    )


# ---- explanations


def wait_for_answer(served: Served, recommendation_id: str) -> Any:
    for _ in range(100):
        found = served.door.find_answer(recommendation_id)
        if found is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("the answer was not logged within a second")


def test_an_answer_is_explained_by_what_was_logged(served: Served) -> None:
    answer = ask(served, n=3)
    wait_for_answer(served, answer["recommendation_id"])
    body = served.get(f"{ASK}/{answer['recommendation_id']}/explanation").json()
    explained = msgspec.convert(body, Explanation)
    assert [item.item_id for item in explained.items] == ids(answer)
    for item in explained.items:
        assert item.base is not None
        told = item.base + sum(feature.contribution for feature in item.features)
        assert all(feature.meaning for feature in item.features)
        assert told == pytest.approx(item.score)
    assert {left.reason for left in explained.left_out} == {"ranked_lower"}
    assert not {left.item_id for left in explained.left_out} & set(ids(answer))


def test_why_not_names_the_first_thing_that_keeps_an_item_out(shop: HttpShop, served: Served) -> None:
    served.call("PATCH", "/v1/items/i35", json={"stock": 0})
    answer = ask(served, n=2, exclude=["i2"])
    wait_for_answer(served, answer["recommendation_id"])

    def why(item_id: str) -> str:
        address = f"{ASK}/{answer['recommendation_id']}/explanation?item_id={item_id}"
        return str(served.get(address).json()["why_not"]["reason"])

    served.call("PATCH", "/v1/items/i35", json={"stock": 5})
    assert why("i34") == "ranked_lower"
    assert why("i39") == "not_proposed"
    assert why("nothing") == "unknown"
    served.call("PATCH", "/v1/items/i35", json={"stock": 0})
    assert why("i35") == "out_of_stock"
    served.call("PATCH", "/v1/items/i35", json={"stock": 5})


def test_an_explanation_comes_with_the_answer_if_asked_for(served: Served) -> None:
    answer = ask(served, n=2, explain=True)
    assert [item["item_id"] for item in answer["explanation"]["items"]] == ids(answer)
    msgspec.convert(answer, Recommendations)


def test_an_answer_nobody_gave_is_not_found(served: Served) -> None:
    is_problem(served.get(f"{ASK}/133562190000000000000000000/explanation"), 404, "no recommendation")
    is_problem(served.get(f"{ASK}/{'x' * 300}/explanation"), 404)


# ---- events


def test_one_event_and_a_batch_are_accepted_once(served: Served) -> None:
    assert served.post("/v1/events", an_event("o-1")).json() == {
        "accepted": 1, "duplicates": 0, "rejected": [], "untracked": 0,
    }  # fmt: skip
    again = {"events": [an_event("o-1"), an_event("o-2")]}
    response = served.post("/v1/events", again)
    assert response.status_code == 202
    assert response.json()["accepted"] == 1
    assert response.json()["duplicates"] == 1


def test_bad_rows_are_named_and_good_ones_kept(shop: HttpShop, served: Served) -> None:
    batch = {"events": [an_event("p-1"), an_event("p-2", event="viewitem"), an_event("p-3")]}
    told = served.post("/v1/events", batch).json()
    assert told["accepted"] == 2
    (wrong,) = told["rejected"]
    assert (wrong["index"], wrong["field"], wrong["value"]) == (1, "event", "viewitem")
    assert "did you mean 'view_item'?" in wrong["rule"]
    for _ in range(100):
        letters = shop.control.dead_letters()
        if any(letter["value"] == "viewitem" for letter in letters):
            return
        time.sleep(0.01)
    raise AssertionError("the bad row is in no dead letter")


def test_the_same_id_with_another_body_is_rejected_by_name(served: Served) -> None:
    served.post("/v1/events", an_event("c-1"))
    told = served.post("/v1/events", an_event("c-1", event="purchase")).json()
    assert told["accepted"] == 0
    assert (told["rejected"][0]["field"], told["rejected"][0]["value"]) == ("event_id", "c-1")


def test_who_denies_consent_is_not_tracked(served: Served) -> None:
    told = served.post("/v1/events", an_event("n-1", consent="denied")).json()
    assert told == {"accepted": 0, "duplicates": 0, "rejected": [], "untracked": 1}


def test_a_batch_of_more_than_500_is_refused_whole(served: Served) -> None:
    events = [an_event(f"m-{number}") for number in range(501)]
    for event in events:
        event["items"] = []
    problem = is_problem(served.post("/v1/events", {"events": events}), 422)
    assert problem["errors"][0]["field"] == "events"


def test_segment_calls_are_events_too(served: Served) -> None:
    call = {
        "type": "track", "event": "Product Viewed", "messageId": "seg-1", "userId": "ann",
        "timestamp": "2011-10-30T18:00:00Z", "properties": {"product_id": "i1", "price": 2.55, "currency": "GBP"},
    }  # fmt: skip
    assert served.post("/v1/segment", call).json()["accepted"] == 1
    assert served.post("/v1/segment", {"batch": [call]}).json()["duplicates"] == 1
    assert (
        served.post("/v1/segment", {"type": "page", "messageId": "seg-2", "userId": "ann"}).status_code == 202
    )
    is_problem(served.post("/v1/segment", [1]), 422)


def test_an_event_changes_the_next_answer(served: Served) -> None:
    assert "i0" in ids(ask(served, user_id="quick", placement="new", n=30))
    event = an_event("q-1", event="purchase", user_id="quick", items=[{"item_id": "i0"}])
    assert served.post("/v1/events", event).json()["accepted"] == 1
    assert "i0" not in ids(ask(served, user_id="quick", placement="new", n=30))


def test_an_anonymous_visitor_who_signs_in_keeps_their_history(served: Served) -> None:
    event = an_event("v-1", event="purchase", user_id=None, anonymous_id="v9", items=[{"item_id": "i1"}])
    served.post("/v1/events", event)
    served.post("/v1/events", an_event("v-2", user_id="signed-in", anonymous_id="v9"))
    assert "i1" not in ids(ask(served, user_id="signed-in", placement="new", n=30))


# ---- items


def test_an_item_is_made_looked_at_changed_and_retired(served: Served) -> None:
    body = {"title": "New thing", "price": 3.5, "currency": "GBP", "stock": 3, "category": "Home > Candles"}
    made = served.call("PUT", "/v1/items/new-1", json=body)
    assert made.status_code == 201
    looked = served.get("/v1/items/new-1")
    item = msgspec.convert(looked.json(), ItemOut)
    assert (item.title, item.price, item.category) == ("New thing", 3.5, ("Home", "Candles"))
    assert looked.headers["etag"] == made.headers["etag"]
    changed = served.call("PATCH", "/v1/items/new-1", json={"price": 4.0, "stock": None})
    assert (changed.json()["price"], changed.json()["stock"], changed.json()["title"]) == (
        4.0,
        None,
        "New thing",
    )
    assert changed.headers["etag"] != made.headers["etag"]
    assert served.call("PUT", "/v1/items/new-1", json=body).status_code == 200
    assert served.call("DELETE", "/v1/items/new-1").status_code == 204
    is_problem(served.get("/v1/items/new-1"), 404, "no item 'new-1'")
    is_problem(served.call("PATCH", "/v1/items/new-1", json={"stock": 1}), 404)
    is_problem(served.call("DELETE", "/v1/items/new-1"), 404)


@pytest.mark.parametrize("item_id", ["AB/12", "a%41", "ä ö", "x+y", "export", "a//b"])
def test_an_id_may_hold_what_addresses_escape(served: Served, item_id: str) -> None:
    address = f"/v1/items/{quote(item_id, safe='')}"
    assert served.call("PUT", address, json={"title": "odd"}).json()["item_id"] == item_id
    assert served.get(address).json()["item_id"] == item_id
    assert served.call("DELETE", address).status_code == 204


def test_a_changed_item_is_not_overwritten_unseen(served: Served) -> None:
    etag = served.call("PUT", "/v1/items/guarded", json={"title": "One"}).headers["etag"]
    assert served.get("/v1/items/guarded", headers={"if-none-match": etag}).status_code == 304
    served.call("PATCH", "/v1/items/guarded", json={"title": "Two"})
    stale = served.call("PATCH", "/v1/items/guarded", json={"title": "Three"}, headers={"if-match": etag})
    is_problem(stale, 412, "has etag")
    is_problem(served.call("DELETE", "/v1/items/guarded", headers={"if-match": etag}), 412)
    is_problem(
        served.call("PUT", "/v1/items/guarded", json={"title": "x"}, headers={"if-none-match": "*"}), 412
    )
    assert served.get("/v1/items/guarded").json()["title"] == "Two"


def test_a_batch_of_items_keeps_the_good_ones(served: Served) -> None:
    batch = {"items": [{"item_id": "b-1", "title": "x"}, {"item_id": "b-2", "prize": 3}]}
    response = served.post("/v1/items", batch)
    assert response.status_code == 202
    assert response.json()["accepted"] == 1
    assert response.json()["rejected"][0]["index"] == 1
    assert "did you mean 'price'?" in response.json()["rejected"][0]["rule"]


@pytest.mark.parametrize(
    ("body", "field"), [({"stock": -1}, "stock"), ({"pricee": 1}, "pricee"), ({"price": 1.234}, "price")]
)
def test_a_wrong_field_of_an_item_is_named(served: Served, body: dict[str, Any], field: str) -> None:
    assert is_problem(served.call("PATCH", "/v1/items/i1", json=body), 422)["errors"][0]["field"] == field
    assert is_problem(served.call("PUT", "/v1/items/i1", json=body), 422)["errors"][0]["field"] == field


def test_items_are_listed_a_page_at_a_time_each_once(served: Served) -> None:
    found, cursor = [], ""
    while True:
        page = served.get(f"/v1/items?limit=7&cursor={cursor}").json()
        found += [item["item_id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
    assert len(found) == len(set(found))
    assert {f"i{row}" for row in range(40)} <= set(found)
    is_problem(served.get("/v1/items?limit=201"), 422, "limit is '201'")
    is_problem(served.get("/v1/items?page=2"), 422, "page is '2'")


@pytest.mark.parametrize("cursor", ["%FF", "a%00b"])
def test_a_cursor_that_is_no_id_is_named(served: Served, cursor: str) -> None:
    for path in ("/v1/items", "/v1/rules", "/v1/releases"):
        told = is_problem(served.get(f"{path}?cursor={cursor}"), 422)
        assert told["errors"][0]["field"] == "cursor"


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("path", ["/v1/events", "/v1/segment", "/v1/items", "/v1/recommendations"])
@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"\xff\xfe"])
def test_a_body_that_is_no_json_is_a_bad_request_everywhere(served: Served, path: str, body: bytes) -> None:
    is_problem(served.client.post(path, content=body, headers=JSON), 400, "body is not JSON")


def test_what_sold_out_is_in_no_later_answer(served: Served) -> None:
    assert ids(ask(served, strategy="session", n=2)) == ["i8", "i9"]
    served.call("PATCH", "/v1/items/i8", json={"stock": 0})
    assert ids(ask(served, strategy="session", n=2)) == ["i9"]
    served.call("PATCH", "/v1/items/i8", json={"stock": 10})
    assert ids(ask(served, strategy="session", n=2)) == ["i8", "i9"]


# ---- people


def test_what_is_known_of_a_user_is_told_exported_and_forgotten(shop: HttpShop, served: Served) -> None:
    shop.send(bought("known", 3, 4, 5), bought("known", 6, days_ago=9.0))
    person = msgspec.convert(served.get("/v1/users/known").json(), PersonOut)
    assert person.n_lines == 4
    assert person.lines[-1].item_id == "i6"
    assert {(line.price, line.currency) for line in person.lines} == {(2.5, "GBP")}
    assert len(served.get("/v1/users/known/export").json()["lines"]) == 4
    assert served.call("DELETE", "/v1/users/known").status_code == 200
    is_problem(served.get("/v1/users/known"), 404, "no user 'known'")
    is_problem(served.get("/v1/users/known/export"), 404)
    is_problem(served.call("DELETE", "/v1/users/known"), 404)
    is_problem(served.call("DELETE", "/v1/users/never-seen"), 404, "no user 'never-seen'")


def test_an_export_holds_all_lines_and_answers_however_many(shop: HttpShop, served: Served) -> None:
    shop.send(*(bought("many", *[row % 40 for row in range(200)], days_ago=1.0 + day) for day in range(30)))
    assert served.get("/v1/users/many").json()["n_lines"] == 2_000
    answers = [served.post(ASK, {"user_id": "many", "n": n}).json() for n in (3, 5)]
    told = msgspec.convert(served.get("/v1/users/many/export").json(), PersonExport)
    assert told.n_lines == len(told.lines) == 6_000
    assert told.lines == sorted(told.lines, key=lambda line: line.occurred_at, reverse=True)
    assert {(line.price, line.currency) for line in told.lines} == {(2.5, "GBP")}
    assert told.n_answers == 2
    assert {answer.recommendation_id: [item.item_id for item in answer.items] for answer in told.answers} == {
        answer["recommendation_id"]: [item["item_id"] for item in answer["items"]] for answer in answers
    }


def test_an_export_holds_what_a_visitor_did_before_they_were_known(shop: HttpShop, served: Served) -> None:
    at_us = shop.now_us - 3_600_000_000
    seen = Event(
        event_id="hara-1", event="view_item", occurred_us=at_us, received_us=at_us, anonymous_id="o'hara",
        lines=(EventLine("i1", 1),),
    )  # fmt: skip
    shop.send(seen, msgspec.structs.replace(seen, event_id="hara-2", anonymous_id="somebody else"))
    shop.send(msgspec.structs.replace(seen, event_id="hara-3", user_id="molly"))
    told = msgspec.convert(served.get("/v1/users/molly/export").json(), PersonExport)
    assert told.anonymous_ids == ["o'hara"]
    assert {line.event_id for line in told.lines} == {"hara-1", "hara-3"}


def test_a_wish_that_is_none_is_refused(served: Served) -> None:
    is_problem(
        served.call("PUT", "/v1/users/x/consent", json={"consent": "maybe"}), 422, "one of denied, granted"
    )


# ---- rules

BOOST = {"rule_id": "lamps", "kind": "boost", "where": "category = 'Lamps'", "factor": 3.0}


def test_a_pin_of_an_unknown_item_is_kept_with_a_warning(served: Served) -> None:
    rule = {"kind": "pin", "items": ["i1", "nowhere"]}
    told = served.call("PUT", "/v1/rules/odd", json=rule).json()
    assert told["warnings"] == ["no item 'nowhere' in the catalogue: nothing is shown for it"]
    assert "warnings" not in served.get("/v1/rules/odd").json()
    assert "warnings" not in served.call("PUT", "/v1/rules/odd", json={**rule, "items": ["i1"]}).json()
    assert served.call("DELETE", "/v1/rules/odd").status_code == 204


def test_a_rule_is_added_looked_at_replaced_and_removed(served: Served) -> None:
    made = served.post("/v1/rules", BOOST)
    assert made.status_code == 201
    is_problem(served.post("/v1/rules", BOOST), 412)
    looked = served.get("/v1/rules/lamps")
    assert looked.json() == BOOST
    assert served.get("/v1/rules/lamps", headers={"if-none-match": looked.headers["etag"]}).status_code == 304
    match = {"if-match": made.headers["etag"]}
    put = served.call("PUT", "/v1/rules/lamps", json={**BOOST, "factor": 2.5}, headers=match)
    assert put.status_code == 200
    stale = served.call("PUT", "/v1/rules/lamps", json=BOOST, headers=match)
    is_problem(stale, 412)
    listed = served.get("/v1/rules").json()["items"]
    assert [rule["factor"] for rule in listed if rule["rule_id"] == "lamps"] == [2.5]
    assert served.call("DELETE", "/v1/rules/lamps").status_code == 204
    is_problem(served.get("/v1/rules/lamps"), 404)
    is_problem(served.call("DELETE", "/v1/rules/lamps"), 404)


def test_a_rule_changes_answers_within_a_second(served: Served) -> None:
    rule = {"rule_id": "no-i8", "kind": "exclude", "where": "item_id = 'i8'"}
    assert "i8" in ids(ask(served, strategy="session"))
    served.post("/v1/rules", rule)
    until = time.monotonic() + 60
    while "i8" in ids(ask(served, strategy="session")):
        assert time.monotonic() < until
    served.call("DELETE", "/v1/rules/no-i8")
    while "i8" not in ids(ask(served, strategy="session")):
        assert time.monotonic() < until + 60


def test_a_rule_is_tried_before_it_is_made(served: Served) -> None:
    pin = {"rule_id": "try", "kind": "pin", "items": ["i39"], "positions": [1]}
    body = served.post("/v1/rules/preview", {"rule": pin, "query": {"n": 3}}).json()
    preview = msgspec.convert(body, RulePreview)
    assert preview.after.items[0].item_id == "i39"
    assert preview.new == ["i39"]
    assert len(preview.gone) == 1
    is_problem(served.get("/v1/rules/try"), 404)


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"rule_id": "x", "kind": "bost"}, "kind"),
        ({"rule_id": "x", "kind": "boost", "wher": ""}, "wher"),
        ([], "body"),
    ],
)
def test_a_wrong_rule_is_told_what_is_wrong(served: Served, rule: Any, field: str) -> None:
    assert is_problem(served.post("/v1/rules", rule), 422)["errors"][0]["field"] == field


def test_a_rule_keeps_the_name_of_its_address(served: Served) -> None:
    is_problem(served.call("PUT", "/v1/rules/other", json=BOOST), 422, "as in the address")


# ---- releases, keys: see also test_keys.py


def test_releases_that_do_not_exist_are_not_promoted(served: Served) -> None:
    assert served.get("/v1/releases").json() == {"items": [], "next": None}
    is_problem(served.get("/v1/releases/r-0"), 404)
    is_problem(served.call("PUT", "/v1/releases/champion", json={"release": "r-0"}), 404)
    is_problem(served.post("/v1/releases/rollback"), 404)


# ---- operations


def test_health_readiness_metrics_and_description_are_there(served: Served) -> None:
    assert served.get("/healthz").json() == {"status": "ok"}
    assert served.get("/readyz").json()["release"] == "r-test"
    assert 'shelfwise_requests_total{route="recommendations",status="2xx"}' in served.get("/metrics").text
    assert served.get("/openapi.json").json()["openapi"] == "3.1.0"
    page = served.get("/docs")
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


# ---- the door itself


def test_every_answer_carries_the_request_id_it_was_sent(served: Served) -> None:
    assert served.get("/healthz", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = served.get("/healthz", headers={"x-request-id": "x" * 300}).headers["x-request-id"]
    assert made != "x" * 300
    assert len(made) > 8


def test_a_path_that_does_not_exist_is_told_the_nearest(served: Served) -> None:
    is_problem(served.get("/v1/recomendations"), 404, "did you mean /v1/recommendations?")


def test_a_method_that_a_path_does_not_take_is_told_those_it_does(served: Served) -> None:
    response = served.call("DELETE", ASK)
    is_problem(response, 405)
    assert response.headers["allow"] == "GET, POST, HEAD"
    assert is_problem(served.call("PATCH", "/v1/items"), 405)


def test_a_head_is_a_get_without_its_body(served: Served) -> None:
    response = served.call("HEAD", "/readyz")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_no_json_by_its_type_is_refused(served: Served, kind: str) -> None:
    response = served.client.post(ASK, content=b'{"n": 1}', headers={"content-type": kind})
    is_problem(response, 415, "expected application/json")


def test_a_compressed_body_is_refused(served: Served) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    is_problem(served.client.post(ASK, content=b"x", headers=headers), 415, "content-encoding")


def test_who_takes_no_json_is_told_that_there_is_nothing_else(served: Served) -> None:
    is_problem(served.get(f"{ASK}?n=1", headers={"accept": "image/png"}), 406)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"n": NaN}', b"[" * 100_000, b'{"n": 1e999}'])
def test_a_body_that_is_no_json_is_a_problem_and_no_defect(served: Served, body: bytes) -> None:
    response = served.client.post(ASK, content=body, headers={"content-type": "application/json"})
    is_problem(response, response.status_code)
    assert response.status_code in (400, 422)


def test_a_body_above_one_mebibyte_is_refused_before_the_rest_is_read(served: Served) -> None:
    headers = {"content-type": "application/json"}
    is_problem(served.client.post(ASK, content=b"x" * ((1 << 20) + 1), headers=headers), 413, "1048577 bytes")

    def endless() -> Any:
        for _ in range(200):
            yield b"x" * 65_536

    try:
        response = served.client.post("/v1/events", content=endless(), headers=headers)
        is_problem(response, 413)
    except httpx.TransportError:
        pass  # the server hung up on the rest: as good
    assert served.get("/healthz").status_code == 200


def test_an_address_above_8_kib_is_refused(served: Served) -> None:
    is_problem(served.get(f"{ASK}?n=1&user_id={'x' * 9_000}"), 414)


def test_names_of_wire_fields_are_those_published() -> None:
    assert set(RecommendationQuery.__struct_fields__) == {
        "user_id", "anonymous_id", "session_id", "placement", "strategy", "items", "n", "exclude", "seen", "filter",
        "context", "explain", "consent",
    }  # fmt: skip
