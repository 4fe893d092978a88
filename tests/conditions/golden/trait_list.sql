-- trait: {likes: {has_any: [tea]}}

-- postgres
--   p0 = 1
--   p1 = 'likes'
--   p2 = '["tea"]'
SELECT
  m.member_no
FROM facts.members AS m
WHERE
  m.brand_id = CAST(%(p0)s AS INT)
  AND (
    JSONB_TYPEOF(JSONB_OBJECT_FIELD(CAST(m.traits AS JSONB), CAST(%(p1)s AS TEXT))) = 'array'
    AND JSONB_CONTAINS(
      JSONB_OBJECT_FIELD(CAST(m.traits AS JSONB), CAST(%(p1)s AS TEXT)),
      CAST(%(p2)s AS JSONB)
    )
  );
