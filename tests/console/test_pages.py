"""Pages: what they show, what they send, and that they stay safe whatever a feed or an address holds."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.little_shop import NOW_US, LittleShop
from shelfwise.console import ONLINE_RETAIL, Console, Page, cookies_of, make_console
from shelfwise.console._why import sources_of
from shelfwise.domain import NotTrained, StoreUnavailable

AT = {"occurred_at": "2011-12-08T10:00:00+00:00"}
PLAYING = {"sw_visitor": "v1", "sw_user": "17850"}
WHOLE_PAGES = (
    "/shop/",
    "/shop/item/22423",
    "/shop/cart",
    "/shop/search?q=bag",
    "/shop/category/Bags",
    "/shop/shopper",
)


def console(shop: LittleShop | None = None, **more: Any) -> Console:
    return make_console(shop or LittleShop(), lambda: NOW_US, new_id=lambda: "fresh-visitor", **more)


def get(
    address: str, shop: LittleShop | None = None, cookies: dict[str, str] | None = None, **more: Any
) -> Page:
    path, _, query = address.partition("?")
    return console(shop, **more).render(path, query, PLAYING if cookies is None else cookies)


def twin(address: str, shop: LittleShop | None = None, cookies: dict[str, str] | None = None) -> Any:
    joint = "&" if "?" in address else "?"
    page = get(f"{address}{joint}format=json", shop, cookies)
    assert dict(page.headers)["content-type"] == "application/json"
    return json.loads(page.body)


class Tags(HTMLParser):
    """Every tag with its attributes, and what stands inside scripts and styles."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(page.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("address", WHOLE_PAGES)
