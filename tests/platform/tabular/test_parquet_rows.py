"""Parquet: exact values, bounded memory, clear refusals; and the real dirty file."""

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from regulars.platform.tabular.errors import UnreadableFile
from regulars.platform.tabular.reader import open_table
from regulars.platform.tabular.table import Row

REAL = Path(__file__).parents[4] / "shared" / "data" / "online_retail_ii_2009_2010.parquet"


def write(path: Path, query: str) -> Path:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Asia/Taipei'")
        connection.sql(query).write_parquet(str(path))
    return path


def test_values_come_out_exact(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.parquet",
        """SELECT '007' AS id, 12345678901234567.89::DECIMAL(38,2) AS price, TIMESTAMP '2020-01-01 08:00:00.123456' AS local,
        TIMESTAMPTZ '2020-01-01 08:00:00+08' AS zoned, [TIMESTAMPTZ '2020-01-01 08:00:00+08'] AS zones, DATE '2020-02-29' AS day,
        {'a': 1, 'b': [1.5::DECIMAL(9,2)]} AS nested, NULL::INT AS nothing, [1.10::DECIMAL(9,2)] AS prices, 3 AS "od""d" """,
    )
    table = open_table(path)
    assert table.rows_total == 1
    (row,) = table.rows()
    assert isinstance(row, Row)
    assert dict(zip(table.columns, row.cells, strict=True)) == {
        "id": "007",
        "price": Decimal("12345678901234567.89"),
        "local": datetime(2020, 1, 1, 8, 0, 0, 123456),  # noqa: DTZ001
        "zoned": datetime(2020, 1, 1, tzinfo=UTC),
        "zones": ["2020-01-01 00:00:00+00"],
        "day": date(2020, 2, 29),
        "nested": {"a": 1, "b": [Decimal("1.50")]},
        "nothing": None,
        "prices": [Decimal("1.10")],
        'od"d': 3,
    }
    assert row.cells[3].tzinfo is UTC


def test_name_that_looks_like_a_pattern(tmp_path: Path) -> None:
    write(tmp_path / "a1.parquet", "SELECT 1 AS a")
    path = write(tmp_path / "plain.parquet", "SELECT 2 AS a").rename(tmp_path / "a[1]*?'.parquet")
    assert [row.cells for row in open_table(path).rows()] == [(2,)]


def test_not_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UnreadableFile, match=r"t.parquet is not a Parquet file"):
        open_table(path)


def test_cut_off_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", "SELECT range AS a FROM range(100000)")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableFile, match="cut off"):
        open_table(path)


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", "SELECT 'name ' || range AS a FROM range(200000)")
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 5000] = os.urandom(5000)
    path.write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"t.parquet"):
        list(open_table(path).rows())
    footer = bytearray(path.read_bytes())
    footer[-60:-8] = b"\xff" * 52
    path.write_bytes(footer)
    with pytest.raises(UnreadableFile, match=r"t.parquet"):
        open_table(path)


def test_parquet_in_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet.gz"
    path.write_bytes(b"\x1f\x8b")
    with pytest.raises(UnreadableFile, match="compressed inside already"):
        open_table(path)


@pytest.mark.skipif(not REAL.exists(), reason="../shared/data is absent")
def test_real_file_is_read_whole() -> None:
    table = open_table(REAL)
    assert table.rows_total == 525_461
    assert sum(1 for _ in table.rows()) == 525_461
