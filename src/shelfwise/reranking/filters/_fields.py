"""The fields that a filter may name, and what may be asked of each."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

Type = Literal["text", "texts", "money", "number"]
Home = Literal["coded", "row", "live", "context"]

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
EQUALITY = ("=", "!=")


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``texts`` holds several texts (a path, tags); a test asks whether any of them fits."""

    name: str  # as written in a filter, e.g. "attributes.color"
    type: Type
    home: Home
    meaning: str = ""

    @property
    def fast(self) -> bool:
        """True if it is a slow fact of the shelf: the answer is the same until the shelf changes."""
        return self.home in ("coded", "row")

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators that make sense of it."""
        if self.type in ("money", "number"):
            return (*COMPARISONS, "in")
        return (*COMPARISONS, "in", "contains", "starts_with") if self.is_attribute else _TEXT_OPERATORS

    @property
    def is_attribute(self) -> bool:
        """An attribute is text that may hold a number."""
        return self.name.startswith("attributes.")


_TEXT_OPERATORS = ("=", "!=", "in", "contains", "starts_with")

_ITEM = (
    Field("item_id", "text", "row", "the item's id"),
    Field("title", "text", "row", "the item's title"),
    Field(
        "category",
        "texts",
        "coded",
        "any element of the category path; 'A > B' asks for the path's beginning",
    ),
    Field("brand", "text", "coded", "the brand"),
    Field("group_id", "text", "coded", "what sizes and colours of one product share"),
    Field("currency", "text", "coded", "ISO 4217 code of the item's money"),
    Field("tags", "texts", "coded", "any of the tags"),
    Field("regions", "texts", "coded", "any of the countries the item is restricted to"),
    Field("price", "money", "live", "the price now, as a decimal in the item's currency"),
    Field("list_price", "money", "live", "the price before a reduction"),
    Field("cost", "money", "live", "what the item costs the shop"),
    Field("margin", "number", "live", "(price - cost) / price, a fraction"),
    Field("discount", "number", "live", "(list_price - price) / list_price, a fraction"),
    Field("stock", "number", "live", "units in stock; null where it is not tracked"),
    Field("age_days", "number", "live", "days since the shop first saw the item"),
)
_CONTEXT = (
    Field("context.placement", "text", "context", "where the recommendations are shown"),
    Field("context.strategy", "text", "context", "the strategy asked for"),
    Field("context.device", "text", "context", "mobile, desktop, tablet, ..."),
    Field("context.country", "text", "context", "the shopper's country, ISO 3166-1"),
    Field("context.region", "text", "context", "the shopper's region"),
    Field("context.referrer", "text", "context", "where the shopper came from"),
    Field("context.age", "number", "context", "the shopper's age in years, if the shop knows"),
    Field("context.hour", "number", "context", "the shopper's local hour, 0 to 23"),
    Field("context.weekday", "number", "context", "the shopper's local weekday, 1 (Monday) to 7"),
)
FIELDS: dict[str, Field] = {field.name: field for field in (*_ITEM, *_CONTEXT)}


def field_called(name: str) -> Field | None:
    """The field of this name; any ``attributes.NAME`` is one."""
    if name.startswith("attributes.") and len(name) > len("attributes."):
        return Field("attributes." + name.removeprefix("attributes.").strip("'"), "text", "coded")
    return FIELDS.get(name)


def nearest_field(name: str) -> str | None:
    """A field whose name is close, for a hint."""
    inner = [known for known in FIELDS if known.endswith(f".{name.lower()}")]
    if inner:
        return inner[0]
    near = get_close_matches(name.lower(), (*FIELDS, "attributes."), n=1, cutoff=0.6)
    return near[0] if near else None
