"""JSON lines: nested values stay, one bad line costs one row."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from regulars.platform.tabular.errors import UnreadableFile
from regulars.platform.tabular.reader import open_table
from regulars.platform.tabular.table import BadRow, Row


def read(tmp_path: Path, content: bytes | str, name: str = "t.jsonl"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    table = open_table(path)
    return table, list(table.rows())


def test_columns_are_the_keys_in_order_of_appearance(tmp_path: Path) -> None:
    table, rows = read(tmp_path, '{"id":"007","a":{"b":[1,2]}}\n\n{"id":"8","c":null}\n')
    assert table.columns == ["id", "a", "c"]
    assert [(row.number, row.line, row.cells) for row in rows if isinstance(row, Row)] == [
        (1, 1, {"id": "007", "a": {"b": [1, 2]}}),
        (2, 3, {"id": "8", "c": None}),
    ]


def test_bad_lines_cost_one_row_each(tmp_path: Path) -> None:
    lines = [b'{"id":1}', b'{"id":2', b"[3]", b'{"id":"\xff"}', b'{"id":1e999}', b'{"a":' * 3000, b'{"id":7}']
    _, rows = read(tmp_path, b"\n".join(lines))
    assert [row.number for row in rows if isinstance(row, Row)] == [1, 7]
    reasons = {row.line: row.reason for row in rows if isinstance(row, BadRow)}
    assert list(reasons) == [2, 3, 4, 5, 6]
    assert reasons[3] == "is not a JSON object"
    assert reasons[4] == "byte 8 of the line (0xFF) is not text in the file's encoding (another one: --encoding)"
    assert "too large" in reasons[5]


def test_numbers_that_no_float_holds_stay_exact(tmp_path: Path) -> None:
    _, (row,) = read(tmp_path, '{"a":0.1,"b":12345678901234567.89,"c":123456789012345678901}')
    assert isinstance(row, Row)
    assert row.cells == {"a": 0.1, "b": Decimal("12345678901234567.89"), "c": 123456789012345678901}


def test_long_value_names_its_key(tmp_path: Path) -> None:
    _, rows = read(tmp_path, '{"id":"1"}\n{"id":"2","note":"' + "x" * 10_000_000 + '"}\n{"id":"3"}\n')
    assert [(row.number, row.field) for row in rows if isinstance(row, BadRow)] == [(2, "note")]
    assert len(rows) == 3


def test_compressed_and_named_by_content(tmp_path: Path) -> None:
    assert len(read(tmp_path, gzip.compress(b'{"a":1}\n{"a":2}\n'), "t.ndjson.gz")[1]) == 2
    assert read(tmp_path, b'\xef\xbb\xbf {"a":1}\n', "export")[0].format == "jsonl"


def test_json_list_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"jq -c"):
        read(tmp_path, '[{"a":1}]', "t.json")


def test_file_without_a_single_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="line 1 is not valid JSON"):
        read(tmp_path, "a,b\n1,2\n")
