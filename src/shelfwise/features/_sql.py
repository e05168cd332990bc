"""The SQL of all features, in the part of it that DuckDB and Spark read alike. Nothing is translated.

Rules the text keeps to, each because engines were seen to differ: time is BIGINT microseconds in UTC; money is BIGINT
minor units and sums are cast back to BIGINT; every ORDER BY inside a window ends in a unique key; a division is by a
NULLIF or by a constant; no timestamp arithmetic, no as-of join keyword, no arrays, no IGNORE NULLS.
"""

# ruff: noqa: S608 - texts are made of names and numbers in this package; nothing a caller says enters them

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shelfwise.domain import (
    CART,
    DAY_US,
    EVENT_CODES,
    HOUR_US,
    MAX_HISTORY,
    PURCHASE,
    REFUND,
    SESSION_GAP_US,
    VIEW,
    grain_us,
)
from shelfwise.features._counters import ENDS, How, shop_name
from shelfwise.features._declare import Feature
from shelfwise.features._features import DECAYS, ITEM_COUNTS, PAIR_COUNTS, USER_COUNTS


@dataclass(frozen=True, slots=True)
class View:
    """A named table made by one SQL text from tables named before it."""

    name: str
    needs: tuple[str, ...]
    query: str


def when(condition: str, value: str = "1", other: str = "0") -> str:
    """``value`` where the condition holds."""
    return f"CASE WHEN {condition} THEN {value} ELSE {other} END"


def total(expression: str) -> str:
    """A whole sum, 0 over nothing."""
    return f"CAST(COALESCE(SUM({expression}), 0) AS BIGINT)"


def listed(columns: Iterable[str]) -> str:
    return ",\n  ".join(columns)


def _floor(instant: str, width_us: int) -> str:
    """The start of the bucket an instant lies in, for windows of this width."""
    return f"{instant} - ({instant}) % {grain_us(width_us)}"


def _milli_log(column: str) -> str:
    return when(
        f"{column} > 0", f"CAST(FLOOR(LN(CAST({column} AS DOUBLE)) * 1000 + CAST(0.5 AS DOUBLE)) AS BIGINT)"
    )


def _days(instant: str, half_life: int) -> str:
    return f"CAST(as_of_us - {instant} AS DOUBLE) / CAST({half_life * DAY_US} AS DOUBLE)"


def _code(event: str) -> int:
    return EVENT_CODES[event]


_HOW_COLUMN: dict[How, str] = {
    "count": "line_count", "quantity": "quantity", "log_quantity": "log_quantity", "log_price": "log_price",
    "actors": "actor", "first_buyers": "first_buyer",
}  # fmt: skip

# --------------------------------------------------------------- items


def _windows() -> list[tuple[int, int]]:
    widths = [*(one.width_us for one in USER_COUNTS), *(one.width_us for one in PAIR_COUNTS)]
    personal = [(width_us, 0) for width_us in widths if width_us is not None]
    return sorted({*((one.width_us, one.lag_us) for one in ITEM_COUNTS), *personal})


def _bounds(width_us: int, lag_us: int) -> tuple[str, str]:
    return f"from_{width_us}_{lag_us}", f"until_{width_us}_{lag_us}"


def _instants() -> View:
    columns = ["as_of_us", f"as_of_us - as_of_us % {DAY_US} - {2 * DAY_US} AS lines_from_us"]
    for width_us, lag_us in _windows():
        start, end = _bounds(width_us, lag_us)
        columns.append(f"{_floor(f'(as_of_us - {lag_us + width_us})', width_us)} AS {start}")
        columns.append(f"{_floor(f'(as_of_us - {lag_us})', width_us) if lag_us else 'as_of_us'} AS {end}")
    return View(
        "instants",
        ("asked",),
        f"SELECT {listed(columns)}\nFROM (SELECT DISTINCT as_of_us FROM asked) moments",
    )


