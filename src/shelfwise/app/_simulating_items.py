"""The shop's catalogue as the truth of a simulated world, and what happens to its items told to the shop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import PURCHASE, Coded, InvalidInput, Item, LiveItems, Shelf, to_decimal
from shelfwise.features import DuckDB, DuckDBSettings
from shelfwise.simulation import ItemTruth, Purchases, complements_of, seasons_of
from shelfwise.stores import ItemChange

BATCH = 500
_COUNTED = "item__purchase__count__90d"
_PRICELESS = 1_000  # smallest units, where no item at all has a price
_BOUGHT = f"""
SELECT hash(person) >> 1 AS person, order_hash AS "order", item_row AS item, occurred_us AS at_us FROM event_lines
WHERE event_code = {PURCHASE} AND origin = 'real' AND NOT bot AND item_row >= 0
"""  # noqa: S608 - a number


@dataclass(frozen=True, slots=True, eq=False)
class Wares:
    """Items of a world with the names that the shop knows them by."""

    truth: ItemTruth
    item_ids: tuple[str, ...]
    categories: tuple[str, ...]  # by category code


def wares_of(shelf: Shelf, live: LiveItems, history: Purchases | None, *, seed: int) -> Wares:
    """The shop's items that are on sale: category, brand, group and price as they are, the rest made up by the seed.

    What is bought together, and what has a season, is as its real orders show. Hidden items are never listed; those
    that sold of late are listed most. Raises InvalidInput for an empty shop.
    """
    size = len(shelf)
    if size == 0:
        raise InvalidInput(
            "the shop has 0 items; expected some (shelfwise import items, or --items N for made-up ones)"
        )
    category, names = _codes(shelf.coded.get("category"), size)
    known: dict[str, NDArray[Any]] = {"stock": live.stock[:size].copy()}
    for name, column in (("brand", "brand"), ("group", "group_id")):
        if column in shelf.coded:
            known[name] = _own_where_absent(shelf.coded[column].codes)
    price = _prices(live.price_minor[:size])
    known["reference_minor"] = price
    known |= _structure(history, size)
    truth = ItemTruth.of(
        category=category, price_minor=price, popularity=_popularity(live, size), seed=seed, **known
    )
    return Wares(truth, shelf.item_id, names)


def history_of(files: Sequence[str]) -> Purchases | None:
    """Real order lines of the lake's ``event_lines``; None where there is none."""
    if not files:
        return None
    with DuckDB(DuckDBSettings()) as engine:
        engine.read("event_lines", files)
        lines = engine.run(_BOUGHT)
    columns = {name: lines[name].to_numpy().astype(np.int64) for name in lines.column_names}
    return Purchases(**columns) if len(lines) else None


def made_up(n_items: int, *, start_us: int, seed: int) -> Wares:
    """A synthetic catalogue, each item on sale from before the start."""
    truth = ItemTruth.synthetic(n_items, start_us=start_us, new_per_year=0.0, seed=seed)
    width = len(str(n_items - 1))
    item_ids = tuple(f"item-{row:0{width}}" for row in range(n_items))
    categories = tuple(f"Aisle {code + 1}" for code in range(int(truth.category.max()) + 1))
    return Wares(truth, item_ids, categories)


def puts(wares: Wares, *, currency: str, at_us: int) -> Iterator[list[ItemChange]]:
    """The items of a synthetic catalogue, as changes that put them."""
    changes = [
        ItemChange(action="put", item_id=one.item_id, at_us=at_us, item=one) for one in items(wares, currency)
    ]
    for start in range(0, len(changes), BATCH):
        yield changes[start : start + BATCH]


def items(wares: Wares, currency: str) -> list[Item]:
    """The items of a synthetic catalogue as the shop's feed would tell them."""
    truth = wares.truth
    columns = (truth.category, truth.brand, truth.group, truth.price_minor, truth.cost_minor, truth.stock)
    rows = zip(wares.item_ids, *(column.tolist() for column in columns), strict=True)
    return [
        Item(
            item_id=item_id,
            title=f"{wares.categories[category]}, product {group}, {item_id}",
            category=(wares.categories[category],),
            brand=f"Brand {brand}",
            group_id=f"product-{group}",
            price_minor=price,
            cost_minor=cost,
            stock=stock if stock >= 0 else None,
            currency=currency,
        )
        for item_id, category, brand, group, price, cost, stock in rows
    ]


def feed(wares: Wares, currency: str) -> Iterator[dict[str, Any]]:
    """The same as rows of an items file."""
    for item in items(wares, currency):
        yield {
            "item_id": item.item_id,
            "title": item.title,
            "category": list(item.category),
            "brand": item.brand,
            "group_id": item.group_id,
            "price": to_decimal(item.price_minor or 0, currency),
            "cost": to_decimal(item.cost_minor or 0, currency),
            "currency": currency,
            "stock": item.stock,
        }


def changes_between(
    before: ItemTruth, after: ItemTruth, item_ids: Sequence[str], *, at_us: int, shift_us: int
) -> list[ItemChange]:
    """What the shop must be told when an act begins: prices, stock, and births that are still to come."""
    columns: dict[str, tuple[str, Callable[[int], int | None]]] = {
        "price_minor": ("price_minor", lambda price: price),
        "stock": ("stock", lambda pieces: pieces if pieces >= 0 else None),
        "available_from_us": ("born_us", lambda born_us: born_us + shift_us),
    }
    told: dict[int, dict[str, Any]] = {}
    for name, (column, told_of) in columns.items():
        old, new = getattr(before, column), getattr(after, column)
        for row in np.flatnonzero(old != new).tolist():
            told.setdefault(row, {})[name] = told_of(int(new[row]))
    return [
        ItemChange(action="patch", item_id=item_ids[row], at_us=at_us, fields=values)
        for row, values in sorted(told.items())
    ]


def _structure(history: Purchases | None, size: int) -> dict[str, NDArray[Any]]:
    """What real orders tell of the items; nothing where there is none."""
    if history is None:
        return {}
    seasons = seasons_of(history, size)
    return {"complements": complements_of(history, size)} | ({} if seasons is None else {"season": seasons})


def _codes(coded: Coded | None, size: int) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """The widest category of each item from 0, and the names; what has none is in one of its own."""
    if coded is None:
        return np.zeros(size, np.int32), ("everything",)
    widest = [path[0] if path else "" for path in coded.values] + [""]
    names = tuple(dict.fromkeys(widest))
    place = {name: code for code, name in enumerate(names)}
    lookup = np.array([place[name] for name in widest], np.int32)
    return lookup[coded.codes], tuple(name or "everything else" for name in names)


def _own_where_absent(codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Codes in which what is absent is a thing of its own."""
    own = int(codes.max(initial=-1)) + 1 + np.arange(len(codes))
    return np.where(codes >= 0, codes, own).astype(np.int32)


def _prices(price_minor: NDArray[np.int64]) -> NDArray[np.int64]:
    """Prices, the median where there is none."""
    known = price_minor[price_minor > 0]
    usual = int(np.median(known)) if len(known) else _PRICELESS
    return np.where(price_minor > 0, price_minor, usual).astype(np.int64)


def _popularity(live: LiveItems, size: int) -> NDArray[np.float64] | None:
    """As what sold of late, every item a little; hidden ones not at all. None where nothing ever sold."""
    sold = live.counters[_COUNTED][:size].astype(np.float64) if _COUNTED in live.counters else np.zeros(size)
    if not sold.any():
        return None
    weight: NDArray[np.float64] = np.where(live.hidden[:size] != 0, 0.0, sold + 1.0)
    return weight if weight.any() else None
