SELECT h.ask, t.brand,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_brand__view_item__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_brand__purchase__count__all
FROM history h JOIN items t ON t.item_row = h.item_row WHERE t.brand >= 0 GROUP BY h.ask, t.brand
