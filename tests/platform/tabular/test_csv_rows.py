"""CSV: what one broken record costs, and that nothing else is lost."""

import bz2
import csv
import gzip
import io
import lzma
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.platform.tabular.csv_rows import iter_records
from regulars.platform.tabular.errors import DuplicateColumn, UnknownEncoding, UnreadableFile
from regulars.platform.tabular.reader import open_table
from regulars.platform.tabular.table import RECORD_LINES_MAX, BadRow, Row


def write(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(tmp_path: Path, content: str | bytes, name: str = "t.csv", encoding: str | None = None):
    table = open_table(write(tmp_path, content, name), encoding=encoding)
    return table.columns, list(table.rows())


def good(rows: list[Row | BadRow]) -> list[object]:
    return [row.cells for row in rows if isinstance(row, Row)]


def bad(rows: list[Row | BadRow]) -> list[tuple[int, int, str]]:
    return [(row.number, row.line, row.reason) for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    lines = [
        delimiter.join(cells) for cells in (["id", "name", "at"], ["007", "a,b;c" if delimiter == "|" else "x", ""])
    ]
    columns, rows = read(tmp_path, "\n".join(lines))
    assert columns == ["id", "name", "at"]
    assert good(rows)[0][0] == "007"  # type: ignore[index]


def test_bom_crlf_and_quoted_line_feeds(tmp_path: Path) -> None:
    columns, rows = read(tmp_path, b'\xef\xbb\xbfid,note\r\n1,"two\r\nlines, ""so"""\r\n\r\n2,\r\n')
    assert columns == ["id", "note"]
    assert [(row.number, row.line, row.cells) for row in rows if isinstance(row, Row)] == [
        (1, 2, ["1", 'two\r\nlines, "so"']),
        (2, 5, ["2", ""]),
    ]


def test_old_mac_line_ends(tmp_path: Path) -> None:
    assert good(read(tmp_path, "a,b\r1,2\r3,4\r")[1]) == [["1", "2"], ["3", "4"]]


def test_ragged_rows_are_rejected_alone(tmp_path: Path) -> None:
    _, rows = read(tmp_path, "a,b,c\n1,2,3\n1,2\n1,2,3,4\n4,5,6\n")
    assert good(rows) == [["1", "2", "3"], ["4", "5", "6"]]
    assert bad(rows) == [
        (2, 3, "has 2 cells where the header has 3"),
        (3, 4, "has 4 cells where the header has 3"),
    ]


def test_unclosed_quote_costs_one_line(tmp_path: Path) -> None:
    lines = ["a,b", '1,"open', "2,x", '3,"y"', "4,z"]
    _, rows = read(tmp_path, "\n".join(lines))
    assert good(rows) == [["2", "x"], ["3", "y"], ["4", "z"]]
    assert [(number, line) for number, line, _ in bad(rows)] == [(1, 2)]
    assert next(row.raw for row in rows if isinstance(row, BadRow)) == '1,"open'


def test_unclosed_quote_at_the_start_of_a_long_file_costs_one_line(tmp_path: Path) -> None:
    count = RECORD_LINES_MAX * 3
    _, rows = read(tmp_path, 'a,b\n0,"open\n' + "".join(f"{at},x\n" for at in range(count)))
    assert len(good(rows)) == count
    assert bad(rows) == [
        (1, 2, f"a quote is opened and not closed within {RECORD_LINES_MAX} lines (limit record_lines_max)")
    ]


def test_unclosed_quote_in_the_last_line(tmp_path: Path) -> None:
    _, rows = read(tmp_path, 'a,b\n1,2\n3,"4')
    assert good(rows) == [["1", "2"]]
    assert bad(rows) == [(2, 3, "a quote is opened and never closed")]


def test_bad_utf8_in_the_middle_names_line_and_byte(tmp_path: Path) -> None:
    body = b"".join(b"%d,\xe5\x91\xa8\n" % at for at in range(50_000))
    _, rows = read(tmp_path, b"id,name\n" + body + b"x,ab\xff\n" + body)
    assert len(good(rows)) == 100_000
    assert bad(rows) == [
        (50_001, 50_002, "byte 5 of the line (0xFF) is not text in the file's encoding (another one: --encoding)")
    ]


def test_nul_is_rejected(tmp_path: Path) -> None:
    _, rows = read(tmp_path, b"a,b\n1,2\n3,\x004\n")
    assert bad(rows) == [(2, 3, "holds a NUL character at position 3")]


def test_ten_megabyte_cell_is_rejected_and_kept(tmp_path: Path) -> None:
    _, rows = read(tmp_path, "a,b\n1,2\n3," + "x" * 10_000_000 + "\n5,6\n")
    assert good(rows) == [["1", "2"], ["5", "6"]]
    (row,) = [row for row in rows if isinstance(row, BadRow)]
    assert row.reason == "cell 2 is longer than 1 MiB (limit cell_bytes_max)"
    assert row.cells is not None and len(row.cells[1]) == 10_000_000


def test_gzip_bomb_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b\n1,2\n")
        for _ in range(100):
            file.write(b"0" * 1_000_000)
        file.write(b"\n3,4\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = list(open_table(path).rows())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 90_000  # KB; the line has 100,000
    assert good(rows) == [["1", "2"], ["3", "4"]]
    assert bad(rows) == [(2, 3, "is longer than 16 MiB (limit record_bytes_max)")]


def test_endless_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b\n1,2\n")
        for _ in range(300):
            file.write(b"0" * 1_000_000)
    with pytest.raises(UnreadableFile, match=r"bomb.csv.gz: line 3 is longer than 256 MiB"):
        list(open_table(path).rows())


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed_files(tmp_path: Path, suffix: str, compress) -> None:
    assert good(read(tmp_path, compress(b"a,b\n1,2\n"), f"t.csv{suffix}")[1]) == [["1", "2"]]


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_truncated_compressed_file_says_so(tmp_path: Path, suffix: str, compress) -> None:
    content = compress(b"a,b\n" + b"".join(b"%d,%d\n" % (at, at * 7919 % 10007) for at in range(40_000)))
    path = write(tmp_path, content[: len(content) * 3 // 4], f"t.csv{suffix}")
    with pytest.raises(UnreadableFile, match=rf"t.csv{suffix} ends too early"):
        list(open_table(path).rows())


def test_zstandard_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"zstd -d t.csv.zst"):
        open_table(write(tmp_path, b"\x28\xb5\x2f\xfd", "t.csv.zst"))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"t.csv is empty"):
        read(tmp_path, content)


def test_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\n") == (["a", "b"], [])


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DuplicateColumn, match=r"two columns named 'b' \(2 and 4\)"):
        read(tmp_path, "a,b,c,b\n1,2,3,4\n")


def test_column_without_a_name_gets_one(tmp_path: Path) -> None:
    assert read(tmp_path, ",b\n0,1\n")[0] == ["column 1", "b"]


def test_single_column(tmp_path: Path) -> None:
    assert read(tmp_path, "id\n001\n\n002\n")[0] == ["id"]
    assert good(read(tmp_path, "id\n001\n\n002\n")[1]) == [["001"], ["002"]]


def test_big5_is_recognised_and_readable_when_said(tmp_path: Path) -> None:
    content = "會員編號,姓名\n001,王小明\n002,陳美麗|許\n".encode("cp950")
    with pytest.raises(UnknownEncoding, match=r"line 1 holds the byte 0xB7 at position 0.*--encoding cp950"):
        read(tmp_path, content)
    columns, rows = read(tmp_path, content, encoding="cp950")
    assert columns == ["會員編號", "姓名"]
    assert good(rows) == [["001", "王小明"], ["002", "陳美麗|許"]]


def test_western_text_is_not_taken_for_big5(tmp_path: Path) -> None:
    with pytest.raises(UnknownEncoding, match="--encoding cp1252"):
        read(tmp_path, "id,name\n1,Zoë\n2,Müller\n3,Café au lait\n".encode("cp1252"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf16_with_a_mark_is_read(tmp_path: Path, encoding: str) -> None:
    assert good(read(tmp_path, "編號,b\n1,二\n".encode(encoding))[1]) == [["1", "二"]]


def test_utf16_without_a_mark_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownEncoding, match="--encoding utf-16-le"):
        read(tmp_path, "a,b\n1,2\n".encode("utf-16-le"))


def test_unknown_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="no encoding 'big-five-ish'"):
        read(tmp_path, "a,b\n", encoding="big-five-ish")


def test_bad_byte_in_a_big5_file_costs_one_row(tmp_path: Path) -> None:
    content = "編號,姓名\n1,王\n".encode("cp950") + b"2,\xff\n" + "3,陳\n".encode("cp950")
    _, rows = read(tmp_path, content, encoding="cp950")
    assert good(rows) == [["1", "王"], ["3", "陳"]]
    assert bad(rows)[0][:2] == (2, 3)


@pytest.mark.parametrize("head", [b"PAR1", b"PK\x03\x04", b"\x1f\x8b\x08", b"SQLite format 3\0"])
def test_what_is_no_text_is_refused_by_name(tmp_path: Path, head: bytes) -> None:
    with pytest.raises(UnreadableFile, match=r"t.csv is not a text file but"):
        read(tmp_path, head + b"\x00" * 100)


cells = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@given(
    st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=8)
    )
)
def test_what_csv_writes_is_read_back(records: list[list[str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows(records)
    lines = iter(buffer.getvalue().removesuffix("\r\n").split("\n"))
    assert [row.cells for row in iter_records(lines, {}, ",", len(records[0]))] == records


@given(st.text(st.sampled_from('a,"\n\r|'), max_size=60))
def test_any_text_is_read_without_an_exception_and_keeps_every_good_line(noise: str) -> None:
    lines = ["h,i", *noise.split("\n"), "x,y"]
    rows = list(iter_records(iter(lines), {}, ",", 2))
    assert [row.number for row in rows] == list(range(len(rows)))
    assert all(isinstance(row, BadRow) or len(row.cells) == 2 for row in rows)
