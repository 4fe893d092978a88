-- received: {count: {at_most: 1}, within: 30d}

-- postgres, everybody else
--   p0 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p1 = datetime.datetime(2026, 10, 23, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p2 = 1
--   p3 = Decimal('1')
SELECT
  m.member_no
FROM facts.members AS m
JOIN facts.deliveries AS f
  ON f.brand_id = m.brand_id AND f.member_id = m.member_id
WHERE
  m.brand_id = CAST(%(p2)s AS INT)
  AND f.received_at < CAST(%(p0)s AS TIMESTAMPTZ)
  AND f.received_at >= CAST(%(p1)s AS TIMESTAMPTZ)
GROUP BY
  m.member_no
HAVING
  NOT COUNT(*) <= CAST(%(p3)s AS DECIMAL(18, 6));
