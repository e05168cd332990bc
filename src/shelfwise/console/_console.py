"""The demo shop: a function from an address and cookies to a page. Knows no web framework."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from shelfwise.console._api import Api
from shelfwise.console._looks import day
from shelfwise.console._pages import Ask, PageMaker, Pages
from shelfwise.console._shelves import Links
from shelfwise.console._shopper import (
    CART,
    CONSENT,
    USER,
    VISITOR,
    Shopper,
    cookies_of,
    set_cookie,
    shopper_of,
)
from shelfwise.domain import Clock, InvalidInput, NotFound, NotTrained, StoreUnavailable, from_us

log = logging.getLogger("shelfwise.console")

Headers = tuple[tuple[str, str], ...]

# Nothing inline, nothing from elsewhere but pictures over https: a title in the feed can then do no harm.
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_GUARD: Headers = (
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cache-control", "private, no-store"),
)
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
          "txt": "text/plain; charset=utf-8"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """A response, whatever serves it."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Credit:
    """Whose data the shop is made of, and under which licence."""

    text: str
    href: str
    licence: str
    licence_href: str


ONLINE_RETAIL = Credit(
    "Products and purchases: Chen, D. (2019), Online Retail II, UCI Machine Learning Repository (cleaned)",
    "https://doi.org/10.24432/C5CG6D",
    "CC BY 4.0",
    "https://creativecommons.org/licenses/by/4.0/",
)


class Console:
    """Renders pages. Holds no state of a shopper: that is in cookies and in the shop."""

    def __init__(
        self,
        api: Api,
        clock: Clock,
        *,
        new_id: Callable[[], str],
        base: str,
        name: str,
        credit: Credit | None,
        browser_key: str | None,
    ) -> None:
        self._links = Links(base)
        self._pages = Pages(api, self._links)
        self._api = api
        self._clock = clock
        self._new_id = new_id
        self._site = {"base": base, "name": name, "credit": credit, "browser_key": browser_key}
        self._templates = _environment(base)

    def render(self, path: str, query: str = "", cookies: Mapping[str, str] | str = "") -> Page:
        """The page at ``path`` (with the base it is mounted at), ``query`` without its question mark."""
        asked = cookies_of(cookies) if isinstance(cookies, str) else cookies
        ask = Ask(shopper_of(asked, self._new_id()), parse_qs(query[:8_192]), self._clock())
        steps = [unquote(step) for step in path.removeprefix(self._links.base).strip("/").split("/")]
        try:
            return self._route(ask, steps)
        except NotFound as trouble:
            return self._trouble(ask, 404, "Not here", str(trouble))
        except InvalidInput as trouble:
            return self._trouble(ask, 400, "That did not work", str(trouble))
        except (NotTrained, StoreUnavailable) as trouble:
            log.warning("page.unavailable", extra={"page": steps[0]})
            return self._trouble(ask, 503, "Back in a moment", str(trouble))

    def _route(self, ask: Ask, steps: list[str]) -> Page:
        match steps:
            case ["static", name]:
                return _static(name)
            case ["as", user_id]:
                cart = set_cookie(CART, self._pages.kept_cart(user_id, ask.now_us), script=True)
                return self._redirect(set_cookie(USER, user_id), cart)
            case ["as-new"]:
                new = set_cookie(VISITOR, self._new_id())
                return self._redirect(new, set_cookie(USER, ""), set_cookie(CART, "", script=True))
            case ["consent", "granted" | "denied" as answer]:
                return self._redirect(
                    set_cookie(CONSENT, "denied" if answer == "denied" else "", script=True)
                )
            case ["shelf", name]:
                return self._answer(ask, partial(self._pages.shelf, name=name), "_shelf.html")
            case ["people"]:
                return self._answer(ask, self._pages.people, "_people.html")
            case ["why", recommendation_id, item_id]:
                make = partial(self._pages.why, recommendation_id=recommendation_id, item_id=item_id)
                return self._answer(ask, make, "_why.html" if ask.value("part") else "why.html")
        return self._whole_page(ask, steps)

    def _whole_page(self, ask: Ask, steps: list[str]) -> Page:
        match steps:
            case [""]:
                return self._answer(ask, self._pages.home, "home.html")
            case ["item", item_id]:
                return self._answer(ask, partial(self._pages.item, item_id=item_id), "item.html")
            case ["category", name]:
                return self._answer(ask, partial(self._pages.category, name=name), "list.html")
            case ["search"]:
                return self._answer(ask, self._pages.search, "list.html")
            case ["cart"]:
                return self._answer(ask, self._pages.cart, "cart.html")
            case ["shopper"]:
                return self._answer(ask, self._pages.shopper, "shopper.html")
        raise NotFound("page", "/".join(steps))

    def _answer(self, ask: Ask, make: PageMaker, template: str) -> Page:
        data = make(ask)
        if ask.value("format") == "json":
            twin = {**data, "shopper": ask.shopper.document(), "shop_time": from_us(ask.now_us).isoformat()}
            return Page(200, (("content-type", "application/json"), *_GUARD), msgspec.json.encode(twin))
        return self._html(ask, 200, template, data)

    def _html(self, ask: Ask, status: int, template: str, data: Mapping[str, Any]) -> Page:
        frame = {} if template.startswith("_") else self._frame(ask)
        text = self._templates.get_template(template).render(
            data, site=self._site, shopper=ask.shopper, links=self._links, now=from_us(ask.now_us), **frame
        )
        given = (set_cookie(VISITOR, ask.shopper.visitor),) if ask.shopper.is_new else ()
        return Page(status, (("content-type", "text/html; charset=utf-8"), *_GUARD, *given), text.encode())

    def _frame(self, ask: Ask) -> dict[str, Any]:
        """What every whole page shows around itself."""
        try:
            departments = list(self._api.categories())
        except StoreUnavailable:
            departments = []
        return {"departments": departments, "event_context": _event_context(ask.shopper)}

    def _trouble(self, ask: Ask, status: int, headline: str, detail: str) -> Page:
        data = {"page": "trouble", "title": headline, "status": status, "detail": detail}
        if ask.value("format") == "json":
            return Page(status, (("content-type", "application/json"), *_GUARD), msgspec.json.encode(data))
        return self._html(ask, status, "trouble.html", data)

    def _redirect(self, *cookies: tuple[str, str]) -> Page:
        return Page(303, (("location", self._links.home()), *_GUARD, *cookies), b"")


