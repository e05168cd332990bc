WITH placed AS (
  SELECT ask, item_row,
    ROW_NUMBER() OVER (PARTITION BY ask ORDER BY occurred_us DESC, event_hash DESC, line DESC) - 1 AS place
  FROM history WHERE event_code = 1
)
SELECT ask, item_row, CAST(MIN(place) AS BIGINT) AS user_item__view_item__place
FROM placed GROUP BY ask, item_row
