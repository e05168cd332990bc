"""The demo shop in a browser: what a visitor does, and what they see of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.conftest import Looker

pytestmark = pytest.mark.browser

SIZES = ((1440, 900), (390, 844))
SCHEMES = ("light", "dark")
FOR_YOU = "[data-shelf=for_you]"


def shown(page: Page, shelf: str = FOR_YOU) -> list[str]:
    """Ids of the products on a shelf."""
    return page.locator(f"{shelf} [data-item]").evaluate_all("cards => cards.map(card => card.dataset.item)")


def any_product(page: Page) -> str:
    return shown(page)[0]


def pieces(page: Page) -> int:
    """Pieces in the cart, as the badge tells; a known customer may have left some."""
    return int(page.locator("#count").text_content() or "0")


def add_first(page: Page, shelf: str = FOR_YOU) -> None:
    """Put the first product of a shelf into the cart, and wait until the shelves know."""
    before = pieces(page)
    with page.expect_response(lambda answer: "/shelf/" in answer.url):
        page.locator(f"{shelf} [data-do=add]").first.click()
    expect(page.locator("#count")).to_have_text(str(before + 1))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_page_fits_its_screen_and_complains_of_nothing(
    browser: Browser, shop_url: str, screenshots: Path, width: int, height: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    looker = Looker(context.new_page(), shop_url)
    product = any_product(looker.open("/as/17850"))
    add_first(looker.page)
    department = looker.page.locator(".departments a").last.get_attribute("href") or ""
    for name, path in (("home", "/"), ("product", f"/item/{product}"), ("cart", "/cart"), ("shopper", "/shopper"),
                       ("search", "/search?q=bag"), ("category", department.removeprefix("/shop")),
                       ("nothing", "/search?q=zzzz"), ("home-new", "/as-new")):  # fmt: skip
        page = looker.open(path)
        page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} px wide"
    looker.open("/as/17850")
    looker.page.locator(f"{FOR_YOU} [data-do=why]").first.click()
    expect(looker.page.locator("#why h2")).to_be_visible(timeout=20_000)  # the first explanation of a server
    looker.page.screenshot(path=screenshots / f"why-{width}-{scheme}.png")
    context.close()
    assert looker.complaints == []


def test_adding_to_the_cart_sends_a_real_event_and_changes_the_shelves(looker: Looker) -> None:
    page = looker.open("/as-new")
    before = shown(page)
    page.locator(f"{FOR_YOU} [data-do=add]").first.click()
    expect(page.locator("#count")).to_have_text("1")
    expect(page.locator(".card.fresh").first).to_be_visible()
    after = shown(page)
    assert after != before
    assert before[0] not in after  # what is in the cart is not recommended
    (event,) = looker.sent("add_to_cart")
    assert event["items"][0]["item_id"] == before[0]
    assert event["items"][0]["index"] == 1
    assert event["recommendation_id"]
    assert event["context"]["placement"] == "home"
    assert "user_id" not in event


def test_looking_at_a_product_changes_what_a_visitor_sees_next(looker: Looker) -> None:
    page = looker.open("/as-new")
    before = shown(page)
    page.locator(f"{FOR_YOU} .card-title a").nth(2).click()
    page.wait_for_load_state("networkidle")
    assert looker.sent("select_item")[0]["items"][0]["index"] == 3
    viewed = looker.sent("view_item")[0]
    assert viewed["items"][0]["item_id"] == before[2]
    assert viewed["recommendation_id"] == looker.sent("select_item")[0]["recommendation_id"]
    assert shown(looker.open("/")) != before


def test_buying_the_cart_empties_it_and_is_remembered(looker: Looker) -> None:
    looker.open("/as-new")
    for _ in range(2):
        looker.page.locator(f"{FOR_YOU} [data-do=add]").first.click()
        looker.page.wait_for_load_state("networkidle")
        looker.page.wait_for_timeout(200)
    page = looker.open("/cart")
    bought = page.locator(".cart-line").evaluate_all("lines => lines.map(line => line.dataset.item)")
    assert len(bought) == 2
    page.locator(".cart-line [data-do=more]").first.click()
    expect(page.locator(".cart-line .stepper span").first).to_have_text("2")
    page.locator("[data-do=checkout]").click()
    expect(page.locator("#toast")).to_contain_text("Thank you")
    expect(page.locator("#count")).to_be_hidden()
    (order,) = looker.sent("purchase")
    assert {line["item_id"]: line["quantity"] for line in order["items"]} == {bought[0]: 2, bought[1]: 1}
    assert order["order_id"]
    page = looker.open("/shopper")
    expect(page.locator(".history")).to_contain_text("bought")


def test_buying_at_once_is_remembered_and_offered_again(looker: Looker) -> None:
    product = any_product(looker.open("/as-new"))
    page = looker.open(f"/item/{product}")
    title = page.locator(".product h1").inner_text()
    page.locator(".product [data-do=buy]").click()
    expect(page.locator("#toast")).to_contain_text(f"You bought {title}")
    (order,) = looker.sent("purchase")
    assert [line["item_id"] for line in order["items"]] == [product]
    page = looker.open("/")
    assert product not in shown(page)  # what is new to one
    assert product in shown(page, "[data-shelf=buy_again]")
    expect(looker.open("/shopper").locator(".history")).to_contain_text("bought")


def test_taking_a_product_out_leaves_an_empty_cart(looker: Looker) -> None:
    looker.open("/as-new").locator(f"{FOR_YOU} [data-do=add]").first.click()
    expect(looker.page.locator("#count")).to_have_text("1")
    page = looker.open("/cart")
    page.locator("[data-do=remove]").click()
    expect(page.locator(".blank")).to_contain_text("Nothing here yet")
    assert looker.sent("remove_from_cart")


def test_why_this_is_a_sheet_that_a_keyboard_opens_and_closes(looker: Looker) -> None:
    page = looker.open("/as/17850")
    page.locator(f"{FOR_YOU} [data-do=why]").first.focus()
    page.keyboard.press("Enter")
    sheet = page.locator("#why")
    expect(sheet.locator("h2")).to_be_visible()
    for part in ("Who proposed it", "What moved the score", "Rules applied", "What was left out"):
        expect(sheet).to_contain_text(part)
    if not sheet.get_by_text("A simpler answer").count():  # of a server that had no time
        assert sheet.locator(".bar-fill, .bar-up, .bar-down").count() > 1
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()


def test_the_sheet_says_why_another_product_is_not_there(looker: Looker) -> None:
    page = looker.open("/as/17850")
    page.locator(f"{FOR_YOU} [data-do=why]").first.click()
    page.locator("#why #ask").fill("no-such-product")
    page.locator("#why .ask button").click()
    expect(page.locator("#why .notice")).to_contain_text("not in the catalogue")
    expect(page.locator("#why .why")).to_have_count(1)


def test_a_keyboard_leads_past_the_head_and_puts_products_into_the_cart(looker: Looker) -> None:
    page = looker.open("/as-new")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("main a").first).to_be_focused()
    page.locator(f"{FOR_YOU} .card-title a").first.focus()
    page.keyboard.press("Tab")
    expect(page.locator(f"{FOR_YOU} [data-do=add]").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("1")


def test_features_are_told_in_words(looker: Looker) -> None:
    page = looker.open("/as/17850")
    page.locator(f"{FOR_YOU} [data-do=why]").first.click()
    names = page.locator("#why .signed .bar-name")
    expect(page.locator("#why h2")).to_be_visible()
    for text in names.all_inner_texts():
        assert "__" not in text
        assert ": " in text


def test_one_can_search_a_customer_and_be_them(looker: Looker) -> None:
    page = looker.open("/shopper")
    page.locator("#people-find").press_sequentially("1258", delay=20)
    expect(page.locator(".people b").first).to_have_text(re.compile("^1258"))
    name = page.locator(".people b").first.inner_text()
    page.locator(".people a").first.click()
    page.wait_for_load_state("networkidle")
    expect(page.locator(".who b")).to_have_text(name)
    add_first(page)
    assert looker.sent("add_to_cart")[0]["user_id"] == name


def test_an_answer_is_seen_once_when_it_comes_into_view(looker: Looker) -> None:
    page = looker.open("/as-new")
    page.locator(FOR_YOU).scroll_into_view_if_needed()
    page.wait_for_timeout(400)
    seen = [event["recommendation_id"] for event in looker.sent("view_item_list")]
    assert page.locator(FOR_YOU).get_attribute("data-recommendation") in seen
    page.mouse.wheel(0, 3_000)
    page.wait_for_timeout(300)
    page.mouse.wheel(0, -3_000)
    page.wait_for_timeout(300)
    again = [event["recommendation_id"] for event in looker.sent("view_item_list")]
    assert len(again) == len(set(again))


def test_who_refuses_sends_it_with_every_event(looker: Looker) -> None:
    looker.open("/as-new")
    page = looker.open("/consent/denied")
    expect(page.locator(".bottom")).to_contain_text("Not tracked")
    looker.events.clear()
    page.locator(f"{FOR_YOU} [data-do=add]").first.click()
    expect(page.locator("#count")).to_have_text("1")
    assert {event["consent"] for event in looker.events} == {"denied"}
    looker.page.get_by_text("Personalise again").click()
    expect(page.locator(".bottom")).to_contain_text("Personalised")
    looker.events.clear()
    add_first(page)
    assert not any("consent" in event for event in looker.events)


def test_the_policy_forbids_scripts_that_are_not_ours(looker: Looker) -> None:
    page = looker.open("/")
    page.evaluate("""() => { const script = document.createElement('script');
        script.textContent = 'window.foreign = true'; document.body.append(script) }""")
    assert page.evaluate("window.foreign") is None
    assert [text for text in looker.complaints if "Content Security Policy" in text]
    looker.complaints.clear()


def test_without_script_the_pages_still_lead_everywhere(browser: Browser, shop_url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{shop_url}/as/17850")
    page.locator(f"{FOR_YOU} [data-do=why]").first.click()
    expect(page.locator(".why-page h2")).to_be_visible()
    page.goto(f"{shop_url}/")
    page.locator(f"{FOR_YOU} .card-title a").first.click()
    expect(page.locator(".product h1")).to_be_visible()
    context.close()


def test_buttons_and_fields_have_names(looker: Looker) -> None:
    for path in ("/as/17850", "/cart", "/shopper"):
        page = looker.open(path)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, input:not([type=hidden]), a')].filter(
                 (element) => !element.closest('[aria-hidden=true]') && element.getAttribute('aria-hidden') !== 'true'
                   && !element.innerText.trim() && !element.getAttribute('aria-label') && !element.labels?.length
               ).map((element) => element.outerHTML.slice(0, 120))"""
        )
        assert nameless == []
