"""The SQL of people, of people and items, and the wide row of all base columns that features are made of."""

# ruff: noqa: S608 - texts are made of names and numbers in this package; nothing a caller says enters them

from __future__ import annotations

from collections.abc import Sequence

from shelfwise.domain import CART, DAY_US, HOUR_US, MAX_HISTORY, PURCHASE, SESSION_GAP_US, VIEW
from shelfwise.features._buckets import ENDS, shop_name
from shelfwise.features._declare import Feature
from shelfwise.features._features import (
    COUNTER_NAMES,
    DECAYS,
    PAIR_COUNTS,
    SHARED_DECAYS,
    USER_COUNTS,
)
from shelfwise.features._sql import View, bounds_of, code, half_lives_since, listed, total, when
from shelfwise.features._sql_items import ITEM_VIEWS
from shelfwise.features._sql_joined import COLUMNS, FITS_AT, JOINED, JOINS, LOCAL

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
SELECT a.ask, a.as_of_us, l.alias
FROM asks a JOIN links l ON l.person = a.person AND l.linked_us < a.as_of_us""")  # fmt: skip

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
  SELECT ask, order_hash, MIN(occurred_us) AS first_us
  FROM history WHERE event_code = {PURCHASE} GROUP BY ask, order_hash
)
SELECT ask, order_hash, first_us,
  CAST(RANK() OVER (PARTITION BY ask ORDER BY first_us DESC) - 1 AS BIGINT) AS later
FROM begun""")  # fmt: skip


def _faded(half_life: int) -> str:
    return f"POWER(CAST(0.5 AS DOUBLE), {half_lives_since('first_us', half_life)})"


PAIRS = View("pairs", ("history",), f"""WITH days AS (
  SELECT ask, as_of_us, item_row, occurred_us - occurred_us % {DAY_US} AS day_us, MIN(occurred_us) AS first_us,
    MAX(occurred_us) AS last_us, CAST(SUM(quantity) AS BIGINT) AS quantity
  FROM history WHERE event_code = {PURCHASE} AND item_row >= 0
  GROUP BY ask, as_of_us, item_row, occurred_us - occurred_us % {DAY_US}
)
SELECT ask, item_row, COUNT(*) AS user_item__purchase__days__all,
  {total("quantity")} AS user_item__purchase__quantity__all,
  MIN(first_us) AS user_item__purchase__first_us, MAX(last_us) AS user_item__purchase__last_us,
  MAX_BY(quantity, day_us) AS user_item__purchase__last_quantity,
  {listed(f"SUM({_faded(days)}) AS {one.name}" for days, one in DECAYS.items())}
FROM days GROUP BY ask, item_row""")  # fmt: skip

WANTED = View("wanted", ("asked", "asks"), """SELECT DISTINCT a.ask, r.item_row
FROM asked r JOIN asks a ON a.person = r.person AND a.as_of_us = r.as_of_us""")  # fmt: skip


