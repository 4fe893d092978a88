-- voucher: {pool: half-price, state: issued}

-- postgres
--   p0 = 1
--   p1 = 'half-price'
--   p2 = 'issued'
--   p3 = datetime.datetime(2026, 11, 22, 4, 30, tzinfo=datetime.timezone.utc)
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, tzinfo=datetime.timezone.utc)
SELECT DISTINCT
  m.member_no
FROM facts.members AS m
JOIN facts.loyalty_vouchers AS f
  ON f.brand_id = m.brand_id AND f.member_id = m.member_id
WHERE
  m.brand_id = CAST(%(p0)s AS INT)
  AND f.pool = CAST(%(p1)s AS TEXT)
  AND f.state = CAST(%(p2)s AS TEXT)
  AND f.begins_at <= CAST(%(p3)s AS TIMESTAMPTZ)
  AND f.ends_at > CAST(%(p4)s AS TIMESTAMPTZ);
