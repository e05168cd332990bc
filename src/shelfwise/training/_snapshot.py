"""History as it was known at any instant: the lake's event lines, sorted by person, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import LINE, MAX_HISTORY, PURCHASE, Interactions, NotTrained, PersonState


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All people as one flat column of lines: person *p* owns ``lines[start[p]:start[p + 1]]``, newest first."""

    key: tuple[str, ...]  # (U,) person keys
    start: NDArray[np.int64]  # (U + 1,)
    lines: NDArray[np.void]  # (N,) of dtype LINE
    country: tuple[str | None, ...]  # (U,) the newest one named
    n_items: int

    def __len__(self) -> int:
        return len(self.key)

    @property
    def owner(self) -> NDArray[np.int32]:
        """Person of each line, ``(N,)``."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.start))

    def person(self, row: int, *, before_us: int) -> PersonState:
        """One person as known strictly before an instant."""
        own = self.lines[self.start[row] : self.start[row + 1]]
        known = own[len(own) - np.searchsorted(own["at_us"][::-1], before_us) :]
        first_seen_us = int(known["at_us"][-1]) if len(known) else None
        return PersonState(known[:MAX_HISTORY], first_seen_us, self.country[row])

    def bought_by(self, row: int, *, before_us: int) -> NDArray[np.int32]:
        """Item rows that a person bought strictly before an instant, each once, rising."""
        own = self.lines[self.start[row] : self.start[row + 1]]
        bought = (own["at_us"] < before_us) & (own["event"] == PURCHASE) & (own["item"] >= 0)
        return np.unique(own["item"][bought])

    def interactions(self, *, before_us: int) -> Interactions:
        """All lines with an item strictly before an instant, as columns."""
        kept = (self.lines["at_us"] < before_us) & (self.lines["item"] >= 0)
        lines = self.lines[kept]
        return Interactions(
            user=self.owner[kept],
            item=np.ascontiguousarray(lines["item"]),
            at_us=np.ascontiguousarray(lines["at_us"]),
            event=np.ascontiguousarray(lines["event"]),
            order=np.ascontiguousarray(lines["order_hash"]),
            quantity=np.ascontiguousarray(lines["quantity"]),
            price_minor=np.ascontiguousarray(lines["price_minor"]),
            n_users=len(self),
            n_items=self.n_items,
        )

    def buyers(self, start_us: int, end_us: int) -> dict[int, NDArray[np.int32]]:
        """Who bought what in ``[start, end)``: person row -> item rows, each once."""
        at, event, item = self.lines["at_us"], self.lines["event"], self.lines["item"]
        bought = (at >= start_us) & (at < end_us) & (event == PURCHASE) & (item >= 0)
        pairs = np.unique(self.owner[bought].astype(np.int64) * self.n_items + item[bought])
        people, first = np.unique(pairs // self.n_items, return_index=True)
        baskets = np.split((pairs % self.n_items).astype(np.int32), first[1:])
        return {int(person): basket for person, basket in zip(people, baskets, strict=True)}


def take_snapshot(
    files: Sequence[str], *, n_items: int, origins: Sequence[str], memory_mb: int, threads: int
) -> Snapshot:
    """Read the lake's ``event_lines``. Bots are left out; anonymous visitors who turned out to be users join them.

    Raises NotTrained if there is nothing to learn from.
    """
    if not files:
        raise NotTrained("the lake has no events; import some, or wait for the first")
    engine = duckdb.connect()
    engine.execute(f"SET memory_limit='{memory_mb}MB'; SET threads={threads or 2}; SET TimeZone='UTC'")
    engine.execute(_KNOWN, [list(files), list(origins)])
    engine.execute(_PEOPLE)
    rows = engine.execute(_LINES).fetchnumpy()
    if len(rows["at_us"]) == 0:
        raise NotTrained(
            f"the lake has no events of origin {', '.join(origins)}; expected some to learn from"
        )
    lines = np.empty(len(rows["at_us"]), LINE)
    for name in LINE.names or ():
        lines[name] = rows[name]
    number = rows["number"]
    first = np.flatnonzero(np.diff(number, prepend=-1))
    people = engine.execute("SELECT person, country FROM people ORDER BY number").fetchall()
    return Snapshot(
        key=tuple(person for person, _ in people),
        start=np.append(first, len(lines)).astype(np.int64),
        lines=lines,
        country=tuple(country for _, country in people),
        n_items=n_items,
    )


_KNOWN = """
CREATE TEMP TABLE known AS
WITH told AS (
  SELECT * FROM read_parquet($1, union_by_name = true) WHERE NOT bot AND list_contains($2, origin)
), linked AS (
  SELECT anonymous_id, MIN(user_id) AS user_id FROM told
  WHERE anonymous_id IS NOT NULL AND user_id IS NOT NULL GROUP BY anonymous_id
)
SELECT COALESCE('u:' || told.user_id, 'u:' || linked.user_id, told.person) AS person, occurred_us AS at_us,
  event_hash, order_hash, price_minor, item_row AS item, quantity, line, event_code AS event, device_code AS device,
  country
FROM told LEFT JOIN linked ON told.user_id IS NULL AND told.anonymous_id = linked.anonymous_id
"""

_PEOPLE = """
CREATE TEMP TABLE people AS
SELECT person, ARG_MAX(country, at_us) AS country, ROW_NUMBER() OVER (ORDER BY person) - 1 AS number
FROM known GROUP BY person
"""

_LINES = """
SELECT number, at_us, event_hash, order_hash, price_minor, item, quantity, line, event, device
FROM known JOIN people USING (person)
ORDER BY number, at_us DESC, event_hash DESC, line DESC
"""
