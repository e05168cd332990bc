"""A browser and a shop to look at.

Without more, the pages stand over the shop in memory of ``tests/console``. ``SHELFWISE_E2E_URL`` (for example
``http://127.0.0.1:8080/shop``) sends the same tests to a real server: ``make demo PORT=8080``.
Screenshots are kept in ``screenshots/``, or where ``SHELFWISE_SCREENSHOTS`` says.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from console.little_shop import NOW_US, LittleShop
from shelfwise.console import ONLINE_RETAIL, make_console

# Keep Chromium quiet where there is no network.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium."""
    path = shutil.which("chromium")
    if path is None:
        told = "there is no chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shop_url() -> Iterator[str]:
    """Where the demo shop is mounted."""
    given = os.environ.get("SHELFWISE_E2E_URL")
    if given:
        yield given.rstrip("/")
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(LittleShop()))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/shop"
    server.shutdown()


@pytest.fixture(scope="session")
def screenshots(pytestconfig: pytest.Config) -> Path:
    """Where they are kept."""
    folder = Path(os.environ.get("SHELFWISE_SCREENSHOTS") or pytestconfig.rootpath / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Looker:
    """A page that remembers what went wrong on it, and what it sent."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.events: list[dict[str, Any]] = []
        page.on("console", lambda message: self._hear(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._note)

    def open(self, path: str = "/") -> Page:
        """Go there and wait until nothing moves."""
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def sent(self, event: str) -> list[dict[str, Any]]:
        """Events of a name, in the order they were sent."""
        return [one for one in self.events if one["event"] == event]

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def _note(self, request: Any) -> None:
        if request.url.endswith("/v1/events") and request.method == "POST":
            self.events.append(json.loads(request.post_data))


@pytest.fixture
def looker(browser: Browser, shop_url: str) -> Iterator[Looker]:
    """A desktop browser of its own, without a past; nothing may go wrong on its pages."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    looker = Looker(context.new_page(), shop_url)
    yield looker
    context.close()
    assert looker.complaints == []


def _handler(shop: LittleShop) -> type[BaseHTTPRequestHandler]:
    ids, lock = count(1), threading.Lock()
    console = make_console(
        shop,
        lambda: NOW_US,
        new_id=lambda: f"visitor-{next(ids)}",
        name="Shelfwise demo shop",
        credit=ONLINE_RETAIL,
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            with lock:
                page = console.render(path, query, self.headers.get("cookie", ""))
            self._answer(page.status, page.headers, page.body)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                shop.take(body)
            self._answer(202, (("content-type", "application/json"),), b"{}")

        def _answer(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
            self.send_response(status)
            for name, value in (*headers, ("content-length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
