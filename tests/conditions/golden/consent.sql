-- consent: {channel: line, purpose: marketing}

-- postgres
--   p0 = 1
--   p1 = 'line'
--   p2 = 'marketing'
SELECT DISTINCT
  m.member_no
FROM facts.members AS m
JOIN facts.consents AS f
  ON f.brand_id = m.brand_id AND f.member_id = m.member_id
WHERE
  m.brand_id = CAST(%(p0)s AS INT)
  AND f.channel = CAST(%(p1)s AS TEXT)
  AND f.purpose = CAST(%(p2)s AS TEXT)
  AND f.granted = TRUE;
