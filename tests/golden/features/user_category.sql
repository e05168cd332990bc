SELECT h.ask, t.category,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_category__view_item__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_category__purchase__count__all
FROM history h JOIN items t ON t.item_row = h.item_row WHERE t.category >= 0 GROUP BY h.ask, t.category
