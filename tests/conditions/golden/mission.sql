-- mission: {name: three books, state: done}

-- postgres
--   p0 = 1
--   p1 = 'three books'
--   p2 = 'done'
SELECT DISTINCT
  m.member_no
FROM facts.members AS m
JOIN facts.loyalty_missions AS f
  ON f.brand_id = m.brand_id AND f.member_id = m.member_id
WHERE
  m.brand_id = CAST(%(p0)s AS INT)
  AND f.mission = CAST(%(p1)s AS TEXT)
  AND f.state = CAST(%(p2)s AS TEXT);
