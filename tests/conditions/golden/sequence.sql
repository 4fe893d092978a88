-- sequence: {of: [Product Viewed, Product Added, {not: Order Completed}], within: 2h, by: cart_id}

-- duckdb
--   p0 = 'other'
--   p1 = 'product viewed'
--   p2 = 'Product Viewed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = '/cart_id'
--   p6 = '/cart_id'
--   p7 = 'other'
--   p8 = 'product added'
--   p9 = 'Product Added'
--   p10 = 202611
--   p11 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p12 = '/cart_id'
--   p13 = '/cart_id'
--   p14 = 'other'
--   p15 = 'order completed'
--   p16 = 'Order Completed'
--   p17 = 202611
--   p18 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p19 = '/cart_id'
--   p20 = '/cart_id'
--   p21 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
WITH s0 AS MATERIALIZED (
  SELECT
    o.member_no AS member_no,
    e.occurred_at AS "at",
    COALESCE(
      't' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p5 AS TEXT)) = 'VARCHAR'
        THEN (
          e.properties -> CAST($p5 AS TEXT)
        ) ->> '$'
      END AS TEXT),
      'n' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p6 AS TEXT)) IN ('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT')
        THEN TRY_CAST((
          e.properties -> CAST($p6 AS TEXT)
        ) ->> '$' AS DECIMAL(18, 6))
      END AS TEXT)
    ) AS k
  FROM events AS e
  JOIN origins AS o
    ON o.origin_id = e.origin_id
  WHERE
    (
      e.part IN (CAST($p0 AS TEXT), CAST($p1 AS TEXT))
      AND e.name IN (CAST($p2 AS TEXT))
      AND e.month <= CAST($p3 AS INT)
      AND e.occurred_at < CAST($p4 AS TIMESTAMPTZ)
    )
    AND NOT COALESCE(
      't' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p5 AS TEXT)) = 'VARCHAR'
        THEN (
          e.properties -> CAST($p5 AS TEXT)
        ) ->> '$'
      END AS TEXT),
      'n' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p6 AS TEXT)) IN ('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT')
        THEN TRY_CAST((
          e.properties -> CAST($p6 AS TEXT)
        ) ->> '$' AS DECIMAL(18, 6))
      END AS TEXT)
    ) IS NULL
), s1 AS MATERIALIZED (
  SELECT
    o.member_no AS member_no,
    e.occurred_at AS "at",
    COALESCE(
      't' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p12 AS TEXT)) = 'VARCHAR'
        THEN (
          e.properties -> CAST($p12 AS TEXT)
        ) ->> '$'
      END AS TEXT),
      'n' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p13 AS TEXT)) IN ('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT')
        THEN TRY_CAST((
          e.properties -> CAST($p13 AS TEXT)
        ) ->> '$' AS DECIMAL(18, 6))
      END AS TEXT)
    ) AS k
  FROM events AS e
  JOIN origins AS o
    ON o.origin_id = e.origin_id
  WHERE
    (
      e.part IN (CAST($p7 AS TEXT), CAST($p8 AS TEXT))
      AND e.name IN (CAST($p9 AS TEXT))
      AND e.month <= CAST($p10 AS INT)
      AND e.occurred_at < CAST($p11 AS TIMESTAMPTZ)
    )
    AND NOT COALESCE(
      't' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p12 AS TEXT)) = 'VARCHAR'
        THEN (
          e.properties -> CAST($p12 AS TEXT)
        ) ->> '$'
      END AS TEXT),
      'n' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p13 AS TEXT)) IN ('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT')
        THEN TRY_CAST((
          e.properties -> CAST($p13 AS TEXT)
        ) ->> '$' AS DECIMAL(18, 6))
      END AS TEXT)
    ) IS NULL
), s2 AS MATERIALIZED (
  SELECT
    o.member_no AS member_no,
    e.occurred_at AS "at",
    COALESCE(
      't' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p19 AS TEXT)) = 'VARCHAR'
        THEN (
          e.properties -> CAST($p19 AS TEXT)
        ) ->> '$'
      END AS TEXT),
      'n' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p20 AS TEXT)) IN ('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT')
        THEN TRY_CAST((
          e.properties -> CAST($p20 AS TEXT)
        ) ->> '$' AS DECIMAL(18, 6))
      END AS TEXT)
    ) AS k
  FROM events AS e
  JOIN origins AS o
    ON o.origin_id = e.origin_id
  WHERE
    (
      e.part IN (CAST($p14 AS TEXT), CAST($p15 AS TEXT))
      AND e.name IN (CAST($p16 AS TEXT))
      AND e.month <= CAST($p17 AS INT)
      AND e.occurred_at < CAST($p18 AS TIMESTAMPTZ)
    )
    AND NOT COALESCE(
      't' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p19 AS TEXT)) = 'VARCHAR'
        THEN (
          e.properties -> CAST($p19 AS TEXT)
        ) ->> '$'
      END AS TEXT),
      'n' || CAST(CASE
        WHEN JSON_TYPE(e.properties -> CAST($p20 AS TEXT)) IN ('BIGINT', 'UBIGINT', 'DOUBLE', 'HUGEINT')
        THEN TRY_CAST((
          e.properties -> CAST($p20 AS TEXT)
        ) ->> '$' AS DECIMAL(18, 6))
      END AS TEXT)
    ) IS NULL
)
SELECT DISTINCT
  s0.member_no
