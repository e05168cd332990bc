WITH links AS (
  SELECT CONCAT('u:', user_id) AS person, CONCAT('a:', anonymous_id) AS alias, MIN(occurred_us) AS linked_us
  FROM event_lines WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL
  GROUP BY CONCAT('u:', user_id), CONCAT('a:', anonymous_id)
)
SELECT ask, as_of_us, person AS alias FROM asks
UNION ALL
SELECT a.ask, a.as_of_us, l.alias
FROM asks a JOIN links l ON l.person = a.person AND l.linked_us < a.as_of_us
