"""From a body or an address to a typed message; what does not fit is told by field, value and rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

import msgspec
import msgspec.inspect as types

from shelfwise.domain import MAX_ID_BYTES, InvalidField
from shelfwise.serving.http._problems import Problem, plain

T = TypeVar("T")

_AT = re.compile(r" - at `([^`]*)`$")
_NAMED = re.compile(r"Object (missing required|contains unknown) field `(.*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
    "datetime": "an instant such as 2011-12-09T12:50:00Z",
}
# For people: the decoder's own words name its types.
RULES: Mapping[str, str] = {
    "n": "a whole number from 1 to 100",
    "seen": "'keep' or 'exclude'",
    "consent": "'granted' or 'denied'",
    "country": "an ISO 3166-1 code of two letters, such as 'GB'",
    "local_time": "an instant with an offset, such as 2011-11-03T19:20:00+00:00",
    "age": "a whole number of years from 0 to 150",
    "explain": "true or false",
    "queries": "a list of 1 to 200 queries",
    "scopes": "a list of some of events:write, recs:read, catalog:write, admin; or of browser alone",
    **dict.fromkeys(
        ("user_id", "anonymous_id", "session_id", "placement", "item_id", "release", "device", "region"),
        f"text of 1 to {MAX_ID_BYTES} bytes",
    ),
    **dict.fromkeys(
        ("items", "exclude"), f"a list of at most 200 ids, each text of 1 to {MAX_ID_BYTES} bytes"
    ),
}


class Reader(Generic[T]):
    """Reads one kind of message. Raises Problem 400 for what is no JSON, 422 for what does not fit."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind).decode
        self._fields = dict(_fields(types.type_info(kind)))

    def body(self, raw: bytes) -> T:
        """From JSON."""
        try:
            return self._decode(raw)
        except msgspec.ValidationError as trouble:
            raise self._explained(trouble, raw) from None
        except (
            ValueError,
            RecursionError,
        ) as trouble:  # msgspec's errors and UnicodeDecodeError are ValueErrors
            raise Problem(400, f"body is not JSON: {_reason(trouble)}") from None

    def values(self, given: Mapping[str, Any]) -> T:
        """From texts, as an address carries them: numbers and true or false are read out of them."""
        try:
            return msgspec.convert(given, self._kind, strict=False)
        except msgspec.ValidationError as trouble:
            raise self._wrong(str(trouble), given) from None

    def document(self, given: Mapping[str, Any]) -> T:
        """From plain values, as JSON would carry them."""
        try:
            return msgspec.convert(dict(given), self._kind)
        except msgspec.ValidationError as trouble:
            raise self._wrong(str(trouble), given) from None

    def _explained(self, trouble: msgspec.ValidationError, raw: bytes) -> Problem:
        try:
            sent = msgspec.json.decode(raw)
        except (ValueError, RecursionError) as worse:
            return Problem(400, f"body is not JSON: {_reason(worse)}")
        return self._wrong(str(trouble), sent)

    def _wrong(self, message: str, sent: Any) -> Problem:
        """The field, its value and the rule, out of ``... - at `$.items[1].price` ``."""
        found = _AT.search(message)
        path = found[1].removeprefix("$").removeprefix(".") if found else ""
        text = message[: found.start()] if found else message
        named = _NAMED.match(text)
        if named is None:
            return self._wrong_value(path, text, sent)
        kind, name = named.groups()
        field = f"{path}.{name}".lstrip(".")
        if kind.startswith("missing"):
            return Problem.of_field(field, None, f"{RULES.get(name, 'a value')}; it is required")
        rule = f"a known field{self._hint(path, name)}"
        return Problem(422, f"{field} is no field; expected {rule}",
                       errors=[{"field": field, "value": plain(name), "rule": rule}])  # fmt: skip

    def _wrong_value(self, path: str, text: str, sent: Any) -> Problem:
        names = [name for name, _ in _STEP.findall(f".{path}") if name]
        value = _look_up(sent, path)
        rule = RULES.get(names[-1] if names else "", "") or _rule(text)
        choices = self._choices(path)
        if choices:
            rule = f"one of {', '.join(choices)}{_near(value, choices)}"
        return Problem.of_field(path or "body", "null" if value is None else value, rule)

    def _hint(self, path: str, name: str) -> str:
        known = list(self._fields.get(re.sub(r"\[.*?\]", "", path), {}))
        return f"{_near(name, known)} (known: {', '.join(known)})" if known else ""

    def _choices(self, path: str) -> Sequence[str]:
        where, _, name = re.sub(r"\[.*?\]", "", path).rpartition(".")
        return self._fields.get(where, {}).get(name, ())


def check_id(field: str, value: str | None) -> None:
    """Raise InvalidField for an id that cannot be kept: above 255 bytes, or with NUL or half a character in it."""
    if value is None or (value.isascii() and "\0" not in value):
        return  # its characters, which were counted, are its bytes
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        size = MAX_ID_BYTES + 1
    if size > MAX_ID_BYTES or "\0" in value:
        raise InvalidField(field, plain(value), f"text of 1 to {MAX_ID_BYTES} bytes of UTF-8 without NUL")


def _fields(kind: types.Type, path: str = "") -> Iterator[tuple[str, dict[str, tuple[str, ...]]]]:
    """Field names of every object in a message, by its path without indexes; with the choices of each."""
    if isinstance(kind, types.StructType):
        yield path, {field.encode_name: _literals(field.type) for field in kind.fields}
        for field in kind.fields:
            yield from _fields(field.type, f"{path}.{field.encode_name}".lstrip("."))
    elif isinstance(kind, types.UnionType):
        for each in kind.types:
            yield from _fields(each, path)
    elif isinstance(kind, types.ListType):
        yield from _fields(kind.item_type, path)
    elif isinstance(kind, types.Metadata):
        yield from _fields(kind.type, path)


def _literals(kind: types.Type) -> tuple[str, ...]:
    if isinstance(kind, types.LiteralType):
        return tuple(str(value) for value in kind.values)
    if isinstance(kind, types.Metadata):
        return _literals(kind.type)
    if isinstance(kind, types.UnionType):
        return tuple(value for each in kind.types for value in _literals(each))
    return ()


def _look_up(sent: Any, path: str) -> Any:
    value = sent
    for name, place in _STEP.findall(f".{path}" if path else ""):
        try:
            value = value[name] if name else value[int(place)]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def _rule(text: str) -> str:
    """``Expected `int` >= 1`` in words; what it says it got is shown as the value."""
    rule = text.removeprefix("Expected ").partition(", got ")[0]
    return re.sub(r"`([a-z]+)`", lambda found: _WORDS.get(found[1], found[1]), rule).replace(" | ", " or ")


def _near(value: object, known: Sequence[str]) -> str:
    near = get_close_matches(str(value)[:64].lower(), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _reason(trouble: Exception) -> str:
    return "nested too deeply" if isinstance(trouble, RecursionError) else plain(str(trouble))
