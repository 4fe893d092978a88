-- bucket: {salt: spring, from: 0, until: 10}

-- postgres
--   p0 = 'spring/m'
--   p1 = 1
--   p2 = '0000000000000000'
--   p3 = '1999999999999999'
SELECT
  m.member_no
FROM facts.members AS m
WHERE
  (
    m.brand_id = CAST(%(p1)s AS INT)
    AND FACTS.PLACE_OF(CAST(%(p0)s AS TEXT) || CAST(m.member_id AS TEXT)) >= CAST(%(p2)s AS TEXT)
  )
  AND FACTS.PLACE_OF(CAST(%(p0)s AS TEXT) || CAST(m.member_id AS TEXT)) < CAST(%(p3)s AS TEXT);
