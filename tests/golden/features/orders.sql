WITH begun AS (
  SELECT ask, order_hash, MIN(occurred_us) AS first_us
  FROM history WHERE event_code = 3 GROUP BY ask, order_hash
)
SELECT ask, order_hash, first_us,
  CAST(RANK() OVER (PARTITION BY ask ORDER BY first_us DESC) - 1 AS BIGINT) AS later
FROM begun
