"""One question to one text value. Absent (None) fits only ``null``."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from shelfwise.reranking.filters._fields import Field
from shelfwise.reranking.filters._grammar import Test, Value

PATH = " > "  # between the elements of a category path, as feeds write it

_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def decide_text(test: Test) -> Callable[[Any], bool]:
    """Whether a value (a text, a path, a set of texts, or None) fits the test."""
    if test.operator in ("=", "in"):
        return _equals_any(test.field, test.values)
    if test.operator in _ORDER:
        return _numeric(_ORDER[test.operator], test.values[0])
    return _search(test.field, test.operator, str(test.values[0]))


def _equals_any(field: Field, values: tuple[Value, ...]) -> Callable[[Any], bool]:
    null = None in values
    plain = frozenset(value for value in values if isinstance(value, str))
    paths = (
        tuple(tuple(value.split(PATH)) for value in plain if PATH in value)
        if field.name == "category"
        else ()
    )
    numbers = tuple(float(value) for value in values if isinstance(value, Decimal))
    flags = tuple(str(value).lower() for value in values if isinstance(value, bool))

    def one(value: str) -> bool:
        if value in plain or (flags and value.lower() in flags):
            return True
        return bool(numbers) and _number(value) in numbers

    def decide(value: Any) -> bool:
        if value is None or len(value) == 0:
            return null
        if isinstance(value, str):
            return one(value)
        return any(map(one, value)) or any(value[: len(path)] == path for path in paths)

    return decide


def _numeric(compare: Callable[[float, float], bool], limit: Value) -> Callable[[Any], bool]:
    """An attribute read as a number; what is none fits nothing."""
    bound = float(limit) if isinstance(limit, Decimal) else math.nan
    return lambda value: value is not None and compare(_number(value), bound)


def _search(field: Field, word: str, needle: str) -> Callable[[Any], bool]:
    """Ignores capitals. Tags and regions contain a whole element; every other text contains a part."""
    wanted = needle.casefold()
    fits: Callable[[str], bool]
    if word == "starts_with":
        fits = lambda text: text.casefold().startswith(wanted)  # noqa: E731
    elif field.name in ("tags", "regions"):
        fits = lambda text: text.casefold() == wanted  # noqa: E731
    else:
        fits = lambda text: wanted in text.casefold()  # noqa: E731
    if field.type == "texts":
        return lambda value: value is not None and any(map(fits, value))
    return lambda value: value is not None and fits(value)


def _number(text: str) -> float:
    """NaN for what is not a plain number."""
    try:
        return float(text)
    except ValueError:
        return math.nan
