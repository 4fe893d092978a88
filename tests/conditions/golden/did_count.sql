-- did: {event: Order Completed, count: {at_least: 2}, within: 30d, where: {color: red}}

-- duckdb
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 202610
--   p6 = datetime.datetime(2026, 10, 23, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p7 = '/color'
--   p8 = 'red'
--   p9 = Decimal('2')
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
  AND CAST(e.properties -> CAST($p7 AS TEXT) AS TEXT) IN (CAST(TO_JSON(CAST($p8 AS TEXT)) AS TEXT))
GROUP BY
  o.member_no
HAVING
  COUNT(*) >= CAST($p9 AS DECIMAL(18, 6));

-- postgres
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 202610
--   p6 = datetime.datetime(2026, 10, 23, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p7 = 'color'
--   p8 = '"red"'
--   p9 = Decimal('2')
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
  AND JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p7)s AS TEXT)) IN (CAST(%(p8)s AS JSONB))
GROUP BY
  o.member_no
HAVING
  COUNT(*) >= CAST(%(p9)s AS DECIMAL(18, 6));

-- spark
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 202610
--   p6 = datetime.datetime(2026, 10, 23, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p7 = '$.color'
--   p8 = '=color'
--   p9 = '=red'
--   p10 = Decimal('2')
SELECT
  o.member_no
FROM (
  SELECT
    *,
    CASE
      WHEN GET_JSON_OBJECT(properties, CAST(:p7 AS STRING)) IS NULL
      THEN CAST(NULL AS STRING)
      WHEN NOT GET_JSON_OBJECT(properties, CAST(:p7 AS STRING)) RLIKE '^(-?[0-9]|true$|false$|[\\[{])'
      THEN CONCAT('=', GET_JSON_OBJECT(properties, CAST(:p7 AS STRING)))
      WHEN NOT GET_JSON_OBJECT(properties, CAST(:p7 AS STRING)) RLIKE '^[\\[{]'
      AND NOT CONTAINS(properties, CONCAT('"', GET_JSON_OBJECT(properties, CAST(:p7 AS STRING)), '"'))
      AND NOT CONTAINS(properties, '\\')
      THEN GET_JSON_OBJECT(properties, CAST(:p7 AS STRING))
      ELSE ELEMENT_AT(
        FROM_JSON(
          REGEXP_REPLACE(properties, '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"', '"=$1"'),
          'map<string,string>'
        ),
        CAST(:p8 AS STRING)
      )
    END AS json_0
  FROM events
) AS e
JOIN origins AS o
  ON o.origin_id = e.origin_id
WHERE
  e.part IN (CAST(:p0 AS STRING), CAST(:p1 AS STRING))
  AND e.name IN (CAST(:p2 AS STRING))
  AND e.month <= CAST(:p3 AS INT)
  AND e.occurred_at < CAST(:p4 AS TIMESTAMP)
  AND e.month >= CAST(:p5 AS INT)
  AND e.occurred_at >= CAST(:p6 AS TIMESTAMP)
  AND e.json_0 IN (CAST(:p9 AS STRING))
GROUP BY
  o.member_no
HAVING
  COUNT(*) >= CAST(:p10 AS DECIMAL(18, 6));
