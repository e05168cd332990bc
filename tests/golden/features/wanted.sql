SELECT DISTINCT a.ask, r.item_row
FROM asked r JOIN asks a ON a.person = r.person AND a.as_of_us = r.as_of_us
