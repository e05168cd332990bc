"""The fold of the ``items`` stream, one change at a time: the same in every catalogue."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from shelfwise.domain import InvalidField, Item
from shelfwise.stores._promises import ItemChange, StoredItem

PATCHABLE = frozenset(Item.__struct_fields__) - {"item_id"}


def changed(before: StoredItem | None, change: ItemChange, *, next_row: int) -> StoredItem | None:
    """The item after a change; ``before`` itself if it changes nothing; None for an unknown id.

    A put revives a retired item, a patch does not. The etag is the item's version and a hash of its content.

    Args:
        before: The item as it stands, retired ones too; None at first sight.
        change: What happened to it.
        next_row: The row a new item gets.

    Raises:
        InvalidField: The change names a field that items do not have, or a value of another type.
    """
    if before is None and change.action != "put":
        return None
    item, retired = _content(before, change)
    if before is not None and (item, retired) == (before.item, before.retired):
        return before
    return StoredItem(
        item=item,
        row=next_row if before is None else before.row,
        etag=_etag(before, item, retired=retired),
        updated_us=change.at_us,
        retired=retired,
        first_seen_us=change.at_us if before is None else before.first_seen_us,
    )


def _content(before: StoredItem | None, change: ItemChange) -> tuple[Item, bool]:
    """The item and whether it is retired."""
    if change.action == "put":
        return _put(change), False
    assert before is not None
    if change.action == "delete":
        return before.item, True
    return _patched(before.item, change.fields), before.retired


def _put(change: ItemChange) -> Item:
    if change.item is None or change.item.item_id != change.item_id:
        got = None if change.item is None else change.item.item_id
        raise InvalidField("item.item_id", got, f"{change.item_id!r}, the id of the change")
    return change.item


def _patched(item: Item, fields: dict[str, Any]) -> Item:
    for name in fields.keys() - PATCHABLE:
        raise InvalidField(name, fields[name], f"one of the fields {', '.join(sorted(PATCHABLE))}")
    try:
        return msgspec.convert(msgspec.structs.asdict(item) | fields, Item)
    except msgspec.ValidationError as trouble:
        raise InvalidField("fields", fields, f"values as an item has them ({trouble})") from None


def _etag(before: StoredItem | None, item: Item, *, retired: bool) -> str:
    version = 1 if before is None else int(before.etag.partition("-")[0]) + 1
    content = msgspec.msgpack.encode((item, retired))
    return f"{version}-{blake2b(content, digest_size=6).hexdigest()}"
