SELECT ask, item_row,
  CAST(COALESCE(SUM(CASE WHEN event_code = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__view_item__session,
  CAST(COALESCE(SUM(CASE WHEN event_code = 2 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__add_to_cart__session
FROM session_lines GROUP BY ask, item_row