FROM s0
JOIN s1
  ON s1.member_no = s0.member_no
  AND s1."at" > s0."at"
  AND s1."at" <= s0."at" + INTERVAL '7200' SECOND
  AND s1.k = s0.k
WHERE
  s0."at" + INTERVAL '7200' SECOND < CAST($p21 AS TIMESTAMPTZ)
  AND NOT EXISTS(
    SELECT
      1
    FROM s2 AS x
    WHERE
      x.member_no = s0.member_no
      AND x."at" > s1."at"
      AND x."at" <= s0."at" + INTERVAL '7200' SECOND
      AND x.k = s0.k
  );

-- postgres
--   p0 = 'other'
--   p1 = 'product viewed'
--   p2 = 'Product Viewed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = 'cart_id'
--   p6 = 'cart_id'
--   p7 = 'other'
--   p8 = 'product added'
--   p9 = 'Product Added'
--   p10 = 202611
--   p11 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p12 = 'cart_id'
--   p13 = 'cart_id'
--   p14 = 'other'
--   p15 = 'order completed'
--   p16 = 'Order Completed'
--   p17 = 202611
--   p18 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p19 = 'cart_id'
--   p20 = 'cart_id'
--   p21 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
WITH s0 AS MATERIALIZED (
  SELECT
    o.member_no AS member_no,
    e.occurred_at AS at,
    COALESCE(
      't' || CAST(CASE
        WHEN JSONB_TYPEOF(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p5)s AS TEXT))) = 'string'
        THEN FACTS.JSON_TEXT(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p5)s AS TEXT)))
      END AS TEXT),
      'n' || CAST(FACTS.JSON_NUMBER(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p6)s AS TEXT))) AS TEXT)
    ) AS k
  FROM events AS e
  JOIN origins AS o
    ON o.origin_id = e.origin_id
  WHERE
    (
      e.part IN (CAST(%(p0)s AS TEXT), CAST(%(p1)s AS TEXT))
      AND e.name IN (CAST(%(p2)s AS TEXT))
      AND e.month <= CAST(%(p3)s AS INT)
      AND e.occurred_at < CAST(%(p4)s AS TIMESTAMPTZ)
    )
    AND NOT COALESCE(
      't' || CAST(CASE
        WHEN JSONB_TYPEOF(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p5)s AS TEXT))) = 'string'
        THEN FACTS.JSON_TEXT(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p5)s AS TEXT)))
      END AS TEXT),
      'n' || CAST(FACTS.JSON_NUMBER(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p6)s AS TEXT))) AS TEXT)
    ) IS NULL
), s1 AS MATERIALIZED (
  SELECT
    o.member_no AS member_no,
    e.occurred_at AS at,
    COALESCE(
      't' || CAST(CASE
        WHEN JSONB_TYPEOF(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p12)s AS TEXT))) = 'string'
        THEN FACTS.JSON_TEXT(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p12)s AS TEXT)))
      END AS TEXT),
      'n' || CAST(FACTS.JSON_NUMBER(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p13)s AS TEXT))) AS TEXT)
    ) AS k
  FROM events AS e
  JOIN origins AS o
    ON o.origin_id = e.origin_id
  WHERE
    (
      e.part IN (CAST(%(p7)s AS TEXT), CAST(%(p8)s AS TEXT))
      AND e.name IN (CAST(%(p9)s AS TEXT))
      AND e.month <= CAST(%(p10)s AS INT)
      AND e.occurred_at < CAST(%(p11)s AS TIMESTAMPTZ)
    )
    AND NOT COALESCE(
      't' || CAST(CASE
        WHEN JSONB_TYPEOF(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p12)s AS TEXT))) = 'string'
        THEN FACTS.JSON_TEXT(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p12)s AS TEXT)))
      END AS TEXT),
      'n' || CAST(FACTS.JSON_NUMBER(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p13)s AS TEXT))) AS TEXT)
    ) IS NULL
), s2 AS MATERIALIZED (
  SELECT
    o.member_no AS member_no,
    e.occurred_at AS at,
    COALESCE(
      't' || CAST(CASE
        WHEN JSONB_TYPEOF(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p19)s AS TEXT))) = 'string'
        THEN FACTS.JSON_TEXT(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p19)s AS TEXT)))
      END AS TEXT),
      'n' || CAST(FACTS.JSON_NUMBER(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p20)s AS TEXT))) AS TEXT)
    ) AS k
  FROM events AS e
  JOIN origins AS o
    ON o.origin_id = e.origin_id
  WHERE
    (
      e.part IN (CAST(%(p14)s AS TEXT), CAST(%(p15)s AS TEXT))
      AND e.name IN (CAST(%(p16)s AS TEXT))
      AND e.month <= CAST(%(p17)s AS INT)
      AND e.occurred_at < CAST(%(p18)s AS TIMESTAMPTZ)
    )
    AND NOT COALESCE(
      't' || CAST(CASE
        WHEN JSONB_TYPEOF(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p19)s AS TEXT))) = 'string'
        THEN FACTS.JSON_TEXT(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p19)s AS TEXT)))
      END AS TEXT),
      'n' || CAST(FACTS.JSON_NUMBER(JSONB_OBJECT_FIELD(CAST(e.properties AS JSONB), CAST(%(p20)s AS TEXT))) AS TEXT)
    ) IS NULL
)
SELECT DISTINCT
  s0.member_no
