-- trait: {gender: female}

-- postgres
--   p0 = 1
--   p1 = 'gender'
--   p2 = '"female"'
SELECT
  m.member_no
FROM facts.members AS m
WHERE
  m.brand_id = CAST(%(p0)s AS INT)
  AND JSONB_OBJECT_FIELD(CAST(m.traits AS JSONB), CAST(%(p1)s AS TEXT)) IN (CAST(%(p2)s AS JSONB));
