-- trait: {born: {within: 30d}}

-- postgres
--   p0 = 1
--   p1 = 'Asia/Taipei'
--   p2 = 'born'
--   p3 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p4 = datetime.datetime(2026, 10, 23, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
SELECT
  m.member_no
FROM facts.members AS m
WHERE
  m.brand_id = CAST(%(p0)s AS INT)
  AND (
    NOT FACTS.JSON_INSTANT(
      JSONB_OBJECT_FIELD(CAST(m.traits AS JSONB), CAST(%(p2)s AS TEXT)),
      CAST(%(p1)s AS TEXT)
    ) IS NULL
    AND FACTS.JSON_INSTANT(
      JSONB_OBJECT_FIELD(CAST(m.traits AS JSONB), CAST(%(p2)s AS TEXT)),
      CAST(%(p1)s AS TEXT)
    ) < CAST(%(p3)s AS TIMESTAMPTZ)
    AND FACTS.JSON_INSTANT(
      JSONB_OBJECT_FIELD(CAST(m.traits AS JSONB), CAST(%(p2)s AS TEXT)),
      CAST(%(p1)s AS TEXT)
    ) >= CAST(%(p4)s AS TIMESTAMPTZ)
  );
