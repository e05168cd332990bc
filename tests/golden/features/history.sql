WITH known AS (
  SELECT k.ask, k.as_of_us, e.occurred_us, e.event_hash, e.line, e.order_hash, e.item_row, e.event_code, e.quantity,
    e.price_minor
  FROM ask_keys k JOIN event_lines e ON e.person = k.alias AND e.occurred_us < k.as_of_us
), many AS (
  SELECT ask FROM known GROUP BY ask HAVING COUNT(*) > 2000
), placed AS (
  SELECT k.ask, as_of_us, occurred_us, event_hash, line, order_hash, item_row, event_code, quantity, price_minor,
    ROW_NUMBER() OVER (PARTITION BY k.ask ORDER BY occurred_us DESC, event_hash DESC, line DESC) AS place
  FROM known k JOIN many m ON m.ask = k.ask
)
SELECT ask, as_of_us, occurred_us, event_hash, line, order_hash, item_row, event_code, quantity, price_minor
FROM placed WHERE place <= 2000
UNION ALL
SELECT k.ask, as_of_us, occurred_us, event_hash, line, order_hash, item_row, event_code, quantity, price_minor
FROM known k LEFT JOIN many m ON m.ask = k.ask WHERE m.ask IS NULL
