"""From a failed decoding to the field, the value and the rule that a person can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from shelfwise.domain import EVENT_CODES, MAX_LINES, InvalidField
from shelfwise.ingestion._rules import (
    COUNTRY_RULE,
    CURRENCY_RULE,
    ID_RULE,
    INSTANT_RULE,
    PRICE_RULE,
    TEXT_RULE,
    is_plain,
)
from shelfwise.ingestion._wire import MAX_ATTRIBUTES, MAX_QUANTITY, MAX_TEXT, MAX_VECTOR

JSON_RULE = "JSON in UTF-8"
WHOLE_RULES = {
    "stock": "a whole number of at least 0, or null where it is not tracked",
    "min_age": "a whole number of years from 0 to 150",
}
_AT = re.compile(r"(?s)(.*?)(?: - at `(?P<path>[^`]*)`)?$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_NAMED = re.compile(r"(?s)Object (contains unknown|missing required) field `(.*)`$")

_RULES = {
    **dict.fromkeys(
        ("event_id", "user_id", "anonymous_id", "session_id", "order_id", "item_id", "group_id", "sku",
         "recommendation_id", "device", "region", "placement", "brand"), ID_RULE
    ),
    **dict.fromkeys(("title", "query", "referrer", "image", "url"), f"text of at most {MAX_TEXT} characters"),
    **dict.fromkeys(("price", "list_price", "cost"), PRICE_RULE),
    **dict.fromkeys(("occurred_at", "local_time", "available_from", "available_until"), INSTANT_RULE),
    **WHOLE_RULES,
    "age": WHOLE_RULES["min_age"],
    "event": "one of " + ", ".join(EVENT_CODES),
    "description": f"text of at most {10 * MAX_TEXT} characters",
    "currency": CURRENCY_RULE,
    "country": COUNTRY_RULE,
    "quantity": f"a whole number from 1 to {MAX_QUANTITY}",
    "index": "a whole number from 0 to 100000",
    "hidden": "true or false",
    "items": f"an array of at most {MAX_LINES} objects",
    "context": "an object",
    "consent": "'granted' or 'denied'",
    "origin": "'real', 'simulated' or 'test'",
    "category": "an array of texts, or one text such as 'Home > Candles'",
    "attributes": f"an object of at most {MAX_ATTRIBUTES} names with texts, numbers, true or false",
    "tags": f"an array of at most {MAX_ATTRIBUTES} texts",
    "regions": f"an array of countries, each {COUNTRY_RULE}",
    "vector": f"an array of 1 to {MAX_VECTOR} numbers",
}  # fmt: skip


def explain(row: Any, error: msgspec.ValidationError, known: Mapping[str, tuple[str, ...]]) -> InvalidField:
    """The error of one field.

    Args:
        row: What was sent, as plain Python values.
        error: What the decoder said of it.
        known: Field names by where they are: ``""`` for the row itself, else such as ``"items"``, ``"context"``.
    """
    message, path = _split(str(error))
    named = _NAMED.match(message)
    if named is None:
        return _wrong_value(row, path, message)
    kind, name = named.groups()
    field = f"{path}.{name}".lstrip(".")
    if kind.startswith("missing"):
        return InvalidField(field, None, f"{_rule(name)}; it is required")
    value = _look_up(row, path)
    return InvalidField(
        field,
        value.get(name) if isinstance(value, Mapping) else None,
        _unknown(name, known.get(re.sub(r"\[.*?\]", "", path), ())),
    )


def find_unstorable(row: Any) -> InvalidField | None:
    """The first text of a row, name or value, that holds NUL or a lone surrogate; looks 64 levels deep at most."""
    pending: list[tuple[str, Any, int]] = [("", row, 0)]
    while pending:
        path, value, depth = pending.pop()
        if isinstance(value, str) and not is_plain(value):
            return InvalidField(path, value, TEXT_RULE)
        if depth < 64:
            pending.extend(reversed(list(_inside(path, value, depth + 1))))
    return None


class NotJson(InvalidField):
    """A body that no parser reads: the request itself is wrong, not one of its fields."""


def parse(raw: bytes) -> Any:
    """A request's body as plain Python values. Raises NotJson, field "body".

    Falls back to a parser that knows NaN, Infinity and lone surrogates, which are no JSON: so one such value
    costs its own row, not its neighbours.
    """
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError) as strict:  # msgspec's errors and UnicodeDecodeError are ValueErrors
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise NotJson("body", _shorten(raw), f"{JSON_RULE} ({_reason(strict)})") from None


def _split(message: str) -> tuple[str, str]:
    """What is wrong, and where: ``items[1].price`` from msgspec's ``$.items[1].price``."""
    found = _AT.match(message)
    text, path = (message, None) if found is None else (found[1], found["path"])
    return text, (path or "$").removeprefix("$").lstrip(".")


def _wrong_value(row: Any, path: str, message: str) -> InvalidField:
    names = [name for name, _ in _STEP.findall(f".{path}") if name]
    if not names:
        return InvalidField("", row, "an object")
    path = path.partition("[...]")[0]  # somewhere in a mapping: tell the whole of it
    value = _look_up(row, path)
    rule = _rule(names[-1])
    if names[-1] == "event" and isinstance(value, str):
        rule += _hint(value, tuple(EVENT_CODES))
    if names[-1] == "items" and path.endswith("]"):
        rule = "an object with item_id"
    return InvalidField(path, value, rule if rule != _OTHER else _uncapitalized(message))


_OTHER = "a value of the documented type"


def _rule(name: str) -> str:
    return _RULES.get(name, _OTHER)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    return f"a known field{_hint(name, known)} (known: {', '.join(known)})"


def _hint(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name.lower()[:64], known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _look_up(row: Any, path: str) -> Any:
    """The value at a path; None where the path leads nowhere (a place inside a mapping is not named)."""
    value = row
    for name, place in _STEP.findall(f".{path}" if path else ""):
        try:
            value = value[name] if name else value[int(place)]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def _inside(path: str, value: Any, depth: int) -> list[tuple[str, Any, int]]:
    if isinstance(value, Mapping):
        keys = [(path, key, depth) for key in value]
        return keys + [(f"{path}.{key}".lstrip("."), inner, depth) for key, inner in value.items()]
    if isinstance(value, (list, tuple)):
        return [(f"{path}[{place}]", inner, depth) for place, inner in enumerate(value)]
    return []


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return _uncapitalized(str(error))


def _uncapitalized(text: str) -> str:
    """A sentence as it stands inside another; JSON and its like keep their capitals."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _shorten(raw: bytes) -> str:
    return raw[:80].decode("utf-8", "backslashreplace")
