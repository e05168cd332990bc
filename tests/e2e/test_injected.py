"""S10: a feed that carries scripts in every text puts none into a page of the demo shop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page
from tests.app import corner_shop
from tests.integration.live import Server, serving, shared, tell, within

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EVIL = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'-alert(1)-'",
    "{{constructor.constructor('alert(1)')()}}",
    "</title><script>alert(1)</script>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<style>*{background:url(//evil.example)}</style>",
    "<div hx-get=/shop/ hx-trigger=load>",
    "--><script>alert(1)</script>",
    "\u2028alert(1)//",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
)
WATCH = """document.addEventListener('securitypolicyviolation', event =>
    console.error('CSP ' + event.violatedDirective + ' ' + event.blockedURI))"""


@pytest.fixture
def poisoned(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The corner shop with a script in every text of every item."""
    with serving(corner_shop.copied(shared(tmp_path_factory), tmp_path / "shop"), workers=1) as server:
        line = server.line()
        for number, row in enumerate(corner_shop.items()):
            evil = EVIL[number % len(EVIL)]
            item = {
                "item_id": row["item_id"],
                "title": f"{evil} {number}",
                "description": evil,
                "brand": evil,
                "tags": [evil],
                "category": [evil, f"{evil} {number % 3}"],
                "attributes": {"color": evil},
                "price": 2.5,
                "currency": "EUR",
                "stock": 5,
            }
            assert line.ask("PUT", f"/v1/items/{row['item_id']}", item).status in (200, 201)
        within(30.0, lambda: b"alert(1)" in line.ask("GET", "/shop/").raw)
        yield server


def test_a_script_in_a_feed_runs_on_no_page_and_breaks_no_policy(browser: Browser, poisoned: Server) -> None:
    heard: list[str] = []
    context = browser.new_context(extra_http_headers={"authorization": f"Bearer {poisoned.admin}"})
    context.set_default_timeout(20_000)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.on("dialog", lambda dialog: (heard.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: heard.append(message.text) if "CSP" in message.text else None)
    page.on("pageerror", lambda error: heard.append(f"error {error}"))
    shop = f"http://{poisoned.host}/shop"
    paths = ["/", "/as/p1", "/cart", "/shopper", f"/category/{quote(EVIL[0])}"]
    paths += [f"/item/{row['item_id']}" for row in corner_shop.items()[: len(EVIL)]]
    paths += [f"/search?q={quote(evil)}" for evil in EVIL]
    policies = {_visit(page, shop + path) for path in paths}
    context.close()
    tell("S10", pages=len(paths), texts=len(EVIL), heard=heard or "nothing")
    assert heard == []
    assert len(policies) == 1
    assert "unsafe" not in policies.pop()


def _visit(page: Page, address: str) -> str:
    """Look at a page, open what explains it, and tell its policy."""
    answer = page.goto(address)
    page.wait_for_load_state("networkidle")
    why = page.locator("[data-do=why]")
    if why.count():
        why.first.click()
        page.wait_for_load_state("networkidle")
    assert answer is not None
    return answer.headers["content-security-policy"]
