"""Items from files and frames: CSV, TSV, JSON Lines, Parquet, Google Merchant feeds, Arrow streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shelfwise.domain import InvalidField
from shelfwise.ingestion._explain import WHOLE_RULES
from shelfwise.ingestion._files import (
    Unreadable,
    decode_line,
    format_of,
    header_of,
    is_constant,
    name_of,
    read_columns,
    read_json_lines,
    renamed,
    unused,
)
from shelfwise.ingestion._items import ItemDoor, put_row
from shelfwise.ingestion._merchant import is_merchant, item_of, read_merchant_xml
from shelfwise.ingestion._verdicts import DeadLetter, Rejection, dead_letters
from shelfwise.ingestion._wire import ItemIn
from shelfwise.ingestion.online_retail import clean, is_online_retail, retail_items
from shelfwise.stores import ItemChange

ITEM_FORMATS = ("csv", "tsv", "jsonl", "parquet", "merchant-tsv", "merchant-xml", "online-retail-ii")
BATCH_ITEMS = 500
_KNOWN = (*ItemIn.__struct_fields__, "attributes.")
POINT_RULE = "a number with a point before the decimals, such as 2.55"
VECTOR_RULE = "numbers parted by spaces or commas"
_NUMBERS = ("price", "list_price", "cost")
_LISTS = ("tags", "regions")
_INSTANTS = ("available_from", "available_until")
_TRUE, _FALSE = ("true", "yes", "1", "t", "y"), ("false", "no", "0", "f", "n")


@dataclass(frozen=True, slots=True)
class ItemBatch:
    """Some items of a source, and what became of its other rows.

    ``named`` are the ids of all rows, rejected ones included: what a full feed still holds.
    """

    changes: list[ItemChange] = field(default_factory=list)
    rejected: list[DeadLetter] = field(default_factory=list)
    n_rows: int = 0
    named: list[str] = field(default_factory=list)


_Row = tuple[int, dict[str, Any] | InvalidField]


def read_items(
    source: Any,
    *,
    now_us: int,
    format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    currency: str | None = None,
    vector_size: int | None = None,
    naive_is_utc: bool = False,
    name: str | None = None,
) -> Iterator[ItemBatch]:
    """Read a file or frame of items, some hundreds at a time, in bounded memory.

    Flat sources have one row an item: ``category`` as ``A > B``, ``tags`` and ``regions`` parted by commas or
    bars, attributes in columns named ``attributes.color``. JSON Lines hold items as the HTTP door takes them.
    Files whose columns are those of a Merchant feed are read as one.

    Args:
        source: A path, or anything with ``__arrow_c_stream__`` (pandas, Polars, Arrow).
        now_us: The shop's clock.
        format: One of ``ITEM_FORMATS``; told from the file's ending and columns if None.
        mapping: Column of the source -> field; ``'EUR'`` in quotes gives every row that value.
        currency: The shop's, where an item names none.
        vector_size: Numbers of a vector; if not given, all of the source are as long as the first.
        naive_is_utc: Take instants without an offset as UTC instead of refusing them.
        name: What dead letters call the source; the file's name if None.

    Raises:
        Unreadable: The file is no such file, is torn, or lacks a needed column.
        InvalidField: The format or the mapping is wrong.
    """
    kind = _kind(source, format)
    label = name_of(source, name)
    if kind == "online-retail-ii":
        yield from _online_retail(Path(source))
        return
    rows = _rows(source, kind, label, mapping or {}, now_us=now_us, naive_is_utc=naive_is_utc)
    yield from _batches(rows, ItemDoor(now_us, currency, vector_size), label)


def unused_item_columns(
    source: Any, *, format: str | None = None, mapping: Mapping[str, str] | None = None
) -> list[str]:
    """A sentence for each column of a flat source that no field takes. Raises as ``read_items`` does."""
    kind = _kind(source, format)
    if kind not in ("frame", "csv", "tsv", "parquet"):
        return []
    return unused(header_of(source, kind), mapping or {}, _KNOWN, name_of(source))


def _kind(source: Any, format: str | None) -> str:
    kind = format_of(source, format, ITEM_FORMATS)
    if format is not None or kind not in ("csv", "tsv", "parquet"):
        return kind
    names = header_of(source, kind)
    if is_online_retail(names):
        return "online-retail-ii"
    return "merchant-tsv" if kind != "parquet" and is_merchant(names) else kind


def _online_retail(path: Path) -> Iterator[ItemBatch]:
    cleaned = clean([path])
    for changes in retail_items(cleaned):
        yield ItemBatch(changes, n_rows=len(changes), named=[change.item_id for change in changes])


def _rows(
    source: Any, kind: str, label: str, mapping: Mapping[str, str], *, now_us: int, naive_is_utc: bool
) -> Iterator[_Row]:
    if kind == "merchant-xml":
        return _merchant(read_merchant_xml(Path(source), label), now_us)
    if kind == "merchant-tsv":
        return _merchant(_flat_rows(source, _delimited(source), label, None), now_us)
    if kind == "jsonl":
        return _json_rows(Path(source), label)
    names = renamed(header_of(source, kind), mapping, _KNOWN)
    constants = {target: column[1:-1] for column, target in mapping.items() if is_constant(column)}
    if "item_id" not in names.values():
        raise Unreadable(
            f"{label} has the columns {', '.join(header_of(source, kind))}; expected also item_id. "
            "Map a column of another name, e.g. --map sku=item_id"
        )
    flat = _flat_rows(source, kind, label, names)
    return ((row, _guarded(values, constants, naive_is_utc=naive_is_utc)) for row, values in flat)


def _delimited(source: Any) -> str:
    """How a Merchant feed in text is parted: by tabs, as Google says, unless it is a ``.csv``."""
    suffixes = [suffix.lower() for suffix in Path(source).suffixes]
    return "csv" if ".csv" in suffixes else "tsv"


def _flat_rows(
    source: Any, kind: str, label: str, names: Mapping[str, str] | None
) -> Iterator[tuple[int, Any]]:
    for raw in read_columns(source, kind, label):
        for letter in raw.rejected:
            yield letter.row, InvalidField(letter.field, letter.value, letter.rule)
        used = names if names is not None else {column: column for column in raw.columns}
        columns = {
            target: raw.columns[column].to_pylist()
            for column, target in used.items()
            if column in raw.columns
        }
        for place, row in enumerate(raw.rows.tolist()):
            yield row, {target: values[place] for target, values in columns.items()}


def _json_rows(path: Path, label: str) -> Iterator[_Row]:
    for row, line in read_json_lines(path, label):
        try:
            yield row, decode_line(line)
        except InvalidField as trouble:
            yield row, trouble


def _merchant(rows: Iterable[tuple[int, Any]], now_us: int) -> Iterator[_Row]:
    for row, values in rows:
        try:
            yield row, values if isinstance(values, InvalidField) else item_of(values, now_us=now_us)
        except InvalidField as trouble:
            trouble.add_note(str(values.get("id", "")))  # the id is still named by the feed
            yield row, trouble


def _batches(rows: Iterator[_Row], door: ItemDoor, label: str) -> Iterator[ItemBatch]:
    batch = ItemBatch()
    n_rows = 0
    for row, values in rows:
        n_rows += 1
        batch.named.extend(_named(values))
        try:
            if isinstance(values, InvalidField):
                raise values
            batch.changes.append(put_row(values, door))
        except InvalidField as trouble:
            batch.rejected.extend(dead_letters([Rejection.of(0, trouble)], source=label, first_row=row))
        if n_rows >= BATCH_ITEMS:
            yield ItemBatch(batch.changes, batch.rejected, n_rows, batch.named)
            batch, n_rows = ItemBatch(), 0
    yield ItemBatch(batch.changes, batch.rejected, n_rows, batch.named)


def _named(values: Any) -> list[str]:
    if isinstance(values, InvalidField):
        return [note for note in getattr(values, "__notes__", ()) if note]
    item_id = values.get("item_id") if isinstance(values, Mapping) else None
    return [item_id] if isinstance(item_id, str) else []


def _guarded(
    values: Any, constants: Mapping[str, str], *, naive_is_utc: bool
) -> dict[str, Any] | InvalidField:
    if isinstance(values, InvalidField):
        return values
    try:
        return _item(values | constants, naive_is_utc=naive_is_utc)
    except InvalidField as trouble:
        trouble.add_note(str(_id(values.get("item_id")) or ""))
        return trouble


def _item(values: Mapping[str, Any], *, naive_is_utc: bool) -> dict[str, Any]:
    """A flat row as an item of the wire: texts of a CSV read as what their field is. Raises InvalidField."""
    item: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if name.startswith("attributes."):
            attributes[name.removeprefix("attributes.")] = _plain(value)
        else:
            item[name] = _field(name, value, naive_is_utc=naive_is_utc)
    return item | {"attributes": {**item.get("attributes", {}), **attributes}} if attributes else item


def _field(name: str, value: Any, *, naive_is_utc: bool) -> Any:
    if name in _NUMBERS:
        return _number(name, value)
    if name in WHOLE_RULES:
        number = _number(name, value, WHOLE_RULES[name])
        return int(number) if number == number // 1 else number
    if name in _INSTANTS:
        return _instant(value, naive_is_utc=naive_is_utc)
    if name in _LISTS and isinstance(value, str):
        return [word.strip() for word in value.replace("|", ",").split(",") if word.strip()]
    if name == "vector" and isinstance(value, str):
        return [_number(name, number, VECTOR_RULE) for number in value.strip("[] ").replace(",", " ").split()]
    if name == "hidden" and isinstance(value, (str, int)):
        return _truth(name, value)
    if name in ("item_id", "group_id", "sku"):
        return _id(value)
    return value.strip() if isinstance(value, str) else _plain(value)


def _number(name: str, value: Any, rule: str = POINT_RULE) -> float:
    try:
        number = float(value) if "_" not in str(value) else None
    except (TypeError, ValueError):
        number = None
    if number is None or number - number != 0:
        raise InvalidField(name, value, rule)
    return number


def _truth(name: str, value: Any) -> bool:
    said = str(value).strip().lower()
    if said not in _TRUE + _FALSE:
        raise InvalidField(name, value, "true or false")
    return said in _TRUE


def _instant(value: Any, *, naive_is_utc: bool) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return value
    if isinstance(value, datetime) and value.tzinfo is None and naive_is_utc:
        return value.replace(tzinfo=UTC)
    return value


def _id(value: Any) -> Any:
    """Whole numbers are ids too, whatever held them."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.strip() if isinstance(value, str) else str(value) if isinstance(value, int) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value
