WITH parts AS (
  SELECT i.as_of_us, i.lines_from_us, d.item_row, d.event_code, d.day_us, actor, first_buyer
  FROM instants i JOIN item_days d
    ON d.day_us < i.lines_from_us AND d.day_us > i.lines_from_us - 5875200000000
  UNION ALL
  SELECT i.as_of_us, i.lines_from_us, m.item_row, m.event_code,
    m.occurred_us - m.occurred_us % 86400000000 AS day_us, actor, first_buyer
  FROM instants i JOIN marked m ON m.occurred_us >= i.lines_from_us AND m.occurred_us < i.as_of_us
), aged AS (
  SELECT as_of_us, item_row, event_code, actor, first_buyer, CAST(FLOOR(
      CAST(lines_from_us - day_us AS DOUBLE) / CAST(86400000000 AS DOUBLE)
    ) AS BIGINT) + 2 AS age
  FROM parts
)
SELECT p.as_of_us, p.item_row,
  CAST(COALESCE(SUM(CASE WHEN p.event_code = 3 AND p.age < 20 THEN p.actor * CAST(FLOOR(POWER(CAST(0.5 AS DOUBLE), CAST(p.age AS DOUBLE) / CAST(2 AS DOUBLE)) * 1048576 + CAST(0.5 AS DOUBLE)) AS BIGINT) ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__half_2d,
  CAST(COALESCE(SUM(CASE WHEN p.event_code = 3 AND p.age < 70 THEN p.actor * CAST(FLOOR(POWER(CAST(0.5 AS DOUBLE), CAST(p.age AS DOUBLE) / CAST(7 AS DOUBLE)) * 1048576 + CAST(0.5 AS DOUBLE)) AS BIGINT) ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__half_7d,
  CAST(COALESCE(SUM(CASE WHEN p.event_code = 3 AND p.age < 50 THEN p.first_buyer * CAST(FLOOR(POWER(CAST(0.5 AS DOUBLE), CAST(p.age AS DOUBLE) / CAST(5 AS DOUBLE)) * 1048576 + CAST(0.5 AS DOUBLE)) AS BIGINT) ELSE 0 END), 0) AS BIGINT) AS item__purchase__first_buyers__half_5d
FROM aged p GROUP BY p.as_of_us, p.item_row
