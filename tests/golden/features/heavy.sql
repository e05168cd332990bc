SELECT person FROM event_lines
GROUP BY person HAVING COUNT(*) > 1000
