"""Products out of invoice lines: the best title, the price of late, a category and colour by the title's words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shelfwise.domain import DAY_US, Item
from shelfwise.ingestion.online_retail._clean import Cleaned
from shelfwise.ingestion.online_retail._events import CURRENCY
from shelfwise.stores import ItemChange

BATCH = 500
PRICE_DAYS = 30  # the price is the median of the last days in which the item sold

OTHER = "Home Decor"
COLORS = (
    "WHITE", "BLACK", "RED", "PINK", "BLUE", "GREEN", "YELLOW", "PURPLE", "ORANGE", "SILVER", "GOLD", "IVORY", "CREAM",
    "BROWN", "GREY", "TURQUOISE", "CLEAR", "MINT", "AMBER", "AMETHYST",
)  # fmt: skip
_COLOR = re.compile(rf"\b({'|'.join(COLORS)})\b")
_SMALL = {"of", "and", "with", "in", "the", "for", "to", "a", "on", "or", "at", "by", "from"}
_CAPITALS = {"diy", "uk", "usa", "bbq", "dvd", "cd", "led", "tv", "usb", "xl", "ii", "iii"}
_UNITS = {"pc", "pcs", "cm", "mm", "ml", "dia", "doz", "pk"}
_SPELT_OUT = dict.fromkeys(("ass", "asst", "asstd", "assrtd", "assort"), "Assorted")
_WORD = re.compile(r"(?<![A-Za-z'’])[A-Za-z]+")
_SIZE = re.compile(r"\b(SMALL|MEDIUM|LARGE|MINI|XL|\d+ ?CM|\d+)\b")
_VARIANT = re.compile(r"^(\d{5})([A-Z]+)$")


def retail_items(cleaned: Cleaned) -> Iterator[list[ItemChange]]:
    """Every product that was ever sold, as of the last line, in the order of first sale."""
    lines = cleaned.lines.filter(pc.invert(cleaned.lines["refund"]))
    first, price = _first_sale(lines), _late_price(lines)
    titles = _titles(lines)
    groups = groups_of(titles)
    batch: list[ItemChange] = []
    for item_id in first:
        raw = titles.get(item_id, "")
        item = Item(
            item_id=item_id,
            title=written(raw) or item_id,
            category=(category_of(raw),),
            price_minor=price[item_id],
            currency=CURRENCY,
            group_id=groups.get(item_id),
            attributes=_attributes(raw),
        )
        batch.append(ItemChange(action="put", item_id=item_id, at_us=first[item_id], item=item))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def category_of(title: str) -> str:
    """The first category of ``data/categories.txt`` one of whose words stands in the title.

    The data names no categories; these are derived, so that pages and rules have something to hold on to.
    """
    return next((name for name, pattern in _patterns() if pattern.search(title)), OTHER)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    text = Path(__file__).with_name("data").joinpath("categories.txt").read_text()
    rows = [line.split(": ", 1) for line in text.splitlines() if not line.startswith("#")]
    return tuple((name, re.compile(words.replace(" | ", "|"))) for name, words in rows)


def written(title: str) -> str:
    """``WHITE HANGING HEART T-LIGHT HOLDER`` as people write it."""
    words = " ".join(title.lower().split()).strip(" ,.")
    return _WORD.sub(lambda found: _as_written(found[0], words[: found.start()]), words)


def _as_written(word: str, before: str) -> str:
    """A word of a title in its letters; ``before`` is what stands before it."""
    if before[-1:].isdigit():  # 30cm, 3D, but 5th
        return word.upper() if word == "d" else word
    if word in _CAPITALS:
        return word.upper()
    if word in _SPELT_OUT:
        return _SPELT_OUT[word]
    small = word in _UNITS or (word in _SMALL and before.endswith(" "))
    return word if small else word.capitalize()


def groups_of(titles: Mapping[str, str]) -> dict[str, str]:
    """Item -> group, for codes that differ by their letters and titles that differ by colour or size alone."""
    families: dict[tuple[str, str], list[str]] = {}
    for item_id, title in titles.items():
        found = _VARIANT.match(item_id)
        if found and title:
            families.setdefault((found.group(1), _bare(title)), []).append(item_id)
    return {
        item_id: base for (base, _), members in families.items() if len(members) > 1 for item_id in members
    }


def _bare(title: str) -> str:
    """A title without the words that tell variants apart."""
    return " ".join(_SIZE.sub(" ", _COLOR.sub(" ", title)).split())


def _attributes(title: str) -> dict[str, str]:
    found = _COLOR.search(title)
    return {"color": found.group(1).lower()} if found else {}


def _titles(lines: pa.Table) -> dict[str, str]:
    """The description most often written for each item."""
    counted = lines.group_by(["item_id", "title"]).aggregate([("quantity", "count")])
    best: dict[str, Counter[str]] = {}
    columns = (
        counted["item_id"].to_pylist(),
        counted["title"].to_pylist(),
        counted["quantity_count"].to_pylist(),
    )
    for item_id, title, count in zip(*columns, strict=True):
        if title:
            best.setdefault(item_id, Counter())[" ".join(title.split())] += count
    return {item_id: max(sorted(titles), key=titles.__getitem__) for item_id, titles in best.items()}


def _first_sale(lines: pa.Table) -> dict[str, int]:
    found = (
        lines.group_by("item_id")
        .aggregate([("at_us", "min")])
        .sort_by([("at_us_min", "ascending"), ("item_id", "ascending")])
    )
    return dict(zip(found["item_id"].to_pylist(), found["at_us_min"].to_pylist(), strict=True))


def _late_price(lines: pa.Table) -> dict[str, int]:
    """Median price over the last days in which each item sold."""
    item = lines["item_id"].combine_chunks().dictionary_encode()
    code: NDArray[np.int64] = item.indices.to_numpy().astype(np.int64)
    at_us, price = lines["at_us"].to_numpy(), lines["price_minor"].to_numpy()
    last = np.zeros(len(item.dictionary), np.int64)
    np.maximum.at(last, code, at_us)
    late = at_us > last[code] - PRICE_DAYS * DAY_US
    order = np.lexsort((price[late], code[late]))
    codes, prices = code[late][order], price[late][order]
    found, start, count = np.unique(codes, return_index=True, return_counts=True)
    middle = prices[start + (count - 1) // 2]
    names = item.dictionary.to_pylist()
    return {names[c]: int(p) for c, p in zip(found.tolist(), middle.tolist(), strict=True)}