def test_a_page_has_a_strict_policy_and_nothing_inline(address: str) -> None:
    page = get(address)
    assert page.status == 200
    policy = dict(page.headers)["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    tags = Tags(page)
    assert tags.inline == []
    assert not [
        name for _, attributes in tags.tags for name in attributes if name == "style" or name.startswith("on")
    ]
    assert all((script["src"] or "").startswith("/shop/static/") for script in tags.all("script"))


@pytest.mark.parametrize("address", WHOLE_PAGES)
def test_a_page_credits_the_data_and_tells_the_shops_time(address: str) -> None:
    text = get(address, credit=ONLINE_RETAIL).body.decode()
    assert "CC BY 4.0" in text
    assert "9 December 2011, 13:05" in text


@pytest.mark.parametrize("address", WHOLE_PAGES)
def test_a_page_has_a_json_twin(address: str) -> None:
    told = twin(address)
    assert told["shop_time"] == "2011-12-09T13:05:00+00:00"
    assert told["shopper"]["user_id"] == "17850"


def test_home_shows_three_placements_with_a_reason_on_every_card() -> None:
    shelves = {shelf["name"]: shelf for shelf in twin("/shop/")["shelves"]}
    assert list(shelves) == ["for_you", "buy_again", "trending"]
    assert [card["item_id"] for card in shelves["buy_again"]["cards"]] == [
        "85123A",
        "22423",
        "47566",
        "84879",
    ]
    for shelf in shelves.values():
        assert all(card["reason"]["text"] for card in shelf["cards"])
    text = get("/shop/").body.decode()
    assert text.count("Why this?") >= sum(len(shelf["cards"]) for shelf in shelves.values())


def test_placements_ask_the_shop_with_who_where_and_what() -> None:
    shop = LittleShop()
    get("/shop/item/22423", shop)
    get("/shop/cart", shop, {**PLAYING, "sw_cart": quote(json.dumps([["22423", 1], ["47566", 2]]))})
    asked = [
        (query["placement"], query.get("strategy"), query["items"], query["user_id"])
        for query in shop.queries
    ]
    assert asked == [
        ("product", "complements", ["22423"], "17850"),
        ("product", "similar", ["22423"], "17850"),
        ("cart", "complements", ["22423", "47566"], "17850"),
    ]


def test_what_is_bought_again_and_what_trends_is_not_told_twice_on_the_front_page() -> None:
    shop = LittleShop()
    shelves = {shelf["name"]: shelf for shelf in twin("/shop/", shop)["shelves"]}
    ids = [card["item_id"] for shelf in shelves.values() for card in shelf["cards"]]
    assert len(ids) == len(set(ids))
    asked = {query["placement"]: query for query in shop.queries}
    assert asked["home"]["seen"] == "exclude"
    shown = {card["item_id"] for name in ("for_you", "buy_again") for card in shelves[name]["cards"]}
    assert set(asked["trending"]["exclude"]) == shown
    again = twin(shelves["trending"]["again"], shop)["shelf"][
        "cards"
    ]  # filled anew it still does not repeat them
    assert not shown & {card["item_id"] for card in again}


def test_a_reason_that_names_the_product_of_the_page_says_this() -> None:
    shelves = twin("/shop/item/22423", cookies={})["shelves"]
    assert {card["reason"]["text"] for card in shelves[0]["cards"] if card["reason"]["item_id"]} == {
        "Often bought with this"
    }
    in_cart = twin("/shop/cart", cookies={"sw_cart": quote(json.dumps([["22423", 1]]))})["shelves"]
    assert "Often bought with Regency Cakestand 3 Tier" in {
        card["reason"]["text"] for card in in_cart[0]["cards"]
    }


def test_a_customers_cart_is_there_when_they_are_played_again() -> None:
    shop = LittleShop()
    for event, code, quantity in (("add_to_cart", "22423", 3), ("add_to_cart", "47566", 1), ("add_to_cart", "20725", 1),
                                  ("remove_from_cart", "22423", 1), ("purchase", "20725", 1)):  # fmt: skip
        shop.take({"event": event, "user_id": "17850", "items": [{"item_id": code, "quantity": quantity}]})
    for line in shop.past["17850"]:
        line["occurred_at"] = "2011-12-09T12:00:00+00:00"
    (cart,) = [value for _, value in get("/shop/as/17850", shop).headers if value.startswith("sw_cart=")]
    kept = cart.partition("=")[2].partition(";")[0]
    told = twin("/shop/cart", shop, {"sw_user": "17850", "sw_cart": kept})
    assert {line["item_id"]: line["quantity"] for line in told["lines"]} == {"22423": 2, "47566": 1}
    (empty,) = [value for _, value in get("/shop/as/12583", shop).headers if value.startswith("sw_cart=")]
    assert "Max-Age=0" in empty


def test_a_past_tells_each_product_once_the_latest_first() -> None:
    shop = LittleShop()
    shop.past["17850"] = [
        {"event": event, "item_id": code, "quantity": 1, "occurred_at": f"2011-12-{day:02}T10:00:00+00:00"}
        for event, code, day in (
            ("purchase", "22423", 8), ("view_item", "22423", 7), ("purchase", "22423", 6), ("purchase", "47566", 5),
        )
    ]  # fmt: skip
    history = twin("/shop/shopper", shop)["history"]
    assert [(row["item_id"], row["did"], row["occurred_at"][8:10]) for row in history] == [
        ("22423", "bought", "08"), ("47566", "bought", "05"),
    ]  # fmt: skip


def test_a_simulated_shopper_is_called_one_wherever_they_are_shown() -> None:
    shop = LittleShop()
    shop.past["sim-7-42"] = [{"event": "view_item", "item_id": "22423", "quantity": 1} | AT]
    playing = {"sw_visitor": "v1", "sw_user": "sim-7-42"}
    told = twin("/shop/shopper?q=sim-", shop, playing)
    assert told["person"]["name"] == "Simulated shopper sim-7-42"
    assert [one["simulated"] for one in told["people"]] == [True]
    page = get("/shop/shopper?q=sim-", shop, playing).body.decode()
    assert page.count("Simulated</span>") == 2  # of the person, and in the list
    assert "Simulated shopper" in get("/shop/", shop, playing).body.decode()
    assert "imulated" not in get("/shop/shopper", shop).body.decode()


def test_a_department_lists_nothing_twice() -> None:
    told = twin("/shop/category/Bags")
    ids = [card["item_id"] for card in (*told["shelves"][0]["cards"], *told["cards"])]
    assert len(ids) == len(set(ids)) > 6


def test_a_source_is_told_by_the_place_it_gives_also_where_its_scores_are_negative() -> None:
    items = [{"item_id": code, "sources": {"buy_again": score}} for code, score in (("a", -0.9), ("b", -2.0))]
    (first, *_), (second, *_) = (sources_of(item, items, {}) for item in items)
    assert (first["place_text"], first["share"]) == ("1st of 2", 1.0)
    assert (second["place_text"], second["share"]) == ("2nd of 2", 0.5)


def test_a_department_asks_for_its_own_items_only() -> None:
    shop = LittleShop()
    get("/shop/category/Bags", shop)
    assert shop.queries[0]["filter"] == "category = 'Bags'"
    with_quote = get("/shop/category/Santa's", shop)
    assert shop.queries[1]["filter"] == "category = 'Santa''s'"
    assert with_quote.status == 404


def test_an_event_changes_the_next_shelf() -> None:
    shop = LittleShop()
    before = twin("/shop/shelf/for_you", shop, {"sw_visitor": "v1"})["shelf"]["cards"]
    shop.take({"event": "add_to_cart", "anonymous_id": "v1", "items": [{"item_id": "22727"}]})
    after = twin("/shop/shelf/for_you", shop, {"sw_visitor": "v1"})["shelf"]["cards"]
    assert after[0]["item_id"] == "22726"  # the green alarm clock, after the red one
    assert [card["item_id"] for card in before] != [card["item_id"] for card in after]


def test_a_new_visitor_is_given_an_id_that_scripts_cannot_read() -> None:
    page = get("/shop/", cookies={})
    (cookie,) = [value for name, value in page.headers if name == "set-cookie"]
    assert cookie.startswith("sw_visitor=fresh-visitor; ")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert not [value for name, value in get("/shop/").headers if name == "set-cookie"]


def test_playing_a_customer_sends_the_customers_id_alone() -> None:
    # an event with both ids would join the visitor's past to every customer that is played
    body = Tags(get("/shop/")).all("body")[0]
    assert json.loads(body["data-event"] or "") == {"user_id": "17850"}
    body = Tags(get("/shop/", cookies={"sw_visitor": "v1"})).all("body")[0]
    assert json.loads(body["data-event"] or "") == {"anonymous_id": "v1"}


def test_who_refuses_is_asked_for_and_sent_as_refused() -> None:
    shop = LittleShop()
    page = get("/shop/", shop, {**PLAYING, "sw_consent": "denied"})
    assert {query["consent"] for query in shop.queries} == {"denied"}
    assert json.loads(Tags(page).all("body")[0]["data-event"] or "")["consent"] == "denied"
    assert "Not tracked" in page.body.decode()


@pytest.mark.parametrize(
    ("path", "cookie"),
    [
        ("/shop/as/12583", "sw_user=12583;"),
        ("/shop/as-new", "sw_visitor=fresh-visitor;"),
        ("/shop/consent/denied", "sw_consent=denied;"),
        ("/shop/consent/granted", "sw_consent=; Path=/; Max-Age=0"),
    ],
)
def test_changing_who_one_is_leads_home(path: str, cookie: str) -> None:
    page = get(path)
    assert page.status == 303
    assert dict(page.headers)["location"] == "/shop/"
    assert any(value.startswith(cookie) for name, value in page.headers if name == "set-cookie")


def test_the_panel_tells_sources_features_rules_and_what_was_left_out() -> None:
    shop = LittleShop()
    card = twin("/shop/", shop)["shelves"][0]["cards"][0]
    told = twin(card["why"], shop)["why"]
    assert [source["name"] for source in told["sources"] if source["score"] is not None]
    assert told["rules"] == ["xmas-lights"]
    assert told["left_out"][0]["text"] == "considered, but others scored higher"
    parts = told["features"]
    total = parts["base"] + sum(row["contribution"] for row in parts["rows"]) + parts["rest"]
    assert total == pytest.approx(parts["score"])
    text = get(f"{card['why']}?part=1", shop).body.decode()
    assert "What moved the score" in text
    assert "<html" not in text


def test_the_panel_says_why_another_product_is_not_there() -> None:
    shop = LittleShop()
    card = twin("/shop/", shop)["shelves"][0]["cards"][0]
    assert twin(f"{card['why']}?ask=21175", shop)["why"]["why_not"]["text"] == "in the cart already"
    assert twin(f"{card['why']}?ask=nothing", shop)["why"]["why_not"]["text"] == "not in the catalogue"
    assert twin(f"{card['why']}?ask={card['item_id']}", shop)["why"]["why_not"] is None


@pytest.mark.parametrize(
    "address",
    [
        "/shop/nothing",
        "/shop/item/nothing",
        "/shop/why/nothing/22423",
        "/shop/shelf/nothing",
        "/shop/category/Nothing",
        "/shop/static/../_console.py",
        "/shop/static/%2e%2e%2f_console.py",
        "/shop/item/22423/more",
    ],
)
def test_what_is_not_there_is_said_to_be_not_there(address: str) -> None:
    page = get(address)
    assert page.status == 404
    assert "Not here" in page.body.decode()
    assert json.loads(get(f"{address}?format=json").body)["status"] == 404


@pytest.mark.parametrize("trouble", [StoreUnavailable("the keeper is away"), NotTrained("train first")])
def test_a_shop_that_cannot_answer_says_so_and_when(trouble: Exception) -> None:
    class Away(LittleShop):
        def recommend(self, query: Any) -> Any:
            raise trouble

    page = get("/shop/", Away())
    assert page.status == 503
    assert str(trouble) in page.body.decode()


def test_a_shelf_never_promises_what_a_simpler_answer_does_not_keep() -> None:
    class Simpler(LittleShop):
        def recommend(self, query: Any) -> Any:
            return {**super().recommend(query), "degraded": {"level": "trending", "reason": "no time left"}}

    shelves = {shelf["name"]: shelf for shelf in twin("/shop/", Simpler())["shelves"]}
    assert shelves["buy_again"]["cards"] == []
    assert shelves["for_you"]["title"] == "For you"
    shelves = {shelf["name"]: shelf for shelf in twin("/shop/item/22423", Simpler())["shelves"]}
    assert shelves["together"]["cards"] == []
    assert shelves["similar"]["title"] == "You may also like"
    assert "simpler answer: what sells now" in get("/shop/", Simpler()).body.decode()


def test_an_item_that_no_source_proposed_is_not_told_by_empty_bars() -> None:
    class Packed(LittleShop):
        def explanation(self, recommendation_id: str, item_id: str | None = None) -> dict[str, Any]:
            told = super().explanation(recommendation_id, item_id)
            told["degraded"] = {"level": "packed", "reason": "no time left"}
            told["items"] = [
                {**item, "sources": {}, "features": [], "base": None, "score": -0.0} for item in told["items"]
            ]
            return told

    shop = Packed()
    card = twin("/shop/", shop)["shelves"][0]["cards"][0]
    assert twin(card["why"], shop)["why"]["proposed"] is False
    text = get(f"{card['why']}?part=1", shop).body.decode()
    assert "comes from a list made in advance" in text
    assert "No ranker judged this simpler answer" in text
    assert "did not propose it" not in text
    assert "score -0" not in text


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.mark.parametrize(
    "address", ["/shop/", "/shop/item/22423", "/shop/category/Kitchen", "/shop/search?q=script"]
)
def test_a_hostile_feed_stays_text(address: str) -> None:
    shop = LittleShop()
    for item in shop.stock.values():
        item.update(
            title=HOSTILE,
            description=HOSTILE,
            brand=HOSTILE,
            attributes={HOSTILE: HOSTILE},
            image="javascript:alert(3)",
        )
    tags = Tags(get(address, shop))
    assert tags.inline == []
    assert tags.all("img") == []
    assert not [name for _, attributes in tags.tags for name in attributes if name.startswith("on")]


def test_hostile_addresses_stay_text() -> None:
    page = get(f"/shop/search?q={quote(HOSTILE)}")
    assert Tags(page).inline == []
    assert len(Tags(page).all("script")) == 2


@given(st.text(max_size=80), st.text(max_size=80), st.dictionaries(
    st.sampled_from(["sw_visitor", "sw_user", "sw_cart", "sw_consent"]), st.text(max_size=60)
))  # fmt: skip
def test_any_address_and_any_cookie_is_answered(path: str, query: str, cookies: dict[str, str]) -> None:
    page = SHARED.render(f"/shop/{path}", query, cookies)
    assert page.status in (200, 303, 404)
    assert all("\n" not in value and "\r" not in value for _, value in page.headers)


SHARED = console()


@given(st.text(max_size=200))
def test_any_cookie_header_is_read(header: str) -> None:
    assert isinstance(cookies_of(header), dict)


def test_the_cart_is_read_from_its_cookie_and_mistakes_in_it_are_dropped() -> None:
    def lines(cart: Any) -> list[tuple[str, int]]:
        told = twin("/shop/cart", cookies={**PLAYING, "sw_cart": quote(json.dumps(cart))})
        return [(line["item_id"], line["quantity"]) for line in told["lines"]]

    assert lines([["22423", 2], ["47566", 1]]) == [("22423", 2), ("47566", 1)]
    assert lines([["22423", 1_000], ["gone", 1], ["47566", 0]]) == [("22423", 99)]
    assert lines({"22423": 1}) == []
    assert lines([["22423", "two"]]) == []


def test_the_cart_adds_up() -> None:
    told = twin("/shop/cart", cookies={**PLAYING, "sw_cart": quote(json.dumps([["22423", 2], ["47566", 1]]))})
    assert told["total_text"] == "£30.45"  # 2 x 12.75 + 4.95


def test_pages_of_a_list_continue_one_another() -> None:
    first, second = twin("/shop/search"), twin("/shop/search?page=2")
    ids = [card["item_id"] for card in (*first["cards"], *second["cards"])]
    assert len(ids) == len(set(ids)) == 48
    assert first["more"]
    assert twin("/shop/search?page=minus")["number"] == 1


def test_static_files_are_kept_for_ever_and_addressed_by_their_content() -> None:
    sources = [script["src"] or "" for script in Tags(get("/shop/")).all("script")]
    for source in sources:
        path, _, query = source.partition("?")
        assert re.fullmatch(r"v=[0-9a-f]{12}", query)
        page = get(path)
        assert page.status == 200
        assert "max-age=31536000" in dict(page.headers)["cache-control"]


def test_the_base_may_be_anywhere() -> None:
    page = console(base="/").render("/", "", PLAYING)
    assert page.status == 200
    assert 'href="/cart"' in page.body.decode()
    assert "/shop/" not in page.body.decode()


def test_a_product_with_an_image_shows_it_and_others_a_drawing() -> None:
    shop = LittleShop()
    shop.stock["22423"]["image"] = "https://images.example/22423.jpg"
    page = get("/shop/item/22423", shop)
    assert "https://images.example/22423.jpg" in {image["src"] for image in Tags(page).all("img")}
    assert "#i-cake" in get("/shop/item/22423").body.decode()
