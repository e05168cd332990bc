"""The door for items: from a raw request to changes of the catalogue, with a verdict for each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET

from shelfwise.domain import InvalidField, Item
from shelfwise.ingestion._events import rows_of
from shelfwise.ingestion._explain import explain, find_unstorable, parse
from shelfwise.ingestion._rules import (
    check_address,
    check_finite,
    check_id,
    country_of,
    instant_us,
    minor_of,
    scale_of,
)
from shelfwise.ingestion._verdicts import ItemVerdicts, Rejection
from shelfwise.ingestion._wire import ItemIn, ItemPatchIn
from shelfwise.stores import ItemChange

MAX_ITEM_BATCH = 500  # items in one request
MAX_DEPTH = 10  # levels of a category path
ITEM_FIELDS = {"": ItemIn.__struct_fields__}
PATCH_FIELDS = {"": ItemPatchIn.__struct_fields__}
_MONEY = ("price", "list_price", "cost")
_INSTANTS = ("available_from", "available_until")
_EMPTY: dict[str, Any] = {
    "title": "", "description": "", "category": (), "hidden": False, "attributes": {}, "tags": (), "regions": (),
}  # fmt: skip


@dataclass(slots=True)
class ItemDoor:
    """What a batch of items is checked against."""

    at_us: int
    currency: str | None = None  # the shop's: taken where an item names none
    vector_size: int | None = None  # numbers of an item's vector: the shop's, else as the first that is taken

    def take(self, item: Item) -> None:
        """An item was accepted."""
        if self.vector_size is None and item.vector is not None:
            self.vector_size = len(item.vector)


def accept_items(
    raw: bytes | Sequence[Mapping[str, Any]],
    *,
    now_us: int,
    currency: str | None = None,
    vector_size: int | None = None,
    item_id: str | None = None,
    limit: int = MAX_ITEM_BATCH,
) -> ItemVerdicts:
    """Check a request that puts items: each replaces the whole item. Never raises on what was sent.

    Args:
        raw: One item or ``{"items": [...]}`` in JSON; or a sequence of mappings of the same fields.
        now_us: The shop's clock.
        currency: The shop's currency, taken where an item with a price names none.
        vector_size: Numbers of a vector; if not given, all of the request are as long as the first.
        item_id: The id in the address of a single ``PUT``; the body may leave it out, but not contradict it.
        limit: Most items in one request.
    """
    try:
        rows = _rows(raw, "items")
    except InvalidField as trouble:
        return ItemVerdicts(body=Rejection.of(-1, trouble))
    if len(rows) > limit:
        rule = f"at most {limit} items in one request"
        return ItemVerdicts(body=Rejection(-1, "items", len(rows), rule))
    door = ItemDoor(now_us, currency, vector_size)
    verdicts = ItemVerdicts()
    for index, row in enumerate(rows):
        try:
            change = put_row(row, door, item_id=item_id)
        except InvalidField as trouble:
            verdicts.rejected.append(Rejection.of(index, trouble))
        else:
            verdicts.changes.append(change)
            verdicts.rows.append(index)
    return verdicts


def accept_patch(
    item_id: str,
    raw: bytes | Mapping[str, Any],
    *,
    now_us: int,
    currency: str | None = None,
    vector_size: int | None = None,
) -> ItemVerdicts:
    """Check a request that sets single fields of an item: one change, or one rejection.

    Args:
        item_id: The id in the address.
        raw: The fields in JSON or as a mapping. A field left out stays, null clears it, a list or the
            attributes are replaced as a whole.
        now_us: The shop's clock.
        currency: The currency the item has now, else the shop's.
        vector_size: Numbers of a vector, if the shop says.
    """
    try:
        row = parse(raw) if isinstance(raw, (bytes, bytearray, memoryview)) else raw
        change = _patch(item_id, row, ItemDoor(now_us, currency, vector_size))
    except InvalidField as trouble:
        where = -1 if trouble.field == "body" else 0
        rejection = Rejection.of(where, trouble)
        return ItemVerdicts(body=rejection) if where else ItemVerdicts(rejected=[rejection])
    return ItemVerdicts(changes=[change], rows=[0])


def put_row(row: Any, door: ItemDoor, *, item_id: str | None = None) -> ItemChange:
    """The change that a mapping stands for. Raises InvalidField."""
    sent = _convert(row, ItemIn, ITEM_FIELDS)
    if item_id is not None and sent.item_id not in (None, item_id):
        raise InvalidField("item_id", sent.item_id, f"the id in the address, {item_id!r}, or none")
    whole = sent.item_id or item_id
    if whole is None:
        raise InvalidField("item_id", None, "an id; it is required")
    check_id("item_id", whole)
    fields = {name: value for name, value in _given(sent) if value is not None and name != "item_id"}
    item = Item(item_id=whole, **_checked(fields, door))
    door.take(item)
    return ItemChange(action="put", item_id=whole, at_us=door.at_us, item=item)


def _patch(item_id: str, row: Any, door: ItemDoor) -> ItemChange:
    check_id("item_id", item_id)
    fields = dict(_given(_convert(row, ItemPatchIn, PATCH_FIELDS)))
    if not fields:
        raise InvalidField("body", row, "at least one field to set")
    if fields.get("currency", UNSET) is not UNSET and fields.get("price") is None:
        raise InvalidField("price", fields.get("price"), "the price in the new currency, beside the currency")
    cleared = {_stored(name): _EMPTY.get(name) for name, value in fields.items() if value is None}
    set_to = {name: value for name, value in fields.items() if value is not None}
    return ItemChange(
        action="patch", item_id=item_id, at_us=door.at_us, fields=cleared | _checked(set_to, door)
    )


def _rows(raw: bytes | Sequence[Mapping[str, Any]], name: str) -> Sequence[Any]:
    if isinstance(raw, (bytes, bytearray, memoryview)):
        return rows_of(parse(bytes(raw)), name)
    return list(raw)


def _convert(row: Any, kind: Any, known: Mapping[str, tuple[str, ...]]) -> Any:
    unstorable = find_unstorable(row)
    if unstorable is not None:
        raise unstorable
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        raise explain(row, error, known) from None


def _given(sent: ItemIn | ItemPatchIn) -> Iterator[tuple[str, Any]]:
    for name in sent.__struct_fields__:
        value = getattr(sent, name)
        if value is not UNSET:
            yield name, value


def _stored(name: str) -> str:
    """The name of a wire field in ``domain.Item``."""
    if name in _MONEY:
        return f"{name}_minor"
    return f"{name}_us" if name in _INSTANTS else name


def _checked(fields: dict[str, Any], door: ItemDoor) -> dict[str, Any]:
    """Values of ``domain.Item``'s fields from given, non-null wire fields. Raises InvalidField."""
    code = fields.get("currency") or door.currency
    checked: dict[str, Any] = {}
    for name, value in fields.items():
        if name in _MONEY:
            checked[f"{name}_minor"] = minor_of(name, value, code, None)
            checked["currency"] = code
        elif name == "vector":
            checked[name] = _vector(value, door.vector_size)
        else:
            checked[_stored(name)] = _CHECKS[name](name, value) if name in _CHECKS else value
    start, end = checked.get("available_from_us"), checked.get("available_until_us")
    if start is not None and end is not None and start >= end:
        raise InvalidField(
            "available_until", fields["available_until"].isoformat(), "later than available_from"
        )
    return checked


