-- badge: reader

-- postgres
--   p0 = 1
--   p1 = 'reader'
SELECT DISTINCT
  m.member_no
FROM facts.members AS m
JOIN facts.loyalty_badges AS f
  ON f.brand_id = m.brand_id AND f.member_id = m.member_id
WHERE
  m.brand_id = CAST(%(p0)s AS INT) AND f.badge = CAST(%(p1)s AS TEXT);
