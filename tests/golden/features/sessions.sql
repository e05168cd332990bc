SELECT ask, COUNT(DISTINCT event_hash) AS session__all__events,
  CAST(COALESCE(SUM(CASE WHEN event_code = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS session__view_item__count,
  CAST(COALESCE(SUM(CASE WHEN event_code = 2 THEN 1 ELSE 0 END), 0) AS BIGINT) AS session__add_to_cart__count, MIN(occurred_us) AS session__first_us
FROM session_lines GROUP BY ask
