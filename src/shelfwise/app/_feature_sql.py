"""The SQL of a feature as a person wants to read it: the whole query, from the tables that are there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from shelfwise import features

_COLUMN = re.compile(r"\b[a-z]+(?:_[a-z]+)*__\w+")  # columns of views; inputs have no "__"
_JOINED = re.compile(r"\nLEFT JOIN (\w+)")


def feature_document(name: str) -> dict[str, Any]:
    """One feature, with the whole query that computes it in ``sql``. Raises UnknownName."""
    told = features.feature_document(name)
    return {**told, "sql": whole_query(name, told["sql"]) if told["sql"] else None}


def whole_query(name: str, expression: str) -> str:
    """The expression of a feature, below the views that its columns come from.

    Reads asked, event_lines, items, fitted and calendar.
    """
    columns = set(_COLUMN.findall(expression))
    made = [view for view in features.VIEWS[:-1] if columns & set(_COLUMN.findall(view.query))]
    wide = _narrowed(features.VIEWS[-1].query, columns, {view.name for view in made})
    named = {view.name for view in made} | {"asks"} | set(_JOINED.findall(wide))
    for view in reversed(features.VIEWS):
        named |= set(view.needs) if view.name in named else set()
    parts = [(view.name, view.query) for view in features.VIEWS if view.name in named]
    parts.append(("wide", wide))
    texts = ",\n".join(f"{part} AS (\n{query}\n)" for part, query in parts)
    return f"WITH {texts}\nSELECT row_number_asked, {expression} AS {name}\nFROM wide"


def _narrowed(query: str, columns: set[str], tables: set[str]) -> str:
    """The view of all columns, with these columns and the joins that they need."""
    selected, joins = query.split("\nFROM ")
    key, *rest = selected.split(",\n  ")
    kept = [line for line in rest if line.rpartition(" AS ")[2].rpartition(".")[2] in columns]
    first, *others = joins.split("\nLEFT JOIN ")
    used = [join for join in others if _is_used(join, tables, kept)]
    # A join may read another one.
    used = [join for join in others if join in used or _is_used(join, set(), used)]
    return "\nLEFT JOIN ".join([",\n  ".join([key, *kept]) + f"\nFROM {first}", *used])


def _is_used(join: str, tables: set[str], readers: Sequence[str]) -> bool:
    table, alias = join.split()[:2]
    return table in tables or any(re.search(rf"\b{alias}\.", reader) for reader in readers)
