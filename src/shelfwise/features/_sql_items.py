"""The SQL of items: from events to the base columns of every item as of each instant asked for."""

# ruff: noqa: S608 - texts are made of names and numbers in this package; nothing a caller says enters them

from __future__ import annotations

from shelfwise.domain import DAY_US, PURCHASE, REFUND, VIEW, grain_us
from shelfwise.features._buckets import ENDS, FADE_REACH, FADE_UNIT, FIRST_REACH, How, shop_name
from shelfwise.features._features import COUNTER_NAMES, ITEM_COUNTS, ITEM_FADES
from shelfwise.features._sql import (
    LINE_DAYS,
    View,
    bounds_of,
    code,
    instants,
    listed,
    milli_log,
    total,
    when,
    windows,
)

HOW_COLUMN: dict[How, str] = {
    "count": "line_count", "quantity": "quantity", "log_quantity": "log_quantity", "log_price": "log_price",
    "actors": "actor", "first_buyers": "first_buyer",
}  # fmt: skip

_SAME = "PARTITION BY person, item_row, event_code ORDER BY occurred_us, event_hash, line"

# Only people with more lines than are looked back over need places: of all others each purchase before counts.
HEAVY = View("heavy", ("event_lines",), f"""SELECT person FROM event_lines
GROUP BY person HAVING COUNT(*) > {FIRST_REACH}""")  # fmt: skip

MARKED = View("marked", ("event_lines", "heavy"), f"""WITH placed AS (
  SELECT e.person, e.item_row, e.event_code, e.occurred_us, e.event_hash, e.line, e.quantity, e.price_minor,
    CAST(ROW_NUMBER() OVER (PARTITION BY e.person ORDER BY e.occurred_us, e.event_hash, e.line) AS BIGINT) AS place
  FROM event_lines e JOIN heavy v ON v.person = e.person
  UNION ALL
  SELECT e.person, e.item_row, e.event_code, e.occurred_us, e.event_hash, e.line, e.quantity, e.price_minor,
    CAST(0 AS BIGINT) AS place
  FROM event_lines e LEFT JOIN heavy v ON v.person = e.person WHERE v.person IS NULL
), followed AS (
  SELECT item_row, event_code, occurred_us, quantity, price_minor, place,
    LAG(place) OVER ({_SAME}) AS place_before, LAG(occurred_us) OVER ({_SAME}) AS us_before
  FROM placed WHERE item_row >= 0 AND event_code BETWEEN {VIEW} AND {REFUND}
)
SELECT item_row, event_code, occurred_us, CAST(1 AS BIGINT) AS line_count, quantity,
  {milli_log("quantity")} AS log_quantity,
  {milli_log("price_minor")} AS log_price,
  LEAST(price_minor, {2**31 - 1}) AS price_minor,
  {when(f"us_before IS NULL OR us_before < occurred_us - occurred_us % {DAY_US}")} AS actor,
  {when(f"event_code = {PURCHASE} AND (us_before IS NULL OR place - place_before > {FIRST_REACH})")} AS first_buyer
FROM followed""")  # fmt: skip

ITEM_DAYS = View("item_days", ("marked",), f"""SELECT item_row, event_code,
  occurred_us - occurred_us % {DAY_US} AS day_us,
  {listed(f"{total(column)} AS {column}" for column in HOW_COLUMN.values())},
  MIN(occurred_us) AS first_us, MAX(occurred_us) AS last_us
FROM marked GROUP BY item_row, event_code, occurred_us - occurred_us % {DAY_US}""")  # fmt: skip


def _item_counts() -> View:
    """Sums between neighbouring bounds of windows first, then windows of those: far fewer rows meet the many sums."""
    columns = HOW_COLUMN.values()
    summed = listed(f"{total('p.' + column)} AS {column}" for column in columns)
    sums = []
    for one in ITEM_COUNTS:
        start, end = bounds_of(one.width_us, one.lag_us)
        inside = f"t.event_code = {code(one.event)} AND t.since_us >= i.{start}"
        inside += f" AND t.since_us < i.{end}" if one.lag_us else ""
        sums.append(f"{total(when(inside, 't.' + HOW_COLUMN[one.how]))} AS {one.name}")
    query = f"""WITH parts AS (
  SELECT i.as_of_us, d.item_row, d.event_code, d.day_us AS at_us, {", ".join(columns)}
  FROM instants i JOIN item_days d ON d.day_us < i.lines_from_us AND d.day_us >= i.{_widest()}
  UNION ALL
  SELECT i.as_of_us, m.item_row, m.event_code, m.occurred_us AS at_us, {", ".join(columns)}
  FROM instants i JOIN marked m ON m.occurred_us >= i.lines_from_us AND m.occurred_us < i.as_of_us
), between_bounds AS (
  SELECT p.as_of_us, p.item_row, p.event_code, CASE {_since()} END AS since_us,
  {summed}
  FROM parts p JOIN instants i ON i.as_of_us = p.as_of_us
  GROUP BY p.as_of_us, p.item_row, p.event_code, CASE {_since()} END
)
SELECT t.as_of_us, t.item_row,
  {listed(sums)}
FROM between_bounds t JOIN instants i ON i.as_of_us = t.as_of_us
GROUP BY t.as_of_us, t.item_row"""
    return View("item_counts", ("instants", "item_days", "marked"), query)