def _pair_counts() -> View:
    counts = []
    for one in PAIR_COUNTS:
        inside = f"h.event_code = {code(one.event)}"
        if one.width_us is not None:
            inside += f" AND h.occurred_us >= i.{bounds_of(one.width_us, 0)[0]}"
        counts.append(f"{total(when(inside))} AS {one.name}")
    lasts = [
        f"MAX(CASE WHEN h.event_code = {code(event)} THEN h.occurred_us END) AS user_item__{event}__last_us"
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
SELECT ask, item_row, CAST(MIN(place) AS BIGINT) AS user_item__view_item__place
FROM placed GROUP BY ask, item_row""")  # fmt: skip

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
        inside = [f"h.event_code = {code(one.event)}"] if one.how == "count" else ["1 = 1"]
        if one.width_us is not None:
            inside.append(f"{column} >= i.{bounds_of(one.width_us, 0)[0]}")
        (lines if one.how == "count" else orders).append(f"{total(when(' AND '.join(inside)))} AS {one.name}")
    bought = f"h.event_code = {PURCHASE}"
    query = f"""WITH line_sums AS (
  SELECT h.ask, MIN(h.occurred_us) AS user__first_us, MAX(h.occurred_us) AS user__last_us,
  MIN(CASE WHEN {bought} THEN h.occurred_us END) AS user__purchase__first_us,
  MAX(CASE WHEN {bought} THEN h.occurred_us END) AS user__purchase__last_us,
  {total(when(f"{bought} AND h.price_minor > 0"))} AS user__purchase__priced__all,
  {total(when(f"{bought} AND h.price_minor > 0", "h.price_minor * h.quantity"))} AS user__purchase__spend__all,
  SUM(CASE WHEN {bought} AND h.price_minor > 0 THEN LN(CAST(h.price_minor AS DOUBLE)) END)
    AS user__purchase__log_price__all,
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
  {listed(f"SUM({DECAYS[days].name}) AS user__purchase__decay__{days}d" for days in SHARED_DECAYS)}
  FROM pairs GROUP BY ask
)
SELECT l.*, {", ".join(f"o.{one.name}" for one in USER_COUNTS if one.how == "orders")},
  p.user__purchase__items__all, p.user__purchase__repeated_items__all,
  {", ".join(f"p.user__purchase__decay__{days}d" for days in SHARED_DECAYS)}
FROM line_sums l LEFT JOIN order_sums o ON o.ask = l.ask LEFT JOIN item_sums p ON p.ask = l.ask"""
    return View("people", ("history", "instants", "orders", "asks", "pairs"), query)


def _affinity(what: str) -> View:
    counts = [
        f"{total(when(f'h.event_code = {code(event)}'))} AS user_{what}__{event}__count__all"
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
    "user__purchase__priced__all", "user__purchase__spend__all",
    *(f"user__purchase__decay__{days}d" for days in SHARED_DECAYS), "user__purchase__log_price__all",
    "user__purchase__log_quantity__all",
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


def _wide() -> View:
    columns = [
        *(f"COALESCE({name}, 0) AS {name}" for name in (*_PAIR_ZERO, *_USER_ZERO)),
        *(
            f"CASE WHEN t.{name.split('__')[0][5:]} >= 0 THEN COALESCE({name}, 0) END AS {name}"
            for name in _AFFINITY
        ),
        *_INSTANTS,
        *(f"c.{end}" for end in ENDS),
        *(f"COALESCE(c.{name}, 0) AS {name}" for name in COUNTER_NAMES),
        *(f"COALESCE(s.{name}, 0) AS {name}" for name in map(shop_name, COUNTER_NAMES)),
        f"CAST(FLOOR(CAST({LOCAL} % {DAY_US} AS DOUBLE) / CAST({HOUR_US} AS DOUBLE)) AS BIGINT) AS context__hour",
        f"CAST((FLOOR(CAST({LOCAL} AS DOUBLE) / CAST({DAY_US} AS DOUBLE)) + 3) % 7 AS BIGINT) AS context__weekday",
        *COLUMNS,
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
LEFT JOIN user_brand ub ON ub.ask = a.ask AND ub.brand = t.brand
{JOINS}"""
    needs = ("asked", "asks", "items_at", "shop_at", "people", "sessions", "pairs", "pair_counts", "view_places",
             "session_items", "items", "user_category", "user_brand", *JOINED)  # fmt: skip
    return View("wide", needs, query)


WIDE = _wide()
VIEWS = (*ITEM_VIEWS, *PERSON_VIEWS, FITS_AT, WIDE)
"""Every text, in the order they are run; the last is read by ``features_view``."""


def features_view(features: Sequence[Feature]) -> View:
    """One row for each asked (person, item, instant), one column for each feature a batch engine can compute."""
    columns = [f"{feature.sql} AS {feature.name}" for feature in features if feature.sql]
    query = f"WITH wide AS (\n{WIDE.query}\n)\nSELECT row_number_asked,\n  {listed(columns)}\nFROM wide"
    return View("features", WIDE.needs, query)
