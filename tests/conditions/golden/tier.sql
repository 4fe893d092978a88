-- tier: gold

-- postgres
--   p0 = 1
--   p1 = 'gold'
SELECT DISTINCT
  m.member_no
FROM facts.members AS m
JOIN facts.loyalty_tiers AS f
  ON f.brand_id = m.brand_id AND f.member_id = m.member_id
WHERE
  (
    m.brand_id = CAST(%(p0)s AS INT) AND f.tier = CAST(%(p1)s AS TEXT)
  )
  AND f.is_held;