def _since() -> str:
    """The newest bound of any window at or before an instant: all of a kind between two bounds can be summed."""
    bounds = {}
    for width_us, lag_us in windows():
        start, end = bounds_of(width_us, lag_us)
        bounds[width_us + lag_us, 0 if grain_us(width_us) < DAY_US else 1, start] = start
        if lag_us:
            bounds[lag_us, 1, end] = end
    return " ".join(f"WHEN p.at_us >= i.{bounds[key]} THEN i.{bounds[key]}" for key in sorted(bounds))


def _widest() -> str:
    width_us, lag_us = max(windows(), key=sum)
    return bounds_of(width_us, lag_us)[0]


ITEM_ENDS = View("item_ends", ("instants", "item_days", "marked"), f"""WITH parts AS (
  SELECT i.as_of_us, d.item_row, d.event_code, d.first_us, d.last_us
  FROM instants i JOIN item_days d ON d.day_us < i.lines_from_us
  UNION ALL
  SELECT i.as_of_us, m.item_row, m.event_code, m.occurred_us AS first_us, m.occurred_us AS last_us
  FROM instants i JOIN marked m ON m.occurred_us >= i.lines_from_us AND m.occurred_us < i.as_of_us
), ends AS (
  SELECT as_of_us, item_row, MIN(first_us) AS first_us,
    MAX(CASE WHEN event_code = {PURCHASE} THEN last_us END) AS last_us
  FROM parts GROUP BY as_of_us, item_row
), prices AS (
  SELECT item_row, occurred_us, MAX(price_minor) AS price_minor
  FROM marked WHERE event_code = {PURCHASE} GROUP BY item_row, occurred_us
)
SELECT e.as_of_us, e.item_row, e.first_us AS {ENDS[0]}, e.last_us AS {ENDS[1]}, p.price_minor AS {ENDS[2]}
FROM ends e LEFT JOIN prices p ON p.item_row = e.item_row AND p.occurred_us = e.last_us""")  # fmt: skip


def _item_fades() -> View:
    """Whole days by their age, today as far as it has come. Weights are whole numbers, the same on every engine."""
    oldest = max(FADE_REACH * one.half_life_days for one in ITEM_FADES)
    sums = []
    for one in ITEM_FADES:
        weighed = f"p.{HOW_COLUMN[one.how]} * {_weight(one.half_life_days)}"
        inside = f"p.event_code = {code(one.event)} AND p.age < {FADE_REACH * one.half_life_days}"
        sums.append(f"{total(when(inside, weighed))} AS {one.name}")
    columns = ", ".join(dict.fromkeys(HOW_COLUMN[one.how] for one in ITEM_FADES))
    query = f"""WITH parts AS (
  SELECT i.as_of_us, i.lines_from_us, d.item_row, d.event_code, d.day_us, {columns}
  FROM instants i JOIN item_days d
    ON d.day_us < i.lines_from_us AND d.day_us > i.lines_from_us - {(oldest - LINE_DAYS) * DAY_US}
  UNION ALL
  SELECT i.as_of_us, i.lines_from_us, m.item_row, m.event_code,
    m.occurred_us - m.occurred_us % {DAY_US} AS day_us, {columns}
  FROM instants i JOIN marked m ON m.occurred_us >= i.lines_from_us AND m.occurred_us < i.as_of_us
), aged AS (
  SELECT as_of_us, item_row, event_code, {columns}, CAST(FLOOR(
      CAST(lines_from_us - day_us AS DOUBLE) / CAST({DAY_US} AS DOUBLE)
    ) AS BIGINT) + {LINE_DAYS} AS age
  FROM parts
)
SELECT p.as_of_us, p.item_row,
  {listed(sums)}
FROM aged p GROUP BY p.as_of_us, p.item_row"""
    return View("item_fades", ("instants", "item_days", "marked"), query)


def _weight(half_life: int) -> str:
    power = f"POWER(CAST(0.5 AS DOUBLE), CAST(p.age AS DOUBLE) / CAST({half_life} AS DOUBLE))"
    return f"CAST(FLOOR({power} * {FADE_UNIT} + CAST(0.5 AS DOUBLE)) AS BIGINT)"


def _items_at() -> View:
    counts = [f"COALESCE(c.{one.name}, 0) AS {one.name}" for one in ITEM_COUNTS]
    fades = [f"COALESCE(f.{one.name}, 0) AS {one.name}" for one in ITEM_FADES]
    query = f"""SELECT e.as_of_us, e.item_row,
  {listed([*(f"e.{end}" for end in ENDS), *counts, *fades])}
FROM item_ends e LEFT JOIN item_counts c ON c.as_of_us = e.as_of_us AND c.item_row = e.item_row
LEFT JOIN item_fades f ON f.as_of_us = e.as_of_us AND f.item_row = e.item_row"""
    return View("items_at", ("item_ends", "item_counts", "item_fades"), query)


def _shop_at() -> View:
    sums = [f"{total(name)} AS {shop_name(name)}" for name in COUNTER_NAMES]
    query = f"SELECT as_of_us,\n  {listed(sums)}\nFROM items_at GROUP BY as_of_us"
    return View("shop_at", ("items_at",), query)


ITEM_VIEWS = (
    instants(),
    HEAVY,
    MARKED,
    ITEM_DAYS,
    _item_counts(),
    ITEM_ENDS,
    _item_fades(),
    _items_at(),
    _shop_at(),
)
"""From events to the base columns of items as of each instant asked for."""
