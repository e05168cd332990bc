SELECT item_row, event_code,
  occurred_us - occurred_us % 86400000000 AS day_us,
  CAST(COALESCE(SUM(line_count), 0) AS BIGINT) AS line_count,
  CAST(COALESCE(SUM(quantity), 0) AS BIGINT) AS quantity,
  CAST(COALESCE(SUM(log_quantity), 0) AS BIGINT) AS log_quantity,
  CAST(COALESCE(SUM(log_price), 0) AS BIGINT) AS log_price,
  CAST(COALESCE(SUM(actor), 0) AS BIGINT) AS actor,
  CAST(COALESCE(SUM(first_buyer), 0) AS BIGINT) AS first_buyer,
  MIN(occurred_us) AS first_us, MAX(occurred_us) AS last_us
FROM marked GROUP BY item_row, event_code, occurred_us - occurred_us % 86400000000
