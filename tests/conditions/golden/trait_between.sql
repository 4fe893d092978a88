-- trait: {age: {between: [25, 54]}}

-- postgres
--   p0 = 1
--   p1 = 'age'
--   p2 = Decimal('25')
--   p3 = Decimal('54')
SELECT
  m.member_no
FROM facts.members AS m
WHERE
  m.brand_id = CAST(%(p0)s AS INT)
  AND (
    FACTS.JSON_NUMBER(JSONB_OBJECT_FIELD(CAST(m.traits AS JSONB), CAST(%(p1)s AS TEXT))) >= CAST(%(p2)s AS DECIMAL(18, 6))
    AND FACTS.JSON_NUMBER(JSONB_OBJECT_FIELD(CAST(m.traits AS JSONB), CAST(%(p1)s AS TEXT))) <= CAST(%(p3)s AS DECIMAL(18, 6))
  );