FROM s0
JOIN s1
  ON s1.member_no = s0.member_no
  AND s1.at > s0.at
  AND s1.at <= s0.at + INTERVAL '7200 SECOND'
  AND s1.k = s0.k
WHERE
  s0.at + INTERVAL '7200 SECOND' < CAST(%(p21)s AS TIMESTAMPTZ)
  AND NOT EXISTS(
    SELECT
      1
    FROM s2 AS x
    WHERE
      x.member_no = s0.member_no
      AND x.at > s1.at
      AND x.at <= s0.at + INTERVAL '7200 SECOND'
      AND x.k = s0.k
  );

-- spark
--   p0 = 'other'
--   p1 = 'product viewed'
--   p2 = 'Product Viewed'
--   p3 = 202611
--   p4 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p5 = '$.cart_id'
--   p6 = '=cart_id'
--   p7 = '$.cart_id'
--   p8 = '=cart_id'
--   p9 = 'other'
--   p10 = 'product added'
--   p11 = 'Product Added'
--   p12 = 202611
--   p13 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p14 = '$.cart_id'
--   p15 = '=cart_id'
--   p16 = '$.cart_id'
--   p17 = '=cart_id'
--   p18 = 'other'
--   p19 = 'order completed'
--   p20 = 'Order Completed'
--   p21 = 202611
--   p22 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
--   p23 = '$.cart_id'
--   p24 = '=cart_id'
--   p25 = '$.cart_id'
--   p26 = '=cart_id'
--   p27 = datetime.datetime(2026, 11, 22, 4, 30, 0, 1, tzinfo=datetime.timezone.utc)
WITH s0 AS (
  SELECT
    o.member_no AS member_no,
    e.occurred_at AS at,
    COALESCE(
      't' || CAST(CASE WHEN STARTSWITH(e.json_1, '=') THEN SUBSTRING(e.json_1, 2) END AS STRING),
      'n' || CAST(CASE
        WHEN e.json_0 RLIKE '^-?[0-9].*[eE]'
        THEN TRY_CAST(TRY_CAST(TRY_CAST(e.json_0 AS DOUBLE) AS DECIMAL(38, 18)) AS DECIMAL(18, 6))
        ELSE TRY_CAST(e.json_0 AS DECIMAL(18, 6))
      END AS STRING)
    ) AS k
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
      END AS json_0,
      CASE
        WHEN GET_JSON_OBJECT(properties, CAST(:p5 AS STRING)) IS NULL
        THEN CAST(NULL AS STRING)
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p5 AS STRING)) RLIKE '^(-?[0-9]|true$|false$|[\\[{])'
        THEN CONCAT('=', GET_JSON_OBJECT(properties, CAST(:p5 AS STRING)))
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p5 AS STRING)) RLIKE '^[\\[{]'
        AND NOT CONTAINS(properties, CONCAT('"', GET_JSON_OBJECT(properties, CAST(:p5 AS STRING)), '"'))
        AND NOT CONTAINS(properties, '\\')
        THEN GET_JSON_OBJECT(properties, CAST(:p5 AS STRING))
        ELSE ELEMENT_AT(
          FROM_JSON(
            REGEXP_REPLACE(properties, '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"', '"=$1"'),
            'map<string,string>'
          ),
          CAST(:p6 AS STRING)
        )
      END AS json_1
    FROM events
  ) AS e
  JOIN origins AS o
    ON o.origin_id = e.origin_id
  WHERE
    (
      e.part IN (CAST(:p0 AS STRING), CAST(:p1 AS STRING))
      AND e.name IN (CAST(:p2 AS STRING))
      AND e.month <= CAST(:p3 AS INT)
      AND e.occurred_at < CAST(:p4 AS TIMESTAMP)
    )
    AND NOT COALESCE(
      't' || CAST(CASE WHEN STARTSWITH(e.json_1, '=') THEN SUBSTRING(e.json_1, 2) END AS STRING),
      'n' || CAST(CASE
        WHEN e.json_0 RLIKE '^-?[0-9].*[eE]'
        THEN TRY_CAST(TRY_CAST(TRY_CAST(e.json_0 AS DOUBLE) AS DECIMAL(38, 18)) AS DECIMAL(18, 6))
        ELSE TRY_CAST(e.json_0 AS DECIMAL(18, 6))
      END AS STRING)
    ) IS NULL
), s1 AS (
  SELECT
    o.member_no AS member_no,
    e.occurred_at AS at,
    COALESCE(
      't' || CAST(CASE WHEN STARTSWITH(e.json_1, '=') THEN SUBSTRING(e.json_1, 2) END AS STRING),
      'n' || CAST(CASE
        WHEN e.json_0 RLIKE '^-?[0-9].*[eE]'
        THEN TRY_CAST(TRY_CAST(TRY_CAST(e.json_0 AS DOUBLE) AS DECIMAL(38, 18)) AS DECIMAL(18, 6))
        ELSE TRY_CAST(e.json_0 AS DECIMAL(18, 6))
      END AS STRING)
    ) AS k
  FROM (
    SELECT
      *,
      CASE
        WHEN GET_JSON_OBJECT(properties, CAST(:p16 AS STRING)) IS NULL
        THEN CAST(NULL AS STRING)
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p16 AS STRING)) RLIKE '^(-?[0-9]|true$|false$|[\\[{])'
        THEN CONCAT('=', GET_JSON_OBJECT(properties, CAST(:p16 AS STRING)))
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p16 AS STRING)) RLIKE '^[\\[{]'
        AND NOT CONTAINS(properties, CONCAT('"', GET_JSON_OBJECT(properties, CAST(:p16 AS STRING)), '"'))
        AND NOT CONTAINS(properties, '\\')
        THEN GET_JSON_OBJECT(properties, CAST(:p16 AS STRING))
        ELSE ELEMENT_AT(
          FROM_JSON(
            REGEXP_REPLACE(properties, '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"', '"=$1"'),
            'map<string,string>'
          ),
          CAST(:p17 AS STRING)
        )
      END AS json_0,
      CASE
        WHEN GET_JSON_OBJECT(properties, CAST(:p14 AS STRING)) IS NULL
        THEN CAST(NULL AS STRING)
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p14 AS STRING)) RLIKE '^(-?[0-9]|true$|false$|[\\[{])'
        THEN CONCAT('=', GET_JSON_OBJECT(properties, CAST(:p14 AS STRING)))
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p14 AS STRING)) RLIKE '^[\\[{]'
        AND NOT CONTAINS(properties, CONCAT('"', GET_JSON_OBJECT(properties, CAST(:p14 AS STRING)), '"'))
        AND NOT CONTAINS(properties, '\\')
        THEN GET_JSON_OBJECT(properties, CAST(:p14 AS STRING))
        ELSE ELEMENT_AT(
          FROM_JSON(
            REGEXP_REPLACE(properties, '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"', '"=$1"'),
            'map<string,string>'
          ),
          CAST(:p15 AS STRING)
        )
      END AS json_1
    FROM events
  ) AS e
  JOIN origins AS o
    ON o.origin_id = e.origin_id
  WHERE
    (
      e.part IN (CAST(:p9 AS STRING), CAST(:p10 AS STRING))
      AND e.name IN (CAST(:p11 AS STRING))
      AND e.month <= CAST(:p12 AS INT)
      AND e.occurred_at < CAST(:p13 AS TIMESTAMP)
    )
    AND NOT COALESCE(
      't' || CAST(CASE WHEN STARTSWITH(e.json_1, '=') THEN SUBSTRING(e.json_1, 2) END AS STRING),
      'n' || CAST(CASE
        WHEN e.json_0 RLIKE '^-?[0-9].*[eE]'
        THEN TRY_CAST(TRY_CAST(TRY_CAST(e.json_0 AS DOUBLE) AS DECIMAL(38, 18)) AS DECIMAL(18, 6))
        ELSE TRY_CAST(e.json_0 AS DECIMAL(18, 6))
      END AS STRING)
    ) IS NULL
), s2 AS (
  SELECT
    o.member_no AS member_no,
    e.occurred_at AS at,
    COALESCE(
      't' || CAST(CASE WHEN STARTSWITH(e.json_1, '=') THEN SUBSTRING(e.json_1, 2) END AS STRING),
      'n' || CAST(CASE
        WHEN e.json_0 RLIKE '^-?[0-9].*[eE]'
        THEN TRY_CAST(TRY_CAST(TRY_CAST(e.json_0 AS DOUBLE) AS DECIMAL(38, 18)) AS DECIMAL(18, 6))
        ELSE TRY_CAST(e.json_0 AS DECIMAL(18, 6))
      END AS STRING)
    ) AS k
  FROM (
    SELECT
      *,
      CASE
        WHEN GET_JSON_OBJECT(properties, CAST(:p25 AS STRING)) IS NULL
        THEN CAST(NULL AS STRING)
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p25 AS STRING)) RLIKE '^(-?[0-9]|true$|false$|[\\[{])'
        THEN CONCAT('=', GET_JSON_OBJECT(properties, CAST(:p25 AS STRING)))
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p25 AS STRING)) RLIKE '^[\\[{]'
        AND NOT CONTAINS(properties, CONCAT('"', GET_JSON_OBJECT(properties, CAST(:p25 AS STRING)), '"'))
        AND NOT CONTAINS(properties, '\\')
        THEN GET_JSON_OBJECT(properties, CAST(:p25 AS STRING))
        ELSE ELEMENT_AT(
          FROM_JSON(
            REGEXP_REPLACE(properties, '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"', '"=$1"'),
            'map<string,string>'
          ),
          CAST(:p26 AS STRING)
        )
      END AS json_0,
      CASE
        WHEN GET_JSON_OBJECT(properties, CAST(:p23 AS STRING)) IS NULL
        THEN CAST(NULL AS STRING)
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p23 AS STRING)) RLIKE '^(-?[0-9]|true$|false$|[\\[{])'
        THEN CONCAT('=', GET_JSON_OBJECT(properties, CAST(:p23 AS STRING)))
        WHEN NOT GET_JSON_OBJECT(properties, CAST(:p23 AS STRING)) RLIKE '^[\\[{]'
        AND NOT CONTAINS(properties, CONCAT('"', GET_JSON_OBJECT(properties, CAST(:p23 AS STRING)), '"'))
        AND NOT CONTAINS(properties, '\\')
        THEN GET_JSON_OBJECT(properties, CAST(:p23 AS STRING))
        ELSE ELEMENT_AT(
          FROM_JSON(
            REGEXP_REPLACE(properties, '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"', '"=$1"'),
            'map<string,string>'
          ),
          CAST(:p24 AS STRING)
        )
      END AS json_1
    FROM events
  ) AS e
  JOIN origins AS o
    ON o.origin_id = e.origin_id
  WHERE
    (
      e.part IN (CAST(:p18 AS STRING), CAST(:p19 AS STRING))
      AND e.name IN (CAST(:p20 AS STRING))
      AND e.month <= CAST(:p21 AS INT)
      AND e.occurred_at < CAST(:p22 AS TIMESTAMP)
    )
    AND NOT COALESCE(
      't' || CAST(CASE WHEN STARTSWITH(e.json_1, '=') THEN SUBSTRING(e.json_1, 2) END AS STRING),
      'n' || CAST(CASE
        WHEN e.json_0 RLIKE '^-?[0-9].*[eE]'
        THEN TRY_CAST(TRY_CAST(TRY_CAST(e.json_0 AS DOUBLE) AS DECIMAL(38, 18)) AS DECIMAL(18, 6))
        ELSE TRY_CAST(e.json_0 AS DECIMAL(18, 6))
      END AS STRING)
    ) IS NULL
)
SELECT DISTINCT
  s0.member_no
FROM s0
JOIN s1
  ON s1.member_no = s0.member_no
  AND s1.at > s0.at
  AND s1.at <= s0.at + INTERVAL '7200' SECOND
  AND s1.k = s0.k
WHERE
  s0.at + INTERVAL '7200' SECOND < CAST(:p27 AS TIMESTAMP)
  AND NOT EXISTS(
    SELECT
      1
    FROM s2 AS x
    WHERE
      x.member_no = s0.member_no
      AND x.at > s1.at
      AND x.at <= s0.at + INTERVAL '7200' SECOND
      AND x.k = s0.k
  );
