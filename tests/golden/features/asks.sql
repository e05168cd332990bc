SELECT person, as_of_us,
  CAST(ROW_NUMBER() OVER (ORDER BY as_of_us, person) AS BIGINT) AS ask
FROM (SELECT DISTINCT person, as_of_us FROM asked) people
