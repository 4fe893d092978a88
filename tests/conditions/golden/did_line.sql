-- did: {event: Order Completed, where: {category: heels}}

-- duckdb
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 'heels'
--   p6 = 'other'
--   p7 = 'order completed'
--   p8 = 'Order Completed'
--   p9 = 202611
--   p10 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p11 = 'heels'
SELECT DISTINCT
  o.member_no
FROM events AS e
JOIN origins AS o
  ON o.origin_id = e.origin_id
WHERE
  e.part IN (CAST($p0 AS TEXT), CAST($p1 AS TEXT))
  AND e.name IN (CAST($p2 AS TEXT))
  AND e.month <= CAST($p3 AS INT)
  AND e.occurred_at < CAST($p4 AS TIMESTAMPTZ)
  AND (
    (
      NOT e.line_count > 0 AND e.category IN (CAST($p5 AS TEXT))
    )
    OR (
      e.line_count > 0
      AND e.seq IN (
        SELECT
          l.seq
        FROM lines AS l
        WHERE
          l.part IN (CAST($p6 AS TEXT), CAST($p7 AS TEXT))
          AND l.name IN (CAST($p8 AS TEXT))
          AND l.month <= CAST($p9 AS INT)
          AND l.occurred_at < CAST($p10 AS TIMESTAMPTZ)
          AND l.category IN (CAST($p11 AS TEXT))
      )
    )
  );

-- postgres
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 'heels'
--   p6 = 'other'
--   p7 = 'order completed'
--   p8 = 'Order Completed'
--   p9 = 202611
--   p10 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p11 = 'heels'
SELECT DISTINCT
  o.member_no
FROM events AS e
JOIN origins AS o
  ON o.origin_id = e.origin_id
WHERE
  e.part IN (CAST(%(p0)s AS TEXT), CAST(%(p1)s AS TEXT))
  AND e.name IN (CAST(%(p2)s AS TEXT))
  AND e.month <= CAST(%(p3)s AS INT)
  AND e.occurred_at < CAST(%(p4)s AS TIMESTAMPTZ)
  AND (
    (
      NOT e.line_count > 0 AND e.category IN (CAST(%(p5)s AS TEXT))
    )
    OR (
      e.line_count > 0
      AND e.seq IN (
        SELECT
          l.seq
        FROM lines AS l
        WHERE
          l.part IN (CAST(%(p6)s AS TEXT), CAST(%(p7)s AS TEXT))
          AND l.name IN (CAST(%(p8)s AS TEXT))
          AND l.month <= CAST(%(p9)s AS INT)
          AND l.occurred_at < CAST(%(p10)s AS TIMESTAMPTZ)
          AND l.category IN (CAST(%(p11)s AS TEXT))
      )
    )
  );

-- spark
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 'heels'
--   p6 = 'other'
--   p7 = 'order completed'
--   p8 = 'Order Completed'
--   p9 = 202611
--   p10 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p11 = 'heels'
SELECT DISTINCT
  o.member_no
FROM events AS e
JOIN origins AS o
  ON o.origin_id = e.origin_id
WHERE
  e.part IN (CAST(:p0 AS STRING), CAST(:p1 AS STRING))
  AND e.name IN (CAST(:p2 AS STRING))
  AND e.month <= CAST(:p3 AS INT)
  AND e.occurred_at < CAST(:p4 AS TIMESTAMP)
  AND (
    (
      NOT e.line_count > 0 AND e.category IN (CAST(:p5 AS STRING))
    )
    OR (
      e.line_count > 0
      AND e.seq IN (
        SELECT
          l.seq
        FROM lines AS l
        WHERE
          l.part IN (CAST(:p6 AS STRING), CAST(:p7 AS STRING))
          AND l.name IN (CAST(:p8 AS STRING))
          AND l.month <= CAST(:p9 AS INT)
          AND l.occurred_at < CAST(:p10 AS TIMESTAMP)
          AND l.category IN (CAST(:p11 AS STRING))
      )
    )
  );