# Only people with more lines than are remembered need places: for all others each purchase before is remembered.
HEAVY = View("heavy", ("event_lines",), f"""SELECT person FROM event_lines
GROUP BY person HAVING COUNT(*) > {MAX_HISTORY}""")  # fmt: skip

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
    LAG(place) OVER (PARTITION BY person, item_row, event_code ORDER BY occurred_us, event_hash, line) AS place_before,
    LAG(occurred_us) OVER (PARTITION BY person, item_row, event_code ORDER BY occurred_us, event_hash, line) AS us_before
  FROM placed WHERE item_row >= 0 AND event_code BETWEEN {VIEW} AND {REFUND}
)
SELECT item_row, event_code, occurred_us, CAST(1 AS BIGINT) AS line_count, quantity,
  {_milli_log("quantity")} AS log_quantity,
  {_milli_log("price_minor")} AS log_price,
  LEAST(price_minor, {2**31 - 1}) AS price_minor,
  {when(f"us_before IS NULL OR us_before < occurred_us - occurred_us % {DAY_US}")} AS actor,
  {when(f"event_code = {PURCHASE} AND (us_before IS NULL OR place - place_before > {MAX_HISTORY})")} AS first_buyer
FROM followed""")  # fmt: skip

ITEM_DAYS = View("item_days", ("marked",), f"""SELECT item_row, event_code, occurred_us - occurred_us % {DAY_US} AS day_us,
  {listed(f"{total(column)} AS {column}" for column in _HOW_COLUMN.values())},
  MIN(occurred_us) AS first_us, MAX(occurred_us) AS last_us
FROM marked GROUP BY item_row, event_code, occurred_us - occurred_us % {DAY_US}""")  # fmt: skip


def _item_counts() -> View:
    """Sums between neighbouring bounds of windows first, then windows of those: far fewer rows meet the many sums."""
    columns = _HOW_COLUMN.values()
    summed = listed(f"{total('p.' + column)} AS {column}" for column in columns)
    sums = []
    for one in ITEM_COUNTS:
        start, end = _bounds(one.width_us, one.lag_us)
        inside = f"t.event_code = {_code(one.event)} AND t.since_us >= i.{start}"
        inside += f" AND t.since_us < i.{end}" if one.lag_us else ""
        sums.append(f"{total(when(inside, 't.' + _HOW_COLUMN[one.how]))} AS {one.name}")
    query = f"""WITH parts AS (
  SELECT i.as_of_us, d.item_row, d.event_code, d.day_us AS at_us, {", ".join(columns)}
  FROM instants i JOIN item_days d ON d.day_us < i.lines_from_us AND d.day_us >= i.{_widest()}
  UNION ALL
  SELECT i.as_of_us, m.item_row, m.event_code, m.occurred_us AS at_us, {", ".join(columns)}
  FROM instants i JOIN marked m ON m.occurred_us >= i.lines_from_us AND m.occurred_us < i.as_of_us
), between_bounds AS (
  SELECT p.as_of_us, p.item_row, p.event_code, CASE {_since()} END AS since_us,
  {summed}
  FROM parts p JOIN instants i ON i.as_of_us = p.as_of_us GROUP BY p.as_of_us, p.item_row, p.event_code, CASE {_since()} END
)
SELECT t.as_of_us, t.item_row,
  {listed(sums)}
FROM between_bounds t JOIN instants i ON i.as_of_us = t.as_of_us
GROUP BY t.as_of_us, t.item_row"""
    return View("item_counts", ("instants", "item_days", "marked"), query)


def _since() -> str:
    """The newest bound of any window at or before an instant: all of a kind between two bounds can be summed."""
    bounds = {}
    for width_us, lag_us in _windows():
        start, end = _bounds(width_us, lag_us)
        bounds[width_us + lag_us, 0 if grain_us(width_us) < DAY_US else 1, start] = start
        if lag_us:
            bounds[lag_us, 1, end] = end
    return " ".join(f"WHEN p.at_us >= i.{bounds[key]} THEN i.{bounds[key]}" for key in sorted(bounds))


def _widest() -> str:
    width_us, lag_us = max(_windows(), key=sum)
    return _bounds(width_us, lag_us)[0]


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


def _items_at() -> View:
    counts = [f"COALESCE(c.{one.name}, 0) AS {one.name}" for one in ITEM_COUNTS]
    query = f"""SELECT e.as_of_us, e.item_row,
  {listed([*(f"e.{end}" for end in ENDS), *counts])}