def make_console(
    api: Api,
    clock: Clock,
    *,
    new_id: Callable[[], str],
    base: str = "/shop",
    name: str = "Shelfwise demo shop",
    credit: Credit | None = None,
    browser_key: str | None = None,
) -> Console:
    """The demo shop over an ``Api``.

    Args:
        api: What the pages ask; see ``Api``.
        clock: The shop's time now; the browser counts on from it.
        new_id: Makes the id of a new visitor, unguessable.
        base: Path at which the pages are mounted, without a slash at the end.
        name: Of the shop, as its pages show it.
        credit: Shown in the footer where the data is somebody else's.
        browser_key: A write-only key for events, where the server asks for keys.
    """
    return Console(
        api, clock, new_id=new_id, base=base.rstrip("/"), name=name, credit=credit, browser_key=browser_key
    )


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Name -> content and content type of what pages load."""
    folder = files("shelfwise.console") / "static"
    kept = {file.name: file.read_bytes() for file in folder.iterdir() if file.name.split(".")[-1] in _TYPES}
    return {name: (body, _TYPES[name.split(".")[-1]]) for name, body in kept.items()}


def _static(name: str) -> Page:
    if name not in static_files():
        raise NotFound("file", name)
    body, kind = static_files()[name]
    headers = (
        ("content-type", kind),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "public, max-age=31536000"),
    )
    return Page(200, headers, body)


def _environment(base: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("shelfwise.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals["static"] = lambda name: f"{base}/static/{quote(name)}?v={_version(name)}"
    environment.globals["icons"] = Markup(static_files()["icons.svg"][0].decode())  # noqa: S704 our own file
    environment.filters["day"] = day
    return environment


@cache
def _version(name: str) -> str:
    """Changes with the file, so that browsers may keep it for ever."""
    return blake2b(static_files()[name][0], digest_size=6).hexdigest()


def _event_context(shopper: Shopper) -> str:
    """What the script puts into each event, as JSON for one attribute."""
    return msgspec.json.encode({**shopper.identity, **shopper.consent}).decode()
