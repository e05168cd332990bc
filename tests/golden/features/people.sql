WITH line_sums AS (
  SELECT h.ask, MIN(h.occurred_us) AS user__first_us, MAX(h.occurred_us) AS user__last_us,
  MIN(CASE WHEN h.event_code = 3 THEN h.occurred_us END) AS user__purchase__first_us,
  MAX(CASE WHEN h.event_code = 3 THEN h.occurred_us END) AS user__purchase__last_us,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 AND h.price_minor > 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__priced__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 AND h.price_minor > 0 THEN h.price_minor * h.quantity ELSE 0 END), 0) AS BIGINT) AS user__purchase__spend__all,
  SUM(CASE WHEN h.event_code = 3 AND h.price_minor > 0 THEN LN(CAST(h.price_minor AS DOUBLE)) END)
    AS user__purchase__log_price__all,
  SUM(CASE WHEN h.event_code = 3 AND h.quantity > 0 THEN LN(CAST(h.quantity AS DOUBLE)) ELSE 0 END)
    AS user__purchase__log_quantity__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__view_item__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 AND h.occurred_us >= i.from_86400000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__view_item__count__1d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 AND h.occurred_us >= i.from_604800000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__view_item__count__7d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 AND h.occurred_us >= i.from_2592000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__view_item__count__30d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 2 AND h.occurred_us >= i.from_604800000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__add_to_cart__count__7d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 2 AND h.occurred_us >= i.from_2592000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__add_to_cart__count__30d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 4 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__refund__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 1 AND h.occurred_us >= i.from_7776000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__view_item__count__90d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 2 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__add_to_cart__count__all,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 AND h.occurred_us >= i.from_2592000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__count__30d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 AND h.occurred_us >= i.from_7776000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__count__90d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 3 AND h.occurred_us >= i.from_31536000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__count__365d,
  CAST(COALESCE(SUM(CASE WHEN h.event_code = 4 AND h.occurred_us >= i.from_31536000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__refund__count__365d
  FROM history h JOIN instants i ON i.as_of_us = h.as_of_us GROUP BY h.ask
), order_sums AS (
  SELECT o.ask,
  CAST(COALESCE(SUM(CASE WHEN 1 = 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__orders__all,
  CAST(COALESCE(SUM(CASE WHEN 1 = 1 AND o.first_us >= i.from_2592000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__orders__30d,
  CAST(COALESCE(SUM(CASE WHEN 1 = 1 AND o.first_us >= i.from_7776000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__orders__90d,
  CAST(COALESCE(SUM(CASE WHEN 1 = 1 AND o.first_us >= i.from_31536000000000_0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__orders__365d
  FROM orders o JOIN asks a ON a.ask = o.ask JOIN instants i ON i.as_of_us = a.as_of_us GROUP BY o.ask
), item_sums AS (
  SELECT ask, COUNT(*) AS user__purchase__items__all,
  CAST(COALESCE(SUM(CASE WHEN user_item__purchase__days__all > 1 THEN 1 ELSE 0 END), 0) AS BIGINT) AS user__purchase__repeated_items__all,
  SUM(user_item__purchase__decay__30d) AS user__purchase__decay__30d,
  SUM(user_item__purchase__decay__90d) AS user__purchase__decay__90d
  FROM pairs GROUP BY ask
)
SELECT l.*, o.user__purchase__orders__all, o.user__purchase__orders__30d, o.user__purchase__orders__90d, o.user__purchase__orders__365d,
  p.user__purchase__items__all, p.user__purchase__repeated_items__all,
  p.user__purchase__decay__30d, p.user__purchase__decay__90d
FROM line_sums l LEFT JOIN order_sums o ON o.ask = l.ask LEFT JOIN item_sums p ON p.ask = l.ask
