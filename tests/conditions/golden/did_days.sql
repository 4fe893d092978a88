-- did: {event: Checked In, distinct: {of: local_day, at_least: 3}, within: 7d}

-- duckdb
--   p0 = 'other'
--   p1 = 'checked in'
--   p2 = 'Checked In'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 202611
--   p6 = datetime.datetime(2026, 11, 15, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p7 = 'Asia/Taipei'
--   p8 = Decimal('3')
SELECT
  o.member_no
FROM events AS e
JOIN origins AS o
  ON o.origin_id = e.origin_id
WHERE
  e.part IN (CAST($p0 AS TEXT), CAST($p1 AS TEXT))
  AND e.name IN (CAST($p2 AS TEXT))
  AND e.month <= CAST($p3 AS INT)
  AND e.occurred_at < CAST($p4 AS TIMESTAMPTZ)
  AND e.month >= CAST($p5 AS INT)
  AND e.occurred_at >= CAST($p6 AS TIMESTAMPTZ)
GROUP BY
  o.member_no
HAVING
  COUNT(DISTINCT CAST(TIMEZONE(CAST($p7 AS TEXT), e.occurred_at) AS DATE)) >= CAST($p8 AS DECIMAL(18, 6));

-- postgres
--   p0 = 'other'
--   p1 = 'checked in'
--   p2 = 'Checked In'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 202611
--   p6 = datetime.datetime(2026, 11, 15, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p7 = 'Asia/Taipei'
--   p8 = Decimal('3')
SELECT
  o.member_no
FROM events AS e
JOIN origins AS o
  ON o.origin_id = e.origin_id
WHERE
  e.part IN (CAST(%(p0)s AS TEXT), CAST(%(p1)s AS TEXT))
  AND e.name IN (CAST(%(p2)s AS TEXT))
  AND e.month <= CAST(%(p3)s AS INT)
  AND e.occurred_at < CAST(%(p4)s AS TIMESTAMPTZ)
  AND e.month >= CAST(%(p5)s AS INT)
  AND e.occurred_at >= CAST(%(p6)s AS TIMESTAMPTZ)
GROUP BY
  o.member_no
HAVING
  COUNT(DISTINCT CAST(TIMEZONE(CAST(%(p7)s AS TEXT), e.occurred_at) AS DATE)) >= CAST(%(p8)s AS DECIMAL(18, 6));

-- spark
--   p0 = 'other'
--   p1 = 'checked in'
--   p2 = 'Checked In'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 202611
--   p6 = datetime.datetime(2026, 11, 15, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p7 = 'Asia/Taipei'
--   p8 = Decimal('3')
SELECT
  o.member_no
FROM events AS e
JOIN origins AS o
  ON o.origin_id = e.origin_id
WHERE
  e.part IN (CAST(:p0 AS STRING), CAST(:p1 AS STRING))
  AND e.name IN (CAST(:p2 AS STRING))
  AND e.month <= CAST(:p3 AS INT)
  AND e.occurred_at < CAST(:p4 AS TIMESTAMP)
  AND e.month >= CAST(:p5 AS INT)
  AND e.occurred_at >= CAST(:p6 AS TIMESTAMP)
GROUP BY
  o.member_no
HAVING
  COUNT(
    DISTINCT CAST(FROM_UTC_TIMESTAMP(CAST(e.occurred_at AS TIMESTAMP), CAST(:p7 AS STRING)) AS DATE)
  ) >= CAST(:p8 AS DECIMAL(18, 6));
