-- trait: {name: 王小明}

-- postgres
--   p0 = 1
--   p1 = 'name'
--   p2 = 'digest of name'
SELECT
  m.member_no
FROM facts.members AS m
JOIN facts.personal_traits AS f
  ON f.brand_id = m.brand_id AND f.member_id = m.member_id
WHERE
  (
    m.brand_id = CAST(%(p0)s AS INT) AND f.trait = CAST(%(p1)s AS TEXT)
  )
  AND f.lookup IN (CAST(%(p2)s AS TEXT));
