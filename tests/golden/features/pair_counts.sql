SELECT h.ask, h.item_row,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__view_item__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 AND h.occurred_us >= i.from_604800000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__view_item__count__7d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 2 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__add_to_cart__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__purchase__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 4 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__refund__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 AND h.occurred_us >= i.from_86400000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__view_item__count__1d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 AND h.occurred_us >= i.from_2592000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__view_item__count__30d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 AND h.occurred_us >= i.from_7776000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__view_item__count__90d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 2 AND h.occurred_us >= i.from_604800000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__add_to_cart__count__7d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 2 AND h.occurred_us >= i.from_2592000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__add_to_cart__count__30d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 AND h.occurred_us >= i.from_2592000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__purchase__count__30d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 AND h.occurred_us >= i.from_7776000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__purchase__count__90d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 AND h.occurred_us >= i.from_31536000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user_item__purchase__count__365d,
  MAX(CASE WHEN h.event_code = 1 THEN h.occurred_us END) AS user_item__view_item__last_us,
  MAX(CASE WHEN h.event_code = 2 THEN h.occurred_us END) AS user_item__add_to_cart__last_us,
  CAST(MIN(o.later) AS BIGINT) AS user_item__purchase__orders_since
FROM history h JOIN wanted w ON w.ask = h.ask AND w.item_row = h.item_row
JOIN instants i ON i.as_of_us = h.as_of_us
LEFT JOIN orders o ON o.ask = h.ask AND o.order_hash = h.order_hash AND h.event_code = 3
GROUP BY h.ask, h.item_row
