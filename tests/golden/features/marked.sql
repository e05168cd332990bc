WITH placed AS (
  SELECT e.person, e.item_row, e.event_code, e.occurred_us, e.event_hash, e.line, e.quantity, e.price_minor,
    CAST(ROW_NUMBER() OVER (PARTITION BY e.person ORDER BY e.occurred_us, e.event_hash, e.line) AS BIGINT) AS place
  FROM event_lines e JOIN heavy v ON v.person = e.person
  UNION ALL
  SELECT e.person, e.item_row, e.event_code, e.occurred_us, e.event_hash, e.line, e.quantity, e.price_minor,
    CAST(0 AS BIGINT) AS place
  FROM event_lines e LEFT JOIN heavy v ON v.person = e.person WHERE v.person IS NULL
), followed AS (
  SELECT item_row, event_code, occurred_us, quantity, price_minor, place,
    LAG(place) OVER (PARTITION BY person, item_row, event_code ORDER BY occurred_us, event_hash, line) AS place_before, LAG(occurred_us) OVER (PARTITION BY person, item_row, event_code ORDER BY occurred_us, event_hash, line) AS us_before
  FROM placed WHERE item_row >= 0 AND event_code BETWEEN 1 AND 4
)
SELECT item_row, event_code, occurred_us, CAST(1 AS BIGINT) AS line_count, quantity,
  CASE WHEN quantity > 0 THEN CAST(FLOOR(LN(CAST(quantity AS DOUBLE)) * 1000 + CAST(0.5 AS DOUBLE)) AS BIGINT) ELSE 0 END AS log_quantity,
  CASE WHEN price_minor > 0 THEN CAST(FLOOR(LN(CAST(price_minor AS DOUBLE)) * 1000 + CAST(0.5 AS DOUBLE)) AS BIGINT) ELSE 0 END AS log_price,
  LEAST(price_minor, 2147483647) AS price_minor,
  CASE WHEN us_before IS NULL OR us_before < occurred_us - occurred_us % 86400000000 THEN 1 ELSE 0 END AS actor,
  CASE WHEN event_code = 3 AND (us_before IS NULL OR place - place_before > 1000) THEN 1 ELSE 0 END AS first_buyer
FROM followed