def _currency(_: str, value: str) -> str:
    scale_of(value)  # raises for a malformed code
    return value


def _name(field: str, value: str) -> str:
    check_id(field, value)
    return value


def _address(field: str, value: str) -> str | None:
    check_address(field, value.strip())
    return value.strip() or None


def _path(field: str, value: list[str] | str) -> tuple[str, ...]:
    steps = value.split(">") if isinstance(value, str) else value
    path = tuple(step.strip() for step in steps if step.strip())
    if len(path) > MAX_DEPTH:
        raise InvalidField(field, value, f"at most {MAX_DEPTH} levels")
    for step in path:
        check_id(field, step)
    return path


def _attributes(field: str, value: Mapping[str, Any]) -> dict[str, str]:
    given = {name: _scalar(f"{field}.{name}", inner) for name, inner in value.items() if inner is not None}
    for name, text in given.items():
        check_id(field, name)
        if len(text) > 1_000:
            raise InvalidField(f"{field}.{name}", text, "text of at most 1000 characters")
    return given


def _scalar(field: str, value: str | float | bool) -> str:
    """As people write it: true, 3, 2.5."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    check_finite(field, [value])
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _labels(field: str, value: list[str]) -> tuple[str, ...]:
    for place, label in enumerate(value):
        check_id(f"{field}[{place}]", label)
    return tuple(dict.fromkeys(value))


def _regions(_: str, value: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(country_of(code) for code in value))


def _vector(value: list[float], size: int | None) -> tuple[float, ...]:
    """Finite, and as long as the others: a cosine of two models means nothing."""
    check_finite("vector", value)
    if size is not None and len(value) != size:
        raise InvalidField("vector", f"{len(value)} numbers", f"{size} numbers, as the others have")
    return tuple(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "currency": _currency,
    "category": _path,
    "brand": _name,
    "group_id": _name,
    "sku": _name,
    "available_from": lambda _, value: instant_us(value),
    "available_until": lambda _, value: instant_us(value),
    "attributes": _attributes,
    "tags": _labels,
    "regions": _regions,
    "image": _address,
    "url": _address,
}
