WITH parts AS (
  SELECT i.as_of_us, d.item_row, d.event_code, d.day_us AS at_us, line_count, quantity, log_quantity, log_price, actor, first_buyer
  FROM instants i JOIN item_days d ON d.day_us < i.lines_from_us AND d.day_us >= i.from_1209600000000_31536000000000
  UNION ALL
  SELECT i.as_of_us, m.item_row, m.event_code, m.occurred_us AS at_us, line_count, quantity, log_quantity, log_price, actor, first_buyer
  FROM instants i JOIN marked m ON m.occurred_us >= i.lines_from_us AND m.occurred_us < i.as_of_us
), between_bounds AS (
  SELECT p.as_of_us, p.item_row, p.event_code, CASE WHEN p.at_us >= i.from_3600000000_0 THEN i.from_3600000000_0 WHEN p.at_us >= i.from_86400000000_0 THEN i.from_86400000000_0 WHEN p.at_us >= i.from_259200000000_0 THEN i.from_259200000000_0 WHEN p.at_us >= i.from_604800000000_0 THEN i.from_604800000000_0 WHEN p.at_us >= i.from_1209600000000_0 THEN i.from_1209600000000_0 WHEN p.at_us >= i.from_2592000000000_0 THEN i.from_2592000000000_0 WHEN p.at_us >= i.from_7776000000000_0 THEN i.from_7776000000000_0 WHEN p.at_us >= i.until_1209600000000_30326400000000 THEN i.until_1209600000000_30326400000000 WHEN p.at_us >= i.from_1209600000000_30326400000000 THEN i.from_1209600000000_30326400000000 WHEN p.at_us >= i.from_31536000000000_0 THEN i.from_31536000000000_0 WHEN p.at_us >= i.until_1209600000000_31536000000000 THEN i.until_1209600000000_31536000000000 WHEN p.at_us >= i.from_1209600000000_31536000000000 THEN i.from_1209600000000_31536000000000 END AS since_us,
  CAST(COALESCE(SUM(p.line_count), 0) AS BIGINT) AS line_count,
  CAST(COALESCE(SUM(p.quantity), 0) AS BIGINT) AS quantity,
  CAST(COALESCE(SUM(p.log_quantity), 0) AS BIGINT) AS log_quantity,
  CAST(COALESCE(SUM(p.log_price), 0) AS BIGINT) AS log_price,
  CAST(COALESCE(SUM(p.actor), 0) AS BIGINT) AS actor,
  CAST(COALESCE(SUM(p.first_buyer), 0) AS BIGINT) AS first_buyer
  FROM parts p JOIN instants i ON i.as_of_us = p.as_of_us
  GROUP BY p.as_of_us, p.item_row, p.event_code, CASE WHEN p.at_us >= i.from_3600000000_0 THEN i.from_3600000000_0 WHEN p.at_us >= i.from_86400000000_0 THEN i.from_86400000000_0 WHEN p.at_us >= i.from_259200000000_0 THEN i.from_259200000000_0 WHEN p.at_us >= i.from_604800000000_0 THEN i.from_604800000000_0 WHEN p.at_us >= i.from_1209600000000_0 THEN i.from_1209600000000_0 WHEN p.at_us >= i.from_2592000000000_0 THEN i.from_2592000000000_0 WHEN p.at_us >= i.from_7776000000000_0 THEN i.from_7776000000000_0 WHEN p.at_us >= i.until_1209600000000_30326400000000 THEN i.until_1209600000000_30326400000000 WHEN p.at_us >= i.from_1209600000000_30326400000000 THEN i.from_1209600000000_30326400000000 WHEN p.at_us >= i.from_31536000000000_0 THEN i.from_31536000000000_0 WHEN p.at_us >= i.until_1209600000000_31536000000000 THEN i.until_1209600000000_31536000000000 WHEN p.at_us >= i.from_1209600000000_31536000000000 THEN i.from_1209600000000_31536000000000 END
)
SELECT t.as_of_us, t.item_row,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 1 AND t.since_us >= i.from_86400000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__view_item__count__1d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 1 AND t.since_us >= i.from_604800000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__view_item__count__7d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 1 AND t.since_us >= i.from_2592000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__view_item__count__30d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 1 AND t.since_us >= i.from_7776000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__view_item__count__90d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 1 AND t.since_us >= i.from_31536000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__view_item__count__365d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 1 AND t.since_us >= i.from_604800000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__view_item__actors__7d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 1 AND t.since_us >= i.from_2592000000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__view_item__actors__30d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 2 AND t.since_us >= i.from_86400000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__add_to_cart__count__1d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 2 AND t.since_us >= i.from_604800000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__add_to_cart__count__7d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 2 AND t.since_us >= i.from_2592000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__add_to_cart__count__30d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 2 AND t.since_us >= i.from_7776000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__add_to_cart__count__90d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 2 AND t.since_us >= i.from_604800000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__add_to_cart__actors__7d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 2 AND t.since_us >= i.from_2592000000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__add_to_cart__actors__30d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_86400000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__purchase__count__1d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_604800000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__purchase__count__7d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_2592000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__purchase__count__30d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_7776000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__purchase__count__90d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_31536000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__purchase__count__365d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_259200000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__3d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_604800000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__7d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_1209600000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__14d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_2592000000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__30d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_7776000000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__90d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_31536000000000_0 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__365d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_259200000000_0 THEN t.first_buyer ELSE 0 END), 0) AS BIGINT) AS item__purchase__first_buyers__3d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_604800000000_0 THEN t.first_buyer ELSE 0 END), 0) AS BIGINT) AS item__purchase__first_buyers__7d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_1209600000000_0 THEN t.first_buyer ELSE 0 END), 0) AS BIGINT) AS item__purchase__first_buyers__14d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_2592000000000_0 THEN t.first_buyer ELSE 0 END), 0) AS BIGINT) AS item__purchase__first_buyers__30d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_7776000000000_0 THEN t.first_buyer ELSE 0 END), 0) AS BIGINT) AS item__purchase__first_buyers__90d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_31536000000000_0 THEN t.first_buyer ELSE 0 END), 0) AS BIGINT) AS item__purchase__first_buyers__365d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_604800000000_0 THEN t.quantity ELSE 0 END), 0) AS BIGINT) AS item__purchase__quantity__7d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_2592000000000_0 THEN t.quantity ELSE 0 END), 0) AS BIGINT) AS item__purchase__quantity__30d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_7776000000000_0 THEN t.quantity ELSE 0 END), 0) AS BIGINT) AS item__purchase__quantity__90d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_31536000000000_0 THEN t.quantity ELSE 0 END), 0) AS BIGINT) AS item__purchase__quantity__365d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_7776000000000_0 THEN t.log_quantity ELSE 0 END), 0) AS BIGINT) AS item__purchase__log_quantity__90d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_2592000000000_0 THEN t.log_price ELSE 0 END), 0) AS BIGINT) AS item__purchase__log_price__30d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_7776000000000_0 THEN t.log_price ELSE 0 END), 0) AS BIGINT) AS item__purchase__log_price__90d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_31536000000000_0 THEN t.log_price ELSE 0 END), 0) AS BIGINT) AS item__purchase__log_price__365d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 4 AND t.since_us >= i.from_7776000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__refund__count__90d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 4 AND t.since_us >= i.from_31536000000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__refund__count__365d,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_1209600000000_30326400000000 AND t.since_us < i.until_1209600000000_30326400000000 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__14d_351d_ago,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_1209600000000_31536000000000 AND t.since_us < i.until_1209600000000_31536000000000 THEN t.actor ELSE 0 END), 0) AS BIGINT) AS item__purchase__actors__14d_365d_ago,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 1 AND t.since_us >= i.from_3600000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__view_item__count__1h,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 2 AND t.since_us >= i.from_3600000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__add_to_cart__count__1h,
  CAST(COALESCE(SUM(CASE WHEN t.event_code = 3 AND t.since_us >= i.from_3600000000_0 THEN t.line_count ELSE 0 END), 0) AS BIGINT) AS item__purchase__count__1h
FROM between_bounds t JOIN instants i ON i.as_of_us = t.as_of_us
GROUP BY t.as_of_us, t.item_row
