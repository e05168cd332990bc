WITH parts AS (
  SELECT i.as_of_us, d.item_row, d.event_code, d.first_us, d.last_us
  FROM instants i JOIN item_days d ON d.day_us < i.lines_from_us
  UNION ALL
  SELECT i.as_of_us, m.item_row, m.event_code, m.occurred_us AS first_us, m.occurred_us AS last_us
  FROM instants i JOIN marked m ON m.occurred_us >= i.lines_from_us AND m.occurred_us < i.as_of_us
), ends AS (
  SELECT as_of_us, item_row, MIN(first_us) AS first_us,
    MAX(CASE WHEN event_code = 3 THEN last_us END) AS last_us
  FROM parts GROUP BY as_of_us, item_row
), prices AS (
  SELECT item_row, occurred_us, MAX(price_minor) AS price_minor
  FROM marked WHERE event_code = 3 GROUP BY item_row, occurred_us
)
SELECT e.as_of_us, e.item_row, e.first_us AS item__first_us, e.last_us AS item__purchase__last_us, p.price_minor AS item__purchase__last_price
FROM ends e LEFT JOIN prices p ON p.item_row = e.item_row AND p.occurred_us = e.last_us
