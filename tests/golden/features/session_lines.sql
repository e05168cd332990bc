WITH stepped AS (
  SELECT ask, occurred_us, event_hash, line, event_code, item_row, CASE WHEN COALESCE(LAG(occurred_us) OVER (
      PARTITION BY ask ORDER BY occurred_us DESC, event_hash DESC, line DESC
    ), as_of_us) - occurred_us > 1800000000 THEN 1 ELSE 0 END AS ends
  FROM history WHERE occurred_us >= as_of_us - 86400000000
), run AS (
  SELECT ask, occurred_us, event_hash, event_code, item_row, SUM(ends) OVER (
    PARTITION BY ask ORDER BY occurred_us DESC, event_hash DESC, line DESC
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS ended
  FROM stepped
)
SELECT ask, occurred_us, event_hash, event_code, item_row FROM run WHERE ended = 0
