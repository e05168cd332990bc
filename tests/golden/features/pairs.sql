WITH days AS (
  SELECT ask, as_of_us, item_row, occurred_us - occurred_us % 86400000000 AS day_us, MIN(occurred_us) AS first_us,
    MAX(occurred_us) AS last_us, CAST(SUM(quantity) AS BIGINT) AS quantity
  FROM history WHERE event_code = 3 AND item_row >= 0
  GROUP BY ask, as_of_us, item_row, occurred_us - occurred_us % 86400000000
)
SELECT ask, item_row, COUNT(*) AS user_item__purchase__days__all,
  CAST(COALESCE(SUM(quantity), 0) AS BIGINT) AS user_item__purchase__quantity__all,
  MIN(first_us) AS user_item__purchase__first_us, MAX(last_us) AS user_item__purchase__last_us,
  MAX_BY(quantity, day_us) AS user_item__purchase__last_quantity,
  SUM(POWER(CAST(0.5 AS DOUBLE), CAST(as_of_us - first_us AS DOUBLE) / CAST(1209600000000 AS DOUBLE))) AS user_item__purchase__decay__14d,
  SUM(POWER(CAST(0.5 AS DOUBLE), CAST(as_of_us - first_us AS DOUBLE) / CAST(2592000000000 AS DOUBLE))) AS user_item__purchase__decay__30d,
  SUM(POWER(CAST(0.5 AS DOUBLE), CAST(as_of_us - first_us AS DOUBLE) / CAST(7776000000000 AS DOUBLE))) AS user_item__purchase__decay__90d,
  SUM(POWER(CAST(0.5 AS DOUBLE), CAST(as_of_us - first_us AS DOUBLE) / CAST(31536000000000 AS DOUBLE))) AS user_item__purchase__decay__365d
FROM days GROUP BY ask, item_row
