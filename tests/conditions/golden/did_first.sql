-- did: {event: Order Completed, first: 30d}

-- duckdb
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p6 = datetime.datetime(2026, 10, 23, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
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
GROUP BY
  o.member_no
HAVING
  MIN(e.occurred_at) < CAST($p5 AS TIMESTAMPTZ)
  AND MIN(e.occurred_at) >= CAST($p6 AS TIMESTAMPTZ);

-- postgres
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p6 = datetime.datetime(2026, 10, 23, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
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
GROUP BY
  o.member_no
HAVING
  MIN(e.occurred_at) < CAST(%(p5)s AS TIMESTAMPTZ)
  AND MIN(e.occurred_at) >= CAST(%(p6)s AS TIMESTAMPTZ);

-- spark
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p6 = datetime.datetime(2026, 10, 23, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
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
GROUP BY
  o.member_no
HAVING
  MIN(e.occurred_at) < CAST(:p5 AS TIMESTAMP)
  AND MIN(e.occurred_at) >= CAST(:p6 AS TIMESTAMP);
