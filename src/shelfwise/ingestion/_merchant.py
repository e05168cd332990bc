"""Google Merchant product feeds, as tab-separated text or as RSS or Atom: their rows as items of the wire.

Source: Google Merchant Center help, "Product data specification".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.parsers import expat

from shelfwise.domain import InvalidField
from shelfwise.ingestion._files import Unreadable, open_bytes
from shelfwise.ingestion._rules import INSTANT_RULE, instant_us

MERCHANT_FIELDS = {
    "title": "title", "description": "description", "link": "url", "image_link": "image", "brand": "brand",
    "item_group_id": "group_id",
}  # fmt: skip
# Kept as attributes under their own names: filters, rules and text likeness read them.
MERCHANT_ATTRIBUTES = (
    "gtin", "mpn", "condition", "color", "size", "gender", "age_group", "material", "pattern", "size_type",
    "size_system", "custom_label_0", "custom_label_1", "custom_label_2", "custom_label_3", "custom_label_4",
)  # fmt: skip
AVAILABILITIES = ("in_stock", "out_of_stock", "preorder", "backorder")
PRICE_RULE = "an amount and an ISO 4217 code, such as '15.00 USD'"
_MAX_FIELD = 100_000  # characters of one field of an XML feed; a longer one is a broken file
_MONEY = re.compile(r"(?:(?P<code>[A-Z]{3})\s*)?(?P<amount>\d+(?:\.\d+)?)(?:\s*(?P<after>[A-Z]{3}))?")
_BLOCK = 1 << 16


def is_merchant(names: list[str]) -> bool:
    """True if these columns are a Merchant feed's and not our own."""
    found = {field_name(name) for name in names}
    return "id" in found and "item_id" not in found and bool({"link", "image_link", "availability"} & found)


def field_name(name: str) -> str:
    """``g:Image Link`` is ``image_link``: feeds write names with spaces, capitals and a prefix."""
    return name.strip().lower().removeprefix("g:").replace(" ", "_")


def item_of(row: Mapping[str, str], *, now_us: int) -> dict[str, Any]:
    """A row of a feed, by field names, as an item of the wire. Raises InvalidField in the feed's terms.

    ``sale_price`` is the price while its dates hold, and ``price`` then the list price. "out of stock" is a stock
    of 0; any other availability is a stock that is not tracked. ``product_type``, the shop's own tree, is the
    category, else Google's if it is given in words. ``adult`` products need 18 years.
    """
    given = {field_name(name): value.strip() for name, value in row.items() if value and value.strip()}
    item: dict[str, Any] = {"item_id": given.get("id")}
    item |= {ours: given[theirs] for theirs, ours in MERCHANT_FIELDS.items() if theirs in given}
    item["attributes"] = {name: given[name] for name in MERCHANT_ATTRIBUTES if name in given}
    category = given.get("product_type") or given.get("google_product_category", "")
    if not category.isdigit():
        item["category"] = category.split(",")[0] if " > " not in category else category
    return item | _money(given, now_us) | _availability(given) | _restrictions(given)


def read_merchant_xml(path: Path, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and fields of each ``item`` (RSS) or ``entry`` (Atom), in bounded memory.

    Raises:
        Unreadable: It is no well-formed XML, or declares a document type: entities are how an XML file bites.
    """
    reading = _Reading(name)
    number = 0
    with open_bytes(path) as file:
        while True:
            block = file.read(_BLOCK)
            reading.feed(block, last=not block)
            for row in reading.take():
                number += 1
                yield number, row
            if not block:
                return


@dataclass(slots=True)
class _Reading:
    """What an XML parser has seen so far: whole rows, and the row it is in."""

    name: str
    rows: list[dict[str, str]] = field(default_factory=list)
    row: dict[str, str] | None = None
    depth: int = 0  # below the row's element
    tag: str = ""
    text: list[str] = field(default_factory=list)
    length: int = 0
    parser: Any = None

    def __post_init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def feed(self, block: bytes, *, last: bool) -> None:
        try:
            self.parser.Parse(block, last)
        except expat.ExpatError as error:
            raise Unreadable(f"{self.name}: {error}; expected a well-formed XML feed") from error

    def take(self) -> list[dict[str, str]]:
        """The rows that are whole by now."""
        rows, self.rows = self.rows, []
        return rows

    def _refuse(self, *_: object) -> None:
        raise Unreadable(f"{self.name}: the file declares a document type; expected a feed without one")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.row is None:
            if tag in ("item", "entry"):
                self.row, self.depth = {}, 0
            return
        self.depth += 1
        if self.depth == 1:
            self.tag, self.text, self.length = field_name(tag), [attributes.get("href", "")], 0

    def _characters(self, text: str) -> None:
        if self.row is None or self.depth != 1:
            return
        self.length += len(text)
        if self.length > _MAX_FIELD:
            raise Unreadable(
                f"{self.name}: a {self.tag} has over {_MAX_FIELD} characters; expected a feed of items"
            )
        self.text.append(text)

    def _end(self, _: str) -> None:
        if self.row is None:
            return
        if self.depth == 0:
            self.rows.append(self.row)
            self.row = None
            return
        if self.depth == 1:
            self.row.setdefault(self.tag, "".join(self.text).strip())
        self.depth -= 1


def _money(given: Mapping[str, str], now_us: int) -> dict[str, Any]:
    amounts = {
        name: _amount(name, given[name])
        for name in ("price", "sale_price", "cost_of_goods_sold")
        if name in given
    }
    codes = {code for _, code in amounts.values() if code is not None}
    if len(codes) > 1:
        raise InvalidField(
            "price", given.get("price"), f"one currency for all prices, not {', '.join(sorted(codes))}"
        )
    price = amounts.get("price", (None, None))[0]
    sale = amounts.get("sale_price", (None, None))[0]
    on_sale = sale is not None and _holds(given.get("sale_price_effective_date"), now_us)
    return {
        "price": sale if on_sale else price,
        "list_price": price if on_sale else None,
        "cost": amounts.get("cost_of_goods_sold", (None, None))[0],
        "currency": codes.pop() if codes else None,
    }


def _amount(name: str, text: str) -> tuple[float, str | None]:
    found = _MONEY.fullmatch(text)
    if found is None:
        raise InvalidField(name, text, PRICE_RULE)
    return float(found["amount"]), found["code"] or found["after"]


def _holds(interval: str | None, now_us: int) -> bool:
    """True if now lies in ``start/end``; a sale without dates holds."""
    if interval is None:
        return True
    start, _, end = interval.partition("/")
    return _us("sale_price_effective_date", start) <= now_us < _us("sale_price_effective_date", end)


def _us(name: str, text: str) -> int:
    return instant_us(_instant(name, text))


def _instant(name: str, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidField(name, text, INSTANT_RULE) from None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _availability(given: Mapping[str, str]) -> dict[str, Any]:
    said = given.get("availability", "in_stock").lower().replace(" ", "_")
    if said not in AVAILABILITIES:
        raise InvalidField("availability", given["availability"], f"one of {', '.join(AVAILABILITIES)}")
    dates = {"availability_date": "available_from", "expiration_date": "available_until"}
    found = {ours: _instant(name, given[name]) for name, ours in dates.items() if name in given}
    if said in ("preorder", "backorder"):
        found.pop("available_from", None)  # when it is sent; it can be ordered now
    return found | {"stock": 0 if said == "out_of_stock" else None}


def _restrictions(given: Mapping[str, str]) -> dict[str, Any]:
    return {"min_age": 18} if given.get("adult", "no").lower() in ("yes", "true") else {}
