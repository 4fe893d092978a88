-- tag: {is: vip, weight: {at_least: 0.5}}

-- postgres
--   p0 = datetime.datetime(2026, 11, 22, 4, 30, tzinfo=datetime.timezone.utc)
--   p1 = 1
--   p2 = 'vip'
--   p3 = Decimal('0.5')
SELECT
  m.member_no
FROM facts.members AS m
JOIN facts.tags AS f
  ON f.brand_id = m.brand_id AND f.member_id = m.member_id
WHERE
  (
    m.brand_id = CAST(%(p1)s AS INT)
    AND f.tag = CAST(%(p2)s AS TEXT)
    AND (
      f.expires_at IS NULL OR f.expires_at > CAST(%(p0)s AS TIMESTAMPTZ)
    )
  )
  AND CAST(f.weight AS DECIMAL(18, 6)) >= CAST(%(p3)s AS DECIMAL(18, 6));
