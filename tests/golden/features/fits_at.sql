SELECT i.as_of_us, MAX(f.fit_us) AS fit_us
FROM instants i JOIN (SELECT DISTINCT fit_us FROM fitted) f ON f.fit_us <= i.as_of_us
GROUP BY i.as_of_us
