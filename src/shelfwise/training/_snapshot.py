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
    """All people as one flat column of lines: person *p* owns ``lines[start[p]:start[p + 1]]``, newest first.

    Lines of a visitor belong to the user that the visitor turned out to be, but nobody knew before they signed in: at
    instants before ``known_us`` a line is one of ``visitor``, a person beyond the others.
    """

    key: tuple[str, ...]  # (U,) person keys
    start: NDArray[np.int64]  # (U + 1,)
    lines: NDArray[np.void]  # (N,) of dtype LINE
    known_us: NDArray[np.int64]  # (N,) since when a line is known to be its person's
    visitor: NDArray[np.int32]  # (N,) the visitor that it was of before; -1: it always was its person's
    country: Countries
    n_items: int

    def __len__(self) -> int:
        return len(self.key)

    @property
    def owner(self) -> NDArray[np.int32]:
        """Person of each line, ``(N,)``."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.start))

    def person(self, row: int, *, before_us: int) -> PersonState:
        """One person as known strictly before an instant."""
        own = slice(int(self.start[row]), int(self.start[row + 1]))
        lines = self.lines[own]
        past = len(lines) - int(np.searchsorted(lines["at_us"][::-1], before_us))
        known = lines[past:][self.known_us[own][past:] < before_us]
        first_seen_us = int(known["at_us"][-1]) if len(known) else None
        return PersonState(known[:MAX_HISTORY], first_seen_us, self.country.of(row, before_us=before_us))

    def bought_by(self, row: int, *, before_us: int) -> NDArray[np.int32]:
        """Item rows that a person bought strictly before an instant, each once, rising."""
        own = slice(int(self.start[row]), int(self.start[row + 1]))
        lines = self.lines[own]
        bought = (self.known_us[own] < before_us) & (lines["event"] == PURCHASE) & (lines["item"] >= 0)
        return np.unique(lines["item"][bought])

    def interactions(self, *, before_us: int) -> Interactions:
        """All lines with an item strictly before an instant, as columns; whoever signs in later is a visitor yet."""
        kept = (self.lines["at_us"] < before_us) & (self.lines["item"] >= 0)
        lines, user = self.lines[kept], self.owner[kept]
        waiting = self.known_us[kept] >= before_us
        strangers, number = np.unique(self.visitor[kept][waiting], return_inverse=True)
        user[waiting] = len(self) + number
        return Interactions(
            user=user,
            item=np.ascontiguousarray(lines["item"]),
            at_us=np.ascontiguousarray(lines["at_us"]),
            event=np.ascontiguousarray(lines["event"]),
            order=np.ascontiguousarray(lines["order_hash"]),
            quantity=np.ascontiguousarray(lines["quantity"]),
            price_minor=np.ascontiguousarray(lines["price_minor"]),
            n_users=len(self) + len(strangers),
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


@dataclass(frozen=True, slots=True, eq=False)
class Countries:
    """What countries people named: person *p* those at ``start[p]:start[p + 1]``, the oldest first."""

    start: NDArray[np.int64]  # (U + 1,)
    at_us: NDArray[np.int64]  # (M,) when it was named
    known_us: NDArray[np.int64]  # (M,) since when it is known that they did
    name: tuple[str, ...]  # (M,)

    def of(self, row: int, *, before_us: int) -> str | None:
        """The newest that a person had named before an instant."""
        for place in range(int(self.start[row + 1]) - 1, int(self.start[row]) - 1, -1):
            if self.known_us[place] < before_us:
                return self.name[place]
        return None


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
    key = tuple(
        person for (person,) in engine.execute("SELECT person FROM people ORDER BY number").fetchall()
    )
    return Snapshot(
        key=key,
        start=_starts(rows["number"], len(key)),
        lines=lines,
        known_us=rows["known_us"].astype(np.int64),
        visitor=rows["visitor"].astype(np.int32),
        country=_countries(engine, len(key)),
        n_items=n_items,
    )


def _countries(engine: duckdb.DuckDBPyConnection, n_people: int) -> Countries:
    named = engine.execute(_NAMED).fetchnumpy()
    return Countries(
        start=_starts(named["number"], n_people),
        at_us=named["at_us"],
        known_us=named["known_us"],
        name=tuple(named["country"].tolist()),
    )


def _starts(number: NDArray[np.int64], n_people: int) -> NDArray[np.int64]:
    """Where the rows of each person begin, and where the last end, ``(n_people + 1,)``. ``number`` is rising."""
    return np.searchsorted(number, np.arange(n_people + 1)).astype(np.int64)


_KNOWN = """
CREATE TEMP TABLE known AS
WITH told AS (
  SELECT * FROM read_parquet($1, union_by_name = true) WHERE NOT bot AND list_contains($2, origin)
), linked AS (
  SELECT anonymous_id, MIN_BY(user_id, (occurred_us, user_id)) AS user_id, MIN(occurred_us) AS linked_us,
    ROW_NUMBER() OVER (ORDER BY anonymous_id) - 1 AS visitor
  FROM told WHERE anonymous_id IS NOT NULL AND user_id IS NOT NULL GROUP BY anonymous_id
)
SELECT COALESCE('u:' || told.user_id, 'u:' || linked.user_id, told.person) AS person, occurred_us AS at_us,
  GREATEST(occurred_us, COALESCE(linked_us, occurred_us)) AS known_us, COALESCE(visitor, -1) AS visitor,
  event_hash, order_hash, price_minor, item_row AS item, quantity, line, event_code AS event, device_code AS device,
  country
FROM told LEFT JOIN linked ON told.user_id IS NULL AND told.anonymous_id = linked.anonymous_id
"""

_PEOPLE = """
CREATE TEMP TABLE people AS
SELECT person, ROW_NUMBER() OVER (ORDER BY person) - 1 AS number FROM known GROUP BY person
"""

_LINES = """
SELECT number, at_us, known_us, visitor, event_hash, order_hash, price_minor, item, quantity, line, event, device
FROM known JOIN people USING (person)
ORDER BY number, at_us DESC, event_hash DESC, line DESC
"""

# Of each person, and of each visitor that they were, only what differs from what was named before.
_NAMED = """
WITH named AS (
  SELECT number, at_us, known_us, country, event_hash,
    LAG(country) OVER (PARTITION BY number, visitor ORDER BY at_us, event_hash) AS country_before
  FROM known JOIN people USING (person) WHERE country IS NOT NULL
)
SELECT number, at_us, known_us, country FROM named WHERE country IS DISTINCT FROM country_before
ORDER BY number, at_us, event_hash
"""