FROM item_ends e LEFT JOIN item_counts c ON c.as_of_us = e.as_of_us AND c.item_row = e.item_row"""
    return View("items_at", ("item_ends", "item_counts"), query)


def _shop_at() -> View:
    sums = [f"{total(one.name)} AS {shop_name(one.name)}" for one in ITEM_COUNTS]
    query = f"SELECT as_of_us,\n  {listed(sums)}\nFROM items_at GROUP BY as_of_us"
    return View("shop_at", ("items_at",), query)


ITEM_VIEWS = (_instants(), HEAVY, MARKED, ITEM_DAYS, _item_counts(), ITEM_ENDS, _items_at(), _shop_at())
"""From events to the base columns of items as of each instant asked for."""

# -------------------------------------------------------------- people

ASKS = View("asks", ("asked",), """SELECT person, as_of_us,
  CAST(ROW_NUMBER() OVER (ORDER BY as_of_us, person) AS BIGINT) AS ask
FROM (SELECT DISTINCT person, as_of_us FROM asked) people""")  # fmt: skip

# A known person is also the anonymous visitors that signed in as them before the instant.
ASK_KEYS = View("ask_keys", ("asks", "event_lines"), """WITH links AS (
  SELECT CONCAT('u:', user_id) AS person, CONCAT('a:', anonymous_id) AS alias, MIN(occurred_us) AS linked_us
  FROM event_lines WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL
  GROUP BY CONCAT('u:', user_id), CONCAT('a:', anonymous_id)
)
SELECT ask, as_of_us, person AS alias FROM asks
UNION ALL
SELECT a.ask, a.as_of_us, l.alias FROM asks a JOIN links l ON l.person = a.person AND l.linked_us < a.as_of_us""")  # fmt: skip

HISTORY = View("history", ("ask_keys", "event_lines"), f"""WITH known AS (
  SELECT k.ask, k.as_of_us, e.occurred_us, e.event_hash, e.line, e.order_hash, e.item_row, e.event_code, e.quantity,
    e.price_minor
  FROM ask_keys k JOIN event_lines e ON e.person = k.alias AND e.occurred_us < k.as_of_us
), many AS (
  SELECT ask FROM known GROUP BY ask HAVING COUNT(*) > {MAX_HISTORY}
), placed AS (
  SELECT k.ask, as_of_us, occurred_us, event_hash, line, order_hash, item_row, event_code, quantity, price_minor,
    ROW_NUMBER() OVER (PARTITION BY k.ask ORDER BY occurred_us DESC, event_hash DESC, line DESC) AS place
  FROM known k JOIN many m ON m.ask = k.ask
)
SELECT ask, as_of_us, occurred_us, event_hash, line, order_hash, item_row, event_code, quantity, price_minor
FROM placed WHERE place <= {MAX_HISTORY}
UNION ALL
SELECT k.ask, as_of_us, occurred_us, event_hash, line, order_hash, item_row, event_code, quantity, price_minor
FROM known k LEFT JOIN many m ON m.ask = k.ask WHERE m.ask IS NULL""")  # fmt: skip

# How many of a person's orders began after each: equal instants are no later than one another.
ORDERS = View("orders", ("history",), f"""WITH begun AS (
  SELECT ask, order_hash, MIN(occurred_us) AS first_us FROM history WHERE event_code = {PURCHASE} GROUP BY ask, order_hash
)
SELECT ask, order_hash, first_us,
  CAST(RANK() OVER (PARTITION BY ask ORDER BY first_us DESC) - 1 AS BIGINT) AS later
FROM begun""")  # fmt: skip

PAIRS = View("pairs", ("history",), f"""WITH days AS (
  SELECT ask, as_of_us, item_row, occurred_us - occurred_us % {DAY_US} AS day_us, MIN(occurred_us) AS first_us,
    MAX(occurred_us) AS last_us, CAST(SUM(quantity) AS BIGINT) AS quantity
  FROM history WHERE event_code = {PURCHASE} AND item_row >= 0
  GROUP BY ask, as_of_us, item_row, occurred_us - occurred_us % {DAY_US}
)
SELECT ask, item_row, COUNT(*) AS user_item__purchase__days__all, {total("quantity")} AS user_item__purchase__quantity__all,
  MIN(first_us) AS user_item__purchase__first_us, MAX(last_us) AS user_item__purchase__last_us,
  MAX_BY(quantity, day_us) AS user_item__purchase__last_quantity,
  {listed(f"SUM(POWER(CAST(0.5 AS DOUBLE), {_days('first_us', days)})) AS {one.name}" for days, one in DECAYS.items())}
