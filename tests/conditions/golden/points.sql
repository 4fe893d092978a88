-- points: {stars: {at_least: 3}}

-- postgres
--   p0 = 1
--   p1 = 'stars'
--   p2 = datetime.datetime(2026, 11, 22, 4, 30, tzinfo=datetime.timezone.utc)
--   p3 = datetime.datetime(2026, 11, 22, 4, 30, tzinfo=datetime.timezone.utc)
--   p4 = Decimal('3')
SELECT
  m.member_no
FROM facts.members AS m
JOIN facts.lots AS f
  ON f.brand_id = m.brand_id AND f.member_id = m.member_id
WHERE
  m.brand_id = CAST(%(p0)s AS INT)
  AND f.asset = CAST(%(p1)s AS TEXT)
  AND f.usable_at <= CAST(%(p2)s AS TIMESTAMPTZ)
  AND f.expires_at > CAST(%(p3)s AS TIMESTAMPTZ)
GROUP BY
  m.member_no
HAVING
  GREATEST(SUM(f.free) - MAX(f.owed), 0) >= CAST(%(p4)s AS DECIMAL(18, 6));
