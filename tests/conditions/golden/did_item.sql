-- did: {event: Order Completed, item: {brand: acme}}

-- duckdb
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = '/brand'
--   p6 = 'acme'
--   p7 = 'other'
--   p8 = 'order completed'
--   p9 = 'Order Completed'
--   p10 = 202611
--   p11 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p12 = '/brand'
--   p13 = 'acme'
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
      NOT e.line_count > 0
      AND e.item_id IN (
        SELECT
          i.item_id
        FROM items AS i
        WHERE
          CAST(i.attributes -> CAST($p5 AS TEXT) AS TEXT) IN (CAST(TO_JSON(CAST($p6 AS TEXT)) AS TEXT))
      )
    )
    OR (
      e.line_count > 0
      AND e.seq IN (
        SELECT
          l.seq
        FROM lines AS l
        WHERE
          l.part IN (CAST($p7 AS TEXT), CAST($p8 AS TEXT))
          AND l.name IN (CAST($p9 AS TEXT))
          AND l.month <= CAST($p10 AS INT)
          AND l.occurred_at < CAST($p11 AS TIMESTAMPTZ)
          AND l.item_id IN (
            SELECT
              i.item_id
            FROM items AS i
            WHERE
              CAST(i.attributes -> CAST($p12 AS TEXT) AS TEXT) IN (CAST(TO_JSON(CAST($p13 AS TEXT)) AS TEXT))
          )
      )
    )
  );

-- postgres
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 'brand'
--   p6 = '"acme"'
--   p7 = 'other'
--   p8 = 'order completed'
--   p9 = 'Order Completed'
--   p10 = 202611
--   p11 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p12 = 'brand'
--   p13 = '"acme"'
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
      NOT e.line_count > 0
      AND e.item_id IN (
        SELECT
          i.item_id
        FROM items AS i
        WHERE
          JSONB_OBJECT_FIELD(CAST(i.attributes AS JSONB), CAST(%(p5)s AS TEXT)) IN (CAST(%(p6)s AS JSONB))
      )
    )
    OR (
      e.line_count > 0
      AND e.seq IN (
        SELECT
          l.seq
        FROM lines AS l
        WHERE
          l.part IN (CAST(%(p7)s AS TEXT), CAST(%(p8)s AS TEXT))
          AND l.name IN (CAST(%(p9)s AS TEXT))
          AND l.month <= CAST(%(p10)s AS INT)
          AND l.occurred_at < CAST(%(p11)s AS TIMESTAMPTZ)
          AND l.item_id IN (
            SELECT
              i.item_id
            FROM items AS i
            WHERE
              JSONB_OBJECT_FIELD(CAST(i.attributes AS JSONB), CAST(%(p12)s AS TEXT)) IN (CAST(%(p13)s AS JSONB))
          )
      )
    )
  );

-- spark
--   p0 = 'other'
--   p1 = 'order completed'
--   p2 = 'Order Completed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = '$.brand'
--   p6 = '=brand'
--   p7 = '=acme'
--   p8 = 'other'
--   p9 = 'order completed'
--   p10 = 'Order Completed'
--   p11 = 202611
--   p12 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p13 = '$.brand'
--   p14 = '=brand'
--   p15 = '=acme'
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
      NOT e.line_count > 0
      AND e.item_id IN (
        SELECT
          i.item_id
        FROM (
          SELECT
            *,
            CASE
              WHEN GET_JSON_OBJECT(attributes, CAST(:p5 AS STRING)) IS NULL
              THEN CAST(NULL AS STRING)
              WHEN NOT GET_JSON_OBJECT(attributes, CAST(:p5 AS STRING)) RLIKE '^(-?[0-9]|true$|false$|[\\[{])'
              THEN CONCAT('=', GET_JSON_OBJECT(attributes, CAST(:p5 AS STRING)))
              WHEN NOT GET_JSON_OBJECT(attributes, CAST(:p5 AS STRING)) RLIKE '^[\\[{]'
              AND NOT CONTAINS(attributes, CONCAT('"', GET_JSON_OBJECT(attributes, CAST(:p5 AS STRING)), '"'))
              AND NOT CONTAINS(attributes, '\\')
              THEN GET_JSON_OBJECT(attributes, CAST(:p5 AS STRING))
              ELSE ELEMENT_AT(
                FROM_JSON(
                  REGEXP_REPLACE(attributes, '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"', '"=$1"'),
                  'map<string,string>'
                ),
                CAST(:p6 AS STRING)
              )
            END AS json_0
          FROM items
        ) AS i
        WHERE
          i.json_0 IN (CAST(:p7 AS STRING))
      )
    )
    OR (
      e.line_count > 0
      AND e.seq IN (
        SELECT
          l.seq
        FROM lines AS l
        WHERE
          l.part IN (CAST(:p8 AS STRING), CAST(:p9 AS STRING))
          AND l.name IN (CAST(:p10 AS STRING))
          AND l.month <= CAST(:p11 AS INT)
          AND l.occurred_at < CAST(:p12 AS TIMESTAMP)
          AND l.item_id IN (
            SELECT
              i.item_id
            FROM (
              SELECT
                *,
                CASE
                  WHEN GET_JSON_OBJECT(attributes, CAST(:p13 AS STRING)) IS NULL
                  THEN CAST(NULL AS STRING)
                  WHEN NOT GET_JSON_OBJECT(attributes, CAST(:p13 AS STRING)) RLIKE '^(-?[0-9]|true$|false$|[\\[{])'
                  THEN CONCAT('=', GET_JSON_OBJECT(attributes, CAST(:p13 AS STRING)))
                  WHEN NOT GET_JSON_OBJECT(attributes, CAST(:p13 AS STRING)) RLIKE '^[\\[{]'
                  AND NOT CONTAINS(attributes, CONCAT('"', GET_JSON_OBJECT(attributes, CAST(:p13 AS STRING)), '"'))
                  AND NOT CONTAINS(attributes, '\\')
                  THEN GET_JSON_OBJECT(attributes, CAST(:p13 AS STRING))
                  ELSE ELEMENT_AT(
                    FROM_JSON(
                      REGEXP_REPLACE(attributes, '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"', '"=$1"'),
                      'map<string,string>'
                    ),
                    CAST(:p14 AS STRING)
                  )
                END AS json_0
              FROM items
            ) AS i
            WHERE
              i.json_0 IN (CAST(:p15 AS STRING))
          )
      )
    )
  );