FROM days GROUP BY ask, item_row""")  # fmt: skip

WANTED = View("wanted", ("asked", "asks"), """SELECT DISTINCT a.ask, r.item_row
FROM asked r JOIN asks a ON a.person = r.person AND a.as_of_us = r.as_of_us""")  # fmt: skip


def _pair_counts() -> View:
    counts = []
    for one in PAIR_COUNTS:
        inside = f"h.event_code = {_code(one.event)}"
        if one.width_us is not None:
            inside += f" AND h.occurred_us >= i.{_bounds(one.width_us, 0)[0]}"
        counts.append(f"{total(when(inside))} AS {one.name}")
    lasts = [
        f"MAX(CASE WHEN h.event_code = {_code(event)} THEN h.occurred_us END) AS user_item__{event}__last_us"
        for event in ("view_item", "add_to_cart")
    ]
    query = f"""SELECT h.ask, h.item_row,
  {listed([*counts, *lasts])},
  CAST(MIN(o.later) AS BIGINT) AS user_item__purchase__orders_since
FROM history h JOIN wanted w ON w.ask = h.ask AND w.item_row = h.item_row
JOIN instants i ON i.as_of_us = h.as_of_us
LEFT JOIN orders o ON o.ask = h.ask AND o.order_hash = h.order_hash AND h.event_code = {PURCHASE}
GROUP BY h.ask, h.item_row"""
    return View("pair_counts", ("history", "wanted", "instants", "orders"), query)


VIEW_PLACES = View("view_places", ("history",), f"""WITH placed AS (
  SELECT ask, item_row,
    ROW_NUMBER() OVER (PARTITION BY ask ORDER BY occurred_us DESC, event_hash DESC, line DESC) - 1 AS place
  FROM history WHERE event_code = {VIEW}
)
SELECT ask, item_row, CAST(MIN(place) AS BIGINT) AS user_item__view_item__place FROM placed GROUP BY ask, item_row""")  # fmt: skip

# The running session: back from the question over gaps of at most 30 minutes, and at most a day.
SESSION_LINES = View("session_lines", ("history",), f"""WITH stepped AS (
  SELECT ask, occurred_us, event_hash, line, event_code, item_row, {when(f'''COALESCE(LAG(occurred_us) OVER (
      PARTITION BY ask ORDER BY occurred_us DESC, event_hash DESC, line DESC
    ), as_of_us) - occurred_us > {SESSION_GAP_US}''')} AS ends
  FROM history WHERE occurred_us >= as_of_us - {DAY_US}
), run AS (
  SELECT ask, occurred_us, event_hash, event_code, item_row, SUM(ends) OVER (
    PARTITION BY ask ORDER BY occurred_us DESC, event_hash DESC, line DESC
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS ended
  FROM stepped
)
SELECT ask, occurred_us, event_hash, event_code, item_row FROM run WHERE ended = 0""")  # fmt: skip

SESSIONS = View("sessions", ("session_lines",), f"""SELECT ask, COUNT(DISTINCT event_hash) AS session__all__events,
  {total(when(f"event_code = {VIEW}"))} AS session__view_item__count,
  {total(when(f"event_code = {CART}"))} AS session__add_to_cart__count, MIN(occurred_us) AS session__first_us
FROM session_lines GROUP BY ask""")  # fmt: skip

SESSION_ITEMS = View("session_items", ("session_lines",), f"""SELECT ask, item_row,
  {total(when(f"event_code = {VIEW}"))} AS user_item__view_item__session,
  {total(when(f"event_code = {CART}"))} AS user_item__add_to_cart__session
FROM session_lines GROUP BY ask, item_row""")  # fmt: skip


def _people() -> View:
    lines: list[str] = []
    orders: list[str] = []
    for one in USER_COUNTS:
        column = "h.occurred_us" if one.how == "count" else "o.first_us"
        inside = [f"h.event_code = {_code(one.event)}"] if one.how == "count" else ["1 = 1"]
        if one.width_us is not None:
            inside.append(f"{column} >= i.{_bounds(one.width_us, 0)[0]}")
        (lines if one.how == "count" else orders).append(f"{total(when(' AND '.join(inside)))} AS {one.name}")
    bought = f"h.event_code = {PURCHASE}"
    query = f"""WITH line_sums AS (
  SELECT h.ask, MIN(h.occurred_us) AS user__first_us, MAX(h.occurred_us) AS user__last_us,
  MIN(CASE WHEN {bought} THEN h.occurred_us END) AS user__purchase__first_us,
  MAX(CASE WHEN {bought} THEN h.occurred_us END) AS user__purchase__last_us,
  {total(when(f"{bought} AND h.price_minor > 0"))} AS user__purchase__priced__all,
  {total(when(f"{bought} AND h.price_minor > 0", "h.price_minor * h.quantity"))} AS user__purchase__spend__all,
  SUM(CASE WHEN {bought} AND h.price_minor > 0 THEN LN(CAST(h.price_minor AS DOUBLE)) END) AS user__purchase__log_price__all,
  SUM(CASE WHEN {bought} AND h.quantity > 0 THEN LN(CAST(h.quantity AS DOUBLE)) ELSE 0 END)
    AS user__purchase__log_quantity__all,
  {listed(lines)}
  FROM history h JOIN instants i ON i.as_of_us = h.as_of_us GROUP BY h.ask
), order_sums AS (
  SELECT o.ask,
  {listed(orders)}
  FROM orders o JOIN asks a ON a.ask = o.ask JOIN instants i ON i.as_of_us = a.as_of_us GROUP BY o.ask
), item_sums AS (
  SELECT ask, COUNT(*) AS user__purchase__items__all,
  {total(when("user_item__purchase__days__all > 1"))} AS user__purchase__repeated_items__all,
  {listed(f"SUM({one.name}) AS user__purchase__decay__{days}d" for days, one in DECAYS.items() if days in (30, 90))}
  FROM pairs GROUP BY ask
)
SELECT l.*, {", ".join(f"o.{one.name}" for one in USER_COUNTS if one.how == "orders")},
  p.user__purchase__items__all, p.user__purchase__repeated_items__all, p.user__purchase__decay__30d,
  p.user__purchase__decay__90d
FROM line_sums l LEFT JOIN order_sums o ON o.ask = l.ask LEFT JOIN item_sums p ON p.ask = l.ask"""
    return View("people", ("history", "instants", "orders", "asks", "pairs"), query)


def _affinity(what: str) -> View:
    counts = [
        f"{total(when(f'h.event_code = {_code(event)}'))} AS user_{what}__{event}__count__all"
        for event in ("view_item", "purchase")
    ]
    query = f"""SELECT h.ask, t.{what},
  {listed(counts)}
FROM history h JOIN items t ON t.item_row = h.item_row WHERE t.{what} >= 0 GROUP BY h.ask, t.{what}"""
    return View(f"user_{what}", ("history", "items"), query)


PERSON_VIEWS = (
    ASKS, ASK_KEYS, HISTORY, ORDERS, PAIRS, WANTED, _pair_counts(), VIEW_PLACES, SESSION_LINES, SESSIONS,
    SESSION_ITEMS, _people(), _affinity("category"), _affinity("brand"),
)  # fmt: skip
"""From events to the base columns of people, and of people and items, as of each instant asked for."""

# ------------------------------------------------------- one wide row each

_PAIR_ZERO = (
    *(one.name for one in PAIR_COUNTS), *(one.name for one in DECAYS.values()), "user_item__purchase__days__all",
    "user_item__purchase__quantity__all", "user_item__view_item__session", "user_item__add_to_cart__session",
)  # fmt: skip
_USER_ZERO = (
    *(one.name for one in USER_COUNTS), "user__purchase__items__all", "user__purchase__repeated_items__all",
    "user__purchase__priced__all", "user__purchase__spend__all", "user__purchase__decay__30d", "user__purchase__decay__90d",
    "user__purchase__log_price__all", "user__purchase__log_quantity__all",
    "session__all__events", "session__view_item__count", "session__add_to_cart__count",
)  # fmt: skip
_AFFINITY = tuple(
    f"user_{what}__{event}__count__all"
    for what in ("category", "brand")
    for event in ("view_item", "purchase")
)
_INSTANTS = (
    "user__first_us", "user__last_us", "user__purchase__first_us", "user__purchase__last_us", "session__first_us",
    "user_item__purchase__first_us", "user_item__purchase__last_us", "user_item__view_item__last_us",
    "user_item__add_to_cart__last_us", "user_item__purchase__last_quantity", "user_item__purchase__orders_since",
    "user_item__view_item__place",
)  # fmt: skip
_LOCAL = "(r.as_of_us + CAST(COALESCE(r.offset_minutes, 0) AS BIGINT) * 60000000)"


def _wide() -> View:
    columns = [
        *(f"COALESCE({name}, 0) AS {name}" for name in (*_PAIR_ZERO, *_USER_ZERO)),
        *(
            f"CASE WHEN t.{name.split('__')[0][5:]} >= 0 THEN COALESCE({name}, 0) END AS {name}"
            for name in _AFFINITY
        ),
        *_INSTANTS,
        *(f"c.{end}" for end in ENDS),
        *(f"COALESCE(c.{one.name}, 0) AS {one.name}" for one in ITEM_COUNTS),
        *(f"COALESCE(s.{shop_name(one.name)}, 0) AS {shop_name(one.name)}" for one in ITEM_COUNTS),
        f"CAST(FLOOR(CAST({_LOCAL} % {DAY_US} AS DOUBLE) / CAST({HOUR_US} AS DOUBLE)) AS BIGINT) AS context__hour",
        f"CAST((FLOOR(CAST({_LOCAL} AS DOUBLE) / CAST({DAY_US} AS DOUBLE)) + 3) % 7 AS BIGINT) AS context__weekday",
        "CAST(COALESCE(r.device_code, 0) AS BIGINT) AS context__device",
    ]
    query = f"""SELECT r.row_number_asked, r.as_of_us,
  {listed(columns)}
FROM asked r JOIN asks a ON a.person = r.person AND a.as_of_us = r.as_of_us
LEFT JOIN items_at c ON c.as_of_us = r.as_of_us AND c.item_row = r.item_row
LEFT JOIN shop_at s ON s.as_of_us = r.as_of_us
LEFT JOIN people p ON p.ask = a.ask
LEFT JOIN sessions e ON e.ask = a.ask
LEFT JOIN pairs q ON q.ask = a.ask AND q.item_row = r.item_row
LEFT JOIN pair_counts n ON n.ask = a.ask AND n.item_row = r.item_row
LEFT JOIN view_places v ON v.ask = a.ask AND v.item_row = r.item_row
LEFT JOIN session_items m ON m.ask = a.ask AND m.item_row = r.item_row
LEFT JOIN items t ON t.item_row = r.item_row
LEFT JOIN user_category uc ON uc.ask = a.ask AND uc.category = t.category
LEFT JOIN user_brand ub ON ub.ask = a.ask AND ub.brand = t.brand"""
    needs = ("asked", "asks", "items_at", "shop_at", "people", "sessions", "pairs", "pair_counts", "view_places",
             "session_items", "items", "user_category", "user_brand")  # fmt: skip
    return View("wide", needs, query)


WIDE = _wide()
VIEWS = (*ITEM_VIEWS, *PERSON_VIEWS, WIDE)
"""Every text, in the order they are run; the last is read by ``features_view``."""


def features_view(features: Sequence[Feature]) -> View:
    """One row for each asked (person, item, instant), one column for each feature a batch engine can compute."""
    columns = [f"{feature.sql} AS {feature.name}" for feature in features if feature.sql]
    query = f"WITH wide AS (\n{WIDE.query}\n)\nSELECT row_number_asked,\n  {listed(columns)}\nFROM wide"
    return View("features", WIDE.needs, query)
