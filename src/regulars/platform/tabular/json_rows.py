"""One JSON object per line; nested values stay nested.

Decides what a line's record is. Numbers that a float cannot hold exactly arrive as Decimal, all others as int or float.
"""

from collections.abc import Iterator
from decimal import Decimal
from math import isinf
from pathlib import Path
from typing import Any, cast

import msgspec

from regulars.platform.tabular import streams
from regulars.platform.tabular.errors import UnreadableFile
from regulars.platform.tabular.table import CELL_BYTES_MAX, NOTE_COLUMNS, RAW_COLUMN, BadRow, Meter, Row, Table

COLUMN_SAMPLE_ROWS = 1_000
"""Columns are the keys of that many first lines; a key first seen later is mapped by the same rules when it comes."""

FLOAT_DIGITS_EXACT = 15


def open_jsonl(path: Path, encoding: str | None, bytes_total: int) -> Table:
    """Raises: UnreadableFile, UnknownEncoding."""
    sample = streams.read_sample(path)
    found = encoding or streams.detect_encoding(path, sample)
    if sample.decode(found, "replace").removeprefix("\ufeff").lstrip().startswith("["):
        raise UnreadableFile(
            f"{path.name} is one JSON list; import wants one object per line (jq -c '.[]' {path.name} makes it so).",
            path=str(path),
        )

    def rows(meter: Meter) -> Iterator[Row | BadRow]:
        flags: streams.Flags = {}
        return iter_objects(streams.iter_lines(path, streams.iter_text(path, found, meter), flags), flags)

    columns: dict[str, None] = {}
    first_bad: BadRow | None = None
    for row, _ in zip(rows(Meter()), range(COLUMN_SAMPLE_ROWS), strict=False):
        if isinstance(row, Row) and isinstance(row.cells, dict):
            columns.update(dict.fromkeys(row.cells))
        elif isinstance(row, BadRow):
            first_bad = first_bad or row
    if not columns and first_bad is not None:
        raise UnreadableFile(
            f"{path.name} holds no JSON object per line; line {first_bad.line} {first_bad.reason}.", path=str(path)
        )
    return Table(path, "jsonl", list(columns), rows, bytes_total=bytes_total)


def iter_objects(lines: Iterator[str], flags: streams.Flags) -> Iterator[Row | BadRow]:
    """Every line that is not blank, as a row whose cells are a dict."""
    decode = msgspec.json.Decoder(float_hook=_exact_number).decode
    number = 0
    for at, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        number += 1
        if flags and at in flags:
            yield BadRow(number, at, None, flags.pop(at), raw=line)
            continue
        try:
            cells = decode(line)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            yield BadRow(number, at, None, _describe(error), raw=line)
            continue
        if type(cells) is not dict:
            yield BadRow(number, at, None, "is not a JSON object", raw=line)
        elif RAW_COLUMN in cells or len(line) > CELL_BYTES_MAX // 4:
            yield _check_object(number, at, line, cast(dict[str, Any], cells))
        else:
            yield Row(number, at, cast(dict[str, Any], cells))


def _check_object(number: int, at: int, line: str, cells: dict[str, Any]) -> Row | BadRow:
    """The rare cases: a long line, and a line of a rejects file that holds another line's text."""
    raw = cells.get(RAW_COLUMN)
    if isinstance(raw, str) and all(name in cells for name in NOTE_COLUMNS):
        (inner,) = iter_objects(iter([raw.replace("\n", " ")]), {}) if raw.strip() else (None,)
        if inner is None:
            return BadRow(number, at, None, "is empty", raw=raw)
        inner.number, inner.line = number, at
        return inner
    for name, value in cells.items():
        if len(msgspec.json.encode(value)) > CELL_BYTES_MAX:
            reason = f"is longer than {CELL_BYTES_MAX >> 20} MiB (limit cell_bytes_max)"
            return BadRow(number, at, name, reason, cells)
    return Row(number, at, cells)


def _exact_number(text: str) -> float | Decimal:
    number = float(text)
    if isinf(number):
        raise ValueError(f"the number {text[:40]} is too large")
    if len(text) > FLOAT_DIGITS_EXACT and Decimal(repr(number)) != Decimal(text):
        return Decimal(text)
    return number


def _describe(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    reason = str(error).removeprefix("JSON is malformed: ")
    return f"is not valid JSON: {reason}"
